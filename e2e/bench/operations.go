package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

const (
	pathBare  = "/bare"
	grantOTP  = "http://auth0.com/oauth/grant-type/passwordless/otp"
	allScopes = "openid profile email offline_access"

	// people is how many addresses each connection signs in, in turn.
	people = 10
)

// operation is one thing that is measured.
type operation struct {
	name    string
	goal    float64 // processor time in S
	commits int     // at most, none where it is 0 and there is a goal

	// ready prepares one connection and gives what is measured: the n-th run on it, counting up from 0.
	ready func(ctx context.Context, c *caller) (func(ctx context.Context, n int) error, error)
}

// operations are all that is measured, in the order of the table.
func operations() []operation {
	return []operation{
		{"passwordless login, start + token", 2.0, 3, passwordless(false)},
		{"passwordless first login, with sign-up", 0, 3, passwordless(true)},
		{"code flow through the hosted login", 3.0, 5, codeFlow},
		{"refresh, with id_token", 1.6, 1, refresh},
		{"client_credentials, opaque", 0.15, 0, clientCredentials("")},
		{"client_credentials, RS256 JWT", 1.25, 0, clientCredentials(apiAudience)},
		{"userinfo", 0.2, 0, userinfo},
		{"introspection", 0.2, 0, introspection},
		{"discovery", 0.06, 0, get("/.well-known/openid-configuration")},
		{"JWKS", 0.06, 0, get("/.well-known/jwks.json")},
		{"bare net/http answer of 1 kB", 0, 0, get(pathBare)},
	}
}

// passwordless asks for a code by the API and redeems it. Each connection has its own people, who are known by name or
// new each time.
func passwordless(signUp bool) func(context.Context, *caller) (func(context.Context, int) error, error) {
	return func(ctx context.Context, c *caller) (func(context.Context, int) error, error) {
		login := func(ctx context.Context, n int) error {
			if !signUp && c.users == 0 {
				n %= people
			}
			_, err := c.login(ctx, c.address(signUp, n))
			return err
		}
		if signUp {
			return login, nil
		}
		for n := range people {
			if err := login(ctx, n); err != nil {
				return nil, err
			}
		}
		return login, nil
	}
}

// address of somebody whom only this connection signs in, or anybody of an import.
func (c *caller) address(fresh bool, n int) string {
	if !fresh && c.users > 0 {
		return c.person(n)
	}
	kind := "known"
	if fresh {
		kind = "new" + strconv.Itoa(c.conns)
	}
	return kind + "." + strconv.Itoa(c.number) + "." + strconv.Itoa(n) + "@example.com"
}

// tokens are what we read of a token response.
type tokens struct {
	Access  string `json:"access_token"`
	ID      string `json:"id_token"`
	Refresh string `json:"refresh_token"`
}

// login is start + token.
func (c *caller) login(ctx context.Context, address string) (tokens, error) {
	arrives := c.codes.Expect(address)
	body, _ := json.Marshal(map[string]string{ //nolint:errchkjson // strings only
		"client_id": webClient, "client_secret": webSecret, "connection": "email", "email": address, "send": "code",
	})
	if _, err := c.do(ctx, http.MethodPost, "/passwordless/start", "application/json", string(body), http.StatusOK); err != nil {
		return tokens{}, err
	}
	var code string
	select {
	case code = <-arrives:
	case <-ctx.Done():
		return tokens{}, fmt.Errorf("waiting for the code: %w", ctx.Err())
	}
	return c.token(ctx, url.Values{
		"grant_type": {grantOTP}, "client_id": {webClient}, "client_secret": {webSecret}, "realm": {"email"},
		"username": {address}, "otp": {code}, "scope": {allScopes},
	}, true)
}

// token asks the token endpoint, and makes sure that it gives what it should.
func (c *caller) token(ctx context.Context, form url.Values, person bool) (tokens, error) {
	var t tokens
	answer, err := c.do(ctx, http.MethodPost, "/oauth/token", formType, form.Encode(), http.StatusOK)
	if err != nil {
		return t, err
	}
	if err := json.Unmarshal(answer.body, &t); err != nil {
		return t, fmt.Errorf("reading tokens: %w", err)
	}
	if t.Access == "" || person && (t.ID == "" || t.Refresh == "") {
		return t, errors.New("a token is missing")
	}
	return t, nil
}

func refresh(ctx context.Context, c *caller) (func(context.Context, int) error, error) {
	t, err := c.login(ctx, c.address(false, 0))
	return func(ctx context.Context, _ int) error {
		next, err := c.token(ctx, url.Values{
			"grant_type": {"refresh_token"}, "client_id": {webClient}, "client_secret": {webSecret}, "refresh_token": {t.Refresh},
		}, true)
		if err == nil {
			t = next
		}
		return err
	}, err
}

func clientCredentials(audience string) func(context.Context, *caller) (func(context.Context, int) error, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {machineClient}, "client_secret": {machineSecret}}
	if audience != "" {
		form.Set("audience", audience)
	}
	return func(_ context.Context, c *caller) (func(context.Context, int) error, error) {
		return func(ctx context.Context, _ int) error {
			_, err := c.token(ctx, form, false)
			return err
		}, nil
	}
}

func userinfo(ctx context.Context, c *caller) (func(context.Context, int) error, error) {
	t, err := c.login(ctx, c.address(false, 0))
	c.bearer = t.Access
	return func(ctx context.Context, _ int) error {
		_, err := c.do(ctx, http.MethodGet, "/userinfo", "", "", http.StatusOK)
		return err
	}, err
}

func introspection(ctx context.Context, c *caller) (func(context.Context, int) error, error) {
	t, err := c.login(ctx, c.address(false, 0))
	form := url.Values{"client_id": {webClient}, "client_secret": {webSecret}, "token": {t.Access}}.Encode()
	return func(ctx context.Context, _ int) error {
		answer, err := c.do(ctx, http.MethodPost, "/oauth/introspect", formType, form, http.StatusOK)
		if err != nil {
			return err
		}
		var said struct{ Active bool }
		if err := json.Unmarshal(answer.body, &said); err != nil || !said.Active {
			return errors.Join(errors.New("the token is not active"), err)
		}
		return nil
	}, err
}

func get(path string) func(context.Context, *caller) (func(context.Context, int) error, error) {
	return func(_ context.Context, c *caller) (func(context.Context, int) error, error) {
		return func(ctx context.Context, _ int) error {
			_, err := c.do(ctx, http.MethodGet, path, "", "", http.StatusOK)
			return err
		}, nil
	}
}
