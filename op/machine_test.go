package op_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"sallyport/op"
)

const (
	grantOTP   = "http://auth0.com/oauth/grant-type/passwordless/otp"
	grantEmail = "http://auth0.com/oauth/grant-type/passwordless/email-code"
	grantSMS   = "http://auth0.com/oauth/grant-type/passwordless/sms-code"
	formType   = "application/x-www-form-urlencoded"
	offline    = "openid profile email phone offline_access"
)

// replica is another process over the same database: same issuer, same clock, nothing in its caches. The clock moves
// by the first provider's pass.
func (p *provider) replica() *provider {
	p.t.Helper()
	return p.serve(must(op.New(context.Background(), p.config)))
}

// serve serves another provider over the same database.
func (p *provider) serve(served *op.Provider) *provider {
	p.t.Helper()
	server := httptest.NewServer(served.Handler())
	p.t.Cleanup(server.Close)
	return &provider{t: p.t, url: server.URL, store: p.store, ring: p.ring, inbox: p.inbox, engine: p.engine, log: p.log, config: p.config}
}

// send is one request as it is, without a browser. header has names and values in turn.
func (p *provider) send(method, target, body string, header ...string) answer {
	p.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := must(http.NewRequest(method, p.abs(target), reader))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return p.browser().do(r)
}

// call posts a form with these parameters and no others.
func (p *provider) call(path string, form ...string) answer {
	p.t.Helper()
	return p.send(http.MethodPost, path, values(form...).Encode(), "Content-Type", formType)
}

// callJSON posts a JSON object.
func (p *provider) callJSON(path string, body any) answer {
	p.t.Helper()
	return p.send(http.MethodPost, path, string(must(json.Marshal(body))), "Content-Type", "application/json")
}

