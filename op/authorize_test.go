package op_test

import (
	"encoding/base64"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"sallyport/storage/storagetest"
)

var errorText = regexp.MustCompile(`^[\x20-\x21\x23-\x5B\x5D-\x7E]+$`) // RFC 6749, section 4.1.2.1

// mustBeError fails unless the answer takes this error back to the web client, with state and issuer.
func (a answer) mustBeError(tb testing.TB, p *provider, code string) {
	tb.Helper()
	back := a.sentBack(tb)
	if !strings.HasPrefix(a.Header.Get("Location"), webRedirect+"?") || back.Get("error") != code || back.Has("code") ||
		back.Get("state") != "st" || back.Get("iss") != p.url || !errorText.MatchString(back.Get("error_description")) {
		tb.Errorf("%s, want %s", a.Header.Get("Location"), code)
	}
	if strings.Contains(back.Get("error_description"), "invalid_request:") || a.Header.Get("Cache-Control") != "no-store" {
		tb.Errorf("%s %v", back.Get("error_description"), a.Header)
	}
}

func TestAuthorizeErrorsGoBackToTheApp(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	for name, c := range map[string]struct {
		code   string
		change []string
	}{
		"no response_type":        {"invalid_request", []string{"response_type", ""}},
		"none":                    {"unsupported_response_type", []string{"response_type", "none"}},
		"doubled code":            {"unsupported_response_type", []string{"response_type", "code code"}},
		"unknown response_mode":   {"invalid_request", []string{"response_mode", "junk"}},
		"request object":          {"request_not_supported", []string{"request", "e30.e30."}},
		"request_uri":             {"request_uri_not_supported", []string{"request_uri", "https://evil.example.com/r"}},
		"registration":            {"registration_not_supported", []string{"registration", "{}"}},
		"plain":                   {"invalid_request", []string{"code_challenge_method", "plain"}},
		"plain by default":        {"invalid_request", []string{"code_challenge_method", ""}},
		"method alone":            {"invalid_request", []string{"code_challenge", ""}},
		"short challenge":         {"invalid_request", []string{"code_challenge", s256(verifier)[:42]}},
		"long challenge":          {"invalid_request", []string{"code_challenge", s256(verifier) + "A"}},
		"challenge with padding":  {"invalid_request", []string{"code_challenge", s256(verifier)[:42] + "="}},
		"none and login":          {"invalid_request", []string{"prompt", "none login"}},
		"none, not signed in":     {"login_required", []string{"prompt", "none"}},
		"max_age is not a number": {"invalid_request", []string{"max_age", "junk"}},
		"max_age below zero":      {"invalid_request", []string{"max_age", "-1"}},
		"max_age with a fraction": {"invalid_request", []string{"max_age", "1.5"}},
		"max_age too large":       {"invalid_request", []string{"max_age", "99999999999999999999"}},
		"blank scope":             {"invalid_scope", []string{"scope", "  "}},
		"unknown scope only":      {"invalid_scope", []string{"scope", "nonsense"}},
		"scope with a quote":      {"invalid_scope", []string{"scope", `openid "`}},
		"scope with a letter é":   {"invalid_scope", []string{"scope", "openid é"}},
		"unknown audience":        {"invalid_target", []string{"audience", "https://nothing.example.com"}},
		"unknown connection":      {"invalid_request", []string{"connection", "google"}},
		"hint is no token":        {"invalid_request", []string{"id_token_hint", "junk"}},
		"NUL":                     {"invalid_request", []string{"nonce", "a\x00b"}},
		"not UTF-8":               {"invalid_request", []string{"nonce", "a\xffb"}},
		"overlong":                {"invalid_request", []string{"nonce", strings.Repeat("n", 5000)}},
	} {
		t.Run(name, func(t *testing.T) {
			a := b.send("GET", p.authorizeURL(c.change...), nil, "Origin", "http://app.example.com", "Accept", "application/json")
			a.mustBeError(t, p, c.code)
			if a.cookie("sallyport_browser") != nil {
				t.Error("a refused request sets a cookie")
			}
			for h := range a.Header {
				if strings.HasPrefix(h, "Access-Control") {
					t.Errorf("%s at the authorization endpoint", h)
				}
			}
		})
	}
	for _, twice := range []string{"nonce", "scope", "prompt", "code_challenge", "response_type", "unknown"} {
		b.get(p.authorizeURL("unknown", "u", "prompt", "login")+"&"+twice+"=openid").mustBeError(t, p, "invalid_request")
	}
}

