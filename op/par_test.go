package op_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// push sends the parameters of authorizeURL as the web client itself; more overrides, and an empty value removes.
func (p *provider) push(more ...string) answer {
	p.t.Helper()
	q := must(url.Parse(p.authorizeURL(more...))).Query()
	q.Set("client_secret", webSecret)
	for i := 0; i+1 < len(more); i += 2 {
		if more[i+1] == "" {
			q.Del(more[i])
		}
	}
	return p.send(http.MethodPost, "/oauth/par", q.Encode(), "Content-Type", formType)
}

// pushed gives the address that a pushed request is begun by.
func (p *provider) pushed(more ...string) string {
	p.t.Helper()
	a := p.push(more...)
	a.wants(p.t, http.StatusCreated, "")
	return p.url + "/authorize?" + values("client_id", "web", "request_uri", a.str("request_uri")).Encode()
}

func TestPushedRequestSignsIn(t *testing.T) {
	p := newProvider(t)
	a := p.push()
	a.wants(t, http.StatusCreated, "")
	if !strings.HasPrefix(a.str("request_uri"), "urn:ietf:params:oauth:request_uri:") || a.json()["expires_in"] != 30.0 || len(a.json()) != 2 {
		t.Errorf("%s", a.body)
	}
	b := p.browser()
	back := b.signIn("ada@example.com", p.pushed("state", "pushed"))
	if back.Get("state") != "pushed" {
		t.Errorf("state %q", back.Get("state"))
	}
	p.exchange(back.Get("code")).wants(t, http.StatusOK, "")

	again := must(b.get(p.pushed("state", "session")).Location()).Query()
	if again.Get("state") != "session" || again.Get("code") == "" {
		t.Errorf("from the session: %v", again)
	}
	none := must(p.browser().get(p.pushed("prompt", "none")).Location()).Query()
	if none.Get("error") != "login_required" || none.Get("state") != "st" {
		t.Errorf("without a session: %v", none)
	}
}

// All that counts is what was pushed: what the address adds is not looked at.
func TestPushedParametersWin(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	b.signIn("ada@example.com", p.authorizeURL())
	evil := values("state", "evil", "redirect_uri", "http://127.0.0.1:9/other", "code_challenge", s256("x"), "scope", "openid offline_access", "nonce", "evil",
		"response_mode", "fragment", "prompt", "login").Encode()
	back := must(b.get(p.pushed("scope", "openid") + "&" + evil).Location())
	if !strings.HasPrefix(back.String(), webRedirect+"?") || back.Query().Get("state") != "st" {
		t.Fatalf("answered to %s", back)
	}
	tokens := p.exchange(back.Query().Get("code"))
	tokens.wants(t, http.StatusOK, "")
	if tokens.str("scope") != "openid" || claims(t, tokens.str("id_token"))["nonce"] != "no" {
		t.Errorf("%s", tokens.body)
	}
}

func TestPushedRequestIsTheClientsOwn(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	address := p.pushed()
	for name, other := range map[string]string{
		"another client":    strings.Replace(address, "client_id=web", "client_id=other", 1),
		"an unknown client": strings.Replace(address, "client_id=web", "client_id=nobody", 1),
		"no client":         strings.Replace(address, "client_id=web&", "", 1),
		"an unknown name":   address + "x",
		"an empty name":     p.url + "/authorize?client_id=web&request_uri=urn:ietf:params:oauth:request_uri:",
		"NUL":               address + "%00",
		"twice":             address + "&request_uri=x",
	} {
		t.Run(name, func(t *testing.T) {
			if a := b.get(other); a.StatusCode != http.StatusBadRequest || a.Header.Get("Location") != "" {
				t.Errorf("%d %s", a.StatusCode, a.Header.Get("Location"))
			}
		})
	}
	if a := b.get(address); a.StatusCode != http.StatusSeeOther { // none of them used it up
		t.Errorf("%d", a.StatusCode)
	}
	elsewhere := b.get(p.authorizeURL("request_uri", "https://evil.example.com/request.jwt"))
	if back := must(elsewhere.Location()).Query(); back.Get("error") != "request_uri_not_supported" {
		t.Errorf("a request_uri of elsewhere: %v", back)
	}
}

