package op_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"sallyport/grants"
	"sallyport/op"
	"sallyport/op/admin"
)

// browserPaths are the routes that a browser comes to, of every flow.
var browserPaths = []string{
	"/authorize", "/oidc/logout", "/v2/logout", "/u/login", "/u/login/code", "/u/login/resend", "/u/login/continue", "/u/login/other", "/u/login/link",
	"/u/login/app", "/u/logout", "/device", "/device/confirm", "/passwordless/verify", "/passwordless/verify_redirect", "/co/authenticate",
	"/client/spa.js", "/user/geoloc/country", "/admin/blocks", "/static/page.css", "/userinfo",
}

// FuzzBrowserRequest sends whole requests to every page and form: no fault of ours, and no way out to an address that no client has
// registered.
func FuzzBrowserRequest(f *testing.F) {
	handler := bare(f, func(c *op.Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
	const web = "client_id=web&redirect_uri=http%3A%2F%2F127.0.0.1%3A9%2Fcallback&response_type=code&scope=openid&state=x"
	queries := []string{
		"", web + "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWBuGJSstw-cM&code_challenge_method=S256", web + "&prompt=none&max_age=1&ui_locales=de+en&login_hint=a%40example.com",
		web + "&response_mode=web_message&id_token_hint=a.b.c", web + "&request_uri=urn%3Ax&login_ticket=x", "id=x&token=y", "user_code=BCDF-GHJK",
		"returnTo=http%3A%2F%2F127.0.0.1%3A9%2Fbye&client_id=web", "post_logout_redirect_uri=http%3A%2F%2Fevil.example%2F&id_token_hint=x&logout_hint=x", "ip=192.0.2.1", "%ff=%00&a=1&a=2",
		"protocol=oauth2&verification_code=1&connection=email&email=a%40example.com&" + web, "a[]=1&a.b=2;c",
	}
	for i := range max(len(browserPaths), len(queries)) { // few: all of them come before anything new
		query := queries[i%len(queries)]
		f.Add(i, false, query, "", "", "en, de;q=0.5", "http://app.example.com")
		f.Add(i, true, query, "csrf=x&id=x&code=123456&address=a%40example.com&"+query, "sallyport_session=x; sallyport_browser=y; sallyport_device=\"z", "203.0.113.7, 192.0.2.1", "http://127.0.0.1:8080")
		if strings.HasPrefix(browserPaths[i%len(browserPaths)], "/passwordless") || i%5 == 0 {
			f.Add(i, true, query, `{"client_id":"spa","username":"a@example.com","otp":"1","realm":"email","credential_type":"x"}`, "", "*", "null")
		}
	}
	for _, query := range queries {
		f.Add(0, false, query, "", "sallyport_session=x", "de", "")
	}
	var ours []string
	for _, c := range testClients(must(grants.NewRing("a-master-secret-for-tests-of-32-bytes-at-least"))) {
		ours = append(append(ours, c.RedirectURIs...), c.PostLogoutRedirectURIs...)
	}
	f.Fuzz(func(t *testing.T, path int, post bool, query, body, cookie, header, origin string) {
		r := httptest.NewRequest(http.MethodGet, browserPaths[uint(path)%uint(len(browserPaths))], nil)
		if post {
			r = httptest.NewRequest(http.MethodPost, r.URL.Path, strings.NewReader(body))
			r.Header.Set("Content-Type", formType)
			if strings.HasPrefix(body, "{") {
				r.Header.Set("Content-Type", "application/json")
			}
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		}
		r.URL.RawQuery = query
		for name, value := range map[string]string{
			"Cookie": cookie, "Accept-Language": header, "X-Forwarded-For": header, "Forwarded": header, "User-Agent": header, "Origin": origin, "Referer": origin,
			"Auth0-Client": header, "X-Forwarded-Host": header, "X-Request-Language": header, "Auth0-Forwarded-For": header,
		} {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code >= http.StatusInternalServerError {
			t.Errorf("%s %s: %d %s", r.Method, r.URL, w.Code, w.Body)
		}
		if to := w.Header().Get("Location"); to != "" && !leadsHome(to, ours) {
			t.Errorf("%s %s leads to %q", r.Method, r.URL, to)
		}
	})
}

// leadsHome tells whether an address is one of the issuer's or begins with one that is registered.
func leadsHome(to string, registered []string) bool {
	if strings.HasPrefix(to, "http://127.0.0.1:8080/") || strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//") && !strings.HasPrefix(to, "/\\") {
		return true
	}
	if u, err := url.Parse(to); err == nil && u.User == nil && u.Scheme == "http" && u.Hostname() == "127.0.0.1" && u.Path == "/cb" {
		return true // a native client's, at any port
	}
	for _, r := range registered {
		if rest, ok := strings.CutPrefix(to, r); ok && (rest == "" || strings.ContainsAny(rest[:1], "?#&")) {
			return true
		}
	}
	return false
}

// FuzzManagement sends whole requests to the management API, with the right to do everything: no fault of ours.
func FuzzManagement(f *testing.F) {
	handler := bare(f, func(c *op.Config) {
		c.AdminTokens = []admin.Token{{Name: "fuzz", Hash: c.Ring.HashSecret(adminToken), Scopes: []string{"*"}}}
	})
	bodies := []string{
		"", "{}", "[]", `{"email":"a@example.com","connection":"email","user_metadata":{"a":[1,null]},"blocked":true}`, `{"name":"x","app_type":"spa","callbacks":["https://a.example.com/"],"jwt_configuration":{"lifetime_in_seconds":1e9}}`,
		`{"identifier":"https://a.example.com","scopes":[{"value":"a"}],"token_lifetime":-1}`, `{"options":{"totp":{"length":6,"time_step":300}}}`, `{"provider":"email","user_id":"x"}`,
		`{"client_id":"machine","audience":"https://api.example.com","scope":["read:things"]}`, `{"email_verified":"yes","phone_number":"+49"}`,
	}
	for i, path := range []string{
		"users", "users/x", "users/email%7C1", "users/x/identities", "users/x/identities/email/1", "users/x/logs", "users/x/sessions", "users/x/refresh-tokens", "users-by-email", "clients", "clients/web",
		"clients/x/rotate-secret", "connections", "connections/email", "client-grants", "client-grants/x", "resource-servers", "resource-servers/x", "logs", "logs/x", "sessions/x", "refresh-tokens/x",
		"stats/daily", "stats/active-users", "user-blocks", "user-blocks/x", "anomaly/blocks/ips", "anomaly/blocks/ips/192.0.2.1", "anomaly/explain", "..%2f", "", "users/%85/refresh-tokens", "users/%00/sessions",
	} {
		f.Add("GET", path, "q=email%3A%22a*%22+AND+NOT+blocked%3Atrue&page=1&per_page=2&include_totals=true&sort=created_at%3A-1&fields=a,b", "")
		f.Add([]string{"POST", "PATCH", "PUT", "DELETE"}[i%4], path, "identifier=a%40example.com&from=x&take=3&email=%ff&ip=::1", bodies[i%len(bodies)])
	}
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		switch method {
		case http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete:
		default:
			return
		}
		u, err := url.ParseRequestURI("/api/v2/" + path)
		if err != nil || strings.ContainsAny(path, "?#") {
			return
		}
		r := httptest.NewRequest(method, "/", strings.NewReader(body))
		r.URL.Path, r.URL.RawPath, r.URL.RawQuery = u.Path, u.RawPath, query
		r.Header.Set("Authorization", "Bearer "+adminToken)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code >= http.StatusInternalServerError {
			t.Errorf("%s %s: %d %s", method, r.URL, w.Code, w.Body)
		}
	})
}
