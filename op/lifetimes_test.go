package op_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

// withWeb gives a replica whose web client is changed.
func (p *provider) withWeb(change func(*storage.Client)) *provider {
	p.t.Helper()
	clients := testClients(p.ring)
	change(&clients[0])
	check(p.t, p.store.ApplyClients(context.Background(), 1, clients))
	return p.replica()
}

// withAPI gives a replica whose API is changed.
func (p *provider) withAPI(change func(*storage.API)) *provider {
	p.t.Helper()
	api := must(p.store.API(context.Background(), apiAudience))
	change(&api)
	check(p.t, p.store.ApplyAPIs(context.Background(), []storage.API{api}))
	return p.replica()
}

func life(t *testing.T, token string) time.Duration {
	t.Helper()
	c := claims(t, token)
	exp, _ := c["exp"].(float64)
	iat, _ := c["iat"].(float64)
	return time.Duration(exp-iat) * time.Second
}

func TestLifetimesOfAClient(t *testing.T) {
	p := newProvider(t)
	q := p.withWeb(func(c *storage.Client) {
		c.Settings.AccessTokenLifetime, c.Settings.IDTokenLifetime = 5*time.Minute, 10*time.Hour
	})
	a := q.login("ada@example.com")
	if a.json()["expires_in"] != 300.0 || life(t, a.str("id_token")) != 10*time.Hour {
		t.Fatalf("%s", a.body)
	}
	p.pass(4 * time.Minute)
	p.replica().alive(t, a.str("access_token"))
	p.pass(time.Minute)
	p.replica().dead(t, a.str("access_token"))
}

func TestLifetimeOfAnAPIWins(t *testing.T) {
	p := newProvider(t)
	q := p.withWeb(func(c *storage.Client) { c.Settings.AccessTokenLifetime = 5 * time.Minute })
	a := q.login("ada@example.com", "audience", apiAudience)
	if a.json()["expires_in"] != 600.0 || life(t, a.str("access_token")) != 10*time.Minute {
		t.Fatalf("%s", a.body)
	}
	q = p.withAPI(func(a *storage.API) { a.TokenLifetime = 0 })
	if a := q.login("bob@example.com", "audience", apiAudience); a.json()["expires_in"] != 300.0 {
		t.Fatalf("%s", a.body)
	}
}

func TestRefreshEndsAsTheClientSays(t *testing.T) {
	p := newProvider(t)
	q := p.withWeb(func(c *storage.Client) {
		c.Settings.Refresh.Idle, c.Settings.Refresh.Absolute = time.Hour, 2*time.Hour
	})
	unused := q.login("ada@example.com").str("refresh_token")
	used := q.login("bob@example.com").str("refresh_token")
	for range 2 {
		p.pass(50 * time.Minute)
		a := p.replica().refresh(used)
		if a.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		used = a.str("refresh_token")
	}
	p.replica().refresh(unused).wants(t, http.StatusBadRequest, "invalid_grant")
	p.pass(20 * time.Minute)
	p.replica().refresh(used).wants(t, http.StatusBadRequest, "invalid_grant")
}

func TestNoLeeway(t *testing.T) {
	p := newProvider(t)
	q := p.withWeb(func(c *storage.Client) { c.Settings.Refresh.Leeway = new(time.Duration) })
	first := q.login("ada@example.com").str("refresh_token")
	second := q.refresh(first).str("refresh_token")
	q.refresh(first).wants(t, http.StatusBadRequest, "invalid_grant")
	q.refresh(second).wants(t, http.StatusBadRequest, "invalid_grant")
}

func TestLongLeeway(t *testing.T) {
	p := newProvider(t)
	q := p.withWeb(func(c *storage.Client) { c.Settings.Refresh.Leeway = new(time.Minute) })
	first := q.login("ada@example.com").str("refresh_token")
	second := q.refresh(first).str("refresh_token")
	p.pass(50 * time.Second)
	if again := q.refresh(first).str("refresh_token"); again != second || second == "" {
		t.Fatalf("%q and %q", second, again)
	}
}

func keeps(c *storage.Client) { c.Settings.Refresh.NonRotating = true }

func TestNonRotatingTokenGoesOn(t *testing.T) {
	p := newProvider(t)
	q := p.withWeb(keeps)
	token := q.login("ada@example.com").str("refresh_token")
	for range 3 { // 45 days of use, of which the last are past the absolute end
		p.pass(14 * 24 * time.Hour)
		a := p.replica().refresh(token)
		if a.StatusCode == http.StatusOK && (a.str("refresh_token") != "" || a.str("access_token") == "" || a.str("id_token") == "") {
			t.Fatalf("%s", a.body)
		}
		if p.passed.Load() >= int64(30*24*time.Hour) {
			a.wants(t, http.StatusBadRequest, "invalid_grant")
		} else if a.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
	}
}

