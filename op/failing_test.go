package op_test

import (
	"database/sql"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"sallyport/storage/storagetest"
)

// visit is one request of the walk.
type visit struct {
	name   string // method and path
	more   string // what is special about it
	do     func() answer
	status int // 0: 503
}

// TestFailingDatabase takes the database away under a running provider and walks every route with what was good just
// before.
func TestFailingDatabase(t *testing.T) {
	for name, c := range map[string]struct {
		url  func(t testing.TB) string
		fail func(t *testing.T, p *provider, url string)
	}{
		"SQLite, closed": {storagetest.SQLiteURL, func(t *testing.T, p *provider, _ string) {
			t.Helper()
			check(t, p.store.Close())
		}},
		"SQLite, without its tables": {storagetest.SQLiteURL, func(t *testing.T, _ *provider, url string) {
			t.Helper()
			dropTables(t, strings.TrimPrefix(url, "sqlite:"))
		}},
		"Postgres, dropped": {storagetest.PostgresURL, func(t *testing.T, _ *provider, url string) {
			t.Helper()
			dropDatabase(t, url)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			database := c.url(t)
			p := newProvider(t, func(s *settings) { s.databaseURL = database })
			visits := slices.Concat(p.visits(t), p.tokenVisits(), p.deviceVisits())
			c.fail(t, p, database)
			walked := map[string]bool{}
			for _, v := range visits {
				walked[v.name] = true
				t.Run(v.name+" "+v.more, func(t *testing.T) { v.check(t) })
			}
			for _, route := range routes(t) {
				if !walked[route] {
					t.Errorf("%s is not walked", route)
				}
			}
			if !regexp.MustCompile(`closed|no such table|does not exist`).MatchString(p.log.String()) {
				t.Error("the log does not say why")
			}
		})
	}
}

func (v visit) check(t *testing.T) {
	t.Helper()
	a := v.do()
	want := v.status
	if want == 0 {
		want = http.StatusServiceUnavailable
	}
	if a.StatusCode != want {
		t.Fatalf("status %d, want %d: %s", a.StatusCode, want, a.body)
	}
	if a.StatusCode == http.StatusServiceUnavailable && a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if strings.HasPrefix(v.name, "GET /authorize") {
		back := must(a.Location()).Query()
		if back.Get("error") != "temporarily_unavailable" || back.Get("state") != "st" || internals.MatchString(back.Get("error_description")) {
			t.Errorf("sent back: %v", back)
		}
	}
	if a.StatusCode >= http.StatusBadRequest {
		internal(t, a)
		if strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") && a.str("error") != "temporarily_unavailable" && a.str("status") != "not ready" &&
			a.str("error") != "Service Unavailable" {
			t.Errorf("%s", a.body)
		}
	}
}

