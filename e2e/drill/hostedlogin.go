package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	action = regexp.MustCompile(`<form[^>]* action="([^"]+)" novalidate`) // the form of the page, not of its buttons
	csrf   = regexp.MustCompile(`name="csrf" value="([^"]*)"`)
)

// hostedLogin is one login in a browser, and the app's exchange. Its person has never been there before.
func (d *deployment) hostedLogin(ctx context.Context, n int) error {
	address := fmt.Sprintf("hosted.%d@example.com", n)
	b := d.fleet.browser()
	verifier := rand.Text() + rand.Text()
	a, err := d.begin(ctx, b, verifier)
	if err != nil {
		return err
	}
	arrives := d.mails.Codes.Expect(address)
	if a, _, err = d.submit(ctx, b, a, "identifier", address); err != nil || a.status != http.StatusSeeOther {
		return err
	}
	d.ledger.count(accepted)
	code, err := d.mailed(ctx, arrives, address)
	if err != nil || code == "" {
		return err
	}
	a, cut, err := d.submit(ctx, b, a, "code", code)
	switch {
	case err != nil:
		return err
	case a.status == http.StatusSeeOther && authorizationCode(a) != "":
	case cut: // the repeat came too late to be the same form sent twice
		d.ledger.count(unsureEnd)
		return nil
	default:
		d.ledger.breaks(challengesStay, "the page refused the code: %d", a.status)
		return nil
	}
	d.ledger.count(redeemed)
	return d.exchange(ctx, b, authorizationCode(a), verifier, n)
}

// begin is where the browser is sent by the request that begins a login. That endpoint tells apps, and not people, what is wrong: "not
// now" is a redirect to the app there, which asks again.
func (d *deployment) begin(ctx context.Context, b *visitor, verifier string) (answer, error) {
	for {
		a, _, err := d.insist(ctx, b, get(authorize(verifier, "")))
		if err != nil || !notNow(a) {
			return a, err
		}
		d.ledger.count(unsure)
		pause(ctx, 100*time.Millisecond)
	}
}

// notNow tells whether an app is told to ask again (RFC 6749, section 4.1.2.1).
func notNow(a answer) bool {
	at, err := url.Parse(a.location)
	return err == nil && strings.HasPrefix(a.location, redirect) && slices.Contains([]string{"temporarily_unavailable", "server_error"}, at.Query().Get("error"))
}

// authorize is the request that begins a login.
func authorize(verifier, prompt string) string {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{
		"client_id": {client}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {allScopes}, "state": {"s"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	if prompt != "" {
		q.Set("prompt", prompt)
	}
	return "/authorize?" + q.Encode()
}

func authorizationCode(a answer) string {
	at, err := url.Parse(a.location)
	if err != nil || !strings.HasPrefix(a.location, redirect) {
		return ""
	}
	return at.Query().Get("code")
}

// submit opens the page that an answer leads to and sends its form.
func (d *deployment) submit(ctx context.Context, b *visitor, from answer, field, value string) (answer, bool, error) {
	shown, _, err := d.insist(ctx, b, get(from.location))
	if err != nil {
		return answer{}, false, err
	}
	to, token := action.FindSubmatch(shown.body), csrf.FindSubmatch(shown.body)
	if to == nil || token == nil {
		d.ledger.breaks(answersSane, "no form that asks for %s at %s: %d", field, from.location, shown.status)
		return answer{}, false, nil
	}
	a, cut, err := d.insist(ctx, b, post(html.UnescapeString(string(to[1])), url.Values{"csrf": {string(token[1])}, field: {value}}))
	if err == nil && a.status != http.StatusSeeOther && field == "identifier" {
		d.ledger.breaks(answersSane, "the page that asks for the address: %d", a.status)
	}
	return a, cut, err
}

func exchange(code, verifier string) request {
	return post("/oauth/token", asClient(url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {verifier},
	}))
}

// exchange is the app's part. Some apps exchange twice, which ends the login; some people sign out.
func (d *deployment) exchange(ctx context.Context, b *visitor, code, verifier string, n int) error {
	app, s := d.fleet.app(), &session{browser: b}
	defer d.ledger.addSession(s)
	a, cut, err := d.insist(ctx, app, exchange(code, verifier))
	if err != nil {
		return err
	}
	t, ok := granted(a)
	switch {
	case ok:
		d.ledger.count(exchanged)
	case cut && a.refused(): // a code that comes twice ends what it gave, whoever lost the first answer
		d.ledger.count(unsureEnd)
		return nil
	default:
		d.ledger.breaks(challengesStay, "the authorization code was refused: %d %s", a.status, a.body)
		return nil
	}
	if n%8 == 1 {
		c := &chain{tokens: []string{t.Refresh}}
		defer d.ledger.addChain(c)
		if a, _, err = d.insist(ctx, app, exchange(code, verifier)); err != nil {
			return err
		}
		if !a.refused() {
			d.ledger.breaks(authCodesOnce, "again, at once: %d %s", a.status, a.body)
			return nil
		}
		c.over = true
		d.ledger.count(ended)
		return nil
	}
	if n%8 == 5 {
		if a, _, err = d.insist(ctx, b, get("/oidc/logout?"+url.Values{"id_token_hint": {t.ID}}.Encode())); err != nil {
			return err
		}
		if a.status >= http.StatusBadRequest {
			d.ledger.breaks(answersSane, "logout: %d", a.status)
			return nil
		}
		s.over = true
		d.ledger.count(signedOut)
	}
	return d.keepUp(ctx, app, t, n)
}
