package e2e

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"sallyport/grants"
	"sallyport/storage"
	"sallyport/storage/storagetest"
)

// arena is one deployment of the binary with the race detector, in one or more processes over one database. Requests that race are
// spread over all of them.
type arena struct {
	*deployment
	processes []*daemon
	mails     *smtpServer
	key       ed25519.PrivateKey // of the client "signer"
	events    *storage.Store     // the same database, for a look at the audit log
}

const (
	raceAdmin  = "an-admin-token-for-races-of-32-characters"
	raceOrigin = "http://127.0.0.1:7"
	raceStarts = 20 // limits.start_per_address
	raceApps   = 20 // clients race-0, race-1, ...
)

// TestRaces has every rule that holds "once", "one" or "at most" broken by many at once. One process is how SQLite is run, and three are
// how Postgres is; all must be right on both. A data race in a process ends it with a status of its own, which stop sees.
func TestRaces(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		t.Helper()
		for _, processes := range []int{1, 3} {
			t.Run(fmt.Sprintf("%d", processes), func(t *testing.T) {
				own := url
				if url != "" && processes > 1 {
					own = storagetest.PostgresURL(t)
				}
				a := newArena(t, own, processes)
				for _, r := range races {
					t.Run(r.name, func(t *testing.T) { r.run(a.of(t)) })
				}
				for _, p := range a.processes {
					p.stop()
					if strings.Contains(p.log.String(), "DATA RACE") {
						t.Errorf("%s", p.log)
					}
				}
			})
		}
	})
}

// races are run in this order over one deployment. The guesses come last: who sees so many of them may become suspicious.
var races = []struct {
	name string
	run  func(*arena)
}{
	{"processes that start at once make one signing key", raceOfFirstKeys},
	{"one code has one winner", raceForOneCode},
	{"two challenges of one address are both good once", raceOfTwoChallenges},
	{"first logins of one address make one user", raceOfFirstLogins},
	{"starts at once leave one challenge and never pass the budget", raceOfStarts},
	{"a link and its code have one winner", raceOfLinkAndCode},
	{"one authorization code has one winner, and its replay ends what it gave", raceForAuthorizationCode},
	{"one refresh token has one successor, and an old one ends the family", raceForRefreshToken},
	{"one login ticket has one winner", raceForLoginTicket},
	{"a code that was verified has one winner", raceForVerifiedCode},
	{"one pushed request begins one login", raceForPushedRequest},
	{"one assertion is good once", raceForAssertion},
	{"one device code has one answer and one winner", raceForDeviceCode},
	{"a session's end leaves no refresh token", raceOfLogoutAndRefresh},
	{"a user who is blocked has no tokens", raceOfBlockAndLogin},
	{"a client that is deleted has no tokens", raceOfDeletionAndToken},
	{"a reload under load loses nothing, and an older file changes nothing", raceOfReloads},
	{"guesses by every door draw on one challenge", raceOfGuesses},
	{"guesses on the pages draw on one challenge", raceOfHostedGuesses},
	{"a right guess among wrong ones wins only in time", raceOfRightGuess},
	{"guesses at all challenges of an address draw on one budget", raceOfGuessesAtAddress},
}

func newArena(t *testing.T, databaseURL string, processes int) *arena {
	t.Helper()
	a := &arena{mails: newSMTPServer(t)}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	a.key = private
	var more strings.Builder
	fmt.Fprintf(&more, `
  - id: spa
    type: spa
    redirect_uris: [%q]
    web_origins: [%q]
    grant_types: [authorization_code, refresh_token, passwordless]
  - id: tv
    type: native
    grant_types: [device_code, refresh_token]
  - id: signer
    type: machine
    jwks: {keys: [%s]}
`, callback, raceOrigin, must(json.Marshal(jose.JSONWebKey{Key: public, KeyID: "one"})))
	for i := range raceApps {
		fmt.Fprintf(&more, "  - {id: race-%d, type: web, secrets: [%q], redirect_uris: [%q], grant_types: [authorization_code, refresh_token, passwordless]}\n", i, clientSecret, callback)
	}
	fmt.Fprintf(&more, "admin: {tokens: [{name: races, token: %q, scopes: [\"*\"]}]}\n", raceAdmin)
	a.deployment = deploy(t, databaseURL, more.String()+transports(a.mails, newTwilioServer(t)))
	for i := range processes { // at once
		address := strings.TrimPrefix(a.issuer, "http://")
		if i > 0 {
			address = freeAddr(t)
		}
		a.processes = append(a.processes, a.launch(address))
	}
	for _, p := range a.processes {
		p.ready()
	}
	if databaseURL == "" {
		databaseURL = "sqlite:" + filepath.Join(a.dir, "sallyport.db")
	}
	ring, err := grants.NewRing(masterSecret)
	if err != nil {
		t.Fatal(err)
	}
	a.events = must(storage.Open(t.Context(), storage.Options{URL: databaseURL, Ring: ring, Now: time.Now}))
	t.Cleanup(func() { _ = a.events.Close() })
	return a
}

