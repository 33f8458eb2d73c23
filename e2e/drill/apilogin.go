package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	client       = "web"
	clientSecret = "a-web-client-secret-of-32-characters-or-more" //nolint:gosec // of the drill only
	redirect     = "http://127.0.0.1:9/callback"
	grantOTP     = "http://auth0.com/oauth/grant-type/passwordless/otp"
	allScopes    = "openid profile email offline_access"

	// maxAttempts at a code, the default.
	maxAttempts = 5
	// mailWithin is how long an accepted challenge may wait for its mail: after ten times too many starts there is a queue, and the
	// codes of a drill live for ten minutes.
	mailWithin = 5 * time.Minute
)

// tokens are what we read of a token response.
type tokens struct {
	ID      string `json:"id_token"`
	Refresh string `json:"refresh_token"`
}

// app adds to a form what says which client asks.
func asClient(form url.Values) url.Values {
	form.Set("client_id", client)
	form.Set("client_secret", clientSecret)
	return form
}

func otp(address, code string) request {
	return post("/oauth/token", asClient(url.Values{
		"grant_type": {grantOTP}, "realm": {"email"}, "username": {address}, "otp": {code}, "scope": {allScopes},
	}))
}

func refresh(token string) request {
	return post("/oauth/token", asClient(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}))
}

func startEmail(address string) request {
	body, _ := json.Marshal(map[string]string{ //nolint:errchkjson // strings only
		"client_id": client, "client_secret": clientSecret, "connection": "email", "email": address, "send": "code",
	})
	return request{path: "/passwordless/start", kind: "application/json", body: string(body)}
}

// apiLogin is one login of an app with a sign-in screen of its own, and what the app does with it then. Its person has
// never been there before. It gives up only when the context ends.
func (d *deployment) apiLogin(ctx context.Context, n int) error {
	address := fmt.Sprintf("api.%d@example.com", n)
	v := d.fleet.app()
	arrives := d.mails.Codes.Expect(address)
	a, _, err := d.insist(ctx, v, startEmail(address))
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		d.ledger.breaks(answersSane, "start: %d %s", a.status, a.body)
		return nil
	}
	d.ledger.count(accepted)
	code, err := d.mailed(ctx, arrives, address)
	if err != nil || code == "" {
		return err
	}
	if n%10 == 3 {
		return d.useUp(ctx, v, address, code)
	}
	a, cut, err := d.insist(ctx, v, otp(address, code))
	if err != nil {
		return err
	}
	t, ok := granted(a)
	switch {
	case ok:
	case a.refused() && cut:
		d.ledger.count(unsureEnd)
		return nil
	default:
		d.ledger.breaks(challengesStay, "the code was refused: %d %s", a.status, a.body)
		return nil
	}
	d.ledger.addCode(usedCode{address, code})
	if a, _, err = d.insist(ctx, v, otp(address, code)); err != nil {
		return err
	}
	if !a.refused() {
		d.ledger.breaks(codesOnce, "again, at once: %d %s", a.status, a.body)
	}
	return d.keepUp(ctx, v, t, n)
}

// insist is a visitor's, with what was unsure counted.
func (d *deployment) insist(ctx context.Context, v *visitor, r request) (answer, bool, error) {
	a, cut, err := v.insist(ctx, r)
	if cut {
		d.ledger.count(unsure)
	}
	return a, cut, err
}

// mailed is the code of an accepted challenge. An empty one is a lost challenge.
func (d *deployment) mailed(ctx context.Context, arrives <-chan string, address string) (string, error) {
	select {
	case code := <-arrives:
		return code, nil
	case <-ctx.Done():
		return "", ctx.Err()
	case <-time.After(mailWithin):
		d.ledger.breaks(challengesStay, "no mail to %s", address)
		return "", nil
	}
}

// useUp has all attempts at a code be wrong ones. Each that is answered counts, so the right code is then refused.
func (d *deployment) useUp(ctx context.Context, v *visitor, address, code string) error {
	wrong := "000000"
	if code == wrong {
		wrong = "000001"
	}
	for range maxAttempts {
		a, _, err := d.insist(ctx, v, otp(address, wrong))
		if err != nil {
			return err
		}
		if !a.refused() {
			d.ledger.breaks(answersSane, "a wrong code: %d %s", a.status, a.body)
		}
	}
	a, _, err := d.insist(ctx, v, otp(address, code))
	if err != nil {
		return err
	}
	if !a.refused() {
		d.ledger.breaks(attemptsStay, "after %d wrong codes the right one: %d %s", maxAttempts, a.status, a.body)
		return nil
	}
	d.ledger.count(withheld)
	return nil
}

// granted reads a token response.
func granted(a answer) (tokens, bool) {
	var t tokens
	ok := a.status == http.StatusOK && json.Unmarshal(a.body, &t) == nil && t.Refresh != "" && t.ID != ""
	return t, ok
}

// keepUp refreshes a login a few times, and revokes some.
func (d *deployment) keepUp(ctx context.Context, v *visitor, t tokens, n int) error {
	c := &chain{tokens: []string{t.Refresh}}
	defer d.ledger.addChain(c)
	for range n % 4 {
		pause(ctx, rand.N(time.Second)) //nolint:gosec // spreads load, guards nothing
		next, err := d.refresh(ctx, v, c.tokens[len(c.tokens)-1], n%2 == 0)
		if err != nil || next == "" {
			return err
		}
		c.tokens = append(c.tokens, next)
	}
	if n%5 != 0 {
		return nil
	}
	a, _, err := d.insist(ctx, v, post("/oauth/revoke", asClient(url.Values{"token": {c.tokens[len(c.tokens)-1]}})))
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		d.ledger.breaks(answersSane, "revoke: %d %s", a.status, a.body)
		return nil
	}
	c.over = true
	d.ledger.count(ended)
	return nil
}

// refresh gives the successor of a refresh token, empty where it has none. Two that ask at once get the same.
func (d *deployment) refresh(ctx context.Context, v *visitor, token string, twice bool) (string, error) {
	got, errs := make([]string, 2), make([]error, 2)
	ask := func(i int) {
		a, _, err := d.insist(ctx, v, refresh(token))
		if errs[i] = err; err != nil {
			return
		}
		t, ok := granted(a)
		if !ok {
			d.ledger.breaks(refreshStays, "%d %s", a.status, a.body)
		}
		got[i] = t.Refresh
	}
	var wg sync.WaitGroup
	wg.Go(func() { ask(0) })
	if twice {
		wg.Go(func() { ask(1) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return "", err
		}
	}
	if twice && got[0] != "" && got[1] != "" && got[0] != got[1] {
		d.ledger.breaks(oneSuccessor, "two that asked at once got different ones")
	}
	if got[0] != "" {
		d.ledger.count(refreshed)
	}
	return got[0], nil
}
