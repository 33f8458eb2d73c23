package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"golang.org/x/oauth2"
)

// TestLinkGivesScannersNothing opens links as what protects mailboxes does: it fetches them, opens them in a browser of its
// own, and presses every button there. The code of the same mail still works afterwards, where it was asked for.
func TestLinkGivesScannersNothing(t *testing.T) {
	s := newTenant(t, "")
	verifier := oauth2.GenerateVerifier()
	asked := url.Values{
		"client_id": {"spa"}, "redirect_uri": {s.app + "/auth0-js.html"}, "response_type": {"code"}, "scope": {"openid email"}, "state": {"s"},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"},
	}

	t.Run("hosted", func(t *testing.T) {
		p := newPerson(t, s.url)
		on := func(resp answer) string {
			t.Helper()
			if resp.StatusCode != http.StatusSeeOther {
				t.Fatalf("%d %s", resp.StatusCode, resp.body)
			}
			return strings.TrimPrefix(resp.Header.Get("Location"), s.url)
		}
		login := on(p.get("/authorize?" + asked.Encode()))
		where := on(p.post(login, fill(p.get(login), "identifier", "ada@example.com")))
		m := received(t, 1, func() []mail { return s.inbox("ada@example.com") })
		s.scan(t, m.link(), asked)
		if back := on(p.post(where, fill(p.get(where), "code", m.code()))); must(url.Parse(back)).Query().Get("code") == "" {
			t.Errorf("the code does not work any more: %s", back)
		}
	})

	t.Run("API", func(t *testing.T) {
		params := map[string]string{}
		for name := range asked {
			params[name] = asked.Get(name)
		}
		delete(params, "client_id")
		p := newPerson(t, s.url)
		if resp := p.postJSON("/passwordless/start", map[string]any{"client_id": "spa", "connection": "email", "email": "bob@example.com", "authParams": params}); resp.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", resp.StatusCode, resp.body)
		}
		m := received(t, 1, func() []mail { return s.inbox("bob@example.com") })
		s.scan(t, m.link(), asked)
		resp := p.post("/oauth/token", url.Values{
			"client_id": {"spa"}, "grant_type": {"http://auth0.com/oauth/grant-type/passwordless/otp"}, "realm": {"email"}, "username": {"bob@example.com"}, "otp": {m.code()},
		})
		if resp.StatusCode != http.StatusOK {
			t.Errorf("the code does not work any more: %d %s", resp.StatusCode, resp.body)
		}
	})
}

// scan opens a link in every way, and fails where anything comes of it.
func (s *tenant) scan(t *testing.T, link string, asked url.Values) {
	t.Helper()
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		resp := newPerson(t, s.url).do(must(http.NewRequestWithContext(t.Context(), method, link, nil)))
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Location") != "" {
			t.Errorf("%s: %d %s", method, resp.StatusCode, resp.Header.Get("Location"))
		}
	}
	b := tab{t, chromium(t, chromedp.Flag("ignore-certificate-errors", true))}
	const buttons = `document.querySelectorAll("button, a, input[type=submit]")`
	b.open(link)
	count, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](buttons+`.length`))
	if err != nil || count == 0 {
		t.Fatalf("%d buttons to press, %v", count, err)
	}
	for i := range count {
		b.open(link)
		b.leaves(fmt.Sprintf(`%s[%d].click()`, buttons, i), "body")
		where, err := chromedp.Run(b.ctx, chromedp.Location())
		if err != nil {
			t.Fatal(err)
		}
		code := must(url.Parse(where)).Query().Get("code")
		if code == "" {
			continue
		}
		// The button of a link that an app asked for gives the app a code, which nothing but the app's verifier opens.
		form := url.Values{"grant_type": {"authorization_code"}, "client_id": {"spa"}, "code": {code}, "redirect_uri": asked["redirect_uri"]}
		for _, guess := range []string{"", strings.Repeat("a", 43)} {
			form.Set("code_verifier", guess)
			if resp := newPerson(t, s.url).post("/oauth/token", form); resp.StatusCode != http.StatusBadRequest || resp.str("error") != "invalid_grant" {
				t.Errorf("the scanner's code gave something: %d %s", resp.StatusCode, resp.body)
			}
		}
	}
	b.open(s.url + "/authorize?prompt=none&" + asked.Encode())
	if where, err := chromedp.Run(b.ctx, chromedp.Location()); err != nil || must(url.Parse(where)).Query().Get("error") != "login_required" {
		t.Errorf("the scanner's browser is signed in: %s %v", where, err)
	}
}
