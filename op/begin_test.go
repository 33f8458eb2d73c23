package op_test

import (
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