func TestPublicClientNeedsPKCE(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	without := []string{"code_challenge", "", "code_challenge_method", ""}
	spa := []string{"client_id", "spa", "redirect_uri", "http://127.0.0.1:9/spa"}
	if back := b.get(p.authorizeURL(append(spa, without...)...)).sentBack(t); back.Get("error") != "invalid_request" || back.Get("state") != "st" {
		t.Errorf("%v", back)
	}
	if back := b.get(p.authorizeURL(append(spa, "code_challenge_method", "plain")...)).sentBack(t); back.Get("error") != "invalid_request" {
		t.Errorf("%v", back)
	}
	if back := b.get(p.authorizeURL(spa...)).sentBack(t); back.Has("error") {
		t.Errorf("%v", back)
	}
	if back := b.get(p.authorizeURL(without...)).sentBack(t); back.Has("error") {
		t.Errorf("a confidential client may do without: %v", back)
	}
}

// A client that could prove itself by its secret alone may ask that its codes take more, at every way to one.
func TestClientWhoseSettingRequiresPKCENeedsIt(t *testing.T) {
	p := newProvider(t)
	strict := testClients(p.ring)[0]
	strict.ID, strict.Settings.RequirePKCE = "strict", true
	p.addClients(strict)
	b := p.browser()
	for name, c := range map[string]struct {
		change  []string
		refused bool
	}{
		"no challenge":                      {[]string{"client_id", "strict", "code_challenge", "", "code_challenge_method", ""}, true},
		"plain":                             {[]string{"client_id", "strict", "code_challenge", verifier, "code_challenge_method", "plain"}, true},
		"plain by default":                  {[]string{"client_id", "strict", "code_challenge", verifier, "code_challenge_method", ""}, true},
		"S256":                              {[]string{"client_id", "strict"}, false},
		"no challenge, without the setting": {[]string{"code_challenge", "", "code_challenge_method", ""}, false},
	} {
		t.Run(name, func(t *testing.T) {
			a, pushed := b.get(p.authorizeURL(c.change...)), p.push(c.change...)
			if c.refused {
				a.mustBeError(t, p, "invalid_request")
				pushed.wants(t, http.StatusBadRequest, "invalid_request")
				return
			}
			if !strings.HasPrefix(a.Header.Get("Location"), p.url+"/u/login?tx=") {
				t.Errorf("%d %s", a.StatusCode, a.Header.Get("Location"))
			}
			pushed.wants(t, http.StatusCreated, "")
		})
	}
}

// A code that was on its way without a challenge is worth nothing once the client asks for one.
func TestCodeWithoutChallengeEndsWhereASettingRequiresPKCE(t *testing.T) {
	p := newProvider(t)
	code := p.codes("ada@example.com")
	without, with := code("code_challenge", "", "code_challenge_method", ""), code()
	clients := testClients(p.ring)
	clients[0].Settings.RequirePKCE = true
	check(t, p.store.ApplyClients(t.Context(), 3, clients))
	strict := p.replica() // with nothing in its caches
	strict.exchange(without, "code_verifier", "").wants(t, http.StatusBadRequest, "invalid_grant")
	strict.exchange(with).wants(t, http.StatusOK, "")
}

