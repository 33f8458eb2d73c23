package courier

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

const (
	maxIdle      = 4
	idleTime     = 15 * time.Second // servers hang up on silence after a minute or more
	resetTime    = 3 * time.Second  // for an idle connection to prove that it is alive
	mailsPerConn = 50
	bytesPerConn = 1 << 20 // that a server may say in all
)

var (
	errNoSTARTTLS = errors.New("the server does not offer STARTTLS")
	errNoAuth     = errors.New("the server does not offer a way to authenticate that is known here")
	errTalkative  = errors.New("the server says too much")
)

// smtpConn is a connection that is ready for the next mail.
type smtpConn struct {
	net     net.Conn
	session *smtp.Client
	mails   int
	expiry  *time.Timer // while idle
}

// begin takes an idle connection, or makes one, and sees to it that the server is there.
func (s *SMTP) begin(ctx context.Context) (*smtpConn, error) {
	for {
		c := s.take()
		if c == nil {
			return s.dial(ctx)
		}
		soon, cancel := context.WithTimeout(ctx, resetTime)
		err := c.do(soon, c.session.Reset)
		cancel()
		if err == nil {
			return c, nil
		}
		c.close() // the server hung up, has enough of this connection, or is out of reach by it
	}
}

func (s *SMTP) dial(ctx context.Context) (*smtpConn, error) {
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.cfg.Addr)
	if err != nil {
		return nil, smtpError(ctx, fmt.Errorf("connecting: %w", err), false)
	}
	bounded := &boundedConn{Conn: raw}
	bounded.left.Store(bytesPerConn)
	conn := net.Conn(bounded)
	if s.cfg.TLS == "implicit" {
		conn = tls.Client(conn, s.tls)
	}
	c := &smtpConn{net: raw}
	if err := c.do(ctx, func() error { return s.greet(ctx, c, conn) }); err != nil {
		c.close()
		return nil, smtpError(ctx, err, false)
	}
	return c, nil
}

// greet brings a new connection to where mails can be sent. It does so on the library's protocol client: the library's
// dialler above that does not heed the context and leaves connections open that it could not use.
func (s *SMTP) greet(ctx context.Context, c *smtpConn, conn net.Conn) error {
	if t, ok := conn.(*tls.Conn); ok {
		if err := t.HandshakeContext(ctx); err != nil {
			return fmt.Errorf("beginning TLS: %w", err)
		}
	}
	session, err := smtp.NewClient(conn, s.host)
	if err != nil {
		return fmt.Errorf("greeting the server: %w", err)
	}
	session.SkipSMTPUTF8(true) // our addresses are ASCII; asking for it could make a later server refuse
	if err := session.Hello(s.hello); err != nil {
		return fmt.Errorf("greeting the server: %w", err)
	}
	if s.cfg.TLS == "starttls" {
		if offered, _ := session.Extension("STARTTLS"); !offered {
			return errNoSTARTTLS
		}
		if err := session.StartTLS(s.tls); err != nil {
			return fmt.Errorf("beginning TLS: %w", err)
		}
	}
	c.session = session
	return s.login(session)
}

// login authenticates in the first way of ours that the server offers. Plain comes first as the most dependable: the
// password goes over verified TLS, or to this machine, or nowhere.
func (s *SMTP) login(session *smtp.Client) error {
	if s.cfg.Username == "" {
		return nil
	}
	user, pass := s.cfg.Username, s.cfg.Password
	local := s.cfg.TLS == "none" // NewSMTP saw to it that the host is this machine
	ways := []struct {
		name string
		auth smtp.Auth
	}{
		{"PLAIN", smtp.PlainAuth("", user, pass, s.host, local)},
		{"LOGIN", smtp.LoginAuth(user, pass, s.host, local)},
		{"SCRAM-SHA-256", smtp.ScramSHA256Auth(user, pass)},
		{"SCRAM-SHA-1", smtp.ScramSHA1Auth(user, pass)},
		{"CRAM-MD5", smtp.CRAMMD5Auth(user, pass)},
	}
	_, offered := session.Extension("AUTH")
	for _, way := range ways {
		if !slices.Contains(strings.Fields(offered), way.name) {
			continue
		}
		if err := session.Auth(way.auth); err != nil {
			return fmt.Errorf("authenticating: %w", err)
		}
		return nil
	}
	return errNoAuth
}

// send is one mail transaction. Once it returns an answer without an error, the mail is the server's.
func (c *smtpConn) send(ctx context.Context, from, to string, body []byte) (answer string, err error) {
	err = c.do(ctx, func() error {
		if err := c.session.Mail("<" + from + ">"); err != nil {
			return err
		}
		if err := c.session.Rcpt("<" + to + ">"); err != nil {
			return err
		}
		w, err := c.session.Data()
		if err != nil {
			return err
		}
		if _, err := w.Write(body); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return unanswered(err)
		}
		if d, ok := w.(*smtp.DataCloser); ok {
			answer = d.ServerResponse()
		}
		return nil
	})
	c.mails++
	return answer, err
}

// errUnanswered is a mail that was sent to its end, without a word about it.
var errUnanswered = errors.New("the server said nothing of the mail")

func unanswered(err error) error {
	if _, answer := errors.AsType[*textproto.Error](err); answer {
		return err
	}
	return fmt.Errorf("%w: %w", errUnanswered, err)
}

// do talks to the server until ctx ends, which cuts the connection.
func (c *smtpConn) do(ctx context.Context, talk func() error) error {
	stop := context.AfterFunc(ctx, func() { _ = c.net.Close() })
	defer stop()
	return talk()
}

// quit says goodbye and closes.
func (c *smtpConn) quit(ctx context.Context) {
	_ = c.do(ctx, c.session.Quit) // nothing hangs on it
	c.close()
}

func (c *smtpConn) close() { _ = c.net.Close() }

// take gives the connection that was used last, or nil.
func (s *SMTP) take() *smtpConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.idle) == 0 {
		return nil
	}
	c := s.idle[len(s.idle)-1]
	s.idle = s.idle[:len(s.idle)-1]
	c.expiry.Stop()
	return c
}

// keep puts a connection by for the next mail, for a while.
func (s *SMTP) keep(c *smtpConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.idle) == maxIdle || c.mails >= mailsPerConn {
		go s.sayGoodbye(c)
		return
	}
	c.expiry = time.AfterFunc(idleTime, func() {
		if s.remove(c) {
			s.sayGoodbye(c)
		}
	})
	s.idle = append(s.idle, c)
}

func (s *SMTP) remove(c *smtpConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.idle, c)
	if i >= 0 {
		s.idle = slices.Delete(s.idle, i, i+1)
	}
	return i >= 0
}

func (s *SMTP) sayGoodbye(c *smtpConn) {
	ctx, cancel := context.WithTimeout(context.Background(), recordTime)
	defer cancel()
	c.quit(ctx)
}

// boundedConn bounds what is read from a server that never stops talking.
type boundedConn struct {
	net.Conn
	left atomic.Int64
}

func (b *boundedConn) Read(p []byte) (int, error) {
	if b.left.Load() <= 0 {
		return 0, errTalkative
	}
	n, err := b.Conn.Read(p)
	b.left.Add(int64(-n))
	return n, err
}