// callAs posts a form with HTTP Basic authentication.
func (p *provider) callAs(id, secret, path string, form ...string) answer {
	p.t.Helper()
	return p.send(http.MethodPost, path, values(form...).Encode(), "Content-Type", formType, "Authorization", basic(id, secret))
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

func values(form ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(form); i += 2 {
		v.Add(form[i], form[i+1])
	}
	return v
}

// start asks for a code by mail as the web client; more overrides, and nil removes.
func (p *provider) start(more map[string]any) answer {
	p.t.Helper()
	body := map[string]any{"client_id": "web", "client_secret": webSecret, "connection": "email", "send": "code"}
	maps.Copy(body, more)
	maps.DeleteFunc(body, func(_ string, v any) bool { return v == nil })
	return p.send(http.MethodPost, "/passwordless/start", string(must(json.Marshal(body))), "Content-Type", "application/json")
}

// mailed starts and waits for the code.
func (p *provider) mailed(to string) string {
	p.t.Helper()
	n := 1
	for _, m := range p.inbox.Messages() {
		if m.To == to {
			n++
		}
	}
	if a := p.start(map[string]any{"email": to}); a.StatusCode != http.StatusOK {
		p.t.Fatalf("start: %d %s", a.StatusCode, a.body)
	}
	return p.code(to, n)
}

// login signs in through the API as the web client and gives the token response; more is for the token request.
func (p *provider) login(to string, more ...string) answer {
	p.t.Helper()
	form := append([]string{"grant_type", grantOTP, "realm", "email", "username", to, "otp", p.mailed(to), "scope", offline}, more...)
	a := p.token(form...)
	if a.StatusCode != http.StatusOK {
		p.t.Fatalf("login: %d %s", a.StatusCode, a.body)
	}
	return a
}

// codes gives authorization codes, one at a call, for one user who signs in once.
func (p *provider) codes(to string) func(more ...string) string {
	p.t.Helper()
	b := p.browser()
	b.signIn(to, p.authorizeURL())
	return func(more ...string) string {
		p.t.Helper()
		a := b.get(p.authorizeURL(more...))
		location, err := a.Location()
		if err != nil || location.Query().Get("code") == "" {
			p.t.Fatalf("no code: %d %s %s", a.StatusCode, a.Header.Get("Location"), a.body)
		}
		return location.Query().Get("code")
	}
}

func (p *provider) refresh(token string, more ...string) answer {
	p.t.Helper()
	return p.token(append([]string{"grant_type", "refresh_token", "refresh_token", token}, more...)...)
}

func (p *provider) userinfo(token string) answer {
	p.t.Helper()
	return p.send(http.MethodGet, "/userinfo", "", "Authorization", "Bearer "+token)
}

func (p *provider) introspect(token string) answer {
	p.t.Helper()
	return p.callAs("web", webSecret, "/oauth/introspect", "token", token)
}

func (p *provider) revoke(token string, more ...string) answer {
	p.t.Helper()
	return p.callAs("web", webSecret, "/oauth/revoke", append([]string{"token", token}, more...)...)
}

// machineToken is a client_credentials token of the machine client, a JWT where an audience is given.
func (p *provider) machineToken(more ...string) answer {
	p.t.Helper()
	return p.callAs("machine", machineSecret, "/oauth/token", append([]string{"grant_type", "client_credentials"}, more...)...)
}

// wants checks status and error code of an answer in the shape of RFC 6749, section 5.2, which nothing may keep.
func (a answer) wants(t *testing.T, status int, code string) {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("status %d, want %d: %s", a.StatusCode, status, a.body)
	}
	if got := a.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
	if code == "" {
		return
	}
	if got := a.Header.Get("Content-Type"); !strings.HasPrefix(got, "application/json") {
		t.Errorf("Content-Type %q", got)
	}
	if a.str("error") != code || a.str("error_description") == "" {
		t.Fatalf("error %s, want %s", a.body, code)
	}
	if status == http.StatusUnauthorized && a.Header.Get("WWW-Authenticate") == "" {
		t.Error("no WWW-Authenticate")
	}
	if status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

// dead checks that an access token opens nothing.
func (p *provider) dead(t *testing.T, token string) {
	t.Helper()
	p.userinfo(token).wants(t, http.StatusUnauthorized, "invalid_token")
	if a := p.introspect(token); strings.TrimSpace(a.body) != `{"active":false}` {
		t.Fatalf("introspection: %d %s", a.StatusCode, a.body)
	}
}

// alive checks that an access token of the web client is good.
func (p *provider) alive(t *testing.T, token string) {
	t.Helper()
	if a := p.userinfo(token); a.StatusCode != http.StatusOK {
		t.Fatalf("userinfo: %d %s", a.StatusCode, a.body)
	}
}

// claims reads a JWT's payload without any check.
func claims(t *testing.T, token string) map[string]any {
	t.Helper()
	return segment(t, token, 1)
}

// sub is whom an ID token names.
func sub(t *testing.T, a answer) string {
	t.Helper()
	id, ok := claims(t, a.str("id_token"))["sub"].(string)
	if !ok {
		t.Fatalf("no sub in %s", a.body)
	}
	return id
}

func segment(t *testing.T, token string, n int) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWT", token)
	}
	d := json.NewDecoder(bytes.NewReader(must(base64.RawURLEncoding.DecodeString(parts[n]))))
	var m map[string]any
	check(t, d.Decode(&m))
	return m
}

// mangled gives spellings of a token that are not it: cut, lengthened, and changed at sampled places.
func mangled(token string) []string {
	out := []string{
		token[:len(token)-1], token[1:], token + "A", "A" + token, token + "=", token + ".", token + "\n", " " + token + "x",
		token + token, token[:len(token)/2], strings.ToUpper(token), token + "%00",
	}
	for i := 0; i < len(token); i += 1 + len(token)/200 {
		other := byte('A')
		if token[i] == 'A' {
			other = 'B'
		}
		out = append(out, token[:i]+string(other)+token[i+1:])
	}
	return out
}