// What is not known, or has no value, is no error (RFC 6749, section 3.1; OpenID Connect Core 1.0, section 3.1.2.1).
func TestAuthorizeIgnoresWhatItDoesNotKnow(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	for _, more := range [][]string{
		{"display", "popup"},
		{"claims_locales", "se"},
		{"acr_values", "1 2"},
		{"claims", `{"userinfo":{"name":{"essential":true}}}`},
		{"unknown", "x"},
		{"prompt", "create"},
		{"ui_locales", "xx tlh"},
		{"scope", "openid nonsense"},
		{"scope", "email"},
		{"scope", ""},
		{"response_mode", "query"},
		{"max_age", "0"},
		{"login_hint", "not an address"},
		{"connection", "sms"},
		{"audience", apiAudience},
	} {
		a := b.get(p.authorizeURL(more...))
		if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), p.url+"/u/login?tx=") {
			t.Errorf("%v: %d %s", more, a.StatusCode, a.Header.Get("Location"))
		}
	}
	empty := "&request=&request_uri=&registration=&max_age=&prompt=&id_token_hint=&response_mode=&audience=&connection="
	if a := b.get(p.authorizeURL() + empty); !strings.HasPrefix(a.Header.Get("Location"), p.url+"/u/login?tx=") {
		t.Errorf("parameters without a value: %d %s", a.StatusCode, a.Header.Get("Location"))
	}
}

// wrongRedirects are what attackers make of https://app.example.com/cb.
func wrongRedirects() []string {
	const good = "https://app.example.com/cb"
	list := []string{
		"", " ", good + " ", " " + good, good + "\n", good + "\r\nLocation: https://evil.example.com", good + "\t", good + "\x00", good + "\xff",
		good + "/", good + "//", good + "?", good + "?a=b", good + "#", good + "#f", good + "#code=x", good + "&x=y", good + ";x", good + "%20", good + "%00",
		good + "%2F", good + "/..", good + "/../x", good + "/..;/x", good + "/./", good + "/%2e%2e/x", good + "/x", good + "x", good + ".evil.example.com",
		good + "@evil.example.com", good + "\\@evil.example.com", good + "|x", good + "/%252e%252e/x",
		"https://app.example.com/CB", "https://app.example.com/Cb", "https://APP.example.com/cb", "HTTPS://app.example.com/cb", "https://App.Example.Com/cb",
		"https://app.example.com", "https://app.example.com/", "https://app.example.com/c", "https://app.example.com//cb", "https://app.example.com/./cb",
		"https://app.example.com/x/../cb", "https://app.example.com/%63b", "https://app.example.com/c%62", "https://app.example.com%2Fcb",
		"https://app.example.com/..%2fcb", "https://app.example.com/;/cb", "https://app.example.com/cb;", "https://app.example.com\\cb",
		"https:\\\\app.example.com\\cb", "https:/app.example.com/cb", "https:app.example.com/cb", "https:///app.example.com/cb", "//app.example.com/cb",
		"/cb", "cb", "app.example.com/cb", "http://app.example.com/cb", "ftp://app.example.com/cb", "javascript:alert(1)//https://app.example.com/cb",
		"data:text/html,https://app.example.com/cb", "view-source:https://app.example.com/cb", "blob:https://app.example.com/cb",
		"https://app.example.com:443/cb", "https://app.example.com:/cb", "https://app.example.com:444/cb", "https://app.example.com:80/cb", "https://app.example.com:0443/cb",
		"https://user@app.example.com/cb", "https://user:pass@app.example.com/cb", "https://app.example.com@evil.example.com/cb",
		"https://app.example.com:443@evil.example.com/cb", "https://app.example.com%40evil.example.com/cb", "https://a@b@app.example.com/cb",
		"https://evil.example.com@app.example.com@evil.example.com/cb", "https://evil.example.com\\@app.example.com/cb", "https://evil.example.com#@app.example.com/cb",
		"https://evil.example.com?@app.example.com/cb", "https://evil.example.com/https://app.example.com/cb", "https://evil.example.com/?u=https://app.example.com/cb",
		"https://evil.example.com/cb", "https://app.example.com.evil.example.com/cb", "https://evilapp.example.com/cb", "https://xapp.example.com/cb",
		"https://app.example.com./cb", "https://.app.example.com/cb", "https://app.example.comm/cb", "https://app-example.com/cb", "https://example.com/cb",
		"https://*.example.com/cb", "https://app.example。com/cb", "https://app．example.com/cb", "https://аpp.example.com/cb", "https://app.example.com/сb",
		"https://app.example.com/ｃb", "https://app.example.com\u00ad/cb", "https://app.example.com/cb\u200b", "https://app.example.com\u2044cb", "https://[::1]/cb",
		"https://localhost/cb", "https://127.0.0.1/cb", "http://localhost/cb", "http://127.0.0.1:8/cb", good + "," + good, good + " " + good, `"` + good + `"`, "<" + good + ">",
	}
	return list
}

