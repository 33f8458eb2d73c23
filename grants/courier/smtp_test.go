package courier

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

func newSMTP(t *testing.T, m *mailServer, change func(*SMTPConfig)) *SMTP {
	t.Helper()
	cfg := SMTPConfig{Addr: m.addr, TLS: "starttls", From: "Sallyport <login@id.example.com>", RootCAs: m.roots, Timeout: 10 * time.Second}
	if change != nil {
		change(&cfg)
	}
	s, err := NewSMTP(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for c := s.take(); c != nil; c = s.take() {
			c.close()
		}
	})
	return s
}

func testMail() Mail {
	return Mail{
		To: "alice@example.com", Subject: "123456 is your code for Caffè", Text: "Your code: 123456\n.\nGrüße", HTML: "<p>123456 – Grüße</p>",
		MessageID: "abcDEF_-123", Language: "de", Date: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC),
	}
}

func send(t *testing.T, s *SMTP, m Mail) (Receipt, error) {
	t.Helper()
	return s.SendMail(t.Context(), m)
}

func TestMailArrivesWhole(t *testing.T) {
	m := startMailServer(t, "starttls")
	r, err := send(t, newSMTP(t, m, nil), testMail())
	if err != nil {
		t.Fatal(err)
	}
	if r.Provider != "smtp" || r.ID != "abcDEF_-123@id.example.com" || r.Answer == "" {
		t.Errorf("the receipt is %+v", r)
	}
	got := m.mails()[0]
	if got.from != "login@id.example.com" || len(got.to) != 1 || got.to[0] != "alice@example.com" || !got.encrypted {
		t.Errorf("the envelope is %+v", got)
	}
	msg, err := netmail.ReadMessage(strings.NewReader(got.data))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"From":                     `"Sallyport" <login@id.example.com>`,
		"To":                       "<alice@example.com>",
		"Date":                     "Mon, 04 May 2026 03:02:01 +0000",
		"Message-Id":               "<abcDEF_-123@id.example.com>",
		"Auto-Submitted":           "auto-generated",
		"X-Auto-Response-Suppress": "All",
		"Content-Language":         "de",
		"X-Mailer":                 "",
		"User-Agent":               "",
	} {
		if have := msg.Header.Get(name); have != want {
			t.Errorf("%s is %q, want %q", name, have, want)
		}
	}
	subject, err := (&mime.WordDecoder{}).DecodeHeader(msg.Header.Get("Subject"))
	if err != nil || subject != testMail().Subject {
		t.Errorf("the subject is %q (%v)", subject, err)
	}
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("the type is %q (%v)", kind, err)
	}
	parts := multipart.NewReader(msg.Body, params["boundary"])
	for _, want := range []struct{ kind, text string }{
		{"text/plain; charset=UTF-8", testMail().Text}, {"text/html; charset=UTF-8", testMail().HTML},
	} {
		part, err := parts.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil || part.Header.Get("Content-Type") != want.kind || strings.ReplaceAll(strings.TrimRight(string(text), "\r\n"), "\r\n", "\n") != want.text {
			t.Errorf("part %q is %q (%v)", part.Header.Get("Content-Type"), text, err)
		}
	}
}

func TestEnvelopeHasExactlyTheCanonicalAddress(t *testing.T) {
	m := startMailServer(t, "starttls")
	s := newSMTP(t, m, nil)
	for _, to := range []string{"o'brien+login@xn--bcher-kva.example", "a{b|c}~!#$%&*/=?^_`@example.com", "a.b-c@example.com"} {
		mail := testMail()
		mail.To = to
		if _, err := send(t, s, mail); err != nil {
			t.Errorf("%s: %v", to, err)
			continue
		}
		all := m.mails()
		if got := all[len(all)-1].to; len(got) != 1 || got[0] != to {
			t.Errorf("the envelope of %q has %q", to, got)
		}
	}
}

