package courier

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// mailServer is a real SMTP server on this machine, with settings that a test changes under its lock.
type mailServer struct {
	addr  string
	roots *x509.CertPool
	smtp  *smtp.Server

	mu          sync.Mutex
	password    string // of "sallyport"; empty asks for none
	mechanisms  []string
	mail, rcpt  error
	data        error
	dropInData  bool // hang up in the middle of a mail
	received    []receivedMail
	connections int
}

type receivedMail struct {
	from      string
	to        []string
	data      string
	encrypted bool
	user      string
}

// certificate is for 127.0.0.1, with the pool that trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	web := httptest.NewTLSServer(nil)
	defer web.Close()
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	return web.TLS.Certificates[0], roots
}

// startMailServer runs a server that speaks TLS by "starttls", "implicit" or "none".
func startMailServer(t *testing.T, kind string) *mailServer {
	t.Helper()
	cert, roots := certificate(t)
	m := &mailServer{roots: roots, mechanisms: []string{"PLAIN", "LOGIN"}}
	m.smtp = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.connections++
		return &mailSession{server: m, conn: c}, nil
	}))
	m.smtp.Domain = "mail.example.net"
	m.smtp.AllowInsecureAuth = true
	m.smtp.EnableSMTPUTF8 = true
	m.smtp.ErrorLog = discard{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	switch kind {
	case "starttls":
		m.smtp.TLSConfig = config
	case "implicit":
		listener = tls.NewListener(listener, config)
	}
	m.addr = listener.Addr().String()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = m.smtp.Serve(listener) // ends with the server
	}()
	t.Cleanup(func() { _ = m.smtp.Close(); <-done })
	return m
}

func (m *mailServer) set(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

func (m *mailServer) mails() []receivedMail {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.received)
}

// mailSession is one connection.
type mailSession struct {
	server *mailServer
	conn   *smtp.Conn
	user   string
	mail   receivedMail
}

func (s *mailSession) Reset()        { s.mail = receivedMail{} }
func (s *mailSession) Logout() error { return nil }

func (s *mailSession) AuthMechanisms() []string {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if s.server.password == "" {
		return nil
	}
	return s.server.mechanisms
}

func (s *mailSession) Auth(mechanism string) (sasl.Server, error) {
	if mechanism == "LOGIN" {
		return &loginServer{check: s.check}, nil
	}
	return sasl.NewPlainServer(func(_, user, password string) error { return s.check(user, password) }), nil
}

func (s *mailSession) check(user, password string) error {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if user != "sallyport" || password != s.server.password {
		return smtp.ErrAuthFailed
	}
	s.user = user
	return nil
}

// loginServer is the LOGIN mechanism.
type loginServer struct {
	check func(user, password string) error
	said  []string
}

func (l *loginServer) Next(response []byte) ([]byte, bool, error) {
	if response != nil {
		l.said = append(l.said, string(response))
	}
	switch len(l.said) {
	case 0:
		return []byte("Username:"), false, nil
	case 1:
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.said[0], l.said[1])
}

func (s *mailSession) Mail(from string, o *smtp.MailOptions) error {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if s.server.password != "" && s.user == "" {
		return smtp.ErrAuthRequired
	}
	if o != nil && o.UTF8 {
		return errors.New("SMTPUTF8 was asked for without need")
	}
	_, encrypted := s.conn.TLSConnectionState()
	s.mail = receivedMail{from: from, encrypted: encrypted, user: s.user}
	return s.server.mail
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.mail.to = append(s.mail.to, to)
	return s.server.rcpt
}

func (s *mailSession) Data(r io.Reader) error {
	s.server.mu.Lock()
	drop := s.server.dropInData
	s.server.mu.Unlock()
	if drop {
		return s.hangUp()
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if s.server.data != nil {
		return s.server.data
	}
	s.mail.data = string(b)
	s.server.received = append(s.server.received, s.mail)
	return nil
}

func (s *mailSession) hangUp() error {
	_ = s.conn.Conn().Close()
	return errors.New("hung up")
}

type discard struct{}

func (discard) Printf(string, ...any) {}
func (discard) Println(...any)        {}
