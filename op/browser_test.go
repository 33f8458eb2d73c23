package op_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"sallyport/op"
	"sallyport/storage"
)

// addClients registers more clients beside the usual ones.
func (p *provider) addClients(more ...storage.Client) {
	p.t.Helper()
	check(p.t, p.store.ApplyClients(context.Background(), 2, append(testClients(p.ring), more...)))
}

// publicClient is a native or single-page client with these redirect URIs.
func publicClient(id, kind string, redirectURIs ...string) storage.Client {
	return storage.Client{
		ID: id, Name: id, Type: kind, AuthMethods: []string{"none"}, RedirectURIs: redirectURIs,
		GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"}, Connections: []string{"email", "sms"},
	}
}

// send makes a request with headers in pairs.
func (b *browser) send(method, target string, form url.Values, headers ...string) answer {
	b.p.t.Helper()
	r := must(http.NewRequest(method, b.p.abs(target), strings.NewReader(form.Encode())))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return b.do(r)
}

// sentBack is the response that a redirect takes to the app. It fails where there is no redirect.
func (a answer) sentBack(tb testing.TB) url.Values {
	tb.Helper()
	if a.StatusCode != http.StatusSeeOther {
		tb.Fatalf("no redirect: %d %s", a.StatusCode, a.body)
	}
	return must(a.Location()).Query()
}

// cookie is one that the answer sets, nil for none.
func (a answer) cookie(name string) *http.Cookie {
	for _, c := range a.Cookies() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// mustBePage fails unless the answer is a page with this status that leads nowhere and says one of the texts.
func (a answer) mustBePage(tb testing.TB, status int, text string) {
	tb.Helper()
	if a.StatusCode != status || a.Header.Get("Location") != "" || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
		tb.Fatalf("%d %s %s, want a page with %d\n%s", a.StatusCode, a.Header.Get("Content-Type"), a.Header.Get("Location"), status, a.body)
	}
	if !strings.Contains(a.body, text) {
		tb.Fatalf("the page does not say %q:\n%s", text, a.body)
	}
}

// Texts of the pages, by which the tests tell them apart.
const (
	saysElsewhere   = "This sign-in belongs to another browser"
	saysEnded       = "This sign-in has ended"
	saysBadRedirect = "This app is not set up correctly"
	saysUnknownApp  = "We do not know this app"
	saysInvalid     = "This request does not work"
	saysRefused     = "You cannot sign in here"
	saysUsed        = "This code is used up"
	saysExpired     = "This code has expired"
	saysTooMany     = "Too many wrong codes"
	saysWrong       = "That code is not right."
)

// copyCookies gives a browser another's cookies of these names: what a thief of some of them has.
func (b *browser) copyCookies(from *browser, names ...string) {
	u := must(url.Parse(b.p.url))
	for _, c := range from.Jar.Cookies(u) {
		for _, name := range names {
			if c.Name == name {
				b.Jar.SetCookies(u, []*http.Cookie{c})
			}
		}
	}
}

