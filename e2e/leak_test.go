package e2e

import (
	"database/sql"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
	"sallyport/storage/storagetest"
)

func TestNoSecretIsInLogsOrDatabase(t *testing.T) {
	for name, c := range map[string]struct {
		url    func(*testing.T) string
		format string
	}{
		"SQLite":   {func(*testing.T) string { return "" }, "text"},
		"Postgres": {func(t *testing.T) string { t.Helper(); return storagetest.PostgresURL(t) }, "json"},
	} {
		t.Run(name, func(t *testing.T) { testLeaks(t, c.url(t), c.format) })
	}
}

const (
	leakAdmin  = "an-admin-token-for-the-leak-test-0123456789"
	leakSecond = "another-master-secret-for-tests-of-32-bytes"
)

func testLeaks(t *testing.T, database, format string) {
	t.Helper()
	mails, texts := newSMTPServer(t), newTwilioServer(t)
	d := deploy(t, database, `
  - id: tv
    name: canary-in-the-database
    type: native
    grant_types: [device_code, refresh_token]
log: {level: debug, format: `+format+`}
passwordless: {code: {length: 10}}
admin: {tokens: [{name: ops, token: `+leakAdmin+`, scopes: ["*"]}]}
`+transports(mails, texts))
	l := &ledger{t: t, secrets: map[string]string{}, places: map[string][]byte{}}
	for what, secret := range map[string]string{
		"master secret": masterSecret, "client secret": clientSecret, "admin token": leakAdmin, "SMTP password": smtpPassword, "Twilio token": twilioToken,
	} {
		l.note(what, secret)
	}
	if u, err := url.Parse(database); err == nil && u.User != nil {
		if password, set := u.User.Password(); set && len(password) >= 8 {
			l.note("database password", password)
		}
	}
	p := d.serve("")
	run := &leakRun{ledger: l, d: d, base: p.url, mails: mails, texts: texts}
	run.api()
	run.hosted()
	run.pushed()
	run.device()
	run.management()
	run.wrongPlaces()
	run.refusedDelivery()
	run.commands()
	run.privateKeys(database)
	run.dump(database)
	if database != "" {
		run.databaseGone(database)
	}
	p.stop()
	l.places["log"] = []byte(p.log.String())
	for _, leak := range l.leaks() {
		t.Error(leak)
	}
	// What is there is found: without this the whole test could look at nothing.
	seen := &ledger{t: t, secrets: map[string]string{"canary": "canary-in-the-database"}, places: l.places}
	if !strings.Contains(strings.Join(seen.leaks(), "\n"), "database") {
		t.Error("the search does not find what is in the database")
	}
	seen.secrets = map[string]string{"path": "/passwordless/start"}
	if !strings.Contains(strings.Join(seen.leaks(), "\n"), "is in log") {
		t.Errorf("the search does not find what is in the log:\n%s", p.log)
	}
}

type leakRun struct {
	*ledger
	d     *deployment
	base  string
	mails *smtpServer
	texts *twilioServer
}

func (r *leakRun) person() *person { return newPerson(r.t, r.base) }

func (r *leakRun) noteMail(m mail) mail {
	r.t.Helper()
	r.note("code", m.code())
	if link := m.link(); link != "" {
		r.note("link token", must(url.Parse(link)).Query().Get("token"))
	}
	return m
}

func (r *leakRun) noteTokens(a answer) {
	r.t.Helper()
	if a.StatusCode != http.StatusOK {
		r.t.Fatalf("token: %d %s", a.StatusCode, a.body)
	}
	for _, kind := range []string{"access_token", "id_token", "refresh_token"} {
		if v := a.str(kind); v != "" {
			r.note(kind, v)
		}
	}
}

