package op_test

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"sallyport/storage"
)

// stateless are the endpoints that take POSTs of any origin, and why that is safe.
var stateless = map[string]string{
	"POST /authorize":           "becomes a GET and changes nothing by itself",
	"POST /oidc/logout":         "becomes a GET and changes nothing by itself",
	"POST /oauth/token":         "reads no cookie; a code of an app without a secret is refused from origins that are not its own",
	"POST /oauth/revoke":        "reads no cookie, needs the client's credentials or the token itself",
	"POST /oauth/introspect":    "reads no cookie, needs the client's credentials",
	"POST /oauth/par":           "reads no cookie, and what it keeps is used by who has its name",
	"POST /oauth/device/code":   "reads no cookie",
	"POST /userinfo":            "reads no cookie, needs an access token",
	"POST /passwordless/start":  "reads no cookie, and JSON of another origin needs a preflight",
	"POST /passwordless/verify": "reads no cookie; origins that are not the app's own are refused",
	"POST /co/authenticate":     "origins that are not the app's own are refused",
}

// Every form of ours is refused from a page of another site, from a browser that it was not made for, and without its
// token, and nothing has happened then.
func TestEveryFormNeedsItsOriginAndItsToken(t *testing.T) {
	p := newProvider(t)
	p.addTV()
	b, thief := p.browser(), p.browser()
	b.signIn("ada@example.com", p.authorizeURL())
	thief.signIn("eve@example.com", p.authorizeURL())
	const again, eves = "ada@example.com", "eve@example.com"
	type form struct {
		target string
		fields url.Values
	}
	count := func(to string) (n int) {
		for _, m := range p.inbox.Messages() {
			if m.To == to {
				n++
			}
		}
		return n
	}
	forms := func(b *browser, to string) map[string]form {
		login := b.get(p.authorizeURL("prompt", "login")).Header.Get("Location")
		asks := b.get(p.authorizeURL("prompt", "select_account")).Header.Get("Location")
		n := count(to)
		where, code := b.begin(to, p.authorizeURL("prompt", "login"))
		typed := p.code(to, n+1)
		link := b.get(p.link(to, n+1)).form()
		app := b.visit(evilOrigin, p.verifyRedirectURL(to, "123456"))
		device := p.tv()
		at_, approves := b.confirming(to, p.tv().userCode)
		return map[string]form{
			"POST /u/login":          {login, b.get(login).form("identifier", to)},
			"POST /u/login/code":     {where, code.form("code", typed)},
			"POST /u/login/resend":   {at(where, "/u/login/resend"), code.form()},
			"POST /u/login/continue": {at(asks, "/u/login/continue"), b.get(asks).form()},
			"POST /u/login/other":    {at(asks, "/u/login/other"), b.get(asks).form()},
			"POST /u/login/link":     {"/u/login/link", link},
			"POST /u/login/app":      {action(app), app.form()},
			"POST /u/logout":         {"/u/logout", b.get("/oidc/logout").form()},
			"POST /device":           {"/device", b.get("/device").form("user_code", device.userCode)},
			"POST /admin/blocks":     {"/admin/blocks", b.get("/admin/blocks").form("token", adminToken)},
			"POST /device/confirm":   {at_, approves.form("answer", "approve")},
		}
	}
	mine, theirs := forms(b, again), forms(thief, eves)
	events := func() int { return len(must(p.store.Events(t.Context(), storage.EventFilter{Limit: 1000}))) }
	before, messages := events(), len(p.inbox.Messages())
	same := []string{"Origin", p.url, "Sec-Fetch-Site", "same-origin"}
	for _, route := range routes(t) {
		f, ours := mine[route]
		if !strings.HasPrefix(route, "POST ") || ours == (stateless[route] != "") {
			if strings.HasPrefix(route, "POST ") {
				t.Errorf("%s is neither here nor has a reason not to be", route)
			}
			continue
		}
		if !ours {
			continue
		}
		for name, c := range map[string]struct {
			by     *browser
			csrf   string
			header []string
		}{
			"another site":            {b, f.fields.Get("csrf"), []string{"Origin", evilOrigin, "Sec-Fetch-Site", "cross-site"}},
			"an old browser":          {b, f.fields.Get("csrf"), []string{"Origin", evilOrigin}},
			"a neighbour":             {b, f.fields.Get("csrf"), []string{"Sec-Fetch-Site", "same-site"}},
			"an opaque origin":        {b, f.fields.Get("csrf"), []string{"Origin", "null"}},
			"another port":            {b, f.fields.Get("csrf"), []string{"Origin", "http://127.0.0.1:1"}},
			"without a token":         {b, "", same},
			"a made-up token":         {b, strings.Repeat("A", 22), same},
			"another browser's token": {b, theirs[route].fields.Get("csrf"), same},
			"in another browser":      {thief, f.fields.Get("csrf"), same},
			"in one with its token":   {thief, theirs[route].fields.Get("csrf"), same},
			"in a new one":            {p.browser(), f.fields.Get("csrf"), same},
		} {
			if name == "in one with its token" && slices.Contains([]string{"POST /device", "POST /u/logout", "POST /admin/blocks"}, route) || name == "in a new one" && route == "POST /u/logout" {
				continue // the form is theirs then, or there is nobody to sign out
			}
			a := c.by.send(http.MethodPost, f.target, with(f.fields, "csrf", c.csrf), c.header...)
			if a.StatusCode != http.StatusForbidden || a.Header.Get("Location") != "" || len(a.Cookies()) > 0 {
				t.Errorf("%s, %s: %d %s", route, name, a.StatusCode, a.Header.Get("Location"))
			}
		}
	}
	if events() != before || len(p.inbox.Messages()) != messages || !b.signedIn() || !thief.signedIn() {
		t.Errorf("a refused form did something: %d events, %d messages more", events()-before, len(p.inbox.Messages())-messages)
	}
	for _, route := range []string{"POST /u/login", "POST /u/login/resend", "POST /u/login/continue", "POST /u/login/other", "POST /device", "POST /device/confirm", "POST /u/login/code", "POST /u/logout"} {
		if a := b.post(mine[route].target, mine[route].fields); a.StatusCode >= http.StatusBadRequest {
			t.Errorf("%s, as the page sends it: %d", route, a.StatusCode)
		}
	}
}

