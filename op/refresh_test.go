package op_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/storage"
)

func TestOldRefreshTokenRevokesTheFamily(t *testing.T) {
	p := newProvider(t)
	first := p.login("ada@example.com")
	second := p.refresh(first.str("refresh_token"))
	third := p.refresh(second.str("refresh_token"))
	if third.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", third.StatusCode, third.body)
	}
	p.refresh(first.str("refresh_token")).wants(t, http.StatusBadRequest, "invalid_grant")
	p.refresh(third.str("refresh_token")).wants(t, http.StatusBadRequest, "invalid_grant")
	for _, a := range []answer{first, second, third} {
		p.dead(t, a.str("access_token"))
	}
}

func TestRefreshGraceGivesTheSameSuccessor(t *testing.T) {
	p := newProvider(t)
	first := p.login("ada@example.com").str("refresh_token")
	second := p.refresh(first).str("refresh_token")
	p.pass(9 * time.Second)
	if again := p.refresh(first).str("refresh_token"); again != second || second == "" {
		t.Fatalf("%q and %q", second, again)
	}
	p.pass(2 * time.Second) // the repeat has not moved the end
	p.refresh(first).wants(t, http.StatusBadRequest, "invalid_grant")
	p.refresh(second).wants(t, http.StatusBadRequest, "invalid_grant")
}

func TestParallelRefreshesHaveOneSuccessor(t *testing.T) {
	p := newProvider(t)
	first := p.login("ada@example.com").str("refresh_token")
	got := tally(50, func() string {
		a := p.refresh(first)
		if a.StatusCode != http.StatusOK {
			return a.body
		}
		return a.str("refresh_token")
	})
	if len(got) != 1 {
		t.Fatalf("successors %v", got)
	}
	for next := range got {
		if a := p.refresh(next); a.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
	}
}

func TestRefreshTokenOfAnotherClient(t *testing.T) {
	p := newProvider(t)
	token := p.login("ada@example.com").str("refresh_token")
	p.refresh(token, "client_id", "other", "client_secret", machineSecret).wants(t, http.StatusBadRequest, "invalid_grant")
	p.refresh(token, "client_secret", "wrong").wants(t, http.StatusUnauthorized, "invalid_client")
	p.refresh(token, "client_id", "spa", "client_secret", "").wants(t, http.StatusBadRequest, "invalid_grant")
	p.refresh(token, "client_id", "machine", "client_secret", machineSecret).wants(t, http.StatusBadRequest, "unauthorized_client")
	if a := p.refresh(token); a.StatusCode != http.StatusOK {
		t.Fatalf("the right client: %d %s", a.StatusCode, a.body)
	}
}

func TestScopeNeverGrowsOnRefresh(t *testing.T) {
	p := newProvider(t)
	first := p.login("ada@example.com", "scope", "openid email offline_access")
	narrow := p.refresh(first.str("refresh_token"), "scope", "openid")
	if narrow.str("scope") != "openid" || p.userinfo(narrow.str("access_token")).str("email") != "" {
		t.Fatalf("narrowed: %s", narrow.body)
	}
	if claims(t, narrow.str("id_token"))["email"] != nil {
		t.Fatal("the ID token has claims beyond the scope")
	}
	for _, wider := range []string{"openid email phone", "openid profile", "read:things", "unknown"} {
		p.refresh(narrow.str("refresh_token"), "scope", wider).wants(t, http.StatusBadRequest, "invalid_scope")
	}
	whole := p.refresh(narrow.str("refresh_token"))
	if whole.str("scope") != "openid email offline_access" {
		t.Fatalf("whole again: %s", whole.body)
	}
}

func TestScopesThatAClientLostAreNotRefreshed(t *testing.T) {
	p := newProvider(t)
	first := p.login("ada@example.com", "scope", "openid offline_access read:things", "audience", apiAudience)
	if first.str("scope") != "openid offline_access read:things" {
		t.Fatalf("%s", first.body)
	}
	clients := testClients(p.ring)
	clients[0].APIs = map[string][]string{apiAudience: {}}
	check(t, p.store.ApplyClients(context.Background(), 1, clients))
	second := p.replica().refresh(first.str("refresh_token"))
	if second.str("scope") != "openid offline_access" {
		t.Fatalf("%d %s", second.StatusCode, second.body)
	}
}

func TestUnknownScopeIsDropped(t *testing.T) {
	p := newProvider(t)
	a := p.login("ada@example.com", "scope", "openid nonsense read:things email email admin")
	if a.str("scope") != "openid email" || a.str("refresh_token") != "" {
		t.Fatalf("%s", a.body)
	}
}

