package main

import (
	"bytes"
	"context"
	"encoding/json"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// demonstration is a running demo and a browser without scripts in front of it.
type demonstration struct {
	t           *testing.T
	app, issuer string
	environ     []string
	browser     *http.Client
}

// output is where a running command writes, to be looked at meanwhile.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func startDemo(t *testing.T) *demonstration {
	t.Helper()
	addr, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	appAddr, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	// Cookies are shared between ports, so the provider has another name than the app, as in the real demo.
	issuer := "http://localhost:" + addr[strings.LastIndexByte(addr, ':')+1:]
	environ := []string{
		"SALLYPORT_LISTEN=" + addr, "SALLYPORT_ISSUER=" + issuer,
		"SALLYPORT_DATABASE_URL=sqlite:" + filepath.Join(dir, "demo.db"), "SALLYPORT_SECRET_FILE=" + filepath.Join(dir, "demo.secret"),
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan int)
	var stdout, stderr output
	// Without a host it listens on this machine only.
	go func() {
		done <- run(ctx, []string{"demo", "--app", strings.TrimPrefix(appAddr, "127.0.0.1")}, nil, &stdout, &stderr, environ)
	}()
	t.Cleanup(func() {
		stop()
		if code := <-done; code != 0 {
			t.Errorf("the demo ended with %d\n%s", code, stderr.String())
		}
		if !strings.Contains(stdout.String(), "http://"+appAddr) || !strings.Contains(stdout.String(), issuer+"/dev/inbox") {
			t.Errorf("the demo does not say what to open:\n%s", stdout.String())
		}
		if want := "SALLYPORT_DATABASE_URL=sqlite:" + filepath.Join(dir, "demo.db") + " SALLYPORT_SECRET_FILE=" + filepath.Join(dir, "demo.secret"); !strings.Contains(stdout.String(), want) {
			t.Errorf("the demo does not say %s:\n%s", want, stdout.String())
		}
	})
	d := &demonstration{t: t, app: "http://" + appAddr, issuer: issuer, environ: environ}
	d.newBrowser()
	d.eventually(func() bool {
		answer, err := http.Get(issuer + "/readyz")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return d
}

func (d *demonstration) newBrowser() {
	jar, err := cookiejar.New(nil)
	if err != nil {
		d.t.Fatal(err)
	}
	d.browser = &http.Client{Jar: jar, Timeout: 20 * time.Second}
}

// signIn goes from the app's button to its greeting.
func (d *demonstration) signIn(link, typed, address string) page {
	d.t.Helper()
	asked := d.submit(d.open(d.app+link), `name="identifier"`, "identifier", typed)
	return d.submit(asked, `name="code"`, "code", d.code(address)).must(d.t, "<h1>Hello "+address+"</h1>")
}

func (d *demonstration) eventually(done func() bool) {
	d.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if done() {
			return
		}
	}
	d.t.Fatal("it did not happen")
}

// page is where a browser is: its address and its HTML, with entities written out.
type page struct{ url, text string }

func (d *demonstration) read(answer *http.Response, err error) page {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return page{answer.Request.URL.String(), html.UnescapeString(string(body))}
}

func (d *demonstration) open(address string) page {
	d.t.Helper()
	return d.read(d.browser.Get(address))
}

var (
	formTag  = regexp.MustCompile(`(?s)<form[^>]*action="([^"]*)".*?</form>`)
	inputTag = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
	codeTag  = regexp.MustCompile(`\b\d{6}\b`)
)

// submit sends the form of a page that has a piece of text, with one more field.
func (d *demonstration) submit(p page, has, field, value string) page {
	d.t.Helper()
	for _, form := range formTag.FindAllStringSubmatch(p.text, -1) {
		if !strings.Contains(form[0], has) {
			continue
		}
		values := url.Values{}
		for _, hidden := range inputTag.FindAllStringSubmatch(form[0], -1) {
			values.Set(hidden[1], hidden[2])
		}
		if field != "" {
			values.Set(field, value)
		}
		base, err := url.Parse(p.url)
		if err != nil {
			d.t.Fatal(err)
		}
		target, err := base.Parse(form[1])
		if err != nil {
			d.t.Fatal(err)
		}
		return d.read(d.browser.PostForm(target.String(), values))
	}
	d.t.Fatalf("%s has no form with %q:\n%s", p.url, has, p.text)
	return page{}
}

// code waits for the newest message to an address and takes its code.
func (d *demonstration) code(to string) string {
	d.t.Helper()
	var code string
	d.eventually(func() bool {
		var messages []struct{ To, Text string }
		answer, err := http.Get(d.issuer + "/dev/inbox.json")
		if err != nil {
			d.t.Fatal(err)
		}
		defer answer.Body.Close()
		if err := json.NewDecoder(answer.Body).Decode(&messages); err != nil {
			d.t.Fatal(err)
		}
		for _, m := range messages {
			if m.To == to {
				code = codeTag.FindString(m.Text)
				return code != ""
			}
		}
		return false
	})
	return code
}

// command runs another command on the same deployment.
func (d *demonstration) command(args ...string) string {
	d.t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(context.Background(), args, nil, &stdout, &stderr, d.environ); code != 0 {
		d.t.Fatalf("%v ended with %d: %s", args, code, stderr.String())
	}
	return stdout.String()
}

func (p page) must(t *testing.T, wants ...string) page {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(p.text, want) {
			t.Fatalf("%s does not show %q:\n%s", p.url, want, p.text)
		}
	}
	return p
}

