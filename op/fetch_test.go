package op_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// trap is the address of a server that nobody has any business with: being asked is a failure.
func trap(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was fetched", r.Method, r.URL) }))
	t.Cleanup(s.Close)
	return s.URL
}

// Addresses that a request names, in any parameter that ever was one, at every route, alone and in what is otherwise right, and in what
// is signed: nobody asks for them.
func TestNothingThatARequestNamesIsFetched(t *testing.T) {
	p := newProvider(t)
	p.addSigner()
	target := trap(t)
	names := []string{
		"request_uri", "jwks_uri", "sector_identifier_uri", "logo_uri", "logo", "policy_uri", "tos_uri", "client_uri", "picture", "initiate_login_uri",
		"redirect_uri", "post_logout_redirect_uri", "returnTo", "iss", "target_link_uri", "resource", "audience", "claims", "id_token_hint", "request",
		"registration", "backchannel_logout_uri", "url", "next",
	}
	all := url.Values{"client_id": {"web"}}
	for _, name := range names {
		all.Set(name, target+"/"+name)
		p.browser().get(p.authorizeURL(name, target))
		p.push(name, target)
		p.token("grant_type", "client_credentials", name, target)
		p.start(map[string]any{"email": "ada@example.com", name: target, "authParams": map[string]any{name: target}})
	}
	for _, route := range routes(t) {
		method, path, _ := strings.Cut(strings.Replace(route, "{file}", "web.js", 1), " ")
		b := p.browser()
		if method == http.MethodGet {
			b.get(p.url + path + "?" + all.Encode())
			continue
		}
		b.post(p.url+path, all)
	}
	p.browser().get(p.authorizeURL("request_uri", target)).sentBack(t)
	if a := p.push("request_uri", target); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a request_uri that is pushed: %d", a.StatusCode)
	}
	for _, name := range []string{"header.jku", "header.x5u", "iss", "jwks_uri", "aud"} {
		signed := p.assertion("rsa", jose.RS256, map[string]any{name: target + "/keys", "header.kid": "unknown"})
		p.call("/oauth/token", asserted(signed, "grant_type", "client_credentials")...).wants(t, http.StatusUnauthorized, "invalid_client")
		p.browser().get(p.authorizeURL("id_token_hint", signed))
		p.browser().get(p.authorizeURL("request", signed))
		p.userinfo(signed).wants(t, http.StatusUnauthorized, "invalid_token")
	}
}
