package op_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func seconds(v any) float64 {
	n, _ := v.(float64)
	return n
}

func marshal(v any) ([]byte, error) { return json.Marshal(v) }

func TestClientCredentialsNeedProof(t *testing.T) {
	p := newProvider(t)
	c := testClients(p.ring)[2]
	c.ID, c.GrantTypes = "loose", []string{"client_credentials"}
	check(t, p.store.AddClient(context.Background(), c))
	c.ID, c.AuthMethods, c.Secrets = "mixed", []string{"client_secret_basic", "none"}, []string{p.ring.HashSecret(machineSecret)}
	check(t, p.store.AddClient(context.Background(), c))
	for _, id := range []string{"loose", "mixed", "spa"} {
		p.call("/oauth/token", "grant_type", "client_credentials", "client_id", id).wants(t, http.StatusUnauthorized, "invalid_client")
	}
	p.callAs("web", webSecret, "/oauth/token", "grant_type", "client_credentials").wants(t, http.StatusBadRequest, "unauthorized_client")
}

func TestGrantOfAnotherKindOfClientIsRefused(t *testing.T) {
	p := newProvider(t)
	for _, grant := range []string{"authorization_code", "refresh_token", grantOTP, grantEmail, grantSMS} {
		p.callAs("machine", machineSecret, "/oauth/token", "grant_type", grant, "code", "1", "refresh_token", "1", "redirect_uri", "x", "username", "a@example.com", "otp", "1", "realm", "email").
			wants(t, http.StatusBadRequest, "unauthorized_client")
	}
}

