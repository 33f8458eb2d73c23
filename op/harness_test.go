package op_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/grants/courier"
	"sallyport/op"
	"sallyport/op/admin"
	"sallyport/op/web"
	"sallyport/storage"
	"sallyport/templates"
)

const (
	webSecret     = "a-web-client-secret-of-32-characters-or-more"
	machineSecret = "a-machine-client-secret-of-32-characters-up"
	adminToken    = "an-admin-token-of-32-characters-or-more"
	webRedirect   = "http://127.0.0.1:9/callback"
	verifier      = "a-verifier-that-is-long-enough-to-be-one-0123456789"
	apiAudience   = "https://api.example.com"
)

// provider is a real one over a real database, served over real HTTP, with an inbox for its messages.
type provider struct {
	t           *testing.T
	url         string
	store       *storage.Store
	databaseURL string
	ring        *grants.Ring
	inbox       *courier.Inbox
	engine      *grants.Engine
	passed      atomic.Int64 // since the provider was made, by its clock
	log         *syncBuffer
	config      op.Config // as served, for replicas
}

type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

type settings struct {
	databaseURL string
	sms         courier.Texter // the inbox
	engine      grants.Config
	op          op.Config
}

// newProvider starts one. change may alter the settings before.
func newProvider(t *testing.T, change ...func(*settings)) *provider {
	t.Helper()
	p := &provider{t: t, inbox: courier.NewInbox(1000), log: &syncBuffer{}}
	// The clock stands still but for what passes by a test's word, however slow the machine is. Each look is a microsecond on,
	// so that what happens one after the other has that order.
	began := time.Now().UTC()
	now := func() time.Time { return began.Add(time.Duration(p.passed.Add(int64(time.Microsecond)))) }
	server := httptest.NewUnstartedServer(nil)
	p.url = "http://" + server.Listener.Addr().String()
	set := settings{databaseURL: "sqlite:" + filepath.Join(t.TempDir(), "sallyport.db")}
	set.op = op.Config{Issuer: p.url, Email: true, SMS: true, Countries: []string{"DE", "US"}, SessionIdle: 72 * time.Hour, SessionAbsolute: 720 * time.Hour}
	for _, c := range change {
		c(&set)
	}

	p.databaseURL = set.databaseURL
	ctx, cancel := context.WithCancel(context.Background())
	log := slog.New(slog.NewTextHandler(p.log, nil))
	p.ring = must(grants.NewRing("a-master-secret-for-tests-of-32-bytes-at-least"))
	p.store = must(storage.Open(ctx, storage.Options{URL: set.databaseURL, Ring: p.ring, Now: now, Log: log}))
	check(t, p.store.Migrate(ctx))
	pages := pages()
	if set.sms == nil {
		set.sms = p.inbox
	}
	post := must(courier.New(courier.Config{
		Store: p.store, Ring: p.ring, Templates: pages, Mail: p.inbox, SMS: set.sms, LinkURL: op.LinkURL(p.url),
		Countries: []string{"DE", "US"}, SignupClosed: set.engine.SignupClosed, CodeInSubject: true, Now: now, Log: log,
	}))
	set.engine.Store, set.engine.Ring, set.engine.Sender, set.engine.Now = p.store, p.ring, post, now
	set.op.Connections = op.NewConnections(p.store)
	set.engine.Connection = set.op.Connections.Settings
	set.engine.Limiter = web.NewLimiter(now)
	p.engine = must(grants.New(set.engine))
	set.op.Store, set.op.Ring, set.op.Engine, set.op.Templates, set.op.Now, set.op.Log = p.store, p.ring, p.engine, pages, now, log
	set.op.Inbox = p.inbox
	if set.op.Gate == (web.GateConfig{}) {
		set.op.Gate.Wait = time.Minute // a machine that is slow is no overload
	}
	if set.op.AdminTokens == nil {
		set.op.AdminTokens = []admin.Token{{Name: "test", Hash: p.ring.HashSecret(adminToken), Scopes: []string{"*"}}}
	}
	check(t, p.store.ApplyAPIs(ctx, []storage.API{{Audience: apiAudience, Name: "API", Scopes: []string{"read:things", "write:things"}, Alg: "RS256", TokenLifetime: 10 * time.Minute, OfflineAccess: true}}))
	check(t, p.store.ApplyClients(ctx, 1, testClients(p.ring)))
	for _, key := range signingKeys() {
		key.ID, key.PublishAt, key.SignFrom, key.CreatedAt = grants.NewID(), now(), now(), now()
		check(t, p.store.AddSigningKey(ctx, key))
	}
	p.config = set.op
	served := must(op.New(ctx, set.op))
	server.Config.Handler = served.Handler()
	server.Start()

	var wg sync.WaitGroup
	wg.Go(func() { _ = post.Run(ctx) })
	wg.Go(func() { _ = served.Run(ctx) })
	t.Cleanup(func() {
		server.Close()
		cancel()
		wg.Wait()
		check(t, p.store.Close())
	})
	return p
}

