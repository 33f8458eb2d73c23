package op_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"testing"
)

// authenticated are the endpoints at which clients authenticate, with a request that is good but for the client.
var authenticated = map[string][]string{
	"/oauth/token":      {"grant_type", "client_credentials"},
	"/oauth/revoke":     {"token", "x"},
	"/oauth/introspect": {"token", "x"},
}

func TestInvalidClientIs401WithChallenge(t *testing.T) {
	p := newProvider(t)
	raw := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	for path, form := range authenticated {
		for name, c := range map[string]struct {
			authorization string
			form          []string
		}{
			"nobody":                        {"", nil},
			"unknown, basic":                {basic("nobody", machineSecret), nil},
			"unknown, post":                 {"", []string{"client_id", "nobody", "client_secret", machineSecret}},
			"wrong secret, basic":           {basic("machine", "wrong"), nil},
			"wrong secret, post":            {"", []string{"client_id", "machine", "client_secret", "wrong"}},
			"another's secret":              {basic("machine", webSecret), nil},
			"no secret":                     {"", []string{"client_id", "machine"}},
			"empty secret, post":            {"", []string{"client_id", "machine", "client_secret", ""}},
			"empty secret, basic":           {raw("machine:"), nil},
			"no colon":                      {raw("machine"), nil},
			"nothing in basic":              {"Basic", nil},
			"not base64":                    {"Basic ***", nil},
			"bad escape":                    {raw("machine:%zz"), nil},
			"bad escape in the id":          {raw("%:" + machineSecret), nil},
			"invalid UTF-8":                 {raw("\xff\xfe:x"), nil},
			"NUL":                           {raw("machine\x00:" + machineSecret), nil},
			"escaped NUL":                   {raw("machine%00:" + machineSecret), nil},
			"bearer":                        {"Bearer " + machineSecret, nil},
			"the stored form of the secret": {basic("machine", p.ring.HashSecret(machineSecret)), nil},
			"public by basic":               {raw("spa:x"), nil},
			"assertion": {"", []string{
				"client_id", "machine", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", "a.b.c",
			}},
		} {
			t.Run(path+", "+name, func(t *testing.T) {
				header := []string{"Content-Type", formType}
				if c.authorization != "" {
					header = append(header, "Authorization", c.authorization)
				}
				p.send(http.MethodPost, path, values(append(c.form, form...)...).Encode(), header...).wants(t, http.StatusUnauthorized, "invalid_client")
			})
		}
	}
}

func TestUnknownClientAndWrongSecretLookTheSame(t *testing.T) {
	p := newProvider(t)
	for path, form := range authenticated {
		for _, origin := range []string{"", registered, stranger} {
			as := func(id string) answer {
				return p.send(http.MethodPost, path, values(form...).Encode(), "Content-Type", formType, "Authorization", basic(id, "wrong"), "Origin", origin)
			}
			unknown, wrong := as("nobody"), as("machine")
			if same(unknown) != same(wrong) {
				t.Errorf("%s\n%s\n%s", path, same(unknown), same(wrong))
			}
		}
	}
}

func TestTwoAuthenticationMethodsAreRefused(t *testing.T) {
	p := newProvider(t)
	for path, form := range authenticated {
		p.callAs("machine", machineSecret, path, append([]string{"client_id", "machine", "client_secret", machineSecret}, form...)...).
			wants(t, http.StatusBadRequest, "invalid_request")
		p.callAs("machine", machineSecret, path, append([]string{"client_id", "web"}, form...)...).wants(t, http.StatusBadRequest, "invalid_request")
		p.send(http.MethodPost, path, values(form...).Encode(), "Content-Type", formType, "Authorization", basic("machine", machineSecret),
			"Authorization", basic("web", webSecret)).wants(t, http.StatusBadRequest, "invalid_request")
	}
	if a := p.machineToken("client_id", "machine"); a.StatusCode != http.StatusOK {
		t.Fatalf("the same client_id twice is one method: %d %s", a.StatusCode, a.body)
	}
}

func TestAuthenticationMethodIsEnforced(t *testing.T) {
	p := newProvider(t)
	for id, methods := range map[string][]string{"post-only": {"client_secret_post"}, "basic-only": {"client_secret_basic"}} {
		c := testClients(p.ring)[4]
		c.ID, c.AuthMethods = id, methods
		check(t, p.store.AddClient(context.Background(), c))
	}
	grant := []string{"grant_type", "client_credentials"}
	post := func(id string) answer {
		return p.call("/oauth/token", append(grant, "client_id", id, "client_secret", machineSecret)...)
	}
	p.callAs("post-only", machineSecret, "/oauth/token", grant...).wants(t, http.StatusUnauthorized, "invalid_client")
	post("basic-only").wants(t, http.StatusUnauthorized, "invalid_client")
	if a := post("post-only"); a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if a := p.callAs("basic-only", machineSecret, "/oauth/token", grant...); a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	p.call("/oauth/revoke", "client_id", "spa", "client_secret", "guess", "token", "x").wants(t, http.StatusUnauthorized, "invalid_client")
}

