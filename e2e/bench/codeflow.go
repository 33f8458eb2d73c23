package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
)

// codeFlow signs a known person in with a browser that the server has never seen: the authorization request, the page
// that asks for the address, the address, the page that asks for the code, the code, and the app's exchange with PKCE.
// Style sheet, script and icon are not counted: a browser keeps them.
func codeFlow(ctx context.Context, c *caller) (func(context.Context, int) error, error) {
	for n := range people {
		if _, err := c.login(ctx, c.address(false, n)); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context, n int) error {
		if c.users == 0 {
			n %= people
		}
		return c.codeFlow(ctx, c.address(false, n))
	}, nil
}

func (c *caller) codeFlow(ctx context.Context, address string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	c.http.Jar = jar
	verifier, state := rand.Text()+rand.Text(), rand.Text()
	sum := sha256.Sum256([]byte(verifier))
	at, err := c.do(ctx, http.MethodGet, "/authorize?"+url.Values{
		"client_id": {webClient}, "redirect_uri": {webRedirect}, "response_type": {"code"}, "scope": {allScopes}, "state": {state},
		"nonce": {rand.Text()}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode(), "", "", http.StatusSeeOther)
	if err != nil {
		return err
	}
	arrives := c.codes.Expect(address)
	if at, err = c.submit(ctx, at.location, "identifier", address); err != nil {
		return err
	}
	var code string
	select {
	case code = <-arrives:
	case <-ctx.Done():
		return fmt.Errorf("waiting for the code: %w", ctx.Err())
	}
	if at, err = c.submit(ctx, at.location, "code", code); err != nil {
		return err
	}
	back := query(at.location)
	if back.Get("state") != state {
		return errors.New("the answer is not to this request")
	}
	c.http.Jar = nil // the app asks now, not the browser
	_, err = c.token(ctx, url.Values{
		"grant_type": {"authorization_code"}, "client_id": {webClient}, "client_secret": {webSecret}, "code": {back.Get("code")},
		"redirect_uri": {webRedirect}, "code_verifier": {verifier},
	}, true)
	return err
}

var (
	action = regexp.MustCompile(`<form[^>]* action="([^"]+)" novalidate`) // the form of the page, not of its buttons
	csrf   = regexp.MustCompile(`name="csrf" value="([^"]*)"`)
)

// submit opens a page and sends its form.
func (c *caller) submit(ctx context.Context, page, field, value string) (answer, error) {
	shown, err := c.do(ctx, http.MethodGet, page, "", "", http.StatusOK)
	if err != nil {
		return answer{}, err
	}
	to, token := action.FindSubmatch(shown.body), csrf.FindSubmatch(shown.body)
	if to == nil || token == nil {
		return answer{}, fmt.Errorf("no form on the page that asks for %s", field)
	}
	form := url.Values{"csrf": {string(token[1])}, field: {value}}
	return c.do(ctx, http.MethodPost, html.UnescapeString(string(to[1])), formType, form.Encode(), http.StatusSeeOther)
}
