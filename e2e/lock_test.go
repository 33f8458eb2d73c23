package e2e

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// serveLock bundles Lock for the page, since its npm package has no file for browsers.
func serveLock(w http.ResponseWriter, r *http.Request) {
	cmd := exec.CommandContext(r.Context(), "node_modules/.bin/esbuild", "apps/lock.mjs", "--bundle", "--main-fields=browser,module,main", `--define:process.env.NODE_ENV="production"`, "--define:global=window")
	script, err := cmd.Output()
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/javascript")
	_, _ = w.Write(script)
}

// TestLock signs in with the passwordless mode of Lock, Auth0's embedded widget: a wrong code, then the right one.
func TestLock(t *testing.T) {
	s := newTenant(t, "")
	b, email := s.browser(t), "ada@example.com"
	b.open(s.app + "/lock.html")
	typed := func(name, value, next string) {
		t.Helper()
		selector := `input[name="` + name + `"]`
		// A step slides in, hidden at first.
		eventually(t, name, func() bool {
			shown, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`[...document.querySelectorAll('`+selector+`')].some((field) => getComputedStyle(field).visibility === "visible")`))
			return err == nil && shown
		})
		b.run(name, chromedp.SendKeys(css(selector), strings.Repeat("\b", 10)+value+"\n"), chromedp.WaitVisible(css(next)))
	}
	typed("email", email, `input[name="vcode"]`)
	right := received(t, 1, func() []mail { return s.inbox(email) }).code()
	typed("vcode", wrong(right), ".auth0-global-message-error")
	b.picture("lock")
	typed("vcode", right, "#result")
	if o := b.shown(); o.str("email") != email {
		t.Errorf("signed in as %s", o.Result)
	}
}
