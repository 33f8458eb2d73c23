package op_test

import (
	"fmt"
	"net/http"
	"testing"
)

// Auth0's SDKs send forms and JSON, each its own choice: every grant takes both, and members that nobody knows are
// ignored whatever they hold.
func TestEveryGrantTakesJSON(t *testing.T) {
	p := newProvider(t)
	object := func(members ...any) map[string]any {
		body := map[string]any{"client_id": "web", "client_secret": webSecret, "unknown": map[string]any{"a": []any{1, nil}}, "ttl": 5}
		for i := 0; i+1 < len(members); i += 2 {
			body[fmt.Sprint(members[i])] = members[i+1]
		}
		return body
	}
	login := p.callJSON("/oauth/token", object("grant_type", grantOTP, "realm", "email", "username", "ada@example.com",
		"otp", p.mailed("ada@example.com"), "scope", offline))
	login.wants(t, http.StatusOK, "")
	p.alive(t, login.str("access_token"))

	code := p.codes("ada@example.com")()
	exchanged := p.callJSON("/oauth/token", object("grant_type", "authorization_code", "code", code, "redirect_uri", webRedirect, "code_verifier", verifier))
	exchanged.wants(t, http.StatusOK, "")

	refreshed := p.callJSON("/oauth/token", object("grant_type", "refresh_token", "refresh_token", login.str("refresh_token"), "connection", "email", "redirect_uri", "x"))
	refreshed.wants(t, http.StatusOK, "")

	p.callJSON("/oauth/token", map[string]any{
		"grant_type": "client_credentials", "client_id": "machine", "client_secret": machineSecret, "audience": apiAudience,
	}).wants(t, http.StatusOK, "")

	if a := p.callJSON("/oauth/introspect", object("token", refreshed.str("access_token"))); a.json()["active"] != true {
		t.Errorf("introspection: %d %s", a.StatusCode, a.body)
	}
	revoked := p.callJSON("/oauth/revoke", object("token", refreshed.str("refresh_token")))
	if revoked.wants(t, http.StatusOK, ""); revoked.body != "" {
		t.Errorf("revocation says %q", revoked.body)
	}
	p.dead(t, refreshed.str("access_token"))
}

// Parameters in the address are never read, beside JSON as beside a form: addresses are kept in logs.
func TestParametersInTheAddressAreNotReadBesideJSON(t *testing.T) {
	p := newProvider(t)
	a := p.callJSON("/oauth/token?client_secret="+webSecret+"&grant_type=client_credentials", map[string]any{"client_id": "machine"})
	a.wants(t, http.StatusBadRequest, "invalid_request")
}
