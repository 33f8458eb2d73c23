package e2e

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// TestAuth0SPAJS runs auth0-spa-js in an app on another origin.
func TestAuth0SPAJS(t *testing.T) {
	s := newTenant(t, "")
	for name, c := range map[string]struct{ origin, renewal, address string }{
		"a frame renews":         {s.app, "frame", "bob@example.com"},
		"a refresh token renews": {s.app, "refresh", "cas@example.com"},
		"on another site":        {s.elsewhere, "refresh", "+4915112345021"},
	} {
		t.Run(name, func(t *testing.T) {
			b, page := s.browser(t), c.origin+"/auth0-spa-js.html"
			b.open(page)
			b.run("choose", chromedp.Evaluate[chromedp.Void](`localStorage.setItem("renewal", `+quote(c.renewal)+`)`))
			b.open(page)
			if c.renewal == "frame" {
				b.fails(`attempt(client.getTokenSilently())`, "login_required", "")
			}
			b.leaves(`client.loginWithRedirect()`, "#identifier")
			b.run("to the code page", chromedp.SendKeys(css("#identifier"), c.address+"\n"), chromedp.WaitVisible(css("#code")))
			m := received(t, 1, func() []mail { return s.inbox(c.address) })
			b.run("code", chromedp.SendKeys(css("#code"), m.code()+"\n"), chromedp.WaitVisible(css("#result")))
			user := b.shown()
			if user.str("name") != c.address || user.str("sub") == "" {
				t.Fatalf("user %s", user.Result)
			}
			first := b.succeeds(`attempt(client.getTokenSilently({ cacheMode: "off" }))`)
			if next := b.succeeds(`attempt(client.getTokenSilently({ cacheMode: "off" }))`); string(next.Result) == string(first.Result) {
				t.Errorf("the same token again: %s", next.Result)
			}
			b.open(page)
			b.succeeds(`attempt(client.getTokenSilently())`)
			b.leaves(`client.logout({ logoutParams: { returnTo: `+quote(page)+` } })`, "body")
			where, err := chromedp.Run(b.ctx, chromedp.Location())
			if err != nil || where != page {
				t.Fatalf("after the logout at %s: %v", where, err)
			}
			b.open(page)
			b.leaves(`client.loginWithRedirect()`, "#identifier") // the session is gone
		})
	}
}
