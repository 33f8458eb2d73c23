package op_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"sallyport/storage"
)

// implicitClient may have tokens in the answer, and a code.
func implicitClient() storage.Client {
	c := pageClient()
	c.ID, c.GrantTypes = "implicit", append(c.GrantTypes, "implicit")
	c.ResponseTypes = []string{"code", "token id_token", "id_token", "token"}
	c.APIs = map[string][]string{apiAudience: {"read:things"}}
	return c
}

// implicitURL asks for tokens for implicitClient, without PKCE.
func (p *provider) implicitURL(more ...string) string {
	return p.pageURL(append([]string{
		"client_id", "implicit", "response_type", "token id_token", "code_challenge", "", "code_challenge_method", "", "scope", "openid email offline_access",
	}, more...)...)
}

// fragment is what an answer carries behind the #, with nothing before it changed.
func (a answer) fragment(tb testing.TB, redirect string) url.Values {
	tb.Helper()
	f, ok := strings.CutPrefix(a.Header.Get("Location"), redirect+"#")
	if a.StatusCode != http.StatusSeeOther || !ok {
		tb.Fatalf("%d %s %s", a.StatusCode, a.Header.Get("Location"), a.body)
	}
	return must(url.ParseQuery(f))
}

// Tokens in the answer are for clients that are registered for them, and never in the query, where servers and browsers
// keep them. Errors go where the tokens would have gone.
func TestTokensInTheAnswerAreForRegisteredClientsOnly(t *testing.T) {
	p := newProvider(t)
	half, old := implicitClient(), implicitClient()
	half.ID, half.ResponseTypes = "half", []string{"id_token", "code"}
	old.ID, old.GrantTypes = "old", []string{"authorization_code"}
	p.addClients(implicitClient(), half, old)
	b := p.browser()
	b.signIn("ada@example.com", p.authorizeURL())
	for name, c := range map[string]struct {
		code   string
		change []string
	}{
		"web client":                       {"unauthorized_client", []string{"client_id", "web", "redirect_uri", webRedirect}},
		"without the grant":                {"unauthorized_client", []string{"client_id", "old"}},
		"type not registered":              {"unauthorized_client", []string{"client_id", "half"}},
		"part of a type":                   {"unauthorized_client", []string{"client_id", "half", "response_type", "token"}},
		"in the query":                     {"invalid_request", []string{"response_mode", "query"}},
		"unknown mode":                     {"invalid_request", []string{"response_mode", "junk"}},
		"hybrid":                           {"unsupported_response_type", []string{"response_type", "code id_token"}},
		"hybrid with all":                  {"unsupported_response_type", []string{"response_type", "code id_token token"}},
		"doubled":                          {"unsupported_response_type", []string{"response_type", "token token"}},
		"no nonce":                         {"invalid_request", []string{"nonce", ""}},
		"no nonce, ID token only":          {"invalid_request", []string{"nonce", "", "response_type", "id_token"}},
		"ID token without openid":          {"invalid_scope", []string{"scope", "email"}},
		"offline_access only":              {"invalid_scope", []string{"scope", "offline_access", "response_type", "token"}},
		"audience of nobody":               {"invalid_target", []string{"audience", "https://nothing.example.com"}},
		"nobody signed in, as of long ago": {"login_required", []string{"prompt", "none", "max_age", "0"}},
	} {
		if name == "nobody signed in, as of long ago" {
			p.pass(2 * time.Second)
		}
		redirect := pageRedirect
		if name == "web client" {
			redirect = webRedirect
		}
		back := b.get(p.implicitURL(c.change...)).fragment(t, redirect)
		if back.Get("error") != c.code || back.Get("state") != "st" || back.Get("iss") != p.url || back.Has("access_token") || back.Has("id_token") || back.Has("code") {
			t.Errorf("%s: %v, want %s", name, back, c.code)
		}
	}
}