func TestUnregisteredRedirectURIGetsAPageAndNoRedirect(t *testing.T) {
	p := newProvider(t)
	p.addClients(publicClient("strict", "web", "https://app.example.com/cb"))
	b := p.browser()
	list := wrongRedirects()
	if len(list) < 95 {
		t.Fatalf("only %d variants", len(list))
	}
	for _, uri := range list {
		for _, more := range [][]string{nil, {"response_type", ""}, {"prompt", "none"}} {
			q := must(url.Parse(p.authorizeURL(append(more, "client_id", "strict")...))).Query()
			q.Set("redirect_uri", uri)
			a := b.get("/authorize?" + q.Encode())
			a.mustBePage(t, http.StatusBadRequest, saysBadRedirect)
			if uri != "" && strings.TrimSpace(uri) != "" && len(uri) > 5 && strings.Contains(a.body, html.EscapeString(uri)) {
				t.Errorf("the page repeats %q", uri)
			}
			if a := p.send(http.MethodPost, "/authorize", q.Encode(), "Content-Type", formType); a.StatusCode != http.StatusBadRequest || a.Header.Get("Location") != "" {
				t.Errorf("POST of %q: %d %v", uri, a.StatusCode, a.Header)
			}
		}
	}
	if a := b.get(p.authorizeURL("client_id", "strict", "redirect_uri", "https://app.example.com/cb")); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the registered one is refused: %d", a.StatusCode)
	}
}

// What is malformed is refused and does not go back; a state that is good does.
func TestMalformedStateDoesNotGoBack(t *testing.T) {
	p := newProvider(t)
	for more, want := range map[string]string{"&state=a%00b": "", "&state=%ff": "", "&state=x&state=y": "", "&state=x&nonce=a%00b": "x", "&state=x&scope=openid&scope=openid": "x"} {
		a := p.send(http.MethodGet, "/authorize?client_id=web&response_type=code&redirect_uri="+url.QueryEscape(webRedirect)+more, "")
		if back := a.sentBack(t); back.Get("error") != "invalid_request" || back.Get("state") != want {
			t.Errorf("%s: %v", more, back)
		}
	}
}

func TestUnknownClientGetsAPageAndNoRedirect(t *testing.T) {
	for name, database := range map[string]func() string{"sqlite": nil, "postgres": func() string { return storagetest.PostgresURL(t) }} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t, func(s *settings) {
				if database != nil {
					s.databaseURL = database()
				}
			})
			b := p.browser()
			for _, id := range []string{"nobody", "WEB", "web ", "web\x00", "\xff", strings.Repeat("w", 3000), "machine' OR '1'='1"} {
				b.get(p.authorizeURL("client_id", id)).mustBePage(t, http.StatusBadRequest, saysUnknownApp)
			}
			b.get(p.authorizeURL("client_id", "")).mustBePage(t, http.StatusBadRequest, saysInvalid)
			b.get(p.authorizeURL()+"&client_id=web").mustBePage(t, http.StatusBadRequest, saysInvalid)
			b.get(p.authorizeURL()+"&redirect_uri="+url.QueryEscape(webRedirect)).mustBePage(t, http.StatusBadRequest, saysInvalid)
			b.get(p.authorizeURL()+"&x=%zz").mustBePage(t, http.StatusBadRequest, saysInvalid)
			b.get(p.authorizeURL("client_id", "machine")).mustBePage(t, http.StatusBadRequest, saysBadRedirect)
			for _, path := range []string{"/u/login", "/u/login/code", "/u/login/link", "/oidc/logout", "/u/logout"} {
				for _, query := range []string{"tx=%00&c=%00&id=%00&client_id=%00", "tx=%ff&c=%ff&id=%ff&client_id=%ff", "tx=%zz", "tx=a&tx=b&c=a&c=b&id=a&id=b&client_id=a&client_id=b"} {
					for _, method := range []string{"GET", "POST"} {
						if a := b.send(method, path+"?"+query, url.Values{"csrf": {"x"}}); a.StatusCode < 400 && a.StatusCode != http.StatusSeeOther || a.StatusCode >= 500 {
							t.Errorf("%s %s?%s: %d", method, path, query, a.StatusCode)
						}
					}
				}
			}
		})
	}
}