func TestDemoSignsInByMailAndSMS(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ link, address, shown string }{
		{"/login?connection=email", "Ada@Example.com", "ada@example.com"},
		{"/login?connection=sms", "+49 170 1234567", "+491701234567"},
	} {
		t.Run(test.link, func(t *testing.T) {
			t.Parallel()
			d := startDemo(t)
			d.open(d.app+"/").must(t, "Log in", d.issuer+"/dev/inbox")
			home := d.signIn(test.link, test.address, test.shown).must(t, `<th scope="row">amr</th>`, `<td class="from">both</td>`)
			if home.url != d.app+"/" {
				t.Errorf("the login ends at %s", home.url)
			}

			d.submit(home, "Refresh", "", "").must(t, "Hello "+test.shown, "New tokens, without asking again: 1 so far.")

			// The app forgets, the provider does not: a second login asks nothing.
			fresh := d.open(d.app + "/login")
			fresh.must(t, "Hello "+test.shown)

			out := d.submit(fresh, "Log out", "", "")
			if strings.HasPrefix(out.url, d.issuer) && strings.Contains(out.text, "<form") {
				d.submit(out, "<button", "", "")
			}
			d.open(d.app+"/").must(t, "An app without passwords")
			d.open(d.app+"/login").must(t, `name="identifier"`)
		})
	}
}

func TestDemoPromisesNothingOnPortsThatItCannotHave(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, test := range []struct{ listen, app string }{{taken.Addr().String(), free}, {free, taken.Addr().String()}} {
		var stdout, stderr output
		code := run(t.Context(), []string{"demo", "--app", test.app}, nil, &stdout, &stderr, []string{
			"SALLYPORT_LISTEN=" + test.listen, "SALLYPORT_DATABASE_URL=sqlite:" + filepath.Join(dir, "a.db"), "SALLYPORT_SECRET_FILE=" + filepath.Join(dir, "secret"),
		})
		if code != 1 || stdout.String() != "" || !strings.Contains(stderr.String(), "listening") {
			t.Errorf("%+v: exit code %d, stdout %q, stderr %q", test, code, stdout.String(), stderr.String())
		}
	}
}

func TestUserCommands(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	d.signIn("/login", "bob@example.com", "bob@example.com")
	d.newBrowser()
	d.signIn("/login", "ada@example.com", "ada@example.com")

	var users []userView
	if err := json.Unmarshal([]byte(d.command("user", "list", "--json")), &users); err != nil || len(users) != 2 {
		t.Fatalf("users %v, error %v", users, err)
	}
	id := users[slices.IndexFunc(users, func(u userView) bool { return u.Identities[0].Address == "ada@example.com" })].ID
	expect := func(want string, args ...string) {
		t.Helper()
		if got := d.command(args...); !strings.Contains(got, want) {
			t.Errorf("%v does not say %q:\n%s", args, want, got)
		}
	}
	refuse := func(want string, args ...string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		if run(context.Background(), args, nil, &stdout, &stderr, d.environ) != 1 || !strings.Contains(stderr.String(), want) {
			t.Errorf("%v is not refused with %q: %s", args, want, stderr.String())
		}
	}
	expect(id, "user", "show", " ADA@example.com")
	expect("+491701234567", "user", "link", id, "+49 170 1234567")
	expect(id, "user", "show", "+491701234567")
	refuse("belongs to a user already", "user", "link", id, "bob@example.com")
	expect("ada@example.com", "user", "unlink", id, "+491701234567")
	refuse("no other verified address", "user", "unlink", id, "ada@example.com")
	refuse("does not have", "user", "unlink", id, "eve@example.com")
	refuse("there is no user", "user", "show", "eve@example.com")
	refuse("neither the id nor the address", "user", "show", "bob")
	expect(`"login.succeeded"`, "user", "export", id)
	expect(id, "user", "export")

	// A blocked user has no session any more.
	expect("blocked", "user", "block", "ada@example.com")
	d.open(d.app+"/login").must(t, `name="identifier"`)
	expect("active", "user", "unblock", "ada@example.com")

	expect("gone", "user", "rm", id)
	refuse("there is no user", "user", "show", id)
}
