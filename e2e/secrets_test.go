package e2e

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"

	"sallyport/storage/storagetest"
)

// replica is a process with a configuration file of its own, so that each can have another ring.
type replica struct {
	*daemon
	dir, file string
}

func newReplica(t *testing.T, d *deployment, addr string) *replica {
	t.Helper()
	r := &replica{dir: t.TempDir(), file: string(must(os.ReadFile(filepath.Join(d.dir, "sallyport.yaml"))))}
	r.write(masterSecret)
	r.daemon = start(t, r.dir, "http://"+addr, []string{"SALLYPORT_LISTEN=" + addr}, "serve")
	return r
}

func (r *replica) write(secrets ...string) {
	quoted := make([]string, len(secrets))
	for i, s := range secrets {
		quoted[i] = fmt.Sprintf("%q", s)
	}
	text := strings.Replace(r.file, fmt.Sprintf("secret: %q", masterSecret), "secret: ["+strings.Join(quoted, ", ")+"]", 1)
	if err := os.WriteFile(filepath.Join(r.dir, "sallyport.yaml"), []byte(text), 0o600); err != nil {
		panic(err)
	}
}

// reload gives the process another ring by SIGHUP and waits for what it says to that.
func (r *replica) reload(t *testing.T, wanted string, secrets ...string) {
	t.Helper()
	r.write(secrets...)
	before := strings.Count(r.log.String(), wanted)
	if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, wanted, func() bool { return strings.Count(r.log.String(), wanted) > before })
}

const (
	reloaded = "configuration reloaded"
	kept     = "nothing was reloaded"
)

// lives is what somebody has begun, to go on with at any process.
type lives struct {
	t                        *testing.T
	person                   *person
	address, page, otp       string
	form                     url.Values
	access, refresh, machine string
}

func (r *rotation) begin(i int) *lives {
	r.t.Helper()
	r.n++
	l := &lives{t: r.t, person: newPerson(r.t, r.processes[i].url), address: fmt.Sprintf("person%d@example.com", r.n)}
	p, other := l.person, fmt.Sprintf("api%d@example.com", r.n)
	here := func(a answer) string { return strings.TrimPrefix(a.Header.Get("Location"), r.issuer) }
	login := here(p.get(r.authorize))
	l.page = here(p.post(login, fill(p.get(login), "identifier", l.address)))
	l.form = fill(p.get(l.page), "code", received(r.t, 1, func() []mail { return r.mails.to(l.address) }).code())
	p.startLogin("email", l.address)
	l.otp = received(r.t, 2, func() []mail { return r.mails.to(l.address) }).code()
	p.startLogin("email", other)
	tokens := p.otp("email", other, received(r.t, 1, func() []mail { return r.mails.to(other) }).code())
	l.access, l.refresh = tokens.str("access_token"), tokens.str("refresh_token")
	l.machine = p.post("/oauth/token", url.Values{"client_id": {"made"}, "client_secret": {r.secret}, "grant_type": {"client_credentials"}}).str("access_token")
	if l.access == "" || l.refresh == "" || l.machine == "" {
		r.t.Fatalf("nothing began at process %d: %s", i, tokens.body)
	}
	return l
}

// goOn takes every step of what was begun at a process.
func (r *rotation) goOn(phase string, l *lives, i int) {
	r.t.Helper()
	p := l.person
	p.base = r.processes[i].url
	if a := p.post(l.page, l.form); a.StatusCode != http.StatusSeeOther {
		r.t.Errorf("%s, process %d: the page and its code: %d %s", phase, i, a.StatusCode, a.body)
	}
	if a := p.get(r.authorize); !strings.Contains(a.Header.Get("Location"), "code=") {
		r.t.Errorf("%s, process %d: the session: %d %s", phase, i, a.StatusCode, a.Header.Get("Location"))
	}
	if a := p.otp("email", l.address, l.otp); a.StatusCode != http.StatusOK {
		r.t.Errorf("%s, process %d: the code: %d %s", phase, i, a.StatusCode, a.body)
	}
	info := must(http.NewRequest(http.MethodGet, p.base+"/userinfo", nil))
	info.Header.Set("Authorization", "Bearer "+l.access)
	if a := p.do(info); a.StatusCode != http.StatusOK {
		r.t.Errorf("%s, process %d: the access token: %d %s", phase, i, a.StatusCode, a.body)
	}
	a := p.token("grant_type", "refresh_token", "refresh_token", l.refresh)
	if a.StatusCode != http.StatusOK {
		r.t.Errorf("%s, process %d: the refresh token: %d %s", phase, i, a.StatusCode, a.body)
	}
	l.refresh = a.str("refresh_token")
}