func TestNothingIsInjected(t *testing.T) {
	m := startMailServer(t, "starttls")
	s := newSMTP(t, m, nil)
	for _, to := range []string{
		"alice@example.com\r\nRCPT TO:<eve@example.com>", "alice@example.com, eve@example.com", "Alice <alice@example.com>",
		"alice@example.com>\r\nBcc: eve@example.com", "\"alice\"@example.com", "", "alice@example.com\x00",
	} {
		mail := testMail()
		mail.To = to
		_, err := send(t, s, mail)
		var permanent *PermanentError
		if !errors.As(err, &permanent) {
			t.Errorf("a mail to %q gave %v", to, err)
		}
	}
	if n := len(m.mails()); n != 0 {
		t.Fatalf("%d of them arrived", n)
	}
	mail := testMail()
	mail.Subject = "123456 is your code for App\r\nBcc: eve@example.com\r\n\r\n<script>"
	mail.Language = "en\r\nBcc: eve@example.com"
	mail.Text = "line\r\n.\r\nMAIL FROM:<eve@example.com>\r\n"
	if _, err := send(t, s, mail); err != nil {
		t.Fatal(err)
	}
	all := m.mails()
	msg, err := netmail.ReadMessage(strings.NewReader(all[0].data))
	if err != nil || len(all) != 1 {
		t.Fatalf("%d mails (%v)", len(all), err)
	}
	if msg.Header.Get("Bcc") != "" || !strings.Contains(all[0].data, "<p>") {
		t.Errorf("the mail is\n%s", all[0].data)
	}
}

func TestTLSAndLogin(t *testing.T) {
	for _, kind := range []string{"starttls", "implicit", "none"} {
		for _, mechanism := range []string{"PLAIN", "LOGIN"} {
			t.Run(kind+" "+mechanism, func(t *testing.T) {
				m := startMailServer(t, kind)
				m.password, m.mechanisms = "right", []string{"XOAUTH2", mechanism}
				s := newSMTP(t, m, func(c *SMTPConfig) { c.TLS, c.Username, c.Password = kind, "sallyport", "right" })
				if err := s.Check(t.Context()); err != nil {
					t.Errorf("Check: %v", err)
				}
				if _, err := send(t, s, testMail()); err != nil {
					t.Fatal(err)
				}
				if got := m.mails()[0]; got.user != "sallyport" || got.encrypted != (kind != "none") {
					t.Errorf("the mail came as %+v", got)
				}
			})
		}
	}
}

func TestSetupErrorsAreRetriedAndNamed(t *testing.T) {
	login := func(c *SMTPConfig) { c.Username, c.Password = "sallyport", "wrong" }
	tests := map[string]struct {
		server string
		change func(*mailServer)
		client func(*SMTPConfig)
	}{
		"wrong password":         {"starttls", func(m *mailServer) { m.password = "right" }, login},
		"no password given":      {"starttls", func(m *mailServer) { m.password = "right" }, nil},
		"no known mechanism":     {"starttls", func(m *mailServer) { m.password, m.mechanisms = "right", []string{"XOAUTH2"} }, login},
		"login is not offered":   {"starttls", nil, login},
		"no STARTTLS":            {"none", nil, nil},
		"no STARTTLS, no secret": {"none", func(m *mailServer) { m.password = "right" }, login},
		"untrusted certificate":  {"starttls", nil, func(c *SMTPConfig) { c.RootCAs = nil }},
		"untrusted, implicit":    {"implicit", nil, func(c *SMTPConfig) { c.RootCAs, c.TLS = nil, "implicit" }},
		"certificate of another": {"starttls", nil, func(c *SMTPConfig) { c.Addr = strings.Replace(c.Addr, "127.0.0.1", "localhost", 1) }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := startMailServer(t, test.server)
			if test.change != nil {
				test.change(m)
			}
			s := newSMTP(t, m, test.client)
			_, err := send(t, s, testMail())
			var permanent *PermanentError
			var provider *ProviderError
			if errors.As(err, &permanent) || !errors.As(err, &provider) || !provider.Setup {
				t.Errorf("the error is %#v: %v", err, err)
			}
			if strings.Contains(fmt.Sprint(err), "wrong") {
				t.Errorf("the error holds the password: %v", err)
			}
			if n := len(m.mails()); n != 0 {
				t.Errorf("%d mails arrived", n)
			}
			if name == "no password given" {
				return // that a password is needed shows at the first mail only
			}
			if err := s.Check(t.Context()); !errors.As(err, &provider) || !provider.Setup {
				t.Errorf("Check: %v", err)
			}
		})
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	m := startMailServer(t, "starttls")
	m.smtp.TLSConfig.MinVersion, m.smtp.TLSConfig.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if _, err := send(t, newSMTP(t, m, nil), testMail()); err == nil {
		t.Error("a mail went out over TLS 1.1")
	}
}