func TestPushedRequestIsForOneUse(t *testing.T) {
	p := newProvider(t)
	b, address := p.browser(), p.pushed()
	first := b.get(address)
	if again := b.get(address); again.StatusCode != http.StatusSeeOther || again.Header.Get("Location") != first.Header.Get("Location") {
		t.Errorf("a reload: %d %s, not %s", again.StatusCode, again.Header.Get("Location"), first.Header.Get("Location"))
	}
	if a := p.browser().get(address); a.StatusCode != http.StatusBadRequest {
		t.Errorf("another browser: %d %s", a.StatusCode, a.Header.Get("Location"))
	}
	signedIn := p.browser()
	signedIn.signIn("ada@example.com", p.authorizeURL())
	address = p.pushed()
	if a := signedIn.get(address); must(a.Location()).Query().Get("code") == "" {
		t.Fatalf("%d", a.StatusCode)
	}
	if a := signedIn.get(address); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a second code: %d %s", a.StatusCode, a.Header.Get("Location"))
	}
	late := p.pushed()
	p.pass(31 * time.Second)
	if a := p.browser().get(late); a.StatusCode != http.StatusBadRequest {
		t.Errorf("too late: %d", a.StatusCode)
	}
}

func TestRacingBrowsersBeginAPushedRequestOnce(t *testing.T) {
	onBothDatabases(t, func(t *testing.T, database func(*settings)) {
		t.Helper()
		p := newProvider(t, database)
		address := p.pushed()
		var wg sync.WaitGroup
		var begun atomic.Int32
		for range 20 {
			b := p.browser()
			wg.Go(func() {
				if a := b.get(address); a.StatusCode == http.StatusSeeOther {
					begun.Add(1)
				}
			})
		}
		wg.Wait()
		if begun.Load() != 1 {
			t.Errorf("begun %d times", begun.Load())
		}
	})
}

// What /authorize would refuse is refused at once, as JSON.
func TestErrorRowsOfPushedRequests(t *testing.T) {
	p := newProvider(t)
	p.addSigner()
	for name, c := range map[string]struct {
		status int
		code   string
		change []string
	}{
		"no secret":             {401, "invalid_client", []string{"client_secret", ""}},
		"a wrong secret":        {401, "invalid_client", []string{"client_secret", "x"}},
		"an unknown client":     {401, "invalid_client", []string{"client_id", "nobody"}},
		"no client":             {401, "invalid_client", []string{"client_id", "", "client_secret", ""}},
		"no redirect_uri":       {400, "invalid_request", []string{"redirect_uri", ""}},
		"not registered":        {400, "invalid_request", []string{"redirect_uri", "http://127.0.0.1:9/x"}},
		"a request_uri":         {400, "invalid_request", []string{"request_uri", "urn:ietf:params:oauth:request_uri:x"}},
		"a request object":      {400, "request_not_supported", []string{"request", "a.b.c"}},
		"no response_type":      {400, "invalid_request", []string{"response_type", ""}},
		"another response_type": {400, "unsupported_response_type", []string{"response_type", "none"}},
		"plain PKCE":            {400, "invalid_request", []string{"code_challenge_method", "plain"}},
		"another audience":      {400, "invalid_target", []string{"audience", "https://elsewhere.example.com"}},
		"no scope of ours":      {400, "invalid_scope", []string{"scope", "x"}},
		"too long":              {400, "invalid_request", []string{"nonce", strings.Repeat("x", 5000)}},
		"prompts":               {400, "invalid_request", []string{"prompt", "none login"}},
		"max_age":               {400, "invalid_request", []string{"max_age", "soon"}},
		"connection":            {400, "invalid_request", []string{"connection", "google"}},
	} {
		t.Run(name, func(t *testing.T) {
			q := must(url.Parse(p.authorizeURL())).Query()
			q.Set("client_secret", webSecret)
			for i := 0; i < len(c.change); i += 2 {
				q.Set(c.change[i], c.change[i+1])
			}
			a := p.send(http.MethodPost, "/oauth/par", q.Encode(), "Content-Type", formType)
			a.wants(t, c.status, c.code)
			internal(t, a)
		})
	}
	q := must(url.Parse(p.authorizeURL())).Query()
	p.send(http.MethodPost, "/oauth/par?"+q.Encode(), values("client_id", "web", "client_secret", webSecret).Encode(), "Content-Type", formType).
		wants(t, http.StatusBadRequest, "invalid_request")
	object := map[string]any{"client_assertion_type": assertionType, "client_assertion": p.assertion("rsa", jose.RS256, map[string]any{"aud": p.url + "/oauth/par"})}
	for name := range q {
		if name != "client_id" {
			object[name] = q.Get(name)
		}
	}
	p.callJSON("/oauth/par", object).wants(t, http.StatusCreated, "")
	spa := []string{"client_id", "spa", "redirect_uri", "http://127.0.0.1:9/spa", "client_secret", ""}
	p.push(spa...).wants(t, http.StatusCreated, "")
	p.push(append(slices.Clone(spa), "code_challenge", "", "code_challenge_method", "")...).wants(t, http.StatusBadRequest, "invalid_request")
}
