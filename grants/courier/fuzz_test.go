package courier

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// fuzzedAnswer holds what is kept of a provider's answer, whatever it was.
func fuzzedAnswer(t *testing.T, r Receipt, err error) {
	t.Helper()
	kept := []string{scrub(r.Answer, "123456"), clean(r.ID, maxProviderID)}
	if err != nil {
		kept = append(kept, scrub(err.Error(), "123456"))
	}
	for _, s := range kept {
		if !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\r\n") || len(s) > maxAnswer || strings.Contains(s, "123456") && s != r.ID {
			t.Errorf("%q is kept", s)
		}
	}
	var refused *PermanentError
	if errors.As(err, &refused) && r.ID != "" {
		t.Error("refused, with a receipt")
	}
}

// FuzzSMTPAnswer speaks nonsense to the mail client, from the greeting on.
func FuzzSMTPAnswer(f *testing.F) {
	const good = "220 x\r\n250-x\r\n250 8BITMIME\r\n250 ok\r\n250 ok\r\n354 go\r\n250 queued 123456\r\n221 bye\r\n"
	for _, s := range []string{
		good, "554 no\r\n", "220 x\r\n250-x\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS\r\n", "220 x\r\n250 x\r\n250 ok\r\n550 5.1.1 no 123456\r\n", "220-x\r\n", "999\r\n", "\x00\xff\r\n", "",
		strings.Replace(good, "354", "451", 1), strings.Repeat("220-x\r\n", 1000),
	} {
		f.Add([]byte(s))
	}
	answers := make(chan []byte, 1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			select {
			case says := <-answers:
				_, _ = c.Write(says)
			default:
			}
			if half, ok := c.(*net.TCPConn); ok {
				_ = half.CloseWrite()
			}
			_ = c.SetReadDeadline(time.Now().Add(time.Second))
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}
	}()
	f.Fuzz(func(t *testing.T, says []byte) {
		s, err := NewSMTP(SMTPConfig{Addr: l.Addr().String(), TLS: "none", From: "a@example.com", Timeout: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		answers <- says
		r, err := s.SendMail(t.Context(), testMail())
		fuzzedAnswer(t, r, err)
		select {
		case <-answers: // nobody connected
		default:
		}
		for c := s.take(); c != nil; c = s.take() {
			c.close()
		}
	})
}

// answering is a transport that always gives the same answer.
type answering struct {
	status int
	body   string
}

// RoundTrip implements http.RoundTripper.
func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: a.status, Status: http.StatusText(a.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(a.body)), Request: r,
	}, nil
}

// FuzzTwilioAnswer gives the SMS client answers of every kind.
func FuzzTwilioAnswer(f *testing.F) {
	for _, body := range []string{
		`{"sid":"SM1","status":"queued"}`, `{"code":21211,"message":"The 'To' number is not valid 123456","status":400,"more_info":"x"}`, `{"sid":1}`, `[]`, ``, `{"code":"x"}`, `<html>`, "\xff",
	} {
		for _, status := range []int{200, 201, 204, 302, 400, 401, 429, 500, 0} {
			f.Add(status, body)
		}
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		s, err := NewTwilio(TwilioConfig{AccountSID: testAccount, AuthToken: testToken, From: "+15005550006"})
		if err != nil {
			t.Fatal(err)
		}
		if status < 100 || status > 599 {
			status = 201
		}
		s.http = answering{status, body}
		r, err := s.SendSMS(t.Context(), "+4917012345678", "123456 is your code")
		if (err == nil) != (status == http.StatusCreated) {
			t.Errorf("%d is %v", status, err)
		}
		fuzzedAnswer(t, r, err)
		_ = s.Check(t.Context())
	})
}
