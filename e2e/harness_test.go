package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the program under test, built once.
var binary string

// raceBinary is the same with the race detector in it.
var raceBinary = sync.OnceValue(func() string {
	path := binary + "-race"
	if out, err := exec.Command("go", "build", "-race", "-o", path, "../cmd/sallyport").CombinedOutput(); err != nil {
		panic(fmt.Sprintf("building with the race detector: %v\n%s", err, out))
	}
	return path
})

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sallyport-e2e-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "sallyport")
	build := exec.Command("go", "build", "-trimpath", "-o", binary, "../cmd/sallyport")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("building: %v\n%s", err, out))
	}
	identity = newIdentity(dir)
	// This process and all that it starts trust it.
	_ = os.Setenv("SSL_CERT_FILE", identity.certFile)
	_ = os.Setenv("NODE_EXTRA_CA_CERTS", identity.certFile)
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

const (
	masterSecret = "a-master-secret-for-tests-of-32-bytes-at-least"
	clientSecret = "a-client-secret-for-tests-of-32-bytes-at-least"
)

// eventually asks again and again, for at most twenty seconds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: not within twenty seconds", what)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// freeAddr is a loopback address on which nobody listens now.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// output collects what a process prints, while it prints.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// daemon is a running process of the binary.
type daemon struct {
	t    *testing.T
	url  string // where it listens; the issuer too, unless others share it
	cmd  *exec.Cmd
	log  *output
	done chan error
}

// start runs the binary with arguments in a folder and waits until it is ready.
func start(t *testing.T, dir, base string, env []string, args ...string) *daemon {
	t.Helper()
	d := launch(t, exec.Command(binary, args...), dir, base, env)
	d.ready()
	return d
}

// launch starts a program in a folder.
func launch(t *testing.T, cmd *exec.Cmd, dir, base string, env []string) *daemon {
	t.Helper()
	d := &daemon{t: t, url: base, cmd: cmd, log: &output{}, done: make(chan error, 1)}
	d.cmd.Dir, d.cmd.Stdout, d.cmd.Stderr = dir, d.log, d.log
	d.cmd.Env = append(os.Environ(), env...)
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { d.done <- d.cmd.Wait() }()
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill() // gone already, perhaps
		if t.Failed() {
			t.Logf("log of %v:\n%s", cmd.Args[1:], d.log)
		}
	})
	return d
}

