package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// tokens is what the provider gave for a visitor, verified.
type tokens struct {
	token     *oauth2.Token
	idToken   string
	name      string
	claims    []claim
	refreshes int
}

// Expires is when the access token ends.
func (t *tokens) Expires() string { return t.token.Expiry.UTC().Format(time.TimeOnly) + " UTC" }

// CanRefresh tells whether there is a refresh token.
func (t *tokens) CanRefresh() bool { return t.token.RefreshToken != "" }

// claim is one line of the table: where it is from, its name and its value.
type claim struct {
	From, Name, Value string
}

// read verifies the ID token (signature, issuer, audience, expiry; the nonce unless it is empty), asks userinfo with the
// access token and holds the two subjects against each other (OpenID Connect Core 1.0, section 5.3.2).
func (a *App) read(ctx context.Context, provider *oidc.Provider, token *oauth2.Token, nonce string) (*tokens, error) {
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return nil, errors.New("the provider gave no ID token")
	}
	verified, err := provider.Verifier(&oidc.Config{ClientID: a.cfg.ClientID, Now: a.cfg.Now}).Verify(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("verifying the ID token: %w", err)
	}
	if nonce != "" && verified.Nonce != nonce {
		return nil, errors.New("the ID token is for another login")
	}
	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return nil, fmt.Errorf("asking userinfo: %w", err)
	}
	if info.Subject != verified.Subject {
		return nil, errors.New("userinfo is about somebody else")
	}
	fromToken, fromInfo := map[string]any{}, map[string]any{}
	if err := errors.Join(verified.Claims(&fromToken), info.Claims(&fromInfo)); err != nil {
		return nil, fmt.Errorf("reading claims: %w", err)
	}
	t := &tokens{token: token, idToken: raw, name: verified.Subject}
	for _, name := range []string{"phone_number", "email"} {
		if v, ok := fromInfo[name].(string); ok && v != "" {
			t.name = v
		}
	}
	t.claims = lines(fromToken, fromInfo)
	return t, nil
}

// lines are the claims of both by name. One that both have alike is one line.
func lines(fromToken, fromInfo map[string]any) []claim {
	var out []claim
	for name, value := range fromToken {
		line := claim{From: "ID token", Name: name, Value: text(value)}
		if other, ok := fromInfo[name]; ok && text(other) == line.Value {
			line.From = "both"
		}
		out = append(out, line)
	}
	for name, value := range fromInfo {
		if other, ok := fromToken[name]; !ok || text(other) != text(value) {
			out = append(out, claim{From: "userinfo", Name: name, Value: text(value)})
		}
	}
	slices.SortFunc(out, func(a, b claim) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.From, b.From))
	})
	return out
}

// text is a claim's value as people read it: moments as dates, lists with commas.
func text(value any) string {
	switch v := value.(type) {
	case float64:
		return time.Unix(int64(v), 0).UTC().Format("2006-01-02 15:04:05 UTC")
	case []any:
		words := make([]string, len(v))
		for i, word := range v {
			words[i] = fmt.Sprint(word)
		}
		return strings.Join(words, ", ")
	}
	return fmt.Sprint(value)
}