// launch starts one more process.
func (a *arena) launch(address string) *daemon {
	a.t.Helper()
	return launch(a.t, exec.Command(raceBinary(), "serve"), a.dir, "http://"+address, []string{
		"SALLYPORT_LISTEN=" + address, fmt.Sprintf("SALLYPORT_LIMITS_START_PER_ADDRESS=%d/10m", raceStarts), "SALLYPORT_LIMITS_START_PER_CLIENT=0",
	})
}

// of is the arena for a subtest.
func (a *arena) of(t *testing.T) *arena {
	t.Helper()
	b, d := *a, *a.deployment
	d.t, b.deployment = t, &d
	return &b
}

// person is one at the i-th process.
func (a *arena) person(i int) *person {
	return newPerson(a.t, a.processes[i%len(a.processes)].url)
}

// atOnce has many do something at the same moment, each at the next process, and gives the answers. Who is told to come again, for
// too many are there or a SQLite file is locked by another process, does.
func (a *arena) atOnce(n int, do func(p *person, i int) answer) []answer {
	a.t.Helper()
	answers, begin := make([]answer, n), make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		p := a.person(i)
		wg.Go(func() {
			<-begin
			for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
				if answers[i] = do(p, i); !comeAgain(answers[i]) {
					return
				}
			}
		})
	}
	close(begin)
	wg.Wait()
	return answers
}

func comeAgain(resp answer) bool {
	return resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != ""
}

// verdict is what an answer of the token endpoint, or of one of the doors that look at codes, says.
func verdict(resp answer) string {
	if resp.Response == nil {
		return "none"
	}
	switch text := resp.str("error_description") + resp.str("description"); {
	case resp.StatusCode == http.StatusOK:
		return "granted"
	case strings.Contains(text, "maximum number of attempts"):
		return "too many"
	case strings.HasPrefix(text, "Wrong "):
		return "wrong"
	case resp.str("error") == "invalid_grant":
		return "refused"
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, resp.body)
}

// tally counts answers by what they say.
func tally(answers []answer, what func(answer) string) map[string]int {
	counts := map[string]int{}
	for _, resp := range answers {
		counts[what(resp)]++
	}
	return counts
}