type rotation struct {
	t                 *testing.T
	issuer, authorize string
	mails             *smtpServer
	processes         []*replica
	secret            string // of a client that no file has
	n                 int
}

// step reloads one process after the other, with logins under way before and after each.
func (r *rotation) step(phase string, secrets ...string) {
	r.t.Helper()
	for i, process := range r.processes {
		before := r.begin((i + 1) % len(r.processes)) // at one that lags, or is ahead by now
		process.reload(r.t, reloaded, secrets...)
		r.goOn(phase, before, i)
		r.goOn(phase+", beyond", r.begin(i), (i+1)%len(r.processes))
	}
}

// TestMasterSecretsChangeUnderThreeProcesses takes a deployment from one master secret to another, a process at a time, while
// people sign in everywhere.
func TestMasterSecretsChangeUnderThreeProcesses(t *testing.T) {
	mails, texts := newSMTPServer(t), newTwilioServer(t)
	database := storagetest.PostgresURL(t)
	d := deploy(t, database, transports(mails, texts))
	r := &rotation{t: t, issuer: d.issuer, mails: mails, authorize: "/authorize?" + url.Values{
		"client_id": {"app"}, "redirect_uri": {"http://127.0.0.1:9/callback"}, "response_type": {"code"}, "scope": {"openid email offline_access"}, "state": {"s"},
	}.Encode()}
	for _, addr := range []string{strings.TrimPrefix(d.issuer, "http://"), freeAddr(t), freeAddr(t)} {
		r.processes = append(r.processes, newReplica(t, d, addr))
	}
	command := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(binary, args...)
		cmd.Dir = r.processes[0].dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	var made struct {
		Secret string `json:"client_secret"`
	}
	if err := json.Unmarshal([]byte(command("client", "add", "--id", "made", "--type", "machine", "--json")), &made); err != nil || made.Secret == "" {
		t.Fatalf("no secret of a client: %v", err)
	}
	r.secret = made.Secret

	first := r.processes[0]
	first.reload(t, kept, leakSecond, masterSecret) // one step too many at once
	r.step("added at the end", masterSecret, leakSecond)
	first.reload(t, kept, leakSecond) // needed, and sealing
	r.step("moved to the front", leakSecond, masterSecret)
	first.reload(t, kept, leakSecond)
	if !strings.Contains(first.log.String(), "is still needed") {
		t.Errorf("the refusal does not say why:\n%s", first.log)
	}
	lasting := r.begin(2)

	// Time passes: what the old secret made is long over.
	db := must(sql.Open("pgx", database))
	defer db.Close()
	if _, err := db.Exec("UPDATE secrets SET sealed_at = sealed_at - 86400000000 WHERE since = 0"); err != nil {
		t.Fatal(err)
	}
	for _, process := range r.processes {
		process.reload(t, reloaded, leakSecond, masterSecret) // which looks at the secrets too
	}
	r.begin(1) // the client that no file has moves its secret at its use
	eventually(t, "nothing that holds the old secret", func() bool { return strings.Contains(command("key", "list", "--json"), `"held_by": []`) })
	for i, process := range r.processes {
		before := r.begin((i + 2) % 3)
		process.reload(t, reloaded, leakSecond)
		r.goOn("dropped", before, i)
	}
	r.goOn("dropped everywhere", lasting, 0)
}
