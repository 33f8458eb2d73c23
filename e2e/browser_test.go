package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// patience is how long a browser may take for one step.
const patience = 20 * time.Second

// chromium starts a browser, or says loudly why not. In CI it is there.
func chromium(t *testing.T, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("Chromium is not installed")
		}
		t.Skip("SKIPPED: Chromium is not installed (apt-get install chromium)")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1000, 800), chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-dev-shm-usage", true))
	options = append(options, more...)
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // the browser lives as long as the context that started it
		t.Fatal(err)
	}
	return ctx
}

// demo is the program that `make run` starts, on free ports, with more of an environment.
func demo(t *testing.T, more ...string) (d *daemon, app string) {
	t.Helper()
	_, port, _ := strings.Cut(freeAddr(t), ":")
	address := freeAddr(t)
	env := []string{"SALLYPORT_ISSUER=http://localhost:" + port, "SALLYPORT_LISTEN=127.0.0.1:" + port}
	return start(t, t.TempDir(), "http://localhost:"+port, append(env, more...), "demo", "--app", address), "http://" + address
}

// css selects the first element that a CSS selector fits.
type css = chromedp.CSS

// tab is a page of a browser and a test that looks at it.
type tab struct {
	t   *testing.T
	ctx context.Context
}

func (b tab) run(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		where, _ := chromedp.Run(b.ctx, chromedp.Location())
		text, _ := chromedp.Run(b.ctx, chromedp.Text(css("body")))
		b.t.Fatalf("%s: %v\nat %s:\n%s", what, err, where, text)
	}
}

// picture keeps a screenshot where SALLYPORT_SCREENSHOTS names a folder, for somebody to look at.
func (b tab) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("SALLYPORT_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b tab) text(selector string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	s, err := chromedp.Run(ctx, chromedp.Text(css(selector)))
	if err != nil {
		b.t.Fatalf("text of %s: %v", selector, err)
	}
	return s
}

// logIn goes from the demo app to the page that takes the code.
func (b tab) logIn(app, address string) {
	b.t.Helper()
	b.run("to the login page", chromedp.Navigate(app), chromedp.Click(css("#login")), chromedp.WaitVisible(css("#identifier")))
	b.picture("login")
	b.run("to the code page", chromedp.SendKeys(css("#identifier"), address+"\n"), chromedp.WaitVisible(css("#code")))
	b.picture("code-" + address[:3])
}

// greeted waits for the demo's greeting.
func (b tab) greeted(address string) {
	b.t.Helper()
	b.run("greeting", chromedp.WaitVisible(css("#logout")))
	if h := b.text("h1"); !strings.Contains(h, address) {
		b.t.Fatalf("greets %q, not %q", h, address)
	}
	b.picture("greeting")
}

func (b tab) logOut() {
	b.t.Helper()
	b.run("log out", chromedp.Click(css("#logout")), chromedp.WaitVisible(css("#login")))
}

func TestDemoLogsInByMailCode(t *testing.T) {
	d, app := demo(t)
	b := tab{t, chromium(t)}
	b.logIn(app, "ada@example.com")
	b.run("wrong code", chromedp.SendKeys(css("#code"), "000000\n"), chromedp.WaitVisible(css("#problem")))
	b.picture("wrong")
	b.run("code", chromedp.Clear(css("#code")), chromedp.SendKeys(css("#code"), d.newest("ada@example.com", 0).code()+"\n"))
	b.greeted("ada@example.com")

	// A second login is answered by the session: no page of the provider asks anything.
	b.run("second login", chromedp.Navigate(app+"/login"))
	b.greeted("ada@example.com")
	if n := len(d.inbox()); n != 1 {
		t.Fatalf("%d messages after the second login", n)
	}

	b.logOut()
	b.run("login after logout", chromedp.Click(css("#login")), chromedp.WaitVisible(css("#identifier")))
}

func TestDemoLogsInBySMSCode(t *testing.T) {
	d, app := demo(t)
	b := tab{t, chromium(t)}
	b.logIn(app, "+49 1511 2345678")
	b.run("code", chromedp.SendKeys(css("#code"), d.newest("+4915112345678", 0).code()+"\n"))
	b.greeted("+4915112345678")
}

func TestDemoLogsInByMagicLink(t *testing.T) {
	d, app := demo(t)
	for name, script := range map[string]bool{"with JavaScript": true, "without JavaScript": false} {
		t.Run(name, func(t *testing.T) {
			b := tab{t, chromium(t)}
			if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !script}); err != nil {
				t.Fatal(err)
			}
			address := fmt.Sprintf("script-%v@example.com", script)
			b.logIn(app, address)
			m := d.newest(address, 0)

			// Another browser gets nothing of the link, whatever it presses.
			other := tab{t, chromium(t)}
			other.run("link elsewhere", chromedp.Navigate(m.link()), chromedp.WaitVisible(css("h1")))
			other.picture("link-elsewhere")
			if page := other.text("body"); strings.Contains(page, m.code()) {
				t.Fatalf("another browser sees the code: %s", page)
			}
			forms, err := chromedp.Run(other.ctx, chromedp.Evaluate[int](`document.forms.length`))
			if err != nil || forms != 0 {
				t.Errorf("another browser is offered %d forms", forms)
			}

			b.run("link", chromedp.Navigate(m.link()))
			if !script {
				b.picture("link")
				b.run("press the button", chromedp.Click(css("button")))
			}
			b.greeted(address)
		})
	}
}
