package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// smtpServer is a real one, which can be told to fail.
type smtpServer struct {
	addr string

	mu     sync.Mutex
	mails  []mail
	seen   int                          // MAIL commands
	answer func(seen int) (error, bool) // of a MAIL command; true drops the connection
	reject func(mail) error             // of a whole mail
	thrown []mail                       // which were rejected
}

const (
	smtpUser     = "sallyport"
	smtpPassword = "smtp-password"
)

func newSMTPServer(t *testing.T) *smtpServer {
	t.Helper()
	s := &smtpServer{}
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &smtpSession{server: s, conn: c}, nil }))
	server.Domain = "localhost"
	server.TLSConfig = identity.config()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	go func() { _ = server.Serve(l) }() // ends with the listener
	t.Cleanup(func() { _ = server.Close() })
	return s
}

func (s *smtpServer) to(address string) []mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []mail
	for _, m := range s.mails {
		if m.To == address {
			found = append(found, m)
		}
	}
	return found
}

// behave sets how MAIL commands are answered, counted from one.
func (s *smtpServer) behave(answer func(seen int) (error, bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen, s.answer = 0, answer
}

// refuse sets how whole mails are rejected; nil for not at all.
func (s *smtpServer) refuse(with func(mail) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reject = with
}

func (s *smtpServer) refused(address string) []mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.thrown), func(m mail) bool { return m.To != address })
}

type smtpSession struct {
	server *smtpServer
	conn   *smtp.Conn
	authed bool
	rcpt   string
}

func (s *smtpSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *smtpSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if username != smtpUser || password != smtpPassword {
			return errors.New("wrong password")
		}
		s.authed = true
		return nil
	}), nil
}

func (s *smtpSession) Mail(string, *smtp.MailOptions) error {
	if _, encrypted := s.conn.TLSConnectionState(); !encrypted || !s.authed {
		return &smtp.SMTPError{Code: 530, Message: "use STARTTLS and a password"}
	}
	s.server.mu.Lock()
	s.server.seen++
	seen, answer := s.server.seen, s.server.answer
	s.server.mu.Unlock()
	if answer == nil {
		return nil
	}
	err, drop := answer(seen)
	if drop {
		_ = s.conn.Conn().Close()
	}
	return err
}

func (s *smtpSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.rcpt = to
	return nil
}

func (s *smtpSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m, err := parseMail(raw)
	if err != nil {
		return &smtp.SMTPError{Code: 554, Message: err.Error()}
	}
	m.To = s.rcpt
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if s.server.reject != nil {
		s.server.thrown = append(s.server.thrown, m)
		return s.server.reject(m)
	}
	s.server.mails = append(s.server.mails, m)
	return nil
}

func (s *smtpSession) Reset()        {}
func (s *smtpSession) Logout() error { return nil }

func parseMail(raw []byte) (mail, error) {
	parsed, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return mail{}, err
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject"))
	if err != nil {
		return mail{}, err
	}
	m := mail{Channel: "email", Subject: subject}
	kind, params, err := mime.ParseMediaType(parsed.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		return mail{}, fmt.Errorf("content type %q %w", kind, err)
	}
	parts := multipart.NewReader(parsed.Body, params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return m, nil
		}
		if err != nil {
			return mail{}, err
		}
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			return mail{}, err
		}
		if strings.HasPrefix(part.Header.Get("Content-Type"), "text/html") {
			m.HTML = string(body)
		} else {
			m.Text = string(body)
		}
	}
}

// twilioServer speaks as much of Twilio's API as sending takes, and can be told to fail.
type twilioServer struct {
	url string

	mu     sync.Mutex
	texts  []mail
	seen   int
	answer func(seen int, w http.ResponseWriter) bool // true: it has answered
	reject func(mail) string                          // the body of a 400
	thrown []mail
}

const (
	twilioAccount = "AC00000000000000000000000000000000"
	twilioToken   = "0123456789abcdef0123456789abcdef"
	twilioFrom    = "+15005550006"
)

func newTwilioServer(t *testing.T) *twilioServer {
	t.Helper()
	s := &twilioServer{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if user, password, _ := r.BasicAuth(); user != twilioAccount || password != twilioToken {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"code":20003,"message":"Authenticate","status":401}`)
			return
		}
		if r.Method != http.MethodPost || r.URL.Path != "/2010-04-01/Accounts/"+twilioAccount+"/Messages.json" {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"code":20404,"message":"not found","status":404}`)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.seen++
		if s.answer != nil && s.answer(s.seen, w) {
			return
		}
		if s.reject != nil {
			m := mail{Channel: "sms", To: r.PostFormValue("To"), Text: r.PostFormValue("Body")}
			s.thrown = append(s.thrown, m)
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, s.reject(m))
			return
		}
		if r.PostFormValue("From") != twilioFrom {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"code":21212,"message":"bad From","status":400}`)
			return
		}
		s.texts = append(s.texts, mail{Channel: "sms", To: r.PostFormValue("To"), Text: r.PostFormValue("Body")})
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, `{"sid":"SM%032d","status":"queued"}`, s.seen)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *twilioServer) to(number string) []mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []mail
	for _, m := range s.texts {
		if m.To == number {
			found = append(found, m)
		}
	}
	return found
}

// refuse sets with which body messages are rejected; nil for not at all.
func (s *twilioServer) refuse(with func(mail) string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reject = with
}

func (s *twilioServer) refusedTo(number string) []mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.thrown), func(m mail) bool { return m.To != number })
}

func (s *twilioServer) behave(answer func(seen int, w http.ResponseWriter) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen, s.answer = 0, answer
}

// transports is the configuration for both servers.
func transports(smtp *smtpServer, twilio *twilioServer) string {
	return fmt.Sprintf(`
mail:
  from: "Test <login@example.com>"
  transport: smtp
  smtp: {addr: %q, username: %q, password: %q, tls: starttls}
sms:
  transport: twilio
  twilio: {account_sid: %q, auth_token: %q, from: %q, base_url: %q}
`, smtp.addr, smtpUser, smtpPassword, twilioAccount, twilioToken, twilioFrom, twilio.url)
}