func (b *browser) cookieValue(name string) string {
	for _, c := range b.Jar.Cookies(must(url.Parse(b.p.url))) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

func TestCookiesAreBoundToTheHost(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	begun := b.get(p.authorizeURL())
	where, page := b.begin("ada@example.com", p.authorizeURL())
	done := b.post(where, page.form("code", p.code("ada@example.com", 1)))
	for name, c := range map[string]*http.Cookie{
		"sallyport_browser": begun.cookie("sallyport_browser"), "sallyport_session": done.cookie("sallyport_session"), "sallyport_device": done.cookie("sallyport_device"),
	} {
		if c == nil {
			t.Fatalf("%s is not set", name)
		}
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.Secure || c.MaxAge <= 0 || len(c.Value) < 26 {
			t.Errorf("%s", c.Raw)
		}
	}
	if again := b.get(p.authorizeURL("prompt", "login")); again.cookie("sallyport_browser") != nil {
		t.Error("a browser that has a name got another")
	}
}

// On https every cookie is Secure with the __Host- prefix, whatever Host and forwarding headers the request had.
func TestCookiesOnHTTPSHaveTheHostPrefix(t *testing.T) {
	const issuer = "https://login.example.com"
	for _, sameSite := range []string{"Lax", "None"} {
		p := newProvider(t, func(s *settings) { s.op.Issuer, s.op.SameSiteNone = issuer, sameSite == "None" })
		jar := map[string]string{}
		var last answer
		send := func(method, target string, form url.Values) answer {
			r := must(http.NewRequest(method, p.url+strings.TrimPrefix(target, issuer), strings.NewReader(form.Encode())))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Origin", issuer)
			r.Header.Set("X-Forwarded-Proto", "http")
			r.Host = "evil.example.com"
			for name, value := range jar {
				r.AddCookie(&http.Cookie{Name: name, Value: value})
			}
			last = p.browser().do(r)
			for _, c := range last.Cookies() {
				if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" {
					t.Errorf("%s", c.Raw)
				}
				jar[c.Name] = c.Value
			}
			if !strings.Contains(last.Header.Get("Strict-Transport-Security"), "max-age=") {
				t.Errorf("%s %s has no HSTS", method, target)
			}
			return last
		}
		begun := send("GET", strings.TrimPrefix(p.authorizeURL(), p.url), nil)
		login := begun.Header.Get("Location")
		if !strings.HasPrefix(login, issuer+"/u/login?") {
			t.Fatalf("the login is at %s", login)
		}
		code := send("POST", login, send("GET", login, nil).form("identifier", "ada@example.com")).Header.Get("Location")
		done := send("POST", code, send("GET", code, nil).form("code", p.code("ada@example.com", 1)))
		back := done.sentBack(t)
		if back.Get("iss") != issuer || back.Get("code") == "" {
			t.Fatalf("%v", back)
		}
		if raw := done.cookie("__Host-sallyport_session").Raw; !strings.Contains(raw, "SameSite="+sameSite) {
			t.Errorf("session cookie for %s: %s", sameSite, raw)
		}
		if raw := begun.cookie("__Host-sallyport_browser").Raw; !strings.Contains(raw, "SameSite=Lax") {
			t.Errorf("browser cookie: %s", raw)
		}
		jar["sallyport_session"], jar["__Host-sallyport_session"] = jar["__Host-sallyport_session"], ""
		if back := send("GET", strings.TrimPrefix(p.authorizeURL("prompt", "none"), p.url), nil).sentBack(t); back.Get("error") != "login_required" {
			t.Error("a session cookie without the prefix was believed")
		}
	}
}

// Every page of the hosted login, good and bad, has the headers that keep strangers' code and frames out.
func TestEveryPageHasItsHeaders(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	login := b.get(p.authorizeURL()).Header.Get("Location")
	where, code := b.begin("ada@example.com", p.authorizeURL())
	link := p.link("ada@example.com", 1)
	pages := map[string]answer{
		"login": b.get(login), "bad login": b.post(login, b.get(login).form("identifier", "x")), "code": code,
		"link": b.get(link), "link elsewhere": p.browser().get(link), "wrong code": b.post(where, code.form("code", "1")),
		"no client": b.get("/authorize"), "no page": b.get("/u/nothing"), "bad method": b.send("PUT", "/u/login", nil), "static miss": b.get("/nothing"),
		"foreign form": b.send("POST", login, url.Values{}, "Sec-Fetch-Site", "cross-site"), "inbox": b.get("/dev/inbox"), "logged out": b.get("/oidc/logout"),
	}
	done := b.post(where, code.form("code", p.code("ada@example.com", 1)))
	pages["link over"] = b.get(link)
	pages["logout"] = b.get("/oidc/logout")
	pages["confirm"] = b.get(b.get(p.authorizeURL("prompt", "select_account")).Header.Get("Location"))
	for name, a := range pages {
		h := a.Header
		csp := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: policy has no %s: %s", name, want, csp)
			}
		}
		// Browsers hold form-action against all redirects after a form: the forms that end a login lead wherever the app goes.
		if leads := slices.Contains([]string{"code", "wrong code", "link", "confirm", "logout"}, name); leads == strings.Contains(csp, "form-action") {
			t.Errorf("%s: policy %s", name, csp)
		}
		if strings.Contains(csp, "unsafe") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Frame-Options") != "DENY" ||
			h.Get("Cache-Control") != "no-store" || (h.Get("Referrer-Policy") != "same-origin" && h.Get("Referrer-Policy") != "no-referrer") ||
			h.Get("Access-Control-Allow-Origin") != "" || h.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %v", name, h)
		}
		if strings.Contains(a.body, "<script>") || strings.Contains(a.body, " style=") || strings.Contains(a.body, " onload=") {
			t.Errorf("%s: inline script or style", name)
		}
	}
	if done.Header.Get("Cache-Control") != "no-store" || done.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("the redirect to the app: %v", done.Header)
	}
}