// Whatever is asked for, by whatever method, the answer has the headers that keep it in its place.
func TestEveryAnswerHasItsHeaders(t *testing.T) {
	p := newProvider(t, func(s *settings) { s.op.Issuer = "https://login.example.com" })
	targets := []string{"/", "/nothing", "/static/", "/static/sallyport.0.css", "/static/sallyport.0.js", "/u//login", "/api/v2/users", "/api/v2/nothing", "/%00"}
	for _, route := range routes(t) {
		_, path, _ := strings.Cut(route, " ")
		targets = append(targets, strings.Replace(path, "{file}", "web.js", 1))
	}
	for _, target := range targets {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"} {
			a := p.send(method, target, "x=y", "Content-Type", formType, "Origin", evilOrigin)
			h, csp := a.Header, a.Header.Get("Content-Security-Policy")
			for name, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Strict-Transport-Security": "max-age=31536000",
				"Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), otp-credentials=(self)",
			} {
				if h.Get(name) != want {
					t.Errorf("%s %s: %s is %q", method, target, name, h.Get(name))
				}
			}
			for _, want := range []string{"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"} {
				if !strings.Contains(csp, want) {
					t.Errorf("%s %s: policy %q", method, target, csp)
				}
			}
			if policy := h.Get("Referrer-Policy"); policy != "no-referrer" && policy != "same-origin" {
				t.Errorf("%s %s: Referrer-Policy %q", method, target, policy)
			}
			if strings.Contains(csp, "unsafe-") {
				t.Errorf("%s %s: policy %q", method, target, csp)
			}
			public := strings.HasPrefix(target, "/.well-known/") || strings.HasPrefix(target, "/client/")
			if got := h.Get("Cross-Origin-Resource-Policy"); got != "same-origin" && (!public || got != "cross-origin") {
				t.Errorf("%s %s: Cross-Origin-Resource-Policy %q", method, target, got)
			}
			page := strings.HasPrefix(h.Get("Content-Type"), "text/html")
			if h.Get("Location") == "" && page && a.StatusCode != http.StatusOK && h.Get("Cross-Origin-Opener-Policy") != "same-origin" {
				t.Errorf("%s %s: Cross-Origin-Opener-Policy %q", method, target, h.Get("Cross-Origin-Opener-Policy"))
			}
			if cache := h.Get("Cache-Control"); cache != "no-store" && (!public || !strings.HasPrefix(cache, "public, max-age=")) {
				t.Errorf("%s %s: Cache-Control %q", method, target, cache)
			}
			if a.StatusCode >= 500 || h.Get("Server") != "" || h.Get("X-Powered-By") != "" || (method == "TRACE" && strings.Contains(a.body, "x=y")) {
				t.Errorf("%s %s: %d %v", method, target, a.StatusCode, h)
			}
		}
	}
}

