package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestHostedLoginOverSMTPAndTwilio signs in on the hosted pages by mail code, SMS code and magic link, with messages that
// went over a real SMTP session and to a server that speaks Twilio's API, both failing at first.
func TestHostedLoginOverSMTPAndTwilio(t *testing.T) {
	d, mails, texts := withServers(t)
	mails.behave(func(seen int) (error, bool) { return nil, seen == 1 })
	texts.behave(func(seen int, w http.ResponseWriter) bool {
		if seen == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return seen == 1
	})
	authorize := "/authorize?" + url.Values{
		"client_id": {"app"}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid email phone"}, "state": {"s"},
	}.Encode()
	path := func(resp answer) string {
		t.Helper()
		if resp.StatusCode != http.StatusSeeOther {
			t.Fatalf("%s: %d %s", resp.Request.URL.Path, resp.StatusCode, resp.body)
		}
		return strings.TrimPrefix(resp.Header.Get("Location"), d.url)
	}
	for name, c := range map[string]struct {
		address string
		inbox   func(string) []mail
		link    bool
	}{
		"mail code":  {"ada@example.com", mails.to, false},
		"SMS code":   {"+4915112345678", texts.to, false},
		"magic link": {"bob@example.com", mails.to, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPerson(t, d.url)
			login := path(p.get(authorize))
			code := path(p.post(login, fill(p.get(login), "identifier", c.address)))
			page := p.get(code)
			m := received(t, 1, func() []mail { return c.inbox(c.address) })
			var back string
			if c.link {
				link := strings.TrimPrefix(m.link(), d.url)
				back = path(p.post("/u/login/link", fill(p.get(link))))
			} else {
				back = path(p.post(code, fill(page, "code", m.code())))
			}
			granted := must(url.Parse(back)).Query()
			tokens := p.token("grant_type", "authorization_code", "code", granted.Get("code"), "redirect_uri", callback)
			if tokens.StatusCode != http.StatusOK || tokens.str("id_token") == "" || granted.Get("state") != "s" {
				t.Fatalf("token: %d %s", tokens.StatusCode, tokens.body)
			}
			if n := len(c.inbox(c.address)); n != 1 {
				t.Errorf("%d messages", n)
			}
		})
	}
}
