package op_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

const (
	registered = "http://spa.example.com"
	stranger   = "http://evil.example.com"
)

func corsHeaders(h http.Header) []string {
	var out []string
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			out = append(out, name+": "+h.Get(name))
		}
	}
	return out
}

func TestCORSIsForRegisteredOriginsOnly(t *testing.T) {
	p := newProvider(t)
	for _, path := range []string{"/oauth/token", "/oauth/revoke", "/userinfo", "/passwordless/start", "/passwordless/verify"} {
		for _, method := range []string{http.MethodPost, http.MethodOptions} {
			a := p.send(method, path, "", "Origin", registered, "Access-Control-Request-Method", "POST")
			if a.Header.Get("Access-Control-Allow-Origin") != registered || a.Header.Get("Access-Control-Allow-Credentials") != "" || !strings.Contains(a.Header.Get("Vary"), "Origin") {
				t.Errorf("%s %s: %v", method, path, a.Header)
			}
			if method == http.MethodOptions && (a.StatusCode != http.StatusNoContent || a.Header.Get("Access-Control-Allow-Methods") == "" ||
				!strings.Contains(a.Header.Get("Access-Control-Allow-Headers"), "Content-Type")) {
				t.Errorf("preflight of %s: %d %v", path, a.StatusCode, a.Header)
			}
			for _, origin := range []string{
				stranger, "null", "http://spa.example.com.evil.com", "http://SPA.example.com", "https://spa.example.com", "http://spa.example.com:80",
				"http://spa.example.com/", " ", "*", "http://%", strings.Repeat("x", 4000), "http://\xff.example.com", registered + ", " + stranger,
			} {
				a := p.send(method, path, "", "Origin", origin, "Access-Control-Request-Method", "POST")
				if got := corsHeaders(a.Header); got != nil || a.StatusCode >= http.StatusInternalServerError {
					t.Errorf("%s %s for %.40q: %d %v", method, path, origin, a.StatusCode, got)
				}
			}
		}
	}
}

// Origins of one client read no answer about another.
func TestCORSIsForTheClientsOwnOrigins(t *testing.T) {
	p := newProvider(t)
	token := p.login("ada@example.com").str("access_token") // of the client web, which has no origin
	as := func(path, id, secret string) answer {
		return p.send(http.MethodPost, path, values(append([]string{"client_id", id, "client_secret", secret}, authenticated[path]...)...).Encode(),
			"Content-Type", formType, "Origin", registered)
	}
	start := `{"client_id":"web","client_secret":"` + webSecret + `","connection":"email","email":"a@example.com"}`
	ticket := `{"client_id":"web","username":"a@example.com","otp":"1","realm":"email","credential_type":"` + grantOTP + `"}`
	verify := `{"client_id":"web","client_secret":"` + webSecret + `","connection":"email","email":"a@example.com","verification_code":"1"}`
	for name, a := range map[string]answer{
		"token":              as("/oauth/token", "machine", machineSecret),
		"revocation":         as("/oauth/revoke", "machine", machineSecret),
		"userinfo":           p.send(http.MethodGet, "/userinfo", "", "Authorization", "Bearer "+token, "Origin", registered),
		"start":              p.send(http.MethodPost, "/passwordless/start", start, "Content-Type", "application/json", "Origin", registered),
		"another's ticket":   p.send(http.MethodPost, "/co/authenticate", ticket, "Content-Type", "application/json", "Origin", registered),
		"verify for another": p.send(http.MethodPost, "/passwordless/verify", verify, "Content-Type", "application/json", "Origin", registered),
	} {
		if got := corsHeaders(a.Header); got != nil {
			t.Errorf("%s: %d %v", name, a.StatusCode, got)
		}
	}
	if a := as("/oauth/token", "spa", ""); a.Header.Get("Access-Control-Allow-Origin") != registered {
		t.Errorf("its own: %d %v", a.StatusCode, a.Header)
	}
}

func TestNoCORSWhereScriptsHaveNoBusiness(t *testing.T) {
	p := newProvider(t)
	for _, path := range []string{"/oauth/introspect", "/authorize", "/passwordless/verify_redirect", "/u/login/app", "/oidc/logout", "/v2/logout", "/u/login", "/dev/inbox.json", "/readyz"} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions} {
			a := p.send(method, path, "", "Origin", registered, "Access-Control-Request-Method", "POST")
			if got := corsHeaders(a.Header); got != nil {
				t.Errorf("%s %s: %v", method, path, got)
			}
		}
	}
}

func TestMetadataIsForEveryOrigin(t *testing.T) {
	p := newProvider(t)
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json"} {
		a := p.send(http.MethodGet, path, "", "Origin", stranger)
		if a.StatusCode != http.StatusOK || a.Header.Get("Access-Control-Allow-Origin") != "*" || a.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %d %v", path, a.StatusCode, a.Header)
		}
		a = p.send(http.MethodOptions, path, "", "Origin", stranger, "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "auth0-client")
		if a.StatusCode != http.StatusNoContent || !strings.Contains(a.Header.Get("Access-Control-Allow-Headers"), "Auth0-Client") || a.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("preflight of %s: %d %v", path, a.StatusCode, a.Header)
		}
	}
}

// A page that its service has answered before can read that the database is away, and when to come again; no other page can.
func TestLostDatabaseCanBeReadByTheApp(t *testing.T) {
	p := newProvider(t)
	ask := func(origin string) answer {
		return p.json("/passwordless/start", map[string]any{"client_id": "spa", "connection": "email", "email": "ada@example.com", "send": "code"}, nil, "Origin", origin)
	}
	ask(registered).wants(t, http.StatusOK, "")
	ask(stranger)
	p.pass(time.Minute)
	check(t, p.store.Close())
	a := ask(registered)
	a.wants(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	if a.Header.Get("Access-Control-Allow-Origin") != registered || a.Header.Get("Retry-After") == "" {
		t.Errorf("%v", a.Header)
	}
	for _, origin := range []string{stranger, "http://never.example.com"} {
		if got := corsHeaders(ask(origin).Header); got != nil {
			t.Errorf("%s: %v", origin, got)
		}
	}
}

// An origin that its client has lost is a stranger's, five seconds later.
func TestOriginIsForgottenWithItsClient(t *testing.T) {
	p := newProvider(t)
	allowed := func() string {
		return p.send(http.MethodPost, "/oauth/token", "", "Origin", registered).Header.Get("Access-Control-Allow-Origin")
	}
	if allowed() != registered {
		t.Fatal("the origin is not known")
	}
	all := testClients(p.ring)
	for i := range all {
		all[i].WebOrigins = nil
	}
	check(t, p.store.ApplyClients(t.Context(), 2, all))
	p.pass(5 * time.Second)
	if got := allowed(); got != "" {
		t.Errorf("%s is still known", got)
	}
}

func TestRefusalsCanBeReadByTheApp(t *testing.T) {
	p := newProvider(t)
	for _, a := range []answer{
		p.send(http.MethodPost, "/oauth/token", "grant_type=x", "Content-Type", formType, "Origin", registered),
		p.send(http.MethodGet, "/userinfo", "", "Origin", registered, "Authorization", "Bearer x"),
		p.send(http.MethodPost, "/passwordless/start", "{", "Content-Type", "application/json", "Origin", registered),
	} {
		if a.StatusCode < 400 || a.Header.Get("Access-Control-Allow-Origin") != registered || !strings.Contains(a.Header.Get("Access-Control-Expose-Headers"), "Retry-After") {
			t.Errorf("%d %v", a.StatusCode, a.Header)
		}
	}
}