// ready waits until the process serves.
func (d *daemon) ready() {
	d.t.Helper()
	eventually(d.t, "ready", func() bool {
		select {
		case err := <-d.done:
			d.t.Fatalf("%v ended: %v\n%s", d.cmd.Args[1:], err, d.log)
		default:
		}
		resp, err := http.Get(d.url + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// kill is kill -9, and waits until the process is gone.
func (d *daemon) kill() {
	d.t.Helper()
	if err := d.cmd.Process.Kill(); err != nil {
		d.t.Fatal(err)
	}
	if err := <-d.done; err == nil {
		d.t.Fatal("it had ended in peace before")
	}
}

// stop is SIGTERM; the process must end in peace.
func (d *daemon) stop() {
	d.t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		d.t.Fatal(err)
	}
	select {
	case err := <-d.done:
		if err != nil {
			d.t.Fatalf("after SIGTERM: %v\n%s", err, d.log)
		}
	case <-time.After(20 * time.Second):
		d.t.Fatalf("does not stop\n%s", d.log)
	}
}

// deployment is a configuration file in a folder of its own, and how to start processes on it.
type deployment struct {
	t      *testing.T
	dir    string
	issuer string
}

// deploy writes a configuration: one issuer, the database, two clients, and more YAML.
func deploy(t *testing.T, databaseURL, more string) *deployment {
	t.Helper()
	d := &deployment{t: t, dir: t.TempDir(), issuer: "http://" + freeAddr(t)}
	if databaseURL == "" {
		databaseURL = "sqlite:sallyport.db"
	}
	config := fmt.Sprintf(`
issuer: %s
listen: %s
database: {url: %q}
secret: %q
limits: {start_per_ip: "0"}
clients:
  - id: app
    name: Test App
    type: web
    secrets: [%q]
    redirect_uris: ["http://127.0.0.1:9/callback"]
    post_logout_redirect_uris: ["http://127.0.0.1:9/bye"]
    grant_types: [authorization_code, refresh_token, client_credentials, passwordless]
  - id: phone
    name: Phone App
    type: native
    redirect_uris: ["http://127.0.0.1/callback"]
%s`, d.issuer, strings.TrimPrefix(d.issuer, "http://"), databaseURL, masterSecret, clientSecret, more)
	if err := os.WriteFile(filepath.Join(d.dir, "sallyport.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

// serve starts a process; addr may differ from the issuer's, for further ones.
func (d *deployment) serve(addr string) *daemon {
	d.t.Helper()
	base, env := d.issuer, []string(nil)
	if addr != "" {
		base, env = "http://"+addr, []string{"SALLYPORT_LISTEN=" + addr}
	}
	return start(d.t, d.dir, base, env, "serve")
}

// mail is what a person finds in an inbox.
type mail struct {
	Channel, To, Subject, Text, HTML string
}

// inbox reads the development inbox, newest first.
func (d *daemon) inbox() []mail {
	d.t.Helper()
	resp, err := http.Get(d.url + "/dev/inbox.json")
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	var all []mail
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		d.t.Fatal(err)
	}
	return all
}

// newest waits for a message to an address, beyond those that were there.
func (d *daemon) newest(to string, before int) mail {
	d.t.Helper()
	var found []mail
	eventually(d.t, "message to "+to, func() bool {
		found = nil
		for _, m := range d.inbox() {
			if m.To == to {
				found = append(found, m)
			}
		}
		return len(found) > before
	})
	return found[0]
}

var (
	codeOf = regexp.MustCompile(`\b\d{6,10}\b`)
	linkOf = regexp.MustCompile(`https?://\S+/u/login/link\S+`)
)

// code is what a person would type.
func (m mail) code() string {
	if m.Subject != "" {
		return codeOf.FindString(m.Subject)
	}
	return codeOf.FindString(m.Text)
}

func (m mail) link() string { return linkOf.FindString(m.Text) }

// answer is a response, read to its end.
type answer struct {
	*http.Response
	body string
}

func (a answer) str(name string) string {
	var m map[string]any
	if json.Unmarshal([]byte(a.body), &m) != nil {
		return ""
	}
	s, _ := m[name].(string)
	return s
}

// person has cookies and a home: base is the process that they talk to.
type person struct {
	t    *testing.T
	base string
	http *http.Client
}

func newPerson(t *testing.T, base string) *person {
	t.Helper()
	return &person{t: t, base: base, http: &http.Client{
		Jar: must(cookiejar.New(nil)), Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (p *person) do(r *http.Request) answer {
	p.t.Helper()
	resp, err := p.http.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer{resp, string(body)}
}

func (p *person) get(path string) answer {
	p.t.Helper()
	return p.do(must(http.NewRequestWithContext(context.Background(), http.MethodGet, p.base+path, nil)))
}

func (p *person) post(path string, form url.Values) answer {
	p.t.Helper()
	r := must(http.NewRequestWithContext(context.Background(), http.MethodPost, p.base+path, strings.NewReader(form.Encode())))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return p.do(r)
}

func (p *person) postJSON(path string, v map[string]any) answer {
	p.t.Helper()
	r := must(http.NewRequestWithContext(context.Background(), http.MethodPost, p.base+path, bytes.NewReader(must(json.Marshal(v)))))
	r.Header.Set("Content-Type", "application/json")
	return p.do(r)
}

// startLogin asks for a code through the API.
func (p *person) startLogin(field, address string) answer {
	p.t.Helper()
	connection := map[string]string{"email": "email", "phone_number": "sms"}[field]
	return p.postJSON("/passwordless/start", map[string]any{
		"client_id": "app", "client_secret": clientSecret, "connection": connection, field: address, "send": "code",
	})
}

// token asks for tokens as the app.
func (p *person) token(form ...string) answer {
	p.t.Helper()
	v := url.Values{"client_id": {"app"}, "client_secret": {clientSecret}}
	for i := 0; i+1 < len(form); i += 2 {
		v.Set(form[i], form[i+1])
	}
	return p.post("/oauth/token", v)
}

// otp redeems a code at the token endpoint.
func (p *person) otp(realm, username, code string) answer {
	p.t.Helper()
	return p.token("grant_type", "http://auth0.com/oauth/grant-type/passwordless/otp", "realm", realm, "username", username, "otp", code,
		"scope", "openid email phone offline_access")
}