// api signs in by mail and by SMS at the token endpoint, with a wrong guess before, and goes on to refresh and revoke.
func (r *leakRun) api() {
	p := r.person()
	p.startLogin("email", "api@example.com")
	code := r.noteMail(received(r.t, 1, func() []mail { return r.mails.to("api@example.com") })).code()
	p.otp("email", "api@example.com", r.note("wrong code", "9182736450"))
	tokens := p.otp("email", "api@example.com", code)
	r.noteTokens(tokens)
	p.otp("email", "api@example.com", code) // used
	next := p.token("grant_type", "refresh_token", "refresh_token", tokens.str("refresh_token"))
	r.noteTokens(next)
	userinfo := must(http.NewRequest(http.MethodGet, r.base+"/userinfo", nil))
	userinfo.Header.Set("Authorization", "Bearer "+next.str("access_token"))
	p.do(userinfo)
	p.post("/oauth/introspect", url.Values{"client_id": {"app"}, "client_secret": {clientSecret}, "token": {next.str("access_token")}})
	p.post("/oauth/revoke", url.Values{"client_id": {"app"}, "client_secret": {clientSecret}, "token": {next.str("refresh_token")}})
	p.token("grant_type", "refresh_token", "refresh_token", next.str("refresh_token")) // revoked

	p.startLogin("phone_number", "+4915123456789")
	code = r.note("SMS code", received(r.t, 1, func() []mail { return r.texts.to("+4915123456789") }).code())
	r.noteTokens(p.otp("sms", "+4915123456789", code))
	r.noteTokens(p.token("grant_type", "client_credentials"))
	basic := must(http.NewRequest(http.MethodPost, r.base+"/oauth/token", strings.NewReader("grant_type=client_credentials")))
	basic.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	basic.SetBasicAuth("app", r.note("wrong client secret", "a-wrong-client-secret-0123456789-abcdefgh"))
	p.do(basic)
}

// hosted signs in on the pages, opens the link in another browser, exchanges the code, and signs out.
func (r *leakRun) hosted() {
	p := r.person()
	here := func(a answer) string { return strings.TrimPrefix(a.Header.Get("Location"), r.d.issuer) }
	authorize := "/authorize?" + url.Values{
		"client_id": {"app"}, "redirect_uri": {"http://127.0.0.1:9/callback"}, "response_type": {"code"}, "scope": {"openid email offline_access"}, "state": {"s"},
	}.Encode()
	login := here(p.get(authorize))
	page := here(p.post(login, fill(p.get(login), "identifier", "page@example.com")))
	m := r.noteMail(received(r.t, 1, func() []mail { return r.mails.to("page@example.com") }))
	r.person().get(strings.TrimPrefix(m.link(), r.d.issuer))
	p.get(strings.TrimPrefix(m.link(), r.d.issuer))
	p.post(page, fill(p.get(page), "code", "0000000001"))
	back := p.post(page, fill(p.get(page), "code", m.code()))
	granted := r.note("authorization code", must(url.Parse(here(back))).Query().Get("code"))
	r.cookies(p)
	tokens := p.token("grant_type", "authorization_code", "code", granted, "redirect_uri", "http://127.0.0.1:9/callback")
	r.noteTokens(tokens)
	p.token("grant_type", "authorization_code", "code", granted, "redirect_uri", "http://127.0.0.1:9/callback") // replayed
	p.get("/oidc/logout?" + url.Values{"id_token_hint": {tokens.str("id_token")}, "post_logout_redirect_uri": {"http://127.0.0.1:9/bye"}}.Encode())
}

// pushed begins a login by a pushed request.
func (r *leakRun) pushed() {
	p := r.person()
	a := p.post("/oauth/par", url.Values{
		"client_id": {"app"}, "client_secret": {clientSecret}, "redirect_uri": {"http://127.0.0.1:9/callback"}, "response_type": {"code"}, "scope": {"openid"},
	})
	handle := r.note("request_uri", strings.TrimPrefix(a.str("request_uri"), "urn:ietf:params:oauth:request_uri:"))
	for range 2 {
		p.get("/authorize?" + url.Values{"client_id": {"app"}, "request_uri": {"urn:ietf:params:oauth:request_uri:" + handle}}.Encode())
	}
	r.cookies(p)
}

// device begins a device flow, polls and looks at its page.
func (r *leakRun) device() {
	p := r.person()
	a := p.post("/oauth/device/code", url.Values{"client_id": {"tv"}, "scope": {"openid"}})
	user := r.note("user code", a.str("user_code"))
	r.note("user code, bare", strings.ReplaceAll(user, "-", ""))
	p.get("/device?user_code=" + user)
	p.post("/oauth/token", url.Values{
		"client_id": {"tv"}, "grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {r.note("device code", a.str("device_code"))},
	})
}

