package op_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

const inactive = `{"active":false}`

func (p *provider) introspectAs(id, secret, token string) answer {
	p.t.Helper()
	return p.callAs(id, secret, "/oauth/introspect", "token", token)
}

func TestIntrospectionAnswersOwnerAndAudienceOnly(t *testing.T) {
	p := newProvider(t)
	a := p.login("ada@example.com")
	jwt := p.login("ada@example.com", "audience", apiAudience, "scope", "openid read:things")
	for _, c := range []struct {
		name, id, secret, token string
		active                  bool
	}{
		{"own opaque", "web", webSecret, a.str("access_token"), true},
		{"own refresh", "web", webSecret, a.str("refresh_token"), true},
		{"own JWT", "web", webSecret, jwt.str("access_token"), true},
		{"audience's JWT", "machine", machineSecret, jwt.str("access_token"), true},
		{"another's opaque", "other", machineSecret, a.str("access_token"), false},
		{"another's opaque, API", "machine", machineSecret, a.str("access_token"), false},
		{"another's refresh", "other", machineSecret, a.str("refresh_token"), false},
		{"another's refresh, API", "machine", machineSecret, a.str("refresh_token"), false},
		{"another's JWT", "other", machineSecret, jwt.str("access_token"), false},
		{"noise", "web", webSecret, "noise", false},
	} {
		got := p.introspectAs(c.id, c.secret, c.token)
		if got.StatusCode != http.StatusOK || got.json()["active"] != c.active || !c.active && strings.TrimSpace(got.body) != inactive {
			t.Errorf("%s: %d %s", c.name, got.StatusCode, got.body)
		}
	}
}

func TestIntrospectionSaysWhatTheTokenIs(t *testing.T) {
	p := newProvider(t)
	a := p.login("ada@example.com", "audience", apiAudience, "scope", "openid profile read:things offline_access")
	got := p.introspect(a.str("access_token")).json()
	jwt := claims(t, a.str("access_token"))
	for _, name := range []string{"sub", "client_id", "scope", "iat", "exp", "jti", "iss"} {
		if got[name] == nil || got[name] != jwt[name] {
			t.Errorf("%s: %v and %v", name, got[name], jwt[name])
		}
	}
	if got["token_type"] != "Bearer" || got["username"] != "ada@example.com" || got["aud"] == nil {
		t.Errorf("%v", got)
	}
	refresh := p.introspect(a.str("refresh_token")).json()
	if refresh["token_type"] != "refresh_token" || refresh["exp"] == nil || refresh["sub"] != jwt["sub"] {
		t.Errorf("%v", refresh)
	}
}

func TestIntrospectionNeedsProof(t *testing.T) {
	p := newProvider(t)
	token := p.login("ada@example.com").str("access_token")
	p.call("/oauth/introspect", "client_id", "spa", "token", token).wants(t, http.StatusUnauthorized, "invalid_client")
	p.call("/oauth/introspect", "client_id", "web", "token", token).wants(t, http.StatusUnauthorized, "invalid_client")
	p.call("/oauth/introspect", "token", token).wants(t, http.StatusUnauthorized, "invalid_client")
	p.send(http.MethodPost, "/oauth/introspect", "token="+token, "Content-Type", formType, "Authorization", "Bearer "+token).
		wants(t, http.StatusUnauthorized, "invalid_client")
	p.callAs("web", webSecret, "/oauth/introspect").wants(t, http.StatusBadRequest, "invalid_request")
}

func TestIntrospectionOfWhatIsOver(t *testing.T) {
	p := newProvider(t)
	first := p.login("ada@example.com")
	second := p.refresh(first.str("refresh_token"))
	if a := p.introspect(first.str("refresh_token")); strings.TrimSpace(a.body) != inactive {
		t.Errorf("rotated: %s", a.body)
	}
	if a := p.introspect(second.str("refresh_token")); a.json()["active"] != true {
		t.Errorf("current: %s", a.body)
	}
	p.pass(15 * 24 * time.Hour)
	for _, token := range []string{second.str("refresh_token"), second.str("access_token")} {
		if a := p.introspect(token); strings.TrimSpace(a.body) != inactive {
			t.Errorf("expired: %s", a.body)
		}
	}
}
