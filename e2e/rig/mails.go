package rig

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/mail"
	"strings"

	"github.com/emersion/go-smtp"
)

// Mails is a real mail server, which reads the code of each mail that it takes.
type Mails struct {
	Address string
	Codes   *Codes
	server  *smtp.Server
}

// ReceiveMails starts a mail server on loopback.
func ReceiveMails(ctx context.Context) (*Mails, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for mails: %w", err)
	}
	m := &Mails{Address: listener.Addr().String(), Codes: NewCodes()}
	m.server = smtp.NewServer(m)
	m.server.Domain = "127.0.0.1"
	go func() { _ = m.server.Serve(listener) }()
	return m, nil
}

// Stop ends the server.
func (m *Mails) Stop() { _ = m.server.Close() }

// NewSession implements smtp.Backend.
func (m *Mails) NewSession(*smtp.Conn) (smtp.Session, error) {
	return &mailSession{codes: m.Codes}, nil
}

type mailSession struct {
	codes *Codes
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
	s.codes.Arrived(s.to, code)
	return nil
}

// Reset implements smtp.Session.
func (s *mailSession) Reset() {}

// Logout implements smtp.Session.
func (s *mailSession) Logout() error { return nil }
