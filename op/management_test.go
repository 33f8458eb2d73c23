package op_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"sallyport/op/admin"
	"sallyport/storage"
)

// manage calls the management API with the static token.
func (p *provider) manage(method, path, body string) answer {
	p.t.Helper()
	header := []string{"Authorization", "Bearer " + adminToken}
	if body != "" {
		header = append(header, "Content-Type", "application/json")
	}
	return p.send(method, "/api/v2/"+path, body, header...)
}

func TestManagementAPIFindsAUserByTheirID(t *testing.T) {
	p := newProvider(t)
	id := sub(t, p.login("ada@example.com"))
	a := p.manage(http.MethodGet, "users/"+url.PathEscape(id), "")
	if a.StatusCode != http.StatusOK || a.str("user_id") != id || a.str("email") != "ada@example.com" || a.json()["email_verified"] != true || a.json()["logins_count"] != float64(1) {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if a := p.manage(http.MethodGet, "resource-servers/https%3A%2F%2Fapi.example.com", ""); a.StatusCode != http.StatusOK || a.str("identifier") != apiAudience {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if a := p.manage(http.MethodGet, "users//x", ""); a.StatusCode != http.StatusNotFound {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// Tokens of people, of other audiences and of other kinds open nothing.
func TestManagementAPIRefusesOtherTokens(t *testing.T) {
	p := newProvider(t)
	tokens := p.login("ada@example.com")
	jwt := p.login("ada@example.com", "audience", apiAudience)
	for name, token := range map[string]string{
		"a user's opaque token": tokens.str("access_token"), "a user's JWT": jwt.str("access_token"), "an ID token": tokens.str("id_token"),
		"a refresh token": tokens.str("refresh_token"), "a machine's opaque token": p.machineToken().str("access_token"),
		"a machine's token for another API": p.machineToken("audience", apiAudience).str("access_token"), "nothing": "",
	} {
		a := p.send(http.MethodGet, "/api/v2/users", "", "Authorization", "Bearer "+token)
		if a.StatusCode != http.StatusUnauthorized || a.json()["statusCode"] != float64(http.StatusUnauthorized) || a.str("error") != "Unauthorized" {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
}

// A blocked user's sessions, refresh tokens and access tokens are over at once.
func TestBlockingAUserEndsWhatTheyHave(t *testing.T) {
	p := newProvider(t)
	tokens := p.login("ada@example.com")
	path := "users/" + url.PathEscape(sub(t, tokens))
	if a := p.manage(http.MethodPatch, path, `{"blocked":true}`); a.StatusCode != http.StatusOK || a.json()["blocked"] != true {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	p.dead(t, tokens.str("access_token"))
	p.refresh(tokens.str("refresh_token")).wants(t, http.StatusBadRequest, "invalid_grant")
	if a := p.manage(http.MethodPatch, path, `{"blocked":false}`); a.StatusCode != http.StatusOK || a.json()["blocked"] != false {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	p.dead(t, tokens.str("access_token"))
	p.login("ada@example.com")
}

// Who was linked signs in as the primary user from then on, and as themselves once they are unlinked.
func TestLinkedAddressSignsInAsThePrimary(t *testing.T) {
	p := newProvider(t)
	primary, second := p.login("ada@example.com"), p.login("bob@example.com")
	path := "users/" + url.PathEscape(sub(t, primary)) + "/identities"
	a := p.manage(http.MethodPost, path, `{"link_with":"`+second.str("id_token")+`"}`)
	if a.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	p.dead(t, second.str("access_token"))
	if got := sub(t, p.login("bob@example.com")); got != sub(t, primary) {
		t.Errorf("signs in as %s", got)
	}
	id := sub(t, second)[len("email|"):]
	if a := p.manage(http.MethodDelete, path+"/email/"+id, ""); a.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if got := sub(t, p.login("bob@example.com")); got != sub(t, second) {
		t.Errorf("signs in as %s", got)
	}
	for name, token := range map[string]string{"an access token": primary.str("access_token"), "a forged one": primary.str("id_token") + "A", "rubbish": "x.y.z"} {
		if a := p.manage(http.MethodPost, path, `{"link_with":"`+token+`"}`); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
}

// managementVisits are requests to the management API for [TestFailingDatabase].
func (p *provider) managementVisits(jwt string) []visit {
	return []visit{
		{"GET /api/v2/", "users", func() answer { return p.manage(http.MethodGet, "users/email%7C1", "") }, 0},
		{"GET /api/v2/", "logs", func() answer { return p.manage(http.MethodGet, "logs", "") }, 0},
		{"GET /api/v2/", "change", func() answer {
			return p.manage(http.MethodPost, "users", `{"connection":"email","email":"x@example.com"}`)
		}, 0},
		{"GET /api/v2/", "a client's token", func() answer { return p.send(http.MethodGet, "/api/v2/users", "", "Authorization", "Bearer "+jwt) }, 0},
	}
}

// A client's token opens what it was granted, for as long as it is.
func TestManagementAPITakesAClientsOwnToken(t *testing.T) {
	p := newProvider(t)
	audience := p.administrates("machine")
	token := p.callAs("admin-machine", machineSecret, "/oauth/token", "grant_type", "client_credentials", "audience", audience).str("access_token")
	status := func(p *provider, method, path, body string) int {
		t.Helper()
		return p.send(method, "/api/v2/"+path, body, "Authorization", "Bearer "+token, "Content-Type", "application/json").StatusCode
	}
	if got := status(p, http.MethodGet, "users", ""); got != http.StatusOK {
		t.Fatalf("status %d", got)
	}
	if got := status(p, http.MethodDelete, "users/email%7C1", ""); got != http.StatusForbidden {
		t.Errorf("without the scope: %d", got)
	}
	p.send(http.MethodPatch, "/api/v2/users/"+url.PathEscape(sub(t, p.login("ada@example.com"))), `{"name":"Ada"}`, "Authorization", "Bearer "+token, "Content-Type", "application/json")
	e := must(p.store.Events(t.Context(), storage.EventFilter{Type: admin.EventOperation}))
	if len(e) != 1 || e[0].ClientID != "admin-machine" || !strings.HasPrefix(e[0].Detail, "by client admin-machine: PATCH ") {
		t.Errorf("events: %+v", e)
	}
	if a := p.manage(http.MethodPost, "clients/admin-machine/rotate-secret", ""); a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}

	check(t, p.store.UpdateClient(t.Context(), "admin-machine", func(c *storage.Client) error {
		c.APIs = map[string][]string{audience: {"update:users"}}
		return nil
	}))
	if got := status(p.replica(), http.MethodGet, "users", ""); got != http.StatusForbidden {
		t.Errorf("after the grant was taken away: %d", got)
	}
	check(t, p.store.UpdateClient(t.Context(), "admin-machine", func(c *storage.Client) error { c.Disabled = true; return nil }))
	if got := status(p.replica(), http.MethodPatch, "users/email%7C1", "{}"); got != http.StatusUnauthorized {
		t.Errorf("of a disabled client: %d", got)
	}
}

func TestRevokedManagementTokenOpensNothing(t *testing.T) {
	p := newProvider(t)
	audience := p.administrates("machine")
	token := p.callAs("admin-machine", machineSecret, "/oauth/token", "grant_type", "client_credentials", "audience", audience).str("access_token")
	p.callAs("admin-machine", machineSecret, "/oauth/revoke", "token", token).wants(t, http.StatusOK, "")
	if a := p.send(http.MethodGet, "/api/v2/users", "", "Authorization", "Bearer "+token); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	late := p.callAs("admin-machine", machineSecret, "/oauth/token", "grant_type", "client_credentials", "audience", audience).str("access_token")
	p.pass(25 * time.Hour)
	if a := p.send(http.MethodGet, "/api/v2/users", "", "Authorization", "Bearer "+late); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("expired: %d %s", a.StatusCode, a.body)
	}
}