// pages are parsed once for all providers.
var pages = sync.OnceValue(func() *templates.Set {
	return must(templates.New(templates.Site{Name: "Sallyport", Host: "login.example.com"}))
})

// signingKeys are made once for all providers, which name them anew: making them takes longer than all else.
var signingKeys = sync.OnceValue(func() []storage.SigningKey {
	var keys []storage.SigningKey
	for _, alg := range op.Algorithms() {
		keys = append(keys, must(op.NewSigningKey(alg, time.Time{})))
	}
	return keys
})

func testClients(ring *grants.Ring) []storage.Client {
	passwordless := []string{string(grants.GrantTypeOTP), string(grants.GrantTypeEmailCode), string(grants.GrantTypeSMSCode)}
	code := []string{"authorization_code", "refresh_token"}
	both := []string{"email", "sms"}
	return []storage.Client{
		{
			ID: "web", Name: "Web App", Type: "web", Secrets: []string{ring.HashSecret(webSecret)}, AuthMethods: []string{"client_secret_basic", "client_secret_post"},
			RedirectURIs: []string{webRedirect}, PostLogoutRedirectURIs: []string{"http://127.0.0.1:9/bye"}, WebOrigins: []string{"http://app.example.com"},
			GrantTypes: append(passwordless, code...), ResponseTypes: []string{"code"}, Connections: both,
			APIs: map[string][]string{apiAudience: {"read:things"}},
		},
		{
			ID: "other", Name: "Other App", Type: "web", Secrets: []string{ring.HashSecret(machineSecret)}, AuthMethods: []string{"client_secret_basic", "client_secret_post"},
			RedirectURIs: []string{"http://127.0.0.1:9/other"}, GrantTypes: append(passwordless, code...), ResponseTypes: []string{"code"}, Connections: both,
		},
		{
			ID: "spa", Name: "Single Page", Type: "spa", AuthMethods: []string{"none"}, RedirectURIs: []string{"http://127.0.0.1:9/spa"},
			WebOrigins: []string{"http://spa.example.com"}, GrantTypes: append(passwordless, code...), ResponseTypes: []string{"code"}, Connections: both,
		},
		{
			ID: "native", Name: "Native", Type: "native", AuthMethods: []string{"none"}, RedirectURIs: []string{"http://127.0.0.1/cb", "com.example.app:/cb"},
			GrantTypes: code, ResponseTypes: []string{"code"}, Connections: both,
		},
		{
			ID: "machine", Name: "Machine", Type: "machine", Secrets: []string{ring.HashSecret(machineSecret)}, AuthMethods: []string{"client_secret_basic", "client_secret_post"},
			GrantTypes: []string{"client_credentials"}, APIs: map[string][]string{apiAudience: {"read:things", "write:things"}},
		},
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pass moves the clock on.
func (p *provider) pass(d time.Duration) { p.passed.Add(int64(d)) }

var codePattern = regexp.MustCompile(`\b(\d{6,10})\b`)

// message waits for the n-th message (from 1) to an address.
func (p *provider) message(to string, n int) courier.InboxMessage {
	p.t.Helper()
	for range 500 {
		var found []courier.InboxMessage
		for _, m := range p.inbox.Messages() { // newest first
			if m.To == to {
				found = append(found, m)
			}
		}
		if len(found) >= n {
			return found[len(found)-n]
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.t.Fatalf("message %d to %s never came; log:\n%s", n, to, p.log)
	return courier.InboxMessage{}
}

// code waits for the code of the n-th message to an address.
func (p *provider) code(to string, n int) string {
	p.t.Helper()
	m := p.message(to, n)
	found := codePattern.FindString(m.Text)
	if m.Subject != "" {
		found = codePattern.FindString(m.Subject)
	}
	if found == "" {
		p.t.Fatalf("no code in %q", m.Text)
	}
	return found
}

// link is the magic link of the n-th mail to an address.
func (p *provider) link(to string, n int) string {
	p.t.Helper()
	return regexp.MustCompile(`http://\S+/u/login/link\S+`).FindString(p.message(to, n).Text)
}

// answer is a response, read.
type answer struct {
	*http.Response
	body string
}

func (a answer) json() map[string]any {
	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		panic(a.body)
	}
	return m
}

func (a answer) str(name string) string {
	s, _ := a.json()[name].(string)
	return s
}

// browser keeps cookies and follows no redirect.
type browser struct {
	p *provider
	*http.Client
}

func (p *provider) browser() *browser {
	jar := must(cookiejar.New(nil))
	return &browser{p, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (b *browser) do(r *http.Request) answer {
	b.p.t.Helper()
	resp, err := b.Do(r)
	check(b.p.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	check(b.p.t, err)
	return answer{resp, string(body)}
}

func (b *browser) get(target string) answer {
	b.p.t.Helper()
	return b.do(must(http.NewRequest(http.MethodGet, b.p.abs(target), nil)))
}

func (b *browser) post(target string, form url.Values) answer {
	b.p.t.Helper()
	r := must(http.NewRequest(http.MethodPost, b.p.abs(target), strings.NewReader(form.Encode())))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", strings.TrimSuffix(b.p.config.Issuer, "/")) // where a browser says it is
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}

func (p *provider) abs(target string) string {
	if strings.HasPrefix(target, "/") {
		return p.url + target
	}
	return target
}

var hidden = regexp.MustCompile(`name="(csrf|id|token)" value="([^"]*)"`)

// form collects the hidden fields of a page.
func (a answer) form(more ...string) url.Values {
	v := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(a.body, -1) {
		v.Set(m[1], m[2])
	}
	for i := 0; i+1 < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	return v
}

func s256(v string) string {
	sum := sha256.Sum256([]byte(v))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// authorizeURL asks for a code for the web client with PKCE; more overrides (an empty value removes).
func (p *provider) authorizeURL(more ...string) string {
	q := url.Values{
		"client_id": {"web"}, "redirect_uri": {webRedirect}, "response_type": {"code"}, "scope": {"openid email phone profile offline_access"},
		"state": {"st"}, "nonce": {"no"}, "code_challenge": {s256(verifier)}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
		if more[i+1] == "" {
			q.Del(more[i])
		}
	}
	return p.url + "/authorize?" + q.Encode()
}

// begin goes from /authorize to the code page of an address: its URL and the page.
func (b *browser) begin(to, authorize string) (string, answer) {
	b.p.t.Helper()
	resp := b.get(authorize)
	if resp.StatusCode != http.StatusSeeOther {
		b.p.t.Fatalf("authorize: %d %s", resp.StatusCode, resp.body)
	}
	login := resp.Header.Get("Location")
	page := b.get(login)
	resp = b.post(login, page.form("identifier", to))
	if resp.StatusCode != http.StatusSeeOther {
		b.p.t.Fatalf("login: %d %s", resp.StatusCode, resp.body)
	}
	return resp.Header.Get("Location"), b.get(resp.Header.Get("Location"))
}

// signIn goes all the way and gives the response that leads back to the app.
func (b *browser) signIn(to, authorize string) url.Values {
	b.p.t.Helper()
	n := 1
	for _, m := range b.p.inbox.Messages() {
		if m.To == to {
			n++
		}
	}
	where, page := b.begin(to, authorize)
	resp := b.post(where, page.form("code", b.p.code(to, n)))
	if resp.StatusCode != http.StatusSeeOther {
		b.p.t.Fatalf("code: %d %s", resp.StatusCode, resp.body)
	}
	return must(url.Parse(resp.Header.Get("Location"))).Query()
}

// token posts to the token endpoint as the web client.
func (p *provider) token(form ...string) answer {
	p.t.Helper()
	v := url.Values{"client_id": {"web"}, "client_secret": {webSecret}}
	for i := 0; i+1 < len(form); i += 2 {
		v.Set(form[i], form[i+1])
		if form[i+1] == "" {
			v.Del(form[i])
		}
	}
	return p.send(http.MethodPost, "/oauth/token", v.Encode(), "Content-Type", formType)
}

// exchange redeems an authorization code as the web client.
func (p *provider) exchange(code string, more ...string) answer {
	p.t.Helper()
	return p.token(append([]string{"grant_type", "authorization_code", "code", code, "redirect_uri", webRedirect, "code_verifier", verifier}, more...)...)
}