func TestMachineTokenForAnAPI(t *testing.T) {
	p := newProvider(t)
	a := p.machineToken("audience", apiAudience, "scope", "read:things openid email offline_access nonsense")
	if a.StatusCode != http.StatusOK || a.str("scope") != "read:things" || a.str("refresh_token") != "" || a.str("id_token") != "" || a.str("token_type") != "Bearer" || a.json()["expires_in"] != 600.0 {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if all := p.machineToken("audience", apiAudience); all.str("scope") != "read:things write:things" {
		t.Fatalf("without scope: %s", all.body)
	}
	p.machineToken("audience", "https://unknown.example.com").wants(t, http.StatusBadRequest, "invalid_target")
	p.login("ada@example.com") // so that there is a user to be taken for
	p.userinfo(a.str("access_token")).wants(t, http.StatusUnauthorized, "invalid_token")
	p.userinfo(p.machineToken().str("access_token")).wants(t, http.StatusUnauthorized, "invalid_token")
}

func TestMachineTokenNeedsAScopeThatCanBeGiven(t *testing.T) {
	p := newProvider(t)
	p.machineToken("scope", "read:things").wants(t, http.StatusBadRequest, "invalid_scope") // of an API that is not asked for
	p.machineToken("audience", apiAudience, "scope", "openid nonsense").wants(t, http.StatusBadRequest, "invalid_scope")
	if a := p.machineToken("audience", apiAudience, "scope", "write:things nonsense"); a.str("scope") != "write:things" {
		t.Errorf("the answer does not say what was granted: %s", a.body)
	}
	if a := p.machineToken("audience", apiAudience, "scope", ""); a.str("scope") != "read:things write:things" {
		t.Errorf("an empty scope is none: %s", a.body)
	}
}

func TestJWTAccessTokenShape(t *testing.T) {
	p := newProvider(t)
	user := p.login("ada@example.com", "audience", apiAudience, "scope", "openid email read:things write:things")
	machine := p.machineToken("audience", apiAudience)
	sub := claims(t, user.str("id_token"))["sub"]
	for _, c := range []struct {
		token, client, scope string
		sub                  any
		aud                  []any
	}{
		{user.str("access_token"), "web", "openid email read:things", sub, []any{apiAudience, p.url + "/userinfo"}},
		{machine.str("access_token"), "machine", "read:things write:things", "machine", []any{apiAudience}},
	} {
		header, got := segment(t, c.token, 0), claims(t, c.token)
		if header["typ"] != "at+jwt" || header["alg"] != "RS256" || header["kid"] == "" || len(header) != 3 {
			t.Errorf("header %v", header)
		}
		aud, _ := got["aud"].([]any)
		if one, ok := got["aud"].(string); ok {
			aud = []any{one}
		}
		if got["iss"] != p.url || got["sub"] != c.sub || got["client_id"] != c.client || got["scope"] != c.scope || got["jti"] == "" ||
			seconds(got["exp"])-seconds(got["iat"]) != 600 || string(must(marshal(aud))) != string(must(marshal(c.aud))) {
			t.Errorf("claims %v", got)
		}
		if got["email"] != nil {
			t.Error("an access token names the person")
		}
	}
	if a, b := p.machineToken("audience", apiAudience), machine; claims(t, a.str("access_token"))["jti"] == claims(t, b.str("access_token"))["jti"] {
		t.Error("two tokens have one jti")
	}
}

// administrates lets clients of the tests ask for the management API.
func (p *provider) administrates(ids ...string) string {
	p.t.Helper()
	audience := strings.TrimSuffix(p.config.Issuer, "/") + "/api/v2/"
	for _, id := range ids {
		c := testClients(p.ring)[0]
		for _, known := range testClients(p.ring) {
			if known.ID == id {
				c = known
			}
		}
		c.ID, c.APIs = "admin-"+id, map[string][]string{audience: {"read:users", "update:users", "make:coffee"}}
		check(p.t, p.store.AddClient(context.Background(), c))
	}
	return audience
}

func TestMachineTokenForTheManagementAPI(t *testing.T) {
	for name, slash := range map[string]string{"the issuer as it is": "", "with a slash": "/"} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t, func(s *settings) { s.op.Issuer += slash })
			audience := p.administrates("machine")
			grant := func(more ...string) answer {
				return p.callAs("admin-machine", machineSecret, "/oauth/token", append([]string{"grant_type", "client_credentials"}, more...)...)
			}
			a := grant("audience", audience)
			a.wants(t, http.StatusOK, "")
			got := claims(t, a.str("access_token"))
			if a.str("scope") != "read:users update:users" || a.json()["expires_in"] != 86400.0 || !strings.Contains(string(must(marshal(got["aud"]))), `"`+audience+`"`) ||
				got["azp"] != "admin-machine" || got["gty"] != "client-credentials" || got["sub"] != "admin-machine" || segment(t, a.str("access_token"), 0)["alg"] != "RS256" {
				t.Errorf("%s %v", a.body, got)
			}
			if one := grant("audience", audience, "scope", "read:users delete:users"); one.str("scope") != "read:users" {
				t.Errorf("%s", one.body)
			}
			for _, other := range []string{strings.TrimSuffix(audience, "/"), audience + "/", p.url + "//api/v2/", "http://elsewhere.example.com/api/v2/"} {
				grant("audience", other).wants(t, http.StatusBadRequest, "invalid_target")
			}
			p.machineToken("audience", audience).wants(t, http.StatusBadRequest, "invalid_target") // nobody gave it to this one
		})
	}
}

// A token for a person never administrates, whatever the client may do for itself.
func TestNoPersonGetsTheManagementAPI(t *testing.T) {
	p := newProvider(t)
	audience := p.administrates("web")
	b := p.browser()
	b.signIn("ada@example.com", p.authorizeURL())
	back := must(b.get(p.authorizeURL("client_id", "admin-web", "audience", audience)).Location()).Query()
	if back.Get("error") != "invalid_target" {
		t.Errorf("at /authorize: %v", back)
	}
	p.push("client_id", "admin-web", "audience", audience).wants(t, http.StatusBadRequest, "invalid_target")
	p.start(map[string]any{"client_id": "admin-web", "email": "eve@example.com"}).wants(t, http.StatusOK, "")
	otp := []string{"client_id", "admin-web", "grant_type", grantOTP, "realm", "email", "username", "eve@example.com", "otp", p.code("eve@example.com", 1), "scope", offline}
	p.token(append(otp, "audience", audience)...).wants(t, http.StatusBadRequest, "invalid_target")
	tokens := p.token(otp...)
	tokens.wants(t, http.StatusOK, "")
	if a := p.refresh(tokens.str("refresh_token"), "client_id", "admin-web", "audience", audience, "scope", "openid read:users"); a.StatusCode == http.StatusOK {
		t.Errorf("by a refresh: %s", a.body)
	}
}
