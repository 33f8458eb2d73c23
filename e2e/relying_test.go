package e2e

import (
	"bufio"
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	zoidc "github.com/zitadel/oidc/v3/pkg/oidc"
	"golang.org/x/oauth2"
)

const (
	callback = "http://127.0.0.1:9/callback"
	bye      = "http://127.0.0.1:9/bye"
)

// visit signs a person in at an authorization URL and gives the address that they are sent back to.
func (d *daemon) visit(p *person, authorize, address string) *url.URL {
	d.t.Helper()
	before := 0
	for _, m := range d.inbox() {
		if m.To == address {
			before++
		}
	}
	path := func(resp answer) string {
		if resp.StatusCode != http.StatusSeeOther {
			d.t.Fatalf("%s: %d %s", resp.Request.URL.Path, resp.StatusCode, resp.body)
		}
		return strings.TrimPrefix(resp.Header.Get("Location"), d.url)
	}
	login := path(p.get(strings.TrimPrefix(authorize, d.url)))
	code := path(p.post(login, fill(p.get(login), "identifier", address)))
	back := path(p.post(code, fill(p.get(code), "code", d.newest(address, before).code())))
	return must(url.Parse(back))
}

// leaves checks that a logout leads back to the app and ends the session.
func (d *daemon) leaves(p *person, endSession, state string) {
	d.t.Helper()
	resp := p.get(strings.TrimPrefix(endSession, d.url))
	if want := bye + "?state=" + state; resp.Header.Get("Location") != want {
		d.t.Fatalf("logout leads to %d %q, want %q\n%s", resp.StatusCode, resp.Header.Get("Location"), want, resp.body)
	}
	silent := p.get("/authorize?" + url.Values{
		"client_id": {"app"}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid"}, "prompt": {"none"}, "state": {"s"},
	}.Encode())
	if got := must(silent.Location()).Query().Get("error"); got != "login_required" {
		d.t.Errorf("after the logout prompt=none gives %q", got)
	}
}

func TestGoOIDCAndOAuth2(t *testing.T) {
	d := deploy(t, "", "").serve("")
	ctx := context.Background()
	provider := must(oidc.NewProvider(ctx, d.url))
	config := &oauth2.Config{
		ClientID: "app", ClientSecret: clientSecret, Endpoint: provider.Endpoint(), RedirectURL: callback,
		Scopes: []string{oidc.ScopeOpenID, "email", oidc.ScopeOfflineAccess},
	}
	p, verifier := newPerson(t, d.url), oauth2.GenerateVerifier()
	back := d.visit(p, config.AuthCodeURL("state", oidc.Nonce("nonce"), oauth2.S256ChallengeOption(verifier)), "ada@example.com")
	if q := back.Query(); q.Get("state") != "state" || q.Get("iss") != d.url {
		t.Fatalf("answer %s", back)
	}
	token, err := config.Exchange(ctx, back.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: "app"}).Verify(ctx, raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := id.VerifyAccessToken(token.AccessToken); err != nil || id.Nonce != "nonce" {
		t.Errorf("at_hash or nonce: %v %q", err, id.Nonce)
	}
	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil || info.Email != "ada@example.com" || !info.EmailVerified || info.Subject != id.Subject {
		t.Fatalf("userinfo %+v %v", info, err)
	}
	refreshed, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	if err != nil || refreshed.RefreshToken == token.RefreshToken || refreshed.AccessToken == token.AccessToken {
		t.Fatalf("refresh: %v", err)
	}
	var metadata struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := provider.Claims(&metadata); err != nil {
		t.Fatal(err)
	}
	d.leaves(p, metadata.EndSession+"?"+url.Values{"id_token_hint": {raw}, "post_logout_redirect_uri": {bye}, "state": {"x"}}.Encode(), "x")
}

func TestZitadelRelyingParty(t *testing.T) {
	d := deploy(t, "", "").serve("")
	ctx := context.Background()
	party, err := rp.NewRelyingPartyOIDC(ctx, d.url, "app", clientSecret, callback, []string{"openid", "email", "offline_access"})
	if err != nil {
		t.Fatal(err)
	}
	p, verifier := newPerson(t, d.url), oauth2.GenerateVerifier()
	challenge := zoidc.NewSHACodeChallenge(verifier)
	back := d.visit(p, rp.AuthURL("state", party, rp.WithCodeChallenge(challenge)), "ada@example.com")
	tokens, err := rp.CodeExchange[*zoidc.IDTokenClaims](ctx, back.Query().Get("code"), party, rp.WithCodeVerifier(verifier))
	if err != nil {
		t.Fatal(err)
	}
	info, err := rp.Userinfo[*zoidc.UserInfo](ctx, tokens.AccessToken, tokens.TokenType, tokens.IDTokenClaims.Subject, party)
	if err != nil || info.Email != "ada@example.com" {
		t.Fatalf("userinfo %+v %v", info, err)
	}
	refreshed, err := rp.RefreshTokens[*zoidc.IDTokenClaims](ctx, party, tokens.RefreshToken, "", "")
	if err != nil || refreshed.RefreshToken == tokens.RefreshToken {
		t.Fatalf("refresh: %v", err)
	}
	if err := rp.RevokeToken(ctx, party, refreshed.RefreshToken, "refresh_token"); err != nil {
		t.Fatal(err)
	}
	if _, err := rp.Userinfo[*zoidc.UserInfo](ctx, refreshed.AccessToken, "Bearer", info.Subject, party); err == nil {
		t.Error("the access token outlives its revoked authorization")
	}
	d.leaves(p, party.GetEndSessionEndpoint()+"?"+url.Values{"id_token_hint": {tokens.IDToken}, "post_logout_redirect_uri": {bye}, "state": {"x"}}.Encode(), "x")
}

func TestOpenIDClient(t *testing.T) {
	d := deploy(t, "", "").serve("")
	cmd := node(t, "openid-client.mjs", d.url, "app", clientSecret, callback, bye)
	stderr := &output{}
	cmd.Stderr = stderr
	stdin, stdout := must(cmd.StdinPipe()), must(cmd.StdoutPipe())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // gone already, usually
	p, said := newPerson(t, d.url), map[string]string{}
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		said[name] = value
		if name == "visit" {
			back := d.visit(p, value, "ada@example.com")
			if _, err := stdin.Write([]byte(back.String() + "\n")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	_, finished := said["done"]
	if !finished || said["email"] != "ada@example.com" || said["rotated"] != "true" || said["active"] != "true" || said["revoked"] != "true" ||
		!strings.HasPrefix(said["sub"], "email|") {
		t.Fatalf("%v\n%s", said, stderr)
	}
	d.leaves(p, said["logout"], "bye")
}
