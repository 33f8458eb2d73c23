package templates

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// browser is a real Chromium in front of a server with all samples at /page/<language>/<name>. Forms arrive in posts.
type browser struct {
	ctx   context.Context
	base  string
	posts chan string
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	if _, err := exec.LookPath("chromium"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no chromium to look at the pages with")
		}
		t.Skip("NOT TESTED: the pages in a browser, there is no chromium")
	}
	s := newSet(t, Site{Name: "Acme ID"})
	b := &browser{posts: make(chan string, 10)}
	mux := http.NewServeMux()
	mux.Handle("GET /static/", s.Assets())
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		b.posts <- r.URL.Path + " " + r.PostFormValue("code") + r.PostFormValue("token") + r.PostFormValue("proof")
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<p id="posted">posted</p>`))
	})
	all := samples()
	mux.HandleFunc("GET /page/{lang}/{name}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		if page, ok := all[r.PathValue("name")]; ok {
			_ = s.Render(w, r.PathValue("lang"), page)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	b.base = server.URL

	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	limited, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewExecAllocator(limited, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithErrorf(t.Logf))
	t.Cleanup(cancel)
	b.ctx = ctx
	b.do(t, command(emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}))
	return b
}

// open loads a page and takes steps there.
func (b *browser) open(t *testing.T, page string, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	b.do(t, append([]chromedp.Action[chromedp.Void]{chromedp.Navigate(b.base + "/page" + page)}, steps...)...)
}

func (b *browser) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

func evaluate[T any](t *testing.T, b *browser, expression string) T {
	t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// posted waits for the one form that was sent, after the page that answers it is there.
func (b *browser) posted(t *testing.T) string {
	t.Helper()
	select {
	case got := <-b.posts:
		b.do(t, chromedp.WaitVisible("#posted"))
		if len(b.posts) != 0 {
			t.Errorf("another form was sent: %s", <-b.posts)
		}
		return got
	case <-b.ctx.Done():
		t.Fatal("no form was sent")
	}
	return ""
}

// hold keeps the page's forms from leaving and counts those that would have, in the script's variable held.
func (b *browser) hold(t *testing.T) {
	t.Helper()
	evaluate[bool](t, b, `addEventListener('submit', (e) => {
		held += e.defaultPrevented ? 0 : 1;
		e.preventDefault();
	}), globalThis.held = 0, true`)
}

// insert puts text into the code's field at once, as a paste or an autofill does. The field has the focus by itself.
func insert(text string) chromedp.Action[chromedp.Void] {
	return chromedp.Steps(
		chromedp.WaitVisible("#code:focus"),
		command(input.InsertText, input.InsertTextParams{Text: text}))
}

func command[P any](c cdp.Command[P, cdp.Empty], params P) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, c, params)
		return chromedp.Void{}, err
	}
}

func TestScriptSavesWorkAndNoMore(t *testing.T) {
	b := newBrowser(t)

	t.Run("a code put in whole is cleaned and sent", func(t *testing.T) {
		b.open(t, "/en/code.full", insert("Your code is 123 456!"))
		if got := b.posted(t); got != "/u/login/code 123456" {
			t.Errorf("sent %q", got)
		}
	})
	t.Run("a code put in over a wrong one is sent", func(t *testing.T) {
		b.open(t, "/en/code.wrong", insert("654-321"))
		if got := b.posted(t); got != "/u/login/code 654321" {
			t.Errorf("sent %q", got)
		}
	})
	t.Run("what is no code stays as it is", func(t *testing.T) {
		b.open(t, "/en/code.full", insert("12345 or 1234567"))
		if got := evaluate[string](t, b, "document.getElementById('code').value"); got != "12345 or 1234567" {
			t.Errorf("the field holds %q", got)
		}
	})
	t.Run("a typed code waits for Enter", func(t *testing.T) {
		b.open(t, "/en/code.full")
		b.hold(t)
		b.do(t, chromedp.SendKeys("#code", "123456"))
		if got := evaluate[string](t, b, "document.getElementById('code').value"); got != "123456" {
			t.Errorf("the field holds %q", got)
		}
		if n := evaluate[int](t, b, "held"); n != 0 {
			t.Errorf("typing sent %d forms", n)
		}
		b.do(t, chromedp.KeyEvent("\r"))
		if n := evaluate[int](t, b, "held"); n != 1 {
			t.Errorf("Enter sent %d forms", n)
		}
	})
	t.Run("a double click sends once", func(t *testing.T) {
		b.open(t, "/en/logout.full")
		b.hold(t)
		evaluate[bool](t, b, "document.querySelector('button').click(), document.querySelector('button').click(), true")
		if n := evaluate[int](t, b, "held"); n != 1 {
			t.Errorf("%d forms were sent", n)
		}
	})
	t.Run("the link of this browser continues by itself", func(t *testing.T) {
		b.open(t, "/en/link.full")
		if got := b.posted(t); got != "/u/login/link TOKEN" {
			t.Errorf("sent %q", got)
		}
	})
	t.Run("the link of an app waits for the button", func(t *testing.T) {
		b.open(t, "/en/link_api.full")
		if len(b.posts) != 0 {
			t.Error("it went on by itself")
		}
		b.do(t, chromedp.Click("button"))
		if got := b.posted(t); got != "/u/login/link TOKEN" {
			t.Errorf("sent %q", got)
		}
	})
	t.Run("another message can be asked for after a while", func(t *testing.T) {
		b.open(t, "/en/code.full")
		if got := evaluate[string](t, b, "document.querySelector('.quiet').textContent"); !strings.HasPrefix(got, "Send it again in 0:") {
			t.Errorf("the button says %q", got)
		}
		if !evaluate[bool](t, b, "document.querySelector('.quiet').disabled") {
			t.Error("the button is enabled")
		}
	})
	t.Run("times are those of the reader", func(t *testing.T) {
		b.do(t, command(emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Europe/Vienna"}))
		b.open(t, "/de/code.resent")
		if got := evaluate[string](t, b, "document.querySelector('time').textContent"); got != "15:05" {
			t.Errorf("14:05 UTC is %q in Vienna", got)
		}
	})
}

// A puzzle is solved without anybody's doing, once, and the form goes on with its solution. The page tells what it does.
func TestScriptSolvesThePuzzle(t *testing.T) {
	b := newBrowser(t)
	b.open(t, "/en/proof.full")
	path, solution, _ := strings.Cut(b.posted(t), " ")
	var got struct {
		Algorithm, Salt, Signature string
		Number                     int
	}
	raw, err := base64.StdEncoding.DecodeString(solution)
	if err != nil || json.Unmarshal(raw, &got) != nil || path != "/u/login" || got.Number != 4321 || got.Algorithm != "SHA-256" || got.Signature != "SIGNATURE" ||
		!strings.Contains(puzzle, got.Salt) {
		t.Errorf("%s %s %+v", path, raw, got)
	}
}

// Where a captcha's script cannot be loaded, as by the policy of this test, the page says so and can be sent again.
func TestPageOfACaptchaThatCannotBeLoadedSaysSo(t *testing.T) {
	b := newBrowser(t)
	b.open(t, "/en/proof.widget", chromedp.WaitVisible("form button"))
	if text := evaluate[string](t, b, `document.querySelector('[role=status]').textContent`); text != "That did not work in this browser. Try again." {
		t.Error(text)
	}
	evaluate[bool](t, b, `proven(), true`)
	if got := b.posted(t); got != "/u/login " {
		t.Error(got)
	}
}

func TestPagesFitASmallPhone(t *testing.T) {
	b := newBrowser(t)
	b.do(t, command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: 320, Height: 640, DeviceScaleFactor: 1, Mobile: true}))
	for name := range samples() {
		if strings.HasPrefix(name, "link.") || strings.HasPrefix(name, "form_post.") || name == "proof.full" {
			continue // they go on by themselves; link_api looks the same
		}
		for _, lang := range newSet(t, Site{}).Languages() {
			b.open(t, "/"+lang+"/"+name)
			if wide := evaluate[int](t, b, "document.documentElement.scrollWidth"); wide > 320 {
				t.Errorf("%s in %q is %d pixels wide", name, lang, wide)
			}
			small := evaluate[[]string](t, b, `[...document.querySelectorAll('a, button, input:not([type=hidden])')]
				.filter((e) => !e.hidden && !e.closest('pre') && e.getBoundingClientRect().height < 44).map((e) => e.outerHTML)`)
			for _, e := range small {
				t.Errorf("%s in %q: too small to press: %s", name, lang, e)
			}
			if size := evaluate[float64](t, b, "(e => e ? parseFloat(getComputedStyle(e).fontSize) : 16)(document.querySelector('input:not([type=hidden])'))"); size < 16 {
				t.Errorf("%s: a phone zooms into a field of %v pixels", name, size)
			}
		}
	}
}
