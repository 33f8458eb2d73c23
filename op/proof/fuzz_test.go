package proof

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
)

// answering is a transport that always gives the same answer.
type answering struct {
	status int
	body   string
}

// RoundTrip implements http.RoundTripper.
func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(a.body)), Request: r}, nil
}

// FuzzCaptchaAnswer: whatever a captcha's provider answers, a token is good only where the answer says so, for this very site.
func FuzzCaptchaAnswer(f *testing.F) {
	for _, body := range []string{
		`{"success":true,"hostname":"login.example.com"}`, `{"success":true,"hostname":"evil.example.com"}`, `{"success":false,"error-codes":["invalid-input-response"]}`,
		`{"success":true,"success":false,"hostname":"login.example.com"}`, `{"SUCCESS":true,"Hostname":"login.example.com"}`, `[]`, `null`, ``, "\xff",
	} {
		f.Add(200, body)
		f.Add(500, body)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			status = 200
		}
		c := newCaptcha(Captcha{Provider: "hcaptcha", SiteKey: "site", SecretKey: "secret", Host: "login.example.com"}, slog.New(slog.DiscardHandler))
		c.client = &http.Client{Transport: answering{status, body}}
		if c.verify(t.Context(), "token", Form{}, time.Unix(1, 0)) == "" {
			return
		}
		var said struct {
			Success  bool
			Hostname string
		}
		if err := json.Unmarshal([]byte(body), &said); err != nil || !said.Success || said.Hostname != "login.example.com" || status >= 500 {
			t.Errorf("%d %q is good", status, body)
		}
	})
}
