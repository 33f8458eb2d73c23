package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/mail"
	"strings"

	"github.com/emersion/go-smtp"
)

// mailServer is a real one, which reads the code of each mail that it takes.
type mailServer struct {
	address string
	codes   *codes
	server  *smtp.Server
}

func receiveMails(ctx context.Context) (*mailServer, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for mails: %w", err)
	}
	m := &mailServer{address: listener.Addr().String(), codes: newCodes()}
	m.server = smtp.NewServer(m)
	m.server.Domain = "127.0.0.1"
	go func() { _ = m.server.Serve(listener) }()
	return m, nil
}

func (m *mailServer) stop() { _ = m.server.Close() }

// NewSession implements smtp.Backend.
func (m *mailServer) NewSession(*smtp.Conn) (smtp.Session, error) {
	return &mailSession{codes: m.codes}, nil
}

type mailSession struct {
	codes *codes
	to    string
}

// Mail implements smtp.Session.
func (s *mailSession) Mail(string, *smtp.MailOptions) error { return nil }

// Rcpt implements smtp.Session.
func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	return nil
}

// Data implements smtp.Session.
func (s *mailSession) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, m.Body)
	code, _, _ := strings.Cut(m.Header.Get("Subject"), " ")
	s.codes.arrived(s.to, code)
	return nil
}

// Reset implements smtp.Session.
func (s *mailSession) Reset() {}

// Logout implements smtp.Session.
func (s *mailSession) Logout() error { return nil }