// management makes a client and renews its secret, with the right token and a wrong one.
func (r *leakRun) management() {
	p := r.person()
	call := func(token, method, path, body string) answer {
		req := must(http.NewRequest(method, r.base+path, strings.NewReader(body)))
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		return p.do(req)
	}
	made := call(leakAdmin, http.MethodPost, "/api/v2/clients", `{"name": "made", "app_type": "non_interactive", "grant_types": ["client_credentials"]}`)
	r.note("client secret, made", made.str("client_secret"))
	renewed := call(leakAdmin, http.MethodPost, "/api/v2/clients/"+made.str("client_id")+"/rotate-secret", "")
	r.note("client secret, renewed", renewed.str("client_secret"))
	call(r.note("wrong admin token", "a-wrong-admin-token-0123456789-abcdefghij"), http.MethodGet, "/api/v2/users", "")
	call(leakAdmin, http.MethodGet, "/api/v2/users?q="+url.QueryEscape(clientSecret), "")
	call(leakAdmin, http.MethodGet, "/api/v2/users?"+clientSecret+"="+clientSecret+"&sort="+clientSecret, "")
	call(leakAdmin, http.MethodGet, "/api/v2/users/"+clientSecret, "")
	call(leakAdmin, http.MethodPost, "/api/v2/clients", `{"name": "more", "`+clientSecret+`": {"`+clientSecret+`": 1}}`)
	call(leakAdmin, http.MethodPost, "/api/v2/clients", `{"name": "more", "app_type": "`+clientSecret+`", "callbacks": ["`+clientSecret+`"]}`)
	call(leakAdmin, http.MethodPatch, "/api/v2/clients/"+made.str("client_id"), `{"callbacks": ["http://`+clientSecret+`.example.com/"]}`)
	call(leakAdmin, http.MethodPost, "/api/v2/users", `{"connection": "email", "email": "`+clientSecret+`"}`)
	call(leakAdmin, http.MethodGet, "/api/v2/logs", "")
}

// commands runs what an operator would, with what it prints as one more place; a command that gives a secret may print it, once.
func (r *leakRun) commands() {
	for _, args := range [][]string{
		{"key", "list"},
		{"key", "list", "--json"},
		{"client", "list", "--json"},
		{"client", "show", "app", "--json"},
		{"user", "list", "--json"},
		{"config", "check"},
		{"doctor"},
		{"key", "rotate", "--alg", "ES256"},
		{"key", "rotate", "--secret"},
	} {
		cmd := exec.Command(binary, args...)
		cmd.Dir, cmd.Env = r.d.dir, os.Environ()
		out, _ := cmd.CombinedOutput() // doctor may find faults
		r.places["output of "+strings.Join(args, " ")] = out
	}
}

// privateKeys notes the signing keys, which only the master secret opens.
func (r *leakRun) privateKeys(database string) {
	if database == "" {
		database = "sqlite:" + filepath.Join(r.d.dir, "sallyport.db")
	}
	ring := must(grants.NewRing(masterSecret))
	store := must(storage.Open(r.t.Context(), storage.Options{URL: database, Ring: ring, Now: time.Now}))
	defer store.Close()
	keys := must(store.SigningKeys(r.t.Context()))
	for _, k := range keys {
		// The middle of it: the head of a DER encoding is the same for all keys.
		r.note("private key "+k.Alg, string(k.Private[len(k.Private)/3:len(k.Private)/3+24]))
	}
	if len(keys) < 3 {
		r.t.Fatalf("%d signing keys", len(keys))
	}
}

// dump takes the whole database: its files, the write-ahead log among them, and what pg_dump writes.
func (r *leakRun) dump(database string) {
	if database != "" {
		out, err := exec.Command("pg_dump", "--inserts", database).Output()
		if err != nil {
			r.t.Fatalf("pg_dump: %v", err)
		}
		r.places["database dump"] = out
		return
	}
	files := must(filepath.Glob(filepath.Join(r.d.dir, "sallyport.db*")))
	if len(files) < 2 {
		r.t.Fatalf("the database's files are %v", files)
	}
	for _, f := range files {
		r.places["database file "+filepath.Base(f)] = must(os.ReadFile(f))
	}
}

// databaseGone takes the database away and asks once more.
func (r *leakRun) databaseGone(database string) {
	dropPostgres(r.t, database)
	p := r.person()
	p.startLogin("email", "gone@example.com")
	p.otp("email", "gone@example.com", "1029384756")
	p.token("grant_type", "refresh_token", "refresh_token", r.secretOf("refresh_token"))
	p.token("grant_type", "authorization_code", "code", r.secretOf("authorization code"), "redirect_uri", "http://127.0.0.1:9/callback")
	req := must(http.NewRequest(http.MethodGet, r.base+"/userinfo", nil))
	req.Header.Set("Authorization", "Bearer "+r.secretOf("access_token"))
	p.do(req)
}

func dropPostgres(t *testing.T, address string) {
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
