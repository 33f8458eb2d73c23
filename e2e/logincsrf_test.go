package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// traps are the ways in which a page of an attacker's sends a browser to an address.
var traps = map[string]string{
	"navigation":  `<script>location = %q</script>`,
	"no referrer": `<meta name="referrer" content="no-referrer"><script>location = %q</script>`,
	"refresh":     `<meta http-equiv="refresh" content="0; url=%s">`,
	"form": `<form method="post" action="%s"></form><script>
		const form = document.forms[0];
		for (const [name, value] of new URL(form.action).searchParams) form.append(Object.assign(document.createElement('input'), { name, value }));
		form.submit();</script>`,
	"iframe":        `<iframe src="%s" onload="document.body.id = 'loaded'"></iframe>`,
	"window.open":   `<button onclick="window.open('%s')">Win</button>`,
	"same in frame": `<iframe srcdoc="<script>parent.location = '%s'</script>" sandbox="allow-scripts allow-top-navigation"></iframe>`,
}

// TestAttackersPageNeverSignsIn sends a victim's browser, on the attacker's own network and with their user agent, from a
// page of the attacker's to addresses that would sign it in as the attacker, who has just proven their own code.
func TestAttackersPageNeverSignsIn(t *testing.T) {
	s := newTenant(t, "")
	var bait string
	evil := strings.Replace(serveTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		trap, address := traps[r.FormValue("how")], bait
		if strings.Contains(trap, "%s") { // in an attribute
			address = html.EscapeString(bait)
		}
		_, _ = fmt.Fprintf(w, "<!doctype html><body>"+trap, address)
	})), "localhost", otherSite, 1)
	victim := s.browser(t)
	victim.open(s.app + "/auth0-js.html")
	agent := victim.call(`({ result: { agent: navigator.userAgent } })`).str("agent")

	for i, signedIn := range []bool{false, true} {
		if signedIn {
			victim.open(s.app + "/auth0-js.html")
			ada := map[string]string{"connection": "email", "email": "ada@example.com", "send": "code"}
			victim.succeeds(`call("passwordlessStart", ` + quote(ada) + `)`)
			code := received(t, 1, func() []mail { return s.inbox("ada@example.com") }).code()
			victim.leaves(`webAuth.passwordlessLogin({ connection: "email", email: "ada@example.com", verificationCode: `+quote(code)+` }, () => {})`, "#result")
		}
		for how := range traps {
			for _, by := range []string{"verify_redirect", "login_ticket"} {
				eve := fmt.Sprintf("eve.%s.%d.%s@example.com", strings.ReplaceAll(how, " ", "."), i, by)
				bait = s.proven(eve, agent, by)
				victim.run(how, chromedp.Navigate(evil+"/?how="+url.QueryEscape(how)))
				switch {
				case how == "iframe":
					victim.run(how, chromedp.WaitReady(css("#loaded")))
				case how == "window.open":
					victim.pops(s.url, func(window tab) { asked(window, how, eve) })
				case how == "form" && by == "verify_redirect": // it takes no POST
					victim.run(how, chromedp.WaitReady(css("main")))
				default:
					asked(victim, how, eve)
				}
				victim.open(s.app + "/auth0-js.html")
				who := victim.call(`call("checkSession", {})`)
				var session struct {
					IDTokenPayload struct {
						Email string `json:"email"`
					} `json:"idTokenPayload"`
				}
				_ = json.Unmarshal(who.Result, &session)
				if got := session.IDTokenPayload.Email; signedIn && got != "ada@example.com" || !signedIn && (who.Error == nil || who.Error.Code != "login_required") {
					t.Fatalf("%s, %s: signed in as %q, %+v", how, by, got, who.Error)
				}
			}
		}
	}
}

// pops presses a button that opens a window on a server of ours, and looks at it.
func (b tab) pops(url string, look func(window tab)) {
	b.t.Helper()
	opened := chromedp.WaitNewTarget(b.ctx, func(i *target.Info) bool { return strings.HasPrefix(i.URL, url) })
	b.run("press", chromedp.Click(css("button")))
	select {
	case id := <-opened:
		ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithTargetID(id))
		defer cancel()
		if err := chromedp.Do(ctx); err != nil { // attached for as long as this context
			b.t.Fatal(err)
		}
		look(tab{b.t, ctx})
	case <-time.After(patience):
		b.t.Fatal("no window opened")
	}
}

// asked waits for the page that names the account, and asks.
func asked(b tab, how, account string) {
	b.t.Helper()
	b.run(how, chromedp.WaitVisible(css("form button")))
	if text := b.text("main"); !strings.Contains(text, account) {
		b.t.Fatalf("%s: the page does not name %s:\n%s", how, account, text)
	}
}

// proven is an address that goes on with a code which somebody with this user agent has just proven.
func (s *tenant) proven(address, agent, by string) string {
	s.t.Helper()
	post := func(path string, v map[string]any) answer {
		s.t.Helper()
		r := must(http.NewRequestWithContext(context.Background(), http.MethodPost, s.url+path, bytes.NewReader(must(json.Marshal(v)))))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Origin", s.app)
		r.Header.Set("User-Agent", agent)
		resp := newPerson(s.t, s.url).do(r)
		if resp.StatusCode != http.StatusOK {
			s.t.Fatalf("%s: %d %s", path, resp.StatusCode, resp.body)
		}
		return resp
	}
	post("/passwordless/start", map[string]any{"client_id": "spa", "connection": "email", "email": address, "send": "code"})
	code := received(s.t, 1, func() []mail { return s.inbox(address) }).code()
	q := url.Values{
		"client_id": {"spa"}, "redirect_uri": {s.app + "/auth0-js.html"}, "response_type": {"token id_token"}, "scope": {"openid email"}, "state": {"s"}, "nonce": {"n"},
	}
	if by == "login_ticket" {
		q.Set("realm", "email")
		q.Set("login_ticket", post("/co/authenticate", map[string]any{
			"client_id": "spa", "username": address, "otp": code, "realm": "email", "credential_type": "http://auth0.com/oauth/grant-type/passwordless/otp",
		}).str("login_ticket"))
		return s.url + "/authorize?" + q.Encode()
	}
	post("/passwordless/verify", map[string]any{"client_id": "spa", "connection": "email", "email": address, "verification_code": code})
	q.Set("connection", "email")
	q.Set("email", address)
	q.Set("verification_code", code)
	return s.url + "/passwordless/verify_redirect?" + q.Encode()
}