func TestOnlyTheLoopbackPortOfANativeAppMayVary(t *testing.T) {
	p := newProvider(t)
	p.addClients(publicClient("six", "native", "http://[::1]:8000/cb", "http://localhost/cb", "https://app.example.com/cb"), publicClient("query", "native", "http://127.0.0.1/cb?a=b"))
	b := p.browser()
	for _, c := range []struct {
		client, uri string
		good        bool
	}{
		{"native", "http://127.0.0.1/cb", true},
		{"native", "http://127.0.0.1:1/cb", true},
		{"native", "http://127.0.0.1:65535/cb", true},
		{"native", "com.example.app:/cb", true},
		{"six", "http://[::1]:1/cb", true},
		{"six", "http://[::1]/cb", true},
		{"query", "http://127.0.0.1:77/cb?a=b", true},
		{"native", "http://127.0.0.1:65536/cb", false},
		{"native", "http://127.0.0.1:123456/cb", false},
		{"native", "http://127.0.0.1:/cb", false},
		{"native", "http://127.0.0.1:-1/cb", false},
		{"native", "http://127.0.0.1:0x50/cb", false},
		{"native", "http://127.0.0.1:80a/cb", false},
		{"native", "http://127.0.0.1:80@evil.example.com/cb", false},
		{"native", "http://127.0.0.1@evil.example.com/cb", false},
		{"native", "http://127.0.0.1:80:80/cb", false},
		{"native", "http://127.0.0.1.evil.example.com/cb", false},
		{"native", "http://127.0.0.1:80", false},
		{"native", "http://127.0.0.1:80/cb/", false},
		{"native", "http://127.0.0.1:80/cb?x=y", false},
		{"native", "http://127.0.0.1:80/cb#f", false},
		{"native", "http://127.0.0.1:80\\cb", false},
		{"native", "http://127.0.0.1:80#@evil.example.com/cb", false},
		{"native", "https://127.0.0.1:80/cb", false},
		{"native", "http://localhost:80/cb", false},
		{"native", "http://localhost/cb", false},
		{"native", "http://127.0.0.2:80/cb", false},
		{"native", "http://127.1:80/cb", false},
		{"native", "http://[::1]:80/cb", false},
		{"native", "http://2130706433/cb", false},
		{"native", "http://user@127.0.0.1:80/cb", false},
		{"native", "com.example.app://cb", false},
		{"native", "com.example.app:/cb/x", false},
		{"native", "COM.example.app:/cb", false},
		{"six", "http://localhost:80/cb", false},
		{"six", "https://app.example.com:444/cb", false},
		{"six", "http://[::1%25lo]:80/cb", false},
		{"six", "http://[0:0::1]:80/cb", false},
		{"query", "http://127.0.0.1:77/cb", false},
		{"query", "http://127.0.0.1:77/cb?a=b&c=d", false},
		{"web", "http://127.0.0.1:10/callback", false},
		{"web", "http://127.0.0.1/callback", false},
		{"spa", "http://127.0.0.1:10/spa", false},
	} {
		a := b.get(p.authorizeURL("client_id", c.client, "redirect_uri", c.uri, "prompt", "none"))
		if !c.good {
			a.mustBePage(t, http.StatusBadRequest, saysBadRedirect)
		} else if a.sentBack(t); !strings.HasPrefix(a.Header.Get("Location"), c.uri) {
			t.Errorf("%s leads to %s", c.uri, a.Header.Get("Location"))
		}
	}
}

