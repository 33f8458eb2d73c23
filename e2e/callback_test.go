package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestCallbackMayMoveOnToAnyOrigin signs in to an app whose callback sends the browser on to an origin of its own, as
// brokers do. Browsers hold a page's form-action against every redirect that follows its form, those of the app too.
func TestCallbackMayMoveOnToAnyOrigin(t *testing.T) {
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprint(w, `<h1 id="arrived">arrived</h1>`)
	}))
	t.Cleanup(home.Close)
	broker := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, home.URL+"/?code="+url.QueryEscape(r.URL.Query().Get("code")), http.StatusSeeOther)
	}))
	t.Cleanup(broker.Close)
	d := deploy(t, "", fmt.Sprintf(`
  - id: broker
    name: Broker
    type: web
    secrets: [%q]
    redirect_uris: [%q]
`, clientSecret, broker.URL+"/callback")).serve("")

	b := tab{t, chromium(t)}
	authorize := d.url + "/authorize?" + url.Values{
		"client_id": {"broker"}, "redirect_uri": {broker.URL + "/callback"}, "response_type": {"code"}, "scope": {"openid"},
	}.Encode()
	b.run("to the code page", chromedp.Navigate(authorize), chromedp.WaitVisible(css("#identifier")),
		chromedp.SendKeys(css("#identifier"), "ada@example.com\n"), chromedp.WaitVisible(css("#code")))
	b.run("to the app's home", chromedp.SendKeys(css("#code"), d.newest("ada@example.com", 0).code()+"\n"), chromedp.WaitVisible(css("#arrived")))
}