func TestAnswersToAMailAreSorted(t *testing.T) {
	answer := func(code int, text string) error {
		return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: text}
	}
	phases := map[string]func(*mailServer, error){
		"MAIL": func(m *mailServer, err error) { m.mail = err },
		"RCPT": func(m *mailServer, err error) { m.rcpt = err },
		"DATA": func(m *mailServer, err error) { m.data = err },
	}
	for phase, set := range phases {
		for code, final := range map[int]bool{421: false, 451: false, 452: false, 550: true, 552: true, 554: true} {
			t.Run(fmt.Sprint(phase, code), func(t *testing.T) {
				m := startMailServer(t, "starttls")
				set(m, answer(code, "words of the server"))
				s := newSMTP(t, m, nil)
				_, err := send(t, s, testMail())
				var provider *ProviderError
				if !errors.As(err, &provider) || provider.Code != code || !strings.Contains(provider.Answer, "words of the server") {
					t.Fatalf("the error is %v", err)
				}
				var permanent *PermanentError
				if errors.As(err, &permanent) != final {
					t.Errorf("permanent is %v, want %v", !final, final)
				}
				m.set(func() { m.mail, m.rcpt, m.data = nil, nil, nil })
				if _, err := send(t, s, testMail()); err != nil {
					t.Errorf("the next mail: %v", err)
				}
			})
		}
	}
}

func TestDroppedConnectionIsRetried(t *testing.T) {
	m := startMailServer(t, "starttls")
	m.dropInData = true
	s := newSMTP(t, m, nil)
	_, err := send(t, s, testMail())
	var permanent *PermanentError
	var provider *ProviderError
	if errors.As(err, &permanent) || !errors.As(err, &provider) || provider.Setup {
		t.Fatalf("the error is %v", err)
	}
	m.set(func() { m.dropInData = false })
	if _, err := send(t, s, testMail()); err != nil {
		t.Errorf("the next mail: %v", err)
	}
}

func TestConnectionIsReusedAndReplaced(t *testing.T) {
	m := startMailServer(t, "starttls")
	s := newSMTP(t, m, nil)
	for range 3 {
		if _, err := send(t, s, testMail()); err != nil {
			t.Fatal(err)
		}
	}
	m.set(func() {
		if m.connections != 2 { // STARTTLS begins a second session on one connection
			t.Errorf("%d sessions for three mails, want 2", m.connections)
		}
	})
	s.idle[0].close() // as a server does after a while
	if _, err := send(t, s, testMail()); err != nil {
		t.Errorf("the mail after the connection was lost: %v", err)
	}
	if n := len(m.mails()); n != 4 {
		t.Errorf("%d mails arrived, want 4", n)
	}
}

func TestManyMailsAtOnce(t *testing.T) {
	m := startMailServer(t, "starttls")
	s := newSMTP(t, m, nil)
	var all sync.WaitGroup
	for i := range 120 {
		all.Go(func() {
			mail := testMail()
			mail.To = fmt.Sprintf("user%d@example.com", i)
			if _, err := send(t, s, mail); err != nil {
				t.Errorf("mail %d: %v", i, err)
			}
		})
	}
	all.Wait()
	seen := map[string]bool{}
	for _, got := range m.mails() {
		seen[strings.Join(got.to, ",")] = true
	}
	if len(seen) != 120 {
		t.Errorf("%d people got their mail, want 120", len(seen))
	}
	if len(s.idle) > maxIdle {
		t.Errorf("%d connections are kept, at most %d should be", len(s.idle), maxIdle)
	}
}

// rawServer answers every connection with a function.
func rawServer(t *testing.T, talk func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); talk(c) }()
		}
	}()
	return l.Addr().String()
}