func TestRedirectURIIsKeptByteByByte(t *testing.T) {
	p := newProvider(t)
	uris := []string{
		"https://app.example.com/cb?b=2&a=1&&x&y=", "https://app.example.com/cb?", "https://app.example.com/a%2Fb%2e/c", "https://app.example.com/cb?u=https%3A%2F%2Fx%3Fy",
		"https://App.Example.COM/cb", "https://app.example.com/a//b/../c", "com.example.app:/cb", "https://app.example.com/cb?code=old&state=old", "https://app.example.com:443/cb",
	}
	p.addClients(publicClient("app", "native", uris...))
	b := p.browser()
	b.signIn("ada@example.com", p.authorizeURL())
	for _, uri := range uris {
		separator := "?"
		if strings.Contains(uri, "?") {
			separator = "&"
		}
		for _, prompt := range []string{"none", "junk"} {
			location := b.get(p.authorizeURL("client_id", "app", "redirect_uri", uri, "prompt", prompt)).Header.Get("Location")
			added, kept := strings.CutPrefix(location, uri+separator)
			if back := must(url.ParseQuery(added)); !kept || back.Get("code") == "" || back.Get("state") != "st" || back.Get("iss") != p.url {
				t.Errorf("%s became %s", uri, location)
			}
		}
	}
}

// A form of another site may be posted to /authorize: it becomes a GET and changes nothing by itself.
func TestPostToAuthorizeBecomesAGet(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	b.signIn("ada@example.com", p.authorizeURL())
	asked := must(url.Parse(p.authorizeURL("state", "a b&c=d\u00e9"))).Query()
	a := b.send("POST", "/authorize?client_id=evil&x=y", asked, "Origin", "https://app.example.com", "Sec-Fetch-Site", "cross-site")
	location, found := strings.CutPrefix(a.Header.Get("Location"), p.url+"/authorize?")
	if a.StatusCode != http.StatusSeeOther || !found || len(a.Cookies()) > 0 {
		t.Fatalf("%d %s %v", a.StatusCode, a.Header.Get("Location"), a.Cookies())
	}
	if got := must(url.ParseQuery(location)); got.Encode() != asked.Encode() {
		t.Fatalf("%v became %v", asked, got)
	}
	if back := b.get(a.Header.Get("Location")).sentBack(t); back.Get("code") == "" || back.Get("state") != "a b&c=d\u00e9" {
		t.Fatalf("%v", back)
	}
	b.send("POST", "/authorize", url.Values{"client_id": {"a", "b"}}).mustBePage(t, http.StatusBadRequest, saysInvalid)
	b.send("POST", "/authorize", nil).mustBePage(t, http.StatusUnsupportedMediaType, saysInvalid)
	b.send("POST", "/authorize", url.Values{"state": {strings.Repeat("x", 70_000)}}).mustBePage(t, http.StatusRequestEntityTooLarge, saysInvalid)
	b.send("DELETE", "/authorize", nil).mustBePage(t, http.StatusMethodNotAllowed, "cannot be used like that")
}

func TestPromptDecidesWhetherThePersonIsAsked(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	b.signIn("ada@example.com", p.authorizeURL())
	for prompt, sees := range map[string]string{
		"": "code", "none": "code", "junk": "code", "login": "form", "select_account": "confirm", "consent": "confirm",
		"login consent": "form", "login select_account": "form", "select_account consent": "confirm",
	} {
		a := b.get(p.authorizeURL("prompt", prompt))
		got := "code"
		if !a.sentBack(t).Has("code") {
			page := b.get(a.Header.Get("Location"))
			got = "form"
			if strings.Contains(page.body, "/u/login/continue") && strings.Contains(page.body, "ada<wbr>@example.com") {
				got = "confirm"
			}
			if strings.Contains(page.body, `name="identifier"`) != (got == "form") {
				t.Errorf("prompt=%s:\n%s", prompt, page.body)
			}
		}
		if got != sees {
			t.Errorf("prompt=%s gives %s, want %s", prompt, got, sees)
		}
	}
	// The page that prompt=login shows offers no way around it.
	tx := b.get(p.authorizeURL("prompt", "login")).Header.Get("Location")
	form := b.get(tx).form()
	again := b.post(strings.Replace(tx, "/u/login?", "/u/login/continue?", 1), form)
	if again.Header.Get("Location") != tx {
		t.Errorf("prompt=login was answered from the session: %s", again.Header.Get("Location"))
	}
}