func TestNonRotatingTokenWritesSeldom(t *testing.T) {
	p := newProvider(t)
	q := p.withWeb(keeps)
	token := q.login("ada@example.com").str("refresh_token")
	used := func() int {
		events := must(p.store.Events(context.Background(), storage.EventFilter{Type: "refresh.used"}))
		return len(events)
	}
	for range 5 {
		if a := q.refresh(token); a.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
	}
	if used() != 0 {
		t.Fatalf("%d writes", used())
	}
	p.pass(18 * time.Hour) // a twentieth of 15 days
	q = p.replica()
	for range 5 {
		if a := q.refresh(token); a.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
	}
	if used() != 1 {
		t.Fatalf("%d writes after 18 hours", used())
	}
}

func TestNonRotatingTokenEnds(t *testing.T) {
	p := newProvider(t)
	q := p.withWeb(keeps)
	idle := q.login("ada@example.com")
	p.pass(15 * 24 * time.Hour)
	q = p.replica()
	q.refresh(idle.str("refresh_token")).wants(t, http.StatusBadRequest, "invalid_grant")
	revoked := q.login("bob@example.com").str("refresh_token")
	q.revoke(revoked)
	q.refresh(revoked).wants(t, http.StatusBadRequest, "invalid_grant")
	blocked := q.login("eve@example.com")
	check(t, p.store.SetBlocked(context.Background(), sub(t, blocked), true))
	q.refresh(blocked.str("refresh_token")).wants(t, http.StatusBadRequest, "invalid_grant")
}

// A client that is set to keep its tokens has rotated before: the old ones stay stolen.
func TestOldGenerationOfAClientThatNoLongerRotates(t *testing.T) {
	p := newProvider(t)
	first := p.login("ada@example.com").str("refresh_token")
	second := p.refresh(first).str("refresh_token")
	q := p.withWeb(keeps)
	if a := q.refresh(first); a.str("refresh_token") != second { // the answer got lost
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if a := q.refresh(second); a.StatusCode != http.StatusOK || a.str("refresh_token") != "" {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	p.pass(11 * time.Second)
	q.refresh(first).wants(t, http.StatusBadRequest, "invalid_grant")
	q.refresh(second).wants(t, http.StatusBadRequest, "invalid_grant")
}

// A public client cannot be told from whoever stole its token, whatever the database says of it.
func TestPublicClientsRotate(t *testing.T) {
	p := newProvider(t)
	clients := testClients(p.ring)
	keeps(&clients[2])
	check(t, p.store.ApplyClients(context.Background(), 1, clients))
	q := p.replica()
	q.start(map[string]any{"client_id": "spa", "client_secret": nil, "email": "ada@example.com"})
	a := q.token("client_id", "spa", "client_secret", "", "grant_type", string(grants.GrantTypeEmailCode), "username", "ada@example.com",
		"code", p.code("ada@example.com", 1), "scope", "openid offline_access")
	next := q.refresh(a.str("refresh_token"), "client_id", "spa", "client_secret", "")
	if next.str("refresh_token") == "" || next.str("refresh_token") == a.str("refresh_token") {
		t.Fatalf("%d %s, then %d %s", a.StatusCode, a.body, next.StatusCode, next.body)
	}
}

func TestAPIWithoutOfflineAccess(t *testing.T) {
	p := newProvider(t)
	before := p.login("ada@example.com", "audience", apiAudience, "scope", "openid offline_access read:things").str("refresh_token")
	q := p.withAPI(func(a *storage.API) { a.OfflineAccess = false })
	a := q.login("ada@example.com", "audience", apiAudience, "scope", "openid offline_access read:things")
	if a.StatusCode != http.StatusOK || a.str("refresh_token") != "" || strings.Contains(a.str("scope"), "offline_access") {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	q.refresh(before).wants(t, http.StatusBadRequest, "invalid_grant")
	if a := q.login("ada@example.com"); a.str("refresh_token") == "" {
		t.Fatalf("without the API: %s", a.body)
	}
}

// A scope of ours is ours, also where an API has one of the same name.
func TestAPIHasNoScopesOfOurs(t *testing.T) {
	p := newProvider(t)
	p.withAPI(func(a *storage.API) { a.Scopes, a.OfflineAccess = append(a.Scopes, "offline_access"), false })
	q := p.withWeb(func(c *storage.Client) { c.APIs = map[string][]string{apiAudience: {"read:things", "offline_access"}} })
	if a := q.login("ada@example.com", "audience", apiAudience, "scope", "openid offline_access read:things"); a.str("refresh_token") != "" || a.str("scope") != "openid read:things" {
		t.Fatalf("%s", a.body)
	}
}