// visits prepares a request for every route while all is well.
func (p *provider) visits(t *testing.T) []visit {
	t.Helper()
	tokens := p.login("ada@example.com")
	jwt := p.login("ada@example.com", "audience", apiAudience)
	otp := p.mailed("eve@example.com")
	p.start(map[string]any{"email": "link@example.com", "send": "link", "authParams": map[string]any{
		"redirect_uri": webRedirect, "response_type": "code", "code_challenge": s256(verifier), "code_challenge_method": "S256",
	}}).wants(t, http.StatusOK, "")
	apiLink := p.link("link@example.com", 1)
	b := p.browser()
	b.signIn("bob@example.com", p.authorizeURL())
	code := must(b.get(p.authorizeURL()).Location()).Query().Get("code")
	login := b.get(p.authorizeURL("prompt", "login")).Header.Get("Location")
	tx := must(url.Parse(login)).Query().Get("tx")
	loginForm := b.get(login).form()
	where, codePage := b.begin("new@example.com", p.authorizeURL("prompt", "login"))
	codeTyped := p.code("new@example.com", 1)
	link := p.link("new@example.com", 1)
	linkForm, apiForm := b.get(link).form(), b.get(apiLink).form()
	pressed := b.post("/u/login/link", apiForm)
	linkCode := must(pressed.Location()).Query().Get("code")
	logoutForm := b.get("/oidc/logout").form()
	typed := p.mailedSPA("app@example.com")
	ticket := p.browser().crossOrigin("app@example.com", typed, nil).str("login_ticket")
	appPage := b.visit(evilOrigin, p.verifyRedirectURL("app@example.com", typed))
	blocksForm := b.get("/admin/blocks").form()
	static := regexp.MustCompile(`/static/[^"]+\.css`).FindString(codePage.body)

	get := func(target string) func() answer { return func() answer { return b.get(target) } }
	post := func(target string, form url.Values) func() answer {
		return func() answer { return b.post(target, form) }
	}
	with := func(form url.Values, more ...string) url.Values {
		out := values(more...)
		for name := range form {
			out.Set(name, form.Get(name))
		}
		return out
	}
	grant := func(more ...string) func() answer { return func() answer { return p.token(more...) } }
	return append(p.managementVisits(jwt.str("access_token")), []visit{
		{"GET /.well-known/openid-configuration", "", get("/.well-known/openid-configuration"), 200},
		{"GET /.well-known/oauth-authorization-server", "", get("/.well-known/oauth-authorization-server"), 200},
		{"GET /.well-known/jwks.json", "", get("/.well-known/jwks.json"), 200},
		{"GET /healthz", "", get("/healthz"), 200},
		{"GET /readyz", "", get("/readyz"), 0},
		{"GET /authorize", "with a session", get(p.authorizeURL()), 303},
		{"GET /authorize", "without", func() answer { return p.browser().get(p.authorizeURL()) }, 303},
		{"POST /authorize", "", post("/authorize", must(url.Parse(p.authorizeURL())).Query()), 303},
		{"GET /oidc/logout", "with a hint", get("/oidc/logout?id_token_hint=" + tokens.str("id_token")), 0},
		{"GET /oidc/logout", "without", get("/oidc/logout"), 0},
		{"GET /client/{file}", "", get("/client/new.js"), 0},
		{"GET /user/geoloc/country", "", get("/user/geoloc/country"), 200},
		{"GET /v2/logout", "without a client", get("/v2/logout?returnTo=" + url.QueryEscape(bye)), 0},
		{"GET /v2/logout", "", get("/v2/logout?client_id=web"), 0},
		{"POST /oidc/logout", "", post("/oidc/logout", values("client_id", "web")), 303},
		{"POST /oauth/token", "code", func() answer { return p.exchange(code) }, 0},
		{"POST /oauth/token", "code of a link", func() answer { return p.exchange(linkCode) }, 0},
		{"POST /oauth/token", "right code", grant("grant_type", grantEmail, "username", "eve@example.com", "code", otp), 0},
		{"POST /oauth/token", "wrong code", grant("grant_type", grantEmail, "username", "eve@example.com", "code", not(otp)), 0},
		{"POST /oauth/token", "right OTP", grant("grant_type", grantOTP, "realm", "email", "username", "eve@example.com", "otp", otp), 0},
		{"POST /oauth/token", "SMS", grant("grant_type", grantSMS, "username", "+491701234567", "code", "123456"), 0},
		{"POST /passwordless/start", "known", func() answer { return p.start(map[string]any{"email": "ada@example.com"}) }, 0},
		{"POST /passwordless/start", "unknown", func() answer { return p.start(map[string]any{"email": "z@example.com"}) }, 0},
		{"POST /passwordless/start", "unknown client", func() answer { return p.start(map[string]any{"client_id": "nobody", "email": "z@example.com"}) }, 0},
		{"POST /passwordless/start", "from a page", func() answer {
			return p.send(http.MethodPost, "/passwordless/start", `{"client_id":"spa","email":"z@example.com"}`, "Content-Type", "application/json", "Origin", "http://new.example.com")
		}, 0},
		{"GET /authorize", "with a ticket", func() answer { return b.visit(appOrigin, p.ticketURL(ticket)) }, 303},
		{"POST /passwordless/verify", "right", func() answer { return p.verify(typed, map[string]any{"email": "app@example.com"}) }, 0},
		{"POST /passwordless/verify", "wrong", func() answer { return p.verify(not(typed), map[string]any{"email": "app@example.com"}) }, 0},
		{"POST /passwordless/verify", "none", func() answer { return p.verify("1", map[string]any{"email": "z@example.com"}) }, 0},
		{"GET /passwordless/verify_redirect", "", func() answer { return b.visit(appOrigin, p.verifyRedirectURL("app@example.com", typed)) }, 303},
		{"POST /co/authenticate", "right", func() answer { return b.crossOrigin("app@example.com", typed, nil) }, 0},
		{"POST /co/authenticate", "wrong", func() answer { return b.crossOrigin("app@example.com", not(typed), nil) }, 0},
		{"POST /u/login/app", "", post(action(appPage), appPage.form()), 0},
		{"GET /u/login", "", get(login), 0},
		{"POST /u/login", "", post(login, with(loginForm, "identifier", "ada@example.com")), 0},
		{"GET /u/login/code", "", get(where), 0},
		{"POST /u/login/code", "right", post(where, codePage.form("code", codeTyped)), 0},
		{"POST /u/login/code", "wrong", post(where, codePage.form("code", not(codeTyped))), 0},
		{"POST /u/login/resend", "", post(strings.Replace(where, "/code", "/resend", 1), codePage.form()), 0},
		{"POST /u/login/continue", "", post("/u/login/continue?tx="+tx, loginForm), 0},
		{"POST /u/login/other", "", post("/u/login/other?tx="+tx, loginForm), 0},
		{"GET /u/login/link", "", get(link), 0},
		{"GET /u/login/link", "API", get(apiLink), 0},
		{"POST /u/login/link", "", post("/u/login/link", linkForm), 0},
		{"POST /u/login/link", "API", post("/u/login/link", apiForm), 0},
		{"POST /u/logout", "", post("/u/logout", logoutForm), 0},
		{"GET /admin/blocks", "", get("/admin/blocks"), 200},
		{"POST /admin/blocks", "show", post("/admin/blocks", with(blocksForm, "token", adminToken, "do", "show")), 200}, // without a limit nothing is blocked
		{"POST /admin/blocks", "lift", post("/admin/blocks", with(blocksForm, "token", adminToken, "do", "lift", "ip", "203.0.113.9")), 0},
		{"GET /dev/inbox", "", get("/dev/inbox"), 200},
		{"GET /dev/inbox.json", "", get("/dev/inbox.json"), 200},
		{"GET /static/", "", get(static), 200},
	}...)
}

