package op_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"sallyport/grants"
)

// Whoever has proven nothing has so many rows written and no more. Whoever has signed in here before is not kept out by
// their neighbours.
func TestBeginningsAreBoundedPerNetwork(t *testing.T) {
	p := newProvider(t, proxied, func(s *settings) { s.engine.Limits.StartPerIP = grants.Limit{N: 1, Per: time.Hour} })
	known := p.browser()
	known.signIn("ada@example.com", p.authorizeURL())
	begin := func(b *browser, ip string) answer {
		return b.send(http.MethodGet, p.authorizeURL("prompt", "login"), nil, "X-Forwarded-For", ip)
	}
	for range 20 {
		begin(p.browser(), "2001:db8::1").sentBack(t)
	}
	a := begin(p.browser(), "2001:db8::2")
	a.mustBePage(t, http.StatusTooManyRequests, "Too many requests")
	if a.Header.Get("Retry-After") == "" || len(a.Cookies()) > 0 {
		t.Errorf("%v", a.Header)
	}
	forged := p.browser()
	forged.copyCookies(known, "sallyport_browser")
	begin(forged, "2001:db8::2").mustBePage(t, http.StatusTooManyRequests, "Too many requests")
	begin(known, "2001:db8::2").sentBack(t)
	begin(p.browser(), "2001:db8:0:1::1").sentBack(t)
	for range 25 { // loopback, and whatever a proxy that nobody told us of hides behind
		begin(p.browser(), "10.1.2.3").sentBack(t)
	}
	pushed := p.send(http.MethodPost, "/oauth/par", values("client_id", "spa", "redirect_uri", "http://127.0.0.1:9/spa", "response_type", "code",
		"code_challenge", s256(verifier), "code_challenge_method", "S256").Encode(), "Content-Type", formType, "X-Forwarded-For", "2001:db8::2")
	if pushed.StatusCode != http.StatusTooManyRequests || pushed.Header.Get("Retry-After") == "" {
		t.Errorf("pushed: %d %s", pushed.StatusCode, pushed.body)
	}
}

// What nobody sees begins no login: a page of a stranger that has its visitors' browsers ask for it in passing uses up nothing of
// their network's.
func TestWhatNobodySeesBeginsNoLogin(t *testing.T) {
	p := newProvider(t, proxied, func(s *settings) { s.engine.Limits.StartPerIP = grants.Limit{N: 1, Per: time.Hour} })
	known, victim := p.browser(), p.browser()
	known.signIn("ada@example.com", p.authorizeURL())
	from := func(b *browser, target string, header ...string) answer {
		return b.visit(evilOrigin, target, append([]string{"X-Forwarded-For", "203.0.113.9"}, header...)...)
	}
	for name, header := range map[string][]string{
		"an image": {"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, "a script's request": {"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"},
		"a frame": {"Sec-Fetch-Dest", "iframe"}, "an object": {"Sec-Fetch-Dest", "object"}, "in advance": {"Sec-Purpose", "prefetch;prerender"}, "in advance, of old": {"Purpose", "prefetch"},
	} {
		for _, b := range []*browser{victim, known} {
			for range 21 {
				a := from(b, p.authorizeURL("prompt", "login"), header...)
				if a.mustBePage(t, http.StatusForbidden, saysInvalid); a.Header.Get("Location") != "" || len(a.Cookies()) > 0 {
					t.Fatalf("%s: %v", name, a.Header)
				}
			}
		}
	}
	for range 21 { // renewal in a frame begins nothing either
		back := must(from(victim, p.authorizeURL("prompt", "none"), "Sec-Fetch-Dest", "iframe").Location()).Query()
		if back.Get("error") != "login_required" {
			t.Fatalf("without a session: %v", back)
		}
	}
	if back := from(known, p.authorizeURL("prompt", "none"), "Sec-Fetch-Dest", "iframe").sentBack(t); back.Get("code") == "" {
		t.Errorf("from the session: %v", back)
	}
	for range 10 {
		from(p.browser(), p.authorizeURL()).sentBack(t)                                                       // a link, or a form that became a GET
		p.browser().send(http.MethodGet, p.authorizeURL(), nil, "X-Forwarded-For", "203.0.113.9").sentBack(t) // an old browser
	}
	from(p.browser(), p.authorizeURL()).mustBePage(t, http.StatusTooManyRequests, "Too many requests")
}

// Browsers in which somebody has signed in have bounds of their own, but not the more together the more there are. Where those of
// one attacker have used up what all have together, others begin as strangers do.
func TestKnownBrowsersOfANetworkShareABound(t *testing.T) {
	p := newProvider(t, proxied, func(s *settings) { s.engine.Limits.StartPerIP = grants.Limit{N: 1, Per: time.Hour} })
	var known []*browser
	for n := range 10 {
		known = append(known, p.browser())
		known[n].signIn(fmt.Sprintf("eve%d@example.com", n), p.authorizeURL())
		p.pass(time.Hour)
	}
	begun := 0
	begins := func(b *browser) answer {
		return b.send(http.MethodGet, p.authorizeURL("prompt", "login"), nil, "X-Forwarded-For", "203.0.113.9")
	}
	for _, b := range known[:8] {
		for range 21 {
			if begins(b).StatusCode == http.StatusSeeOther {
				begun++
			}
		}
	}
	if begun != 8*20 {
		t.Errorf("%d logins were begun", begun)
	}
	for range 10 { // a network has 20 for strangers
		if got := begins(known[8]).StatusCode; got != http.StatusSeeOther {
			t.Fatalf("a known browser is kept out by its neighbours: %d", got)
		}
		begins(p.browser()).sentBack(t)
	}
	for _, b := range []*browser{known[9], p.browser()} {
		begins(b).mustBePage(t, http.StatusTooManyRequests, "Too many requests")
	}
}