func TestImplicitAnswersFromTheSession(t *testing.T) {
	p := newProvider(t)
	p.addClients(implicitClient())
	b := p.browser()
	b.signIn("ada@example.com", p.authorizeURL())
	for asked, want := range map[string][2]bool{"token id_token": {true, true}, "id_token token": {true, true}, "token": {true, false}, "id_token": {false, true}} {
		back := b.get(p.implicitURL("response_type", asked)).fragment(t, pageRedirect)
		p.checkTokens(t, asked, back, want)
		if back.Get("state") != "st" || back.Get("iss") != p.url || back.Has("code") || back.Has("refresh_token") {
			t.Errorf("%s: %v", asked, back)
		}
	}
	fields, _ := b.get(p.implicitURL("response_mode", "form_post")).postedForm(t)
	p.checkTokens(t, "form_post", fields, [2]bool{true, true})
	message, _ := b.get(p.implicitURL("response_mode", "web_message", "prompt", "none")).message(t)
	told := url.Values{}
	for name, value := range message {
		told.Set(name, value)
	}
	p.checkTokens(t, "web_message", told, [2]bool{true, true})
	if back := b.get(p.implicitURL("response_type", "token", "nonce", "")).fragment(t, pageRedirect); back.Get("access_token") == "" {
		t.Errorf("an access token needs no nonce: %v", back)
	}
}

// checkTokens looks at the tokens of an answer: which there are, and that they are good.
func (p *provider) checkTokens(t *testing.T, name string, back url.Values, want [2]bool) {
	t.Helper()
	access, id := back.Get("access_token"), back.Get("id_token")
	if (access != "") != want[0] || (id != "") != want[1] {
		t.Errorf("%s: %v", name, back)
		return
	}
	if access != "" {
		p.alive(t, access)
		if back.Get("token_type") != "Bearer" || back.Get("expires_in") != "3600" || back.Get("scope") != "openid email" {
			t.Errorf("%s: %v", name, back)
		}
	}
	if id == "" {
		return
	}
	claims := segment(t, id, 1)
	sum := sha256.Sum256([]byte(access))
	hash, has := claims["at_hash"]
	if has != want[0] || has && hash != base64.RawURLEncoding.EncodeToString(sum[:16]) {
		t.Errorf("%s: at_hash %v", name, hash)
	}
	if claims["nonce"] != "no" || claims["aud"] != "implicit" || claims["iss"] != p.url || claims["email"] != "ada@example.com" || claims["auth_time"] == nil {
		t.Errorf("%s: %v", name, claims)
	}
}

func TestImplicitAnswersAfterALogin(t *testing.T) {
	p := newProvider(t)
	p.addClients(implicitClient())
	b := p.browser()
	where, page := b.begin("ada@example.com", p.implicitURL("audience", apiAudience, "scope", "openid email read:things"))
	form := page.form("code", p.code("ada@example.com", 1))
	for range 2 { // sent twice, as a double click does
		back := b.post(where, form).fragment(t, pageRedirect)
		access := segment(t, back.Get("access_token"), 1)
		if back.Get("expires_in") != "600" || access["scope"] != "openid email read:things" || segment(t, back.Get("id_token"), 1)["email"] != "ada@example.com" {
			t.Errorf("%v %v", back, access)
		}
	}
	if n := len(must(p.store.Events(t.Context(), storage.EventFilter{Type: "tokens.granted"}))); n != 2 {
		t.Errorf("%d events", n)
	}
}

func TestImplicitTokensEndWithTheSession(t *testing.T) {
	p := newProvider(t)
	p.addClients(implicitClient())
	b := p.browser()
	b.signIn("ada@example.com", p.authorizeURL())
	back := b.get(p.implicitURL()).fragment(t, pageRedirect)
	b.get(logoutURL("id_token_hint", back.Get("id_token"), "post_logout_redirect_uri", ""))
	p.dead(t, back.Get("access_token"))
}

// Without fresh keys no token can be made: then no code is spent for one either.
func TestImplicitSpendsNothingWithoutKeys(t *testing.T) {
	p := newProvider(t)
	p.addClients(implicitClient())
	b := p.browser()
	where, page := b.begin("ada@example.com", p.implicitURL())
	form := page.form("code", p.code("ada@example.com", 1))
	p.pass(2 * time.Minute) // the provider reads its keys anew by the real clock
	if a := b.post(where, form); a.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("%d %s", a.StatusCode, a.Header.Get("Location"))
	}
	later := p.replica()
	if back := b.post(later.url+strings.TrimPrefix(where, p.url), form).fragment(t, pageRedirect); back.Get("id_token") == "" {
		t.Errorf("%v", back)
	}
}

// A request without a scope is one for openid profile email, as with Auth0.
func TestMissingScopeIsTheDefault(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	tokens := p.exchange(b.signIn("ada@example.com", p.authorizeURL("scope", "")).Get("code"))
	if tokens.str("scope") != "openid profile email" || tokens.str("id_token") == "" {
		t.Errorf("%s", tokens.body)
	}
}