// tokenVisits are those of clients and their tokens.
func (p *provider) tokenVisits() []visit {
	tokens := p.login("zoe@example.com")
	jwt := p.login("zoe@example.com", "audience", apiAudience)
	p.addSigner()
	assertion := p.assertion("rsa", jose.RS256, nil)
	grant := func(more ...string) func() answer { return func() answer { return p.token(more...) } }
	bearer := func(token string) func() answer { return func() answer { return p.userinfo(token) } }
	return []visit{
		{"POST /oauth/token", "refresh", func() answer { return p.refresh(tokens.str("refresh_token")) }, 0},
		{"POST /oauth/token", "client_credentials", func() answer { return p.machineToken() }, 0},
		{"POST /oauth/token", "assertion", func() answer {
			return p.call("/oauth/token", asserted(assertion, "grant_type", "client_credentials")...)
		}, 0},
		{"POST /oauth/token", "an unknown client", grant("client_id", "nobody", "grant_type", "client_credentials"), 0},
		{"POST /oauth/revoke", "access token", func() answer { return p.revoke(tokens.str("access_token")) }, 0},
		{"POST /oauth/revoke", "JWT", func() answer { return p.revoke(jwt.str("access_token")) }, 0},
		{"POST /oauth/revoke", "refresh token", func() answer { return p.revoke(tokens.str("refresh_token")) }, 0},
		{"POST /oauth/par", "", func() answer { return p.push("state", "st") }, 0},
		{"POST /oauth/introspect", "access token", func() answer { return p.introspect(tokens.str("access_token")) }, 0},
		{"POST /oauth/introspect", "JWT", func() answer { return p.introspect(jwt.str("access_token")) }, 0},
		{"POST /oauth/introspect", "refresh token", func() answer { return p.introspect(tokens.str("refresh_token")) }, 0},
		{"GET /userinfo", "", bearer(tokens.str("access_token")), 0},
		{"GET /userinfo", "JWT", bearer(jwt.str("access_token")), 0},
		{"POST /userinfo", "", func() answer { return p.call("/userinfo", "access_token", tokens.str("access_token")) }, 0},
	}
}