func TestOfflineAccessNeedsTheRefreshGrant(t *testing.T) {
	p := newProvider(t)
	c := testClients(p.ring)[1]
	c.ID, c.GrantTypes = "short", slices.DeleteFunc(c.GrantTypes, func(g string) bool { return g == "refresh_token" })
	check(t, p.store.AddClient(context.Background(), c))
	a := p.start(map[string]any{"client_id": "short", "client_secret": machineSecret, "email": "ada@example.com"})
	if a.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	tokens := p.token("client_id", "short", "client_secret", machineSecret, "grant_type", grantEmail, "username", "ada@example.com",
		"code", p.code("ada@example.com", 1), "scope", offline)
	if tokens.StatusCode != http.StatusOK || tokens.str("refresh_token") != "" || strings.Contains(tokens.str("scope"), "offline_access") {
		t.Fatalf("%d %s", tokens.StatusCode, tokens.body)
	}
}

func TestBlockedUserIsRefusedEverywhere(t *testing.T) {
	p := newProvider(t)
	a := p.login("ada@example.com")
	id := sub(t, a)
	check(t, p.store.SetBlocked(context.Background(), id, true))
	p.dead(t, a.str("access_token"))
	p.refresh(a.str("refresh_token")).wants(t, http.StatusBadRequest, "invalid_grant")
	if a := p.introspect(a.str("refresh_token")); strings.TrimSpace(a.body) != `{"active":false}` {
		t.Fatalf("%s", a.body)
	}
	check(t, p.store.SetBlocked(context.Background(), id, false))
	if a := p.refresh(a.str("refresh_token")); a.StatusCode == http.StatusOK {
		p.alive(t, a.str("access_token"))
	}
}

func TestRefreshTokenEndsWhenItIsNotUsed(t *testing.T) {
	p := newProvider(t)
	token := p.login("ada@example.com").str("refresh_token")
	p.pass(15 * 24 * time.Hour)
	p.replica().refresh(token).wants(t, http.StatusBadRequest, "invalid_grant")
}

func TestRefreshTokenEndsHoweverOftenItIsUsed(t *testing.T) {
	p := newProvider(t)
	token := p.login("ada@example.com").str("refresh_token")
	for range 2 {
		p.pass(14 * 24 * time.Hour)
		a := p.replica().refresh(token)
		if a.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		token = a.str("refresh_token")
	}
	p.pass(2 * 24 * time.Hour)
	p.replica().refresh(token).wants(t, http.StatusBadRequest, "invalid_grant")
}

func TestTokensFromBeforeACutOffAreDead(t *testing.T) {
	p := newProvider(t)
	before := p.login("ada@example.com")
	jwt := p.login("ada@example.com", "audience", apiAudience)
	p.pass(time.Second)
	clients := testClients(p.ring)
	clients[0].TokensValidFrom = p.config.Now()
	check(t, p.store.ApplyClients(context.Background(), 1, clients))
	p.pass(time.Second)
	q := p.replica()
	q.dead(t, before.str("access_token"))
	q.dead(t, jwt.str("access_token"))
	q.refresh(before.str("refresh_token")).wants(t, http.StatusBadRequest, "invalid_grant")
	if a := q.introspect(before.str("refresh_token")); strings.TrimSpace(a.body) != `{"active":false}` {
		t.Fatalf("%s", a.body)
	}
	after := q.login("ada@example.com")
	q.alive(t, after.str("access_token"))
	if a := q.refresh(after.str("refresh_token")); a.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
}

func TestTokensOfADisabledClientAreDead(t *testing.T) {
	p := newProvider(t)
	mine := p.login("ada@example.com")
	theirs := p.machineToken().str("access_token")
	check(t, p.store.ApplyClients(context.Background(), 1, slices.DeleteFunc(testClients(p.ring), func(c storage.Client) bool { return c.ID == "web" })))
	q := p.replica()
	q.userinfo(mine.str("access_token")).wants(t, http.StatusUnauthorized, "invalid_token")
	q.refresh(mine.str("refresh_token")).wants(t, http.StatusUnauthorized, "invalid_client")
	q.introspect(theirs).wants(t, http.StatusUnauthorized, "invalid_client")
	q.start(map[string]any{"email": "ada@example.com"}).wants(t, http.StatusUnauthorized, "access_denied")
}

func TestMangledRefreshTokensAreRefused(t *testing.T) {
	p := newProvider(t)
	token := p.login("ada@example.com").str("refresh_token")
	for _, bad := range mangled(token) {
		p.refresh(bad).wants(t, http.StatusBadRequest, "invalid_grant")
	}
	if a := p.refresh(token); a.StatusCode != http.StatusOK {
		t.Fatalf("a mangled one revoked the real one: %d %s", a.StatusCode, a.body)
	}
}