func TestRequestTextIsInertOnEveryPage(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	const marker = "zzyzx"
	for _, payload := range []string{
		`"><script>` + marker + `()</script>`, `'><img src=x onerror=` + marker + `()>`, `javascript:` + marker + `()//`, `</title><svg/onload=` + marker + `()>`,
		"`${" + marker + "()}`", `{{.}}<` + marker + `>`, "\u2028" + marker, `" autofocus onfocus=` + marker + `() x="`, `data:text/html,<` + marker + `>`,
	} {
		login := b.get(p.authorizeURL("login_hint", payload, "ui_locales", payload, "state", payload, "nonce", payload)).Header.Get("Location")
		where, code := b.begin("ada@example.com", p.authorizeURL())
		answers := []answer{
			b.get(login), b.post(login, b.get(login).form("identifier", payload)), b.post(where, code.form("code", payload)),
			b.get(where + "&again=" + url.QueryEscape(payload)), b.get("/u/login?tx=" + url.QueryEscape(payload)), b.get(where + url.QueryEscape(payload)),
			b.get("/authorize?client_id=" + url.QueryEscape(payload) + "&redirect_uri=" + url.QueryEscape(payload)),
			b.get(p.authorizeURL("redirect_uri", payload)), b.get("/u/login/link?id=" + url.QueryEscape(payload) + "&token=" + url.QueryEscape(payload)),
			b.get("/oidc/logout?client_id=" + url.QueryEscape(payload) + "&state=" + url.QueryEscape(payload)),
			b.get("/oidc/logout?id_token_hint=" + url.QueryEscape(payload) + "&post_logout_redirect_uri=" + url.QueryEscape(payload)),
			b.get("/" + url.PathEscape(payload)), b.get("/device?user_code=" + url.QueryEscape(payload)), b.typed(payload),
			b.post(where+"&"+url.QueryEscape(payload)+"="+url.QueryEscape(payload), code.form("code", payload, "held", payload, "proof", payload)),
			b.visit(evilOrigin, p.verifyRedirectURL(payload, payload)), b.get("/v2/logout?client_id=web&returnTo=" + url.QueryEscape(payload)),
			b.get("/client/" + url.PathEscape(payload) + ".js"),
		}
		for i, a := range answers {
			if a.StatusCode >= 500 {
				t.Errorf("answer %d of %q: %d", i, payload, a.StatusCode)
			}
			for _, bad := range []string{"<script>" + marker, "<img src=x", "<svg/onload", "<" + marker, `" autofocus onfocus`, `href="javascript:`, `href="data:`, `action="javascript:`} {
				if strings.Contains(a.body, bad) {
					t.Errorf("answer %d of %q has %s:\n%s", i, payload, bad, a.body)
				}
			}
			if location := a.Header.Get("Location"); location != "" && !strings.HasPrefix(location, p.url) {
				t.Errorf("answer %d of %q leads to %s", i, payload, location)
			}
		}
	}
}

// The inbox shows codes: it is for a person on this very machine.
func TestInboxAnswersThisMachineOnly(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	b.begin("ada@example.com", p.authorizeURL())
	code := p.code("ada@example.com", 1)
	for _, path := range []string{"/dev/inbox", "/dev/inbox.json"} {
		if a := b.get(path); a.StatusCode != http.StatusOK || !strings.Contains(a.body, code) {
			t.Fatalf("%s: %d %s", path, a.StatusCode, a.body)
		}
		for _, header := range []string{"X-Forwarded-For", "Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via"} {
			if a := b.send("GET", path, nil, header, "127.0.0.1"); a.StatusCode != http.StatusNotFound || strings.Contains(a.body, code) {
				t.Errorf("%s with %s: %d", path, header, a.StatusCode)
			}
		}
		for _, host := range []string{"evil.example.com", "localhost", "127.0.0.1", strings.Replace(strings.TrimPrefix(p.url, "http://"), "127.0.0.1", "localhost", 1)} {
			r := must(http.NewRequest(http.MethodGet, p.url+path, nil))
			r.Host = host
			if a := b.do(r); a.StatusCode != http.StatusNotFound || strings.Contains(a.body, code) {
				t.Errorf("%s as %s: %d", path, host, a.StatusCode)
			}
		}
		far := httptest.NewRequest(http.MethodGet, p.url+path, nil)
		far.RemoteAddr = "192.0.2.1:4711"
		answered := httptest.NewRecorder()
		must(op.New(t.Context(), p.config)).Handler().ServeHTTP(answered, far)
		if answered.Code != http.StatusNotFound || strings.Contains(answered.Body.String(), code) {
			t.Errorf("%s from another machine: %d", path, answered.Code)
		}
	}
}

func TestLinkAddressComesFromTheIssuerOnly(t *testing.T) {
	got := op.LinkURL("https://login.example.com/")("an id", "a&token")
	if got != "https://login.example.com/u/login/link?id=an+id&token=a%26token" {
		t.Fatal(got)
	}
}