// deviceVisits are those of the device flow.
func (p *provider) deviceVisits() []visit {
	p.addTV()
	device, b := p.tv(), p.browser()
	form := b.get("/device").form("user_code", device.userCode)
	at, page := b.confirming("tv@example.com", device.userCode)
	return []visit{
		{"POST /oauth/token", "device", func() answer { return device.poll() }, 0},
		{"POST /oauth/device/code", "", func() answer { return p.call("/oauth/device/code", "client_id", "tv") }, 0},
		{"GET /device", "", func() answer { return b.get("/device?user_code=" + device.userCode) }, 200},
		{"POST /device", "", func() answer { return b.post("/device", form) }, 0},
		{"GET /device/confirm", "", func() answer { return b.get(at) }, 0},
		{"POST /device/confirm", "", func() answer { return b.post(at, page.form("answer", "approve")) }, 0},
	}
}

var (
	handled   = regexp.MustCompile(`t\.handle\("([A-Z ]+)", (?:"([^"]+)"|(path\w+)),`)
	pathConst = regexp.MustCompile(`(path\w+)\s+= "([^"]+)"`)
)

// routes reads the table of routes, so that a new one is not forgotten here.
func routes(t *testing.T) []string {
	t.Helper()
	source := string(must(os.ReadFile("routes.go")))
	paths := map[string]string{}
	for _, m := range pathConst.FindAllStringSubmatch(source, -1) {
		paths[m[1]] = m[2]
	}
	var out []string
	for _, m := range handled.FindAllStringSubmatch(source, -1) {
		for _, method := range strings.Fields(m[1]) {
			if method != http.MethodOptions {
				out = append(out, method+" "+m[2]+paths[m[3]])
			}
		}
	}
	if len(out) < 20 {
		t.Fatalf("the table could not be read: %v", out)
	}
	return out
}

// dropTables empties an SQLite file behind the back of whoever has it open.
func dropTables(t *testing.T, file string) {
	t.Helper()
	db := must(sql.Open("sqlite", file+"?_pragma=busy_timeout(5000)&_pragma=foreign_keys(0)"))
	defer db.Close()
	var names string
	check(t, db.QueryRow("SELECT group_concat(name) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").Scan(&names))
	for name := range strings.SplitSeq(names, ",") {
		if _, err := db.Exec(`DROP TABLE "` + name + `"`); err != nil {
			t.Fatal(err)
		}
	}
}

// dropDatabase drops a Postgres database under those who are connected to it.
func dropDatabase(t *testing.T, address string) {
	t.Helper()
	u := must(url.Parse(address))
	name := strings.TrimPrefix(u.Path, "/")
	u.Path = "/postgres"
	db := must(sql.Open("pgx", u.String()))
	defer db.Close()
	if _, err := db.Exec(`DROP DATABASE "` + name + `" WITH (FORCE)`); err != nil {
		t.Fatal(err)
	}
}