func TestServersThatAreNone(t *testing.T) {
	hang := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	tests := map[string]func(net.Conn){
		"silent":        hang,
		"silent later":  func(c net.Conn) { _, _ = io.WriteString(c, "220 hello\r\n"); hang(c) },
		"hangs up":      func(net.Conn) {},
		"nonsense":      func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n"); hang(c) },
		"empty lines":   func(c net.Conn) { _, _ = io.WriteString(c, "220 \r\n\r\n\r\n\r\n"); hang(c) },
		"refuses":       func(c net.Conn) { _, _ = io.WriteString(c, "554 go away\r\n"); hang(c) },
		"never stops":   func(c net.Conn) { flood(c, "220-and more\r\n") },
		"one long line": func(c net.Conn) { flood(c, strings.Repeat("x", 1000)) },
		"dies at EHLO": func(c net.Conn) {
			_, _ = io.WriteString(c, "220 hello\r\n")
			_, _ = bufio.NewReader(c).ReadString('\n')
		},
	}
	for name, talk := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := NewSMTP(SMTPConfig{Addr: rawServer(t, talk), From: "login@example.com", Timeout: 300 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			_, err = send(t, s, testMail())
			var permanent *PermanentError
			var provider *ProviderError
			if errors.As(err, &permanent) || !errors.As(err, &provider) {
				t.Errorf("the error is %v", err)
			}
			if err := s.Check(t.Context()); err == nil {
				t.Error("Check found nothing wrong")
			}
		})
	}
}

func flood(c net.Conn, line string) {
	for {
		if _, err := io.WriteString(c, line); err != nil {
			return
		}
	}
}

func TestEndedContextCutsAConversation(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	addr := rawServer(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "220 hello\r\n")
		cancel()
		_, _ = io.Copy(io.Discard, c)
	})
	s, err := NewSMTP(SMTPConfig{Addr: addr, From: "login@example.com", Timeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.SendMail(ctx, testMail()); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}

// TestPlaintextAnswersBeforeTLSAreForgotten sends answers along with that to STARTTLS, which must not be taken for
// those of the encrypted conversation.
func TestPlaintextAnswersBeforeTLSAreForgotten(t *testing.T) {
	said := make(chan string, 10)
	addr := rawServer(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "220 hello\r\n")
		r := bufio.NewReader(c)
		_, _ = r.ReadString('\n')
		_, _ = io.WriteString(c, "250-hello\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n")
		_, _ = r.ReadString('\n')
		_, _ = io.WriteString(c, "220 go\r\n250-hello\r\n250 AUTH PLAIN\r\n235 welcome\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n")
		rest, _ := io.ReadAll(r)
		said <- string(rest)
	})
	s, err := NewSMTP(SMTPConfig{Addr: addr, From: "login@example.com", Username: "sallyport", Password: "right", Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := send(t, s, testMail()); err == nil {
		t.Error("a mail was sent without TLS")
	}
	secret := base64.StdEncoding.EncodeToString([]byte("\x00sallyport\x00right"))
	if got := <-said; strings.Contains(got, secret) || strings.Contains(got, "MAIL FROM") {
		t.Errorf("the client said in the clear: %q", got)
	}
}

func TestUnsafeOrUnusableSMTPSettingsAreRefused(t *testing.T) {
	good := SMTPConfig{Addr: "mail.example.com:587", From: "Sallyport <login@example.com>", TLS: "starttls"}
	for name, change := range map[string]func(*SMTPConfig){
		"no port":                func(c *SMTPConfig) { c.Addr = "mail.example.com" },
		"no host":                func(c *SMTPConfig) { c.Addr = ":587" },
		"unknown TLS":            func(c *SMTPConfig) { c.TLS = "maybe" },
		"password in the clear":  func(c *SMTPConfig) { c.TLS, c.Username, c.Password = "none", "sallyport", "right" },
		"no sender":              func(c *SMTPConfig) { c.From = "" },
		"two senders":            func(c *SMTPConfig) { c.From = "a@example.com, b@example.com" },
		"sender beyond ASCII":    func(c *SMTPConfig) { c.From = "login@bücher.example" },
		"sender with a new line": func(c *SMTPConfig) { c.From = "Sallyport\r\nBcc: eve@example.com <login@example.com>" },
	} {
		cfg := good
		change(&cfg)
		if _, err := NewSMTP(cfg); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	for _, addr := range []string{"127.0.0.1:25", "[::1]:25", "localhost:25"} {
		cfg := good
		cfg.Addr, cfg.TLS, cfg.Username, cfg.Password = addr, "none", "sallyport", "right"
		if _, err := NewSMTP(cfg); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
}
