package courier

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/netip"
	"net/textproto"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/wneessen/go-mail"
)

// SMTPConfig says how to reach a mail server.
type SMTPConfig struct {
	Addr     string // host:port
	Username string // empty for no authentication
	Password string
	TLS      string         // "starttls" (also when empty), "implicit" or "none"
	From     string         // "Name <mailbox>", with an ASCII mailbox
	RootCAs  *x509.CertPool // nil for the system's
	Timeout  time.Duration  // of one try; 0 is 20 s
}

// SMTP is a [Mailer] that hands mails to one mail server (RFC 5321), over TLS 1.2 or later with a certificate for the
// server's name. With "starttls" it says nothing to a server that does not offer it; with "none" it gives a password
// only to this machine. It keeps a few connections for the next mails.
type SMTP struct {
	cfg   SMTPConfig
	host  string
	hello string // how this machine calls itself
	from  *netmail.Address
	tls   *tls.Config

	mu   sync.Mutex
	idle []*smtpConn
}

const smtpProvider = "smtp"

// NewSMTP checks the configuration. It connects to nothing.
func NewSMTP(cfg SMTPConfig) (*SMTP, error) {
	host, _, err := net.SplitHostPort(cfg.Addr)
	if err != nil || host == "" {
		return nil, fmt.Errorf("%q is not the address of a mail server: write it as host:port, such as mail.example.com:587", cfg.Addr)
	}
	switch cfg.TLS {
	case "":
		cfg.TLS = "starttls"
	case "starttls", "implicit":
	case "none":
		if cfg.Username != "" && !loopback(host) {
			return nil, errors.New("a password is not sent without TLS: use starttls or implicit, or leave the username empty")
		}
	default:
		return nil, fmt.Errorf("%q is not a kind of TLS: it is starttls, implicit or none", cfg.TLS)
	}
	from, err := netmail.ParseAddress(cfg.From)
	if err != nil || !ascii(from.Address) {
		return nil, fmt.Errorf("%q is not a sender: write it as Name <login@example.com>, with the domain in ASCII", cfg.From)
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = sendTimeout
	}
	hello, err := os.Hostname()
	if err != nil || hello == "" || !ascii(hello) {
		hello = "localhost"
	}
	return &SMTP{
		cfg: cfg, host: host, hello: hello, from: from,
		tls: &tls.Config{ServerName: host, RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12},
	}, nil
}

// SendMail implements [Mailer]. The envelope has exactly m.To. The receipt's ID is the Message-ID.
func (s *SMTP) SendMail(ctx context.Context, m Mail) (Receipt, error) {
	id := m.MessageID + "@" + s.from.Address[strings.LastIndexByte(s.from.Address, '@')+1:]
	body, err := s.write(m, id)
	if err != nil {
		return Receipt{}, &PermanentError{Err: fmt.Errorf("writing the mail: %w", err)}
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	c, err := s.begin(ctx)
	if err != nil {
		return Receipt{}, err
	}
	answer, err := c.send(ctx, s.from.Address, m.To, body)
	if err != nil {
		c.close()
		return Receipt{}, smtpError(ctx, err, true)
	}
	s.keep(c)
	return Receipt{Provider: smtpProvider, ID: id, Answer: answer}, nil
}

// Check connects, begins TLS and authenticates, as for a mail, and sends none.
func (s *SMTP) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	c, err := s.dial(ctx)
	if err != nil {
		return err
	}
	c.quit(ctx)
	return nil
}

// write renders the mail with its headers (RFC 5322, RFC 3834).
func (s *SMTP) write(m Mail, id string) ([]byte, error) {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	msg.FromMailAddress(s.from)
	if err := msg.To(m.To); err != nil {
		return nil, err
	}
	if to := msg.GetTo(); len(to) != 1 || to[0].Address != m.To {
		return nil, errors.New("the recipient is not one plain address")
	}
	msg.Subject(oneLine(m.Subject))
	msg.SetMessageIDWithValue(id)
	msg.SetDateWithValue(m.Date)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader("X-Auto-Response-Suppress", "All")
	if m.Language != "" {
		msg.SetGenHeader(mail.HeaderContentLang, oneLine(m.Language))
	}
	msg.SetBodyString(mail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		msg.AddAlternativeString(mail.TypeTextHTML, m.HTML)
	}
	var b bytes.Buffer
	_, err := msg.WriteTo(&b)
	return b.Bytes(), err
}

// oneLine keeps a header one line, whoever wrote its words.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// smtpError sorts what went wrong. An answer that begins with 5 to the mail itself is final; one to the connection or
// the login concerns us and not the mail.
func smtpError(ctx context.Context, err error, toMail bool) error {
	unsure := errors.Is(err, errUnanswered)
	if ctx.Err() != nil {
		return &ProviderError{Provider: smtpProvider, Unsure: unsure, Err: fmt.Errorf("%w: %w", ctx.Err(), err)}
	}
	var reply *textproto.Error
	if !errors.As(err, &reply) {
		var untrusted *tls.CertificateVerificationError
		setup := errors.Is(err, errNoSTARTTLS) || errors.Is(err, errNoAuth) || errors.As(err, &untrusted)
		return &ProviderError{Provider: smtpProvider, Setup: setup, Unsure: unsure, Err: err}
	}
	e := &ProviderError{Provider: smtpProvider, Code: reply.Code, Answer: reply.Msg}
	switch reply.Code {
	case 502, 503, 504, // the conversation is refused, by many servers for want of a login
		530, 534, 535, 538: // RFC 4954, section 6: authentication is needed, too weak, wrong, needs encryption
		e.Setup = true
		return e
	}
	if toMail && reply.Code >= 500 {
		return &PermanentError{Err: e}
	}
	return e
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII || unicode.IsControl(r) })
}
