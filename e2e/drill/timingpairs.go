package main

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Kinds of people. The first three are imported before, the others are strangers.
const (
	knownByAPI  = "knownapi"
	knownByPage = "knownweb"
	blocked     = "blockapi"
	stranger    = "strngapi"
	strangerToo = "strngtoo" // in the pair with who is blocked
	onPage      = "strngweb"
	pending     = "pendcode"
	elsewhere   = "pendelse"
	nothing     = "pendnone"
)

// pairs are all that is measured.
func (m timing) pairs(d *deployment) []pair {
	v := d.fleet.app()
	plain := func(make func(n int) request, status int) func(context.Context, int) (timed, error) {
		return func(_ context.Context, n int) (timed, error) { return timed{v, make(n), status}, nil }
	}
	start := func(kind string) func(context.Context, int) (timed, error) {
		return plain(func(n int) request { return startEmail(address(kind, n)) }, http.StatusOK)
	}
	text := func(known bool) func(context.Context, int) (timed, error) {
		return plain(func(n int) request { return startSMS(number(known, n)) }, http.StatusOK)
	}
	secret := func(id, secret string) func(context.Context, int) (timed, error) {
		return plain(func(int) request { return clientCredentials(id, secret) }, http.StatusUnauthorized)
	}
	manage := func(leading int) func(context.Context, int) (timed, error) {
		r := get("/api/v2/stats/active-users")
		r.bearer = near(adminToken, leading)
		return plain(func(int) request { return r }, http.StatusUnauthorized)
	}
	return []pair{
		{"API start, mail: known / unknown", start(knownByAPI), start(stranger)},
		{"API start, mail: blocked / unknown", start(blocked), start(strangerToo)},
		{"API start, SMS: known / unknown", text(true), text(false)},
		{"start on the page: known / unknown", d.fleet.typing(knownByPage), d.fleet.typing(onPage)},
		{"token endpoint: unknown client / wrong secret", secret("bew", clientSecret), secret(client, near(clientSecret, 0))},
		{"wrong secret: first byte differs / 32nd byte differs", secret(client, near(clientSecret, 0)), secret(client, near(clientSecret, 31))},
		{"wrong code: a challenge is pending / none is", d.guessing(v, pending, pending), d.guessing(v, elsewhere, nothing)},
		{"management token: first byte differs / last byte differs", manage(0), manage(len(adminToken) - 1)},
	}
}

func startSMS(number string) request {
	body, _ := json.Marshal(map[string]string{ //nolint:errchkjson // strings only
		"client_id": client, "client_secret": clientSecret, "connection": "sms", "phone_number": number, "send": "code",
	})
	return request{path: "/passwordless/start", kind: "application/json", body: string(body)}
}

func clientCredentials(id, secret string) request {
	return post("/oauth/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}})
}

// near is a secret that shares so many leading bytes with the right one, and no other.
func near(secret string, leading int) string {
	b := []byte(secret)
	for i := leading; i < len(b); i++ {
		b[i] ^= 1
	}
	return string(b)
}

// typing has a new browser on the page that asks for the address; what it types there is measured.
func (f *fleet) typing(kind string) func(context.Context, int) (timed, error) {
	return func(ctx context.Context, n int) (timed, error) {
		b := f.browser()
		a, err := b.do(ctx, get(authorize(strings.Repeat("v", 43), "")))
		if err == nil {
			a, err = b.do(ctx, get(a.location))
		}
		if err != nil {
			return timed{}, err
		}
		to, token := action.FindSubmatch(a.body), csrf.FindSubmatch(a.body)
		if to == nil || token == nil {
			return timed{}, fmt.Errorf("no form that asks for an address: %d", a.status)
		}
		form := url.Values{"csrf": {string(token[1])}, "identifier": {address(kind, n)}}
		return timed{b, post(html.UnescapeString(string(to[1])), form), http.StatusSeeOther}, nil
	}
}

// guessing asks for a code to one address, and guesses at that of one, the same or another, once the mail is there and
// all is calm.
func (d *deployment) guessing(v *visitor, asks, guesses string) func(context.Context, int) (timed, error) {
	return func(ctx context.Context, n int) (timed, error) {
		arrives := d.mails.Codes.Expect(address(asks, n))
		if a, err := v.do(ctx, startEmail(address(asks, n))); err != nil || a.status != http.StatusOK {
			return timed{}, fmt.Errorf("start: %d, %w", a.status, err)
		}
		code, err := d.mailed(ctx, arrives, address(asks, n))
		if err != nil {
			return timed{}, err
		}
		pause(ctx, 5*time.Millisecond) // until the delivery is written down
		wrong := "000000"
		if code == wrong {
			wrong = "000001"
		}
		return timed{v, otp(address(guesses, n), wrong), http.StatusForbidden}, nil
	}
}