func TestMaxAgeDecidesWhetherTheLoginIsFreshEnough(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	tokens := p.exchange(b.signIn("ada@example.com", p.authorizeURL()).Get("code"))
	authTime, _ := claims(t, tokens.str("id_token"))["auth_time"].(float64)
	p.pass(100 * time.Second)
	for age, answers := range map[string]bool{"0": false, "1": false, "99": false, "200": true, "10000": true, "2147483647": true, "": true} {
		a := b.get(p.authorizeURL("max_age", age))
		if a.sentBack(t).Has("code") != answers {
			t.Errorf("max_age=%s leads to %s", age, a.Header.Get("Location"))
		}
		if b.get(p.authorizeURL("max_age", age, "prompt", "none")).sentBack(t).Has("code") != answers {
			t.Errorf("max_age=%s with prompt=none", age)
		}
	}
	later := p.replica() // its signing keys are fresh
	silent := later.exchange(b.get(p.authorizeURL("max_age", "10000", "prompt", "none")).sentBack(t).Get("code"))
	if got := claims(t, silent.str("id_token"))["auth_time"]; got != authTime {
		t.Errorf("auth_time was %v and is %v without a login", authTime, got)
	}
	fresh := later.exchange(b.signIn("ada@example.com", p.authorizeURL("max_age", "1")).Get("code"))
	if got, _ := claims(t, fresh.str("id_token"))["auth_time"].(float64); got < authTime+100 {
		t.Errorf("auth_time was %v and is %v after a login", authTime, got)
	}
}

// A page that was left open does not stretch max_age: going on counts from the login, not from the request.
func TestMaxAgeHoldsOnThePageThatOffersTheSession(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	tx := b.get(p.authorizeURL("max_age", "60")).Header.Get("Location")
	p.pass(time.Second)
	b.signIn("ada@example.com", p.authorizeURL())
	confirm := b.get(tx)
	if !strings.Contains(confirm.body, "/u/login/continue") {
		t.Fatalf("the session of another tab is not offered:\n%s", confirm.body)
	}
	p.pass(2 * time.Minute)
	late := b.post(strings.Replace(tx, "/u/login?", "/u/login/continue?", 1), confirm.form())
	if late.Header.Get("Location") != tx || strings.Contains(b.get(tx).body, "/u/login/continue") {
		t.Errorf("a login of two minutes ago answers max_age=60: %s", late.Header.Get("Location"))
	}
}

func TestIDTokenHintNamesWhoIsExpectedAndSignsNobodyIn(t *testing.T) {
	p := newProvider(t)
	ada, bob, nobody := p.browser(), p.browser(), p.browser()
	tokens := p.exchange(ada.signIn("ada@example.com", p.authorizeURL()).Get("code"))
	hint := tokens.str("id_token")
	bob.signIn("bob@example.com", p.authorizeURL())
	other := must(url.Parse(ada.get(p.authorizeURL("client_id", "other", "redirect_uri", "http://127.0.0.1:9/other")).Header.Get("Location"))).Query().Get("code")
	foreign := p.exchange(other, "client_id", "other", "client_secret", machineSecret, "redirect_uri", "http://127.0.0.1:9/other").str("id_token")
	jwt := p.exchange(ada.get(p.authorizeURL("audience", apiAudience)).sentBack(t).Get("code")).str("access_token")
	if foreign == "" || strings.Count(jwt, ".") != 2 {
		t.Fatal("no tokens to try with")
	}
	none := func(hint string) string { return p.authorizeURL("prompt", "none", "id_token_hint", hint) }
	silent := p.exchange(ada.get(none(hint)).sentBack(t).Get("code")).str("id_token")
	if claims(t, silent)["sub"] != claims(t, hint)["sub"] || claims(t, silent)["sid"] != claims(t, hint)["sid"] {
		t.Errorf("%v became %v", claims(t, hint), claims(t, silent))
	}
	bob.get(none(hint)).mustBeError(t, p, "login_required")
	nobody.get(none(hint)).mustBeError(t, p, "login_required")
	for name, bad := range map[string]string{
		"of another client": foreign, "an access token": jwt, "unsigned": unsigned(hint), "with another payload": swapped(hint, foreign),
		"cut": hint[:len(hint)-4], "an opaque token": tokens.str("access_token"), "a refresh token": tokens.str("refresh_token"),
	} {
		if back := ada.get(none(bad)).sentBack(t); back.Get("error") != "invalid_request" {
			t.Errorf("a hint %s: %v", name, back)
		}
	}
	// The session of somebody else is not offered where another user is expected.
	tx := bob.get(p.authorizeURL("id_token_hint", hint, "prompt", "select_account")).Header.Get("Location")
	if page := bob.get(tx); !strings.Contains(page.body, `name="identifier"`) || strings.Contains(page.body, "bob<wbr>@example.com") {
		t.Errorf("%s", page.body)
	}
	p.pass(3 * time.Hour)
	if back := ada.get(none(hint)).sentBack(t); !back.Has("code") {
		t.Errorf("an expired hint: %v", back)
	}
}