func TestBasicCredentialsAreFormEncoded(t *testing.T) {
	p := newProvider(t)
	secret := "a secret: with + and % and ü of enough characters"
	c := testClients(p.ring)[4]
	c.ID, c.Secrets = "my app+1", []string{p.ring.HashSecret("an older secret that is still good, for a while"), p.ring.HashSecret(secret)}
	check(t, p.store.AddClient(context.Background(), c))
	if a := p.callAs(c.ID, secret, "/oauth/token", "grant_type", "client_credentials"); a.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
}

func TestParametersInTheQueryAreNotRead(t *testing.T) {
	p := newProvider(t)
	secret := url.Values{"client_id": {"machine"}, "client_secret": {machineSecret}}.Encode()
	p.send(http.MethodPost, "/oauth/token?"+secret, "grant_type=client_credentials", "Content-Type", formType).wants(t, http.StatusUnauthorized, "invalid_client")
	p.send(http.MethodPost, "/oauth/token?grant_type=client_credentials", secret, "Content-Type", formType).wants(t, http.StatusBadRequest, "invalid_request")
	p.send(http.MethodPost, "/oauth/token?grant_type=client_credentials&"+secret, "").wants(t, http.StatusBadRequest, "invalid_request")
	token := p.login("ada@example.com").str("access_token")
	for _, path := range []string{"/oauth/introspect", "/oauth/revoke"} {
		p.send(http.MethodPost, path+"?token="+token, "a=b", "Content-Type", formType, "Authorization", basic("web", webSecret)).
			wants(t, http.StatusBadRequest, "invalid_request")
	}
	p.send(http.MethodGet, "/userinfo?access_token="+token, "").wants(t, http.StatusUnauthorized, "")
	p.send(http.MethodPost, "/userinfo?access_token="+token, "").wants(t, http.StatusUnauthorized, "")
	p.alive(t, token)
}

func TestTokenEndpointTakesPostOnly(t *testing.T) {
	p := newProvider(t)
	for _, path := range []string{"/oauth/token", "/oauth/revoke", "/oauth/introspect", "/passwordless/start"} {
		for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"} {
			a := p.send(method, path+"?grant_type=client_credentials&client_id=machine&client_secret="+machineSecret, "")
			if a.StatusCode != http.StatusMethodNotAllowed || a.Header.Get("Allow") == "" {
				t.Errorf("%s %s: %d", method, path, a.StatusCode)
			}
			if method != "HEAD" && a.str("error") != "invalid_request" {
				t.Errorf("%s %s: %s", method, path, a.body)
			}
		}
	}
}

// same is all of an answer that a client can tell from another's.
func same(a answer) string {
	h := a.Header.Clone()
	h.Del("Date")
	return a.Status + " " + string(must(marshal(h))) + " " + a.body
}

// Whoever tries secrets is told to wait, alike for a client that there is and one that there is not. A right secret is taken all the
// same, and other networks are asked nothing.
func TestWrongClientProofsAreLimited(t *testing.T) {
	p := newProvider(t, proxied, withDefaultLimits)
	try := func(ip, client, secret, path string) answer {
		return p.send(http.MethodPost, path, values(append([]string{"client_id", client, "client_secret", secret}, authenticated[path]...)...).Encode(),
			"Content-Type", formType, "X-Forwarded-For", ip)
	}
	const ip = "203.0.113.9"
	for n := range 100 {
		try(ip, []string{"machine", "nobody"}[n%2], "wrong", "/oauth/token").wants(t, http.StatusUnauthorized, "invalid_client")
	}
	for path := range authenticated {
		known, unknown := try(ip, "machine", "wrong", path), try(ip, "nobody", "wrong", path)
		known.wants(t, http.StatusTooManyRequests, "too_many_requests")
		if same(known) != same(unknown) || known.Header.Get("Retry-After") == "" {
			t.Errorf("%s\n%s\n%s", path, same(known), same(unknown))
		}
		try("203.0.113.10", "machine", "wrong", path).wants(t, http.StatusUnauthorized, "invalid_client")
		if a := try(ip, "machine", machineSecret, path); a.StatusCode != http.StatusOK {
			t.Errorf("%s with the right secret: %d %s", path, a.StatusCode, a.body)
		}
	}
	a := p.send(http.MethodPost, "/passwordless/start", `{"client_id":"web","client_secret":"wrong","connection":"email","email":"a@example.com"}`,
		"Content-Type", "application/json", "X-Forwarded-For", ip)
	if a.wants(t, http.StatusTooManyRequests, "too_many_requests"); a.Header.Get("Retry-After") == "" {
		t.Errorf("a start: %v", a.Header)
	}
}