// No header of a request but Host's own place in the protocol says where we are: answers are the same with forged ones.
func TestForgedHeadersChangeNothing(t *testing.T) {
	p := newProvider(t)
	forged := []string{
		"X-Forwarded-Host", "X-Forwarded-Server", "X-Forwarded-Prefix", "X-Original-Host", "X-Host", "X-HTTP-Host-Override", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Port",
		"X-Http-Method-Override", "X-Method-Override",
	}
	for _, route := range routes(t) {
		method, path, _ := strings.Cut(route, " ")
		if strings.HasPrefix(path, "/dev/") { // which does look at them: it answers nobody who has one
			continue
		}
		target := strings.Replace(path, "{file}", "web.js", 1)
		if path == "/authorize" && method == "GET" {
			target = strings.TrimPrefix(p.authorizeURL(), p.url)
		}
		ask := func(change func(*http.Request)) answer {
			r := must(http.NewRequest(method, p.url+target, strings.NewReader("client_id=web")))
			r.Header.Set("Content-Type", formType)
			change(r)
			return p.browser().do(r)
		}
		plain := ask(func(*http.Request) {})
		for _, evil := range []string{"evil.example.com", "evil.example.com:443", "DELETE"} {
			a := ask(func(r *http.Request) {
				for _, name := range forged {
					r.Header.Set(name, evil)
				}
				r.Header.Set("X-Forwarded-Proto", "https")
				r.Header.Set("X-Forwarded-Scheme", "https")
				r.Header.Set("Forwarded", "host="+evil+";proto=https;for=127.0.0.1")
				if evil != "DELETE" {
					r.Host = evil
				}
			})
			all := a.body
			for name, values := range a.Header {
				all += name + strings.Join(values, "")
			}
			if a.StatusCode != plain.StatusCode || strings.Contains(all, "evil") || strings.Contains(a.Header.Get("Location"), "https:") {
				t.Errorf("%s with %s: %d, not %d, %v", route, evil, a.StatusCode, plain.StatusCode, a.Header)
			}
			for _, c := range a.Cookies() {
				if c.Domain != "" || c.Secure {
					t.Errorf("%s: %s", route, c.Raw)
				}
			}
		}
	}
}

// Whoever can write Origin and Host alike, which no browser lets a page do, is still of elsewhere.
func TestOriginIsHeldAgainstTheIssuer(t *testing.T) {
	p := newProvider(t)
	for origin, want := range map[string]int{"http://evil.example.com": http.StatusForbidden, strings.Replace(p.url, "http:", "https:", 1): http.StatusForbidden, p.url: http.StatusOK} {
		b := p.browser()
		form := b.get("/u/logout").form()
		r := must(http.NewRequest(http.MethodPost, p.url+"/u/logout", strings.NewReader(form.Encode())))
		r.Header.Set("Content-Type", formType)
		r.Header.Set("Origin", origin)
		if u := must(url.Parse(origin)); u.Host != "" {
			r.Host = u.Host
		}
		if a := b.do(r); a.StatusCode != want && (want != http.StatusOK || a.StatusCode == http.StatusForbidden) {
			t.Errorf("%s: %d, want %d", origin, a.StatusCode, want)
		}
	}
}

// No parameter of any route leads to an address that is not registered, whatever it is called.
func TestNoParameterLeadsElsewhere(t *testing.T) {
	p := newProvider(t)
	signedIn := p.browser()
	signedIn.signIn("ada@example.com", p.authorizeURL())
	names := []string{
		"redirect_uri", "returnTo", "post_logout_redirect_uri", "state", "login_hint", "RelayState", "next", "url", "continue", "return", "target", "redirect", "iss",
		"request_uri", "tx", "id", "token", "c", "user_code", "client_id", "logout_hint", "id_token_hint", "ui_locales", "federated", "audience", "request", "callbackURL",
	}
	values := []string{"https://evil.example.com/", "//evil.example.com/", `/\evil.example.com`, "https:evil.example.com", "javascript:alert(1)//evil.example.com", "%0d%0aLocation:https://evil.example.com"}
	for _, route := range routes(t) {
		method, path, _ := strings.Cut(route, " ")
		if strings.HasPrefix(path, "/.well-known/") || strings.HasPrefix(path, "/dev/") {
			continue
		}
		for _, name := range names {
			for _, value := range values {
				q := url.Values{name: {value}}
				target, body := path+"?"+q.Encode(), url.Values(nil)
				if path == "/authorize" && method == "GET" {
					target = p.authorizeURL(name, value)
				}
				if method == http.MethodPost {
					body = q
				}
				a := signedIn.send(method, target, body, "Origin", p.url, "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Referer", evilOrigin+"/")
				location := a.Header.Get("Location")
				u, err := url.Parse(location)
				if err != nil || location != "" && u.Scheme+"://"+u.Host != p.url && u.Scheme+"://"+u.Host+u.Path != webRedirect || len(a.Header["Location"]) > 1 {
					t.Errorf("%s with %s=%s leads to %s", route, name, value, location)
				}
				if a.Header.Get("Refresh") != "" || a.StatusCode >= 500 {
					t.Errorf("%s with %s=%s: %d %v", route, name, value, a.StatusCode, a.Header)
				}
			}
		}
	}
}

// Hundreds of connections that send a byte now and then, of a header or of a body, keep nobody else waiting.
func TestSlowConnectionsDoNotStopOthers(t *testing.T) {
	p := newProvider(t)
	host := strings.TrimPrefix(p.url, "http://")
	for i := range 400 {
		conn := must(net.Dial("tcp", host))
		defer conn.Close()
		_, err := conn.Write([]byte([]string{
			"GET /u/login HTTP/1.1\r\nHost: x\r\nX-Slow: ",
			"POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\ngrant_type",
			"POST /passwordless/start HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
		}[i%3]))
		check(t, err)
	}
	if back := p.browser().signIn("ada@example.com", p.authorizeURL()); back.Get("code") == "" {
		t.Errorf("%v", back)
	}
}