func unsigned(token string) string {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + payload + "."
}

func swapped(token, payloadOf string) string {
	parts, other := strings.Split(token, "."), strings.Split(payloadOf, ".")
	return parts[0] + "." + other[1] + "." + parts[2]
}

func TestLoginPageShowsHintLanguageAndChannels(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	page := b.get(b.get(p.authorizeURL("login_hint", `ada"'<b>@example.com`)).Header.Get("Location"))
	if !strings.Contains(page.body, `value="ada&#34;&#39;&lt;b&gt;@example.com"`) {
		t.Errorf("%s", page.body)
	}
	german := b.get(b.get(p.authorizeURL("ui_locales", "tlh de-AT en")).Header.Get("Location"))
	if german.Header.Get("Content-Language") != "de" || !strings.Contains(german.body, `lang="de"`) {
		t.Errorf("%s", german.Header.Get("Content-Language"))
	}
	byBrowser := b.send("GET", b.get(p.authorizeURL()).Header.Get("Location"), nil, "Accept-Language", "de;q=0.9, en;q=0.1")
	if byBrowser.Header.Get("Content-Language") != "de" {
		t.Errorf("%s", byBrowser.Header.Get("Content-Language"))
	}
	sms := b.get(p.authorizeURL("connection", "sms")).Header.Get("Location")
	if form := b.get(sms); !strings.Contains(form.body, `type="tel"`) {
		t.Errorf("%s", form.body)
	}
	b.post(sms, b.get(sms).form("identifier", "ada@example.com")).mustBePage(t, http.StatusUnprocessableEntity, "Email addresses do not work here")
	mail := b.get(p.authorizeURL("connection", "email")).Header.Get("Location")
	b.post(mail, b.get(mail).form("identifier", "+4915112345678")).mustBePage(t, http.StatusUnprocessableEntity, "Phone numbers do not work here")
	if len(p.inbox.Messages()) > 0 {
		t.Error("a message went out")
	}
}

func TestClientWithoutAConnectionGetsNoForm(t *testing.T) {
	p := newProvider(t, func(s *settings) { s.op.SMS = false })
	mute, phones := publicClient("mute", "spa", "https://app.example.com/cb"), publicClient("phones", "spa", "https://app.example.com/cb")
	mute.Connections, phones.Connections = nil, []string{"sms"}
	p.addClients(mute, phones)
	for _, id := range []string{"mute", "phones"} {
		b := p.browser()
		where := b.get(p.authorizeURL("client_id", id, "redirect_uri", "https://app.example.com/cb")).Header.Get("Location")
		a := b.get(where)
		a.mustBePage(t, http.StatusBadRequest, "There is no way to sign in here yet")
		if strings.Contains(a.body, "<form") || !strings.Contains(p.log.String(), "client_id="+id+" status=400 error=invalid_request description=no_channel") {
			t.Errorf("%s: %s", id, a.body)
		}
	}
}

func TestAudienceGivesATokenForTheAPI(t *testing.T) {
	p := newProvider(t)
	code := p.browser().signIn("ada@example.com", p.authorizeURL("audience", apiAudience, "scope", "openid read:things write:things nonsense")).Get("code")
	tokens := p.exchange(code)
	if tokens.str("scope") != "openid read:things" {
		t.Errorf("scope %q", tokens.str("scope"))
	}
	if c := claims(t, tokens.str("access_token")); c["scope"] != "openid read:things" {
		t.Errorf("%v", c)
	}
}
