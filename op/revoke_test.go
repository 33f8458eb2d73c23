package op_test

import (
	"net/http"
	"testing"
	"time"
)

func TestRevokedAccessTokenIs401(t *testing.T) {
	p := newProvider(t)
	a := p.login("ada@example.com")
	jwt := p.login("ada@example.com", "audience", apiAudience)
	for _, tokens := range []answer{a, jwt} {
		for range 2 { // revoking twice is no error
			if got := p.revoke(tokens.str("access_token"), "token_type_hint", "refresh_token"); got.StatusCode != http.StatusOK {
				t.Fatalf("%d %s", got.StatusCode, got.body)
			}
		}
		p.dead(t, tokens.str("access_token"))
	}
	next := p.refresh(a.str("refresh_token"))
	p.alive(t, next.str("access_token")) // only itself
}

func TestRevokedRefreshTokenEndsTheFamily(t *testing.T) {
	p := newProvider(t)
	first := p.login("ada@example.com")
	second := p.refresh(first.str("refresh_token"))
	p.revoke(first.str("refresh_token"), "token_type_hint", "access_token") // an old one is good enough to end it all
	p.dead(t, first.str("access_token"))
	p.dead(t, second.str("access_token"))
	p.refresh(second.str("refresh_token")).wants(t, http.StatusBadRequest, "invalid_grant")
}

func TestForeignTokensAreNotRevoked(t *testing.T) {
	p := newProvider(t)
	a := p.login("ada@example.com")
	machine := p.machineToken("audience", apiAudience).str("access_token")
	known, noise := p.callAs("other", machineSecret, "/oauth/revoke", "token", a.str("access_token")), p.callAs("other", machineSecret, "/oauth/revoke", "token", "noise")
	if known.StatusCode != http.StatusOK || same(known) != same(noise) {
		t.Errorf("a foreign token is told from noise:\n%s\n%s", same(known), same(noise))
	}
	for _, token := range []string{a.str("access_token"), a.str("refresh_token"), machine} {
		p.callAs("other", machineSecret, "/oauth/revoke", "token", token)
		p.call("/oauth/revoke", "client_id", "spa", "token", token)
	}
	p.alive(t, a.str("access_token"))
	if got := p.refresh(a.str("refresh_token")); got.StatusCode != http.StatusOK {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if got := p.introspectAs("machine", machineSecret, machine); got.json()["active"] != true {
		t.Errorf("%s", got.body)
	}
}

func TestPublicClientRevokesItsOwn(t *testing.T) {
	p := newProvider(t)
	p.start(map[string]any{"client_id": "spa", "client_secret": nil, "email": "ada@example.com"})
	a := p.call("/oauth/token", "client_id", "spa", "grant_type", grantEmail, "username", "ada@example.com", "code", p.code("ada@example.com", 1), "scope", offline)
	if got := p.call("/oauth/revoke", "client_id", "spa", "token", a.str("refresh_token")); got.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	p.userinfo(a.str("access_token")).wants(t, http.StatusUnauthorized, "invalid_token")
}

func TestRevokingWhatIsOver(t *testing.T) {
	p := newProvider(t)
	a := p.login("ada@example.com")
	code := p.codes("ada@example.com")()
	p.pass(40 * 24 * time.Hour)
	for _, token := range []string{a.str("access_token"), a.str("refresh_token"), a.str("id_token"), code, "x", "..", "a.b.c"} {
		if got := p.revoke(token); got.StatusCode != http.StatusOK {
			t.Errorf("%d %s", got.StatusCode, got.body)
		}
	}
	p.callAs("web", webSecret, "/oauth/revoke").wants(t, http.StatusBadRequest, "invalid_request")
}

func TestRevocationIgnoresWhatItDoesNotKnow(t *testing.T) {
	p := newProvider(t)
	a := p.login("ada@example.com")
	if got := p.revoke(a.str("access_token"), "grant_type", "client_credentials", "token_type_hint", "nonsense", "x", "y"); got.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	p.dead(t, a.str("access_token"))
}