// wants fails the test where a count is another.
func (a *arena) wants(what string, got, want map[string]int) {
	a.t.Helper()
	if !maps.Equal(got, want) {
		a.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// winner is the one answer that was granted.
func (a *arena) winner(answers []answer, others string) answer {
	a.t.Helper()
	a.wants("answers", tally(answers, verdict), map[string]int{"granted": 1, others: len(answers) - 1})
	i := slices.IndexFunc(answers, func(resp answer) bool { return verdict(resp) == "granted" })
	if i < 0 {
		a.t.FailNow()
	}
	return answers[i]
}

// ask has a client start an API login for an address, and gives the code that is mailed.
func (a *arena) ask(client, address string) string {
	a.t.Helper()
	before := len(a.mails.to(address))
	resp := a.start(a.person(0), client, address)
	if resp.StatusCode != http.StatusOK {
		a.t.Fatalf("start: %d %s", resp.StatusCode, resp.body)
	}
	return received(a.t, before+1, func() []mail { return a.mails.to(address) }).code()
}

func (a *arena) start(p *person, client, address string) answer {
	a.t.Helper()
	return p.postJSON("/passwordless/start", with(client, map[string]any{"connection": "email", "email": address, "send": "code"}))
}

// with adds to an object who the client is.
func with(client string, object map[string]any) map[string]any {
	object["client_id"] = client
	if client != "spa" {
		object["client_secret"] = clientSecret
	}
	return object
}

// tokenOf asks for tokens as a client.
func tokenOf(p *person, client string, form ...string) answer {
	p.t.Helper()
	v := url.Values{"client_id": {client}}
	if client != "spa" && client != "tv" {
		v.Set("client_secret", clientSecret)
	}
	for i := 0; i+1 < len(form); i += 2 {
		v.Set(form[i], form[i+1])
	}
	return p.post("/oauth/token", v)
}

func redeem(p *person, client, address, code string) answer {
	p.t.Helper()
	return tokenOf(p, client, "grant_type", "http://auth0.com/oauth/grant-type/passwordless/otp", "realm", "email", "username", address, "otp", code,
		"scope", "openid email offline_access")
}

func refresh(p *person, client, token string) answer {
	p.t.Helper()
	return tokenOf(p, client, "grant_type", "refresh_token", "refresh_token", token)
}

// login is a login by the API that nobody disturbs.
func (a *arena) login(client, address string) answer {
	a.t.Helper()
	resp := redeem(a.person(1), client, address, a.ask(client, address))
	if resp.StatusCode != http.StatusOK {
		a.t.Fatalf("token: %d %s", resp.StatusCode, resp.body)
	}
	return resp
}

// over makes sure that a refresh token is no longer good, nor an access token.
func (a *arena) over(client string, tokens answer) {
	a.t.Helper()
	if resp := refresh(a.person(0), client, tokens.str("refresh_token")); verdict(resp) != "refused" {
		a.t.Errorf("refresh: %d %s", resp.StatusCode, resp.body)
	}
	if status := a.userinfo(tokens.str("access_token")); status != http.StatusUnauthorized {
		a.t.Errorf("userinfo: %d", status)
	}
}

func (a *arena) userinfo(token string) int {
	a.t.Helper()
	p := a.person(1)
	r := must(http.NewRequest(http.MethodGet, p.base+"/userinfo", nil))
	r.Header.Set("Authorization", "Bearer "+token)
	return p.do(r).StatusCode
}

// manage asks the management API.
func (a *arena) manage(p *person, method, path string, body any) answer {
	p.t.Helper()
	r := must(http.NewRequest(method, p.base+"/api/v2/"+path, strings.NewReader(quote(body))))
	if body == nil {
		r = must(http.NewRequest(method, p.base+"/api/v2/"+path, nil))
	}
	r.Header.Set("Authorization", "Bearer "+raceAdmin)
	r.Header.Set("Content-Type", "application/json")
	return p.do(r)
}

// failures is how many wrong guesses at an address were looked at, by the audit log.
func (a *arena) failures(address string) int {
	a.t.Helper()
	masked := must(grants.ParseEmail(address)).Masked()
	events := must(a.events.Events(a.t.Context(), storage.EventFilter{Type: grants.EventFailed, Limit: 1000}))
	n := 0
	for _, e := range events {
		if e.Address == masked {
			n++
		}
	}
	return n
}

// path is where an answer sends a browser, without the issuer.
func (a *arena) path(resp answer) string {
	a.t.Helper()
	if resp.StatusCode != http.StatusSeeOther {
		a.t.Fatalf("%s: %d %s", resp.Request.URL.Path, resp.StatusCode, resp.body)
	}
	return strings.TrimPrefix(resp.Header.Get("Location"), a.issuer)
}

// hosted begins a login on the pages, and gives its code page and the code.
func (a *arena) hosted(p *person, address, authorize string) (page, code string) {
	a.t.Helper()
	before := len(a.mails.to(address))
	login := a.path(p.get(authorize))
	page = a.path(p.post(login, fill(p.get(login), "identifier", address)))
	return page, received(a.t, before+1, func() []mail { return a.mails.to(address) }).code()
}
