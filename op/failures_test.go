package op_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"sallyport/grants"
)

const saysLimited = "Too many requests"

// proxied makes X-Forwarded-For count, so that requests come from anywhere.
func proxied(s *settings) {
	s.op.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

// guessFrom answers with a code as the single-page client, from an address of the network.
func (p *provider) guessFrom(ip, to, code string, more ...string) answer {
	p.t.Helper()
	form := append([]string{"client_id", "spa", "grant_type", grantOTP, "realm", "email", "username", to, "otp", code}, more...)
	return p.send(http.MethodPost, "/oauth/token", values(form...).Encode(), "Content-Type", formType, "X-Forwarded-For", ip)
}

func TestSourceOfTooManyWrongCodesIsRefusedWhateverItSends(t *testing.T) {
	p := newProvider(t, proxied, func(s *settings) { s.engine.Limits.FailuresPerIP = grants.Limit{N: 3, Per: time.Hour} })
	start := func(to string) string {
		t.Helper()
		p.start(map[string]any{"client_id": "spa", "client_secret": nil, "email": to}).wants(t, http.StatusOK, "")
		return p.code(to, 1)
	}
	ada, eve := start("ada@example.com"), start("eve@example.com")
	for _, ip := range []string{"2001:db8::1", "2001:db8::2", "2001:db8::ffff"} { // one /64
		p.guessFrom(ip, "ada@example.com", not(ada)).wants(t, http.StatusForbidden, "invalid_grant")
	}
	for name, a := range map[string]answer{
		"right": p.guessFrom("2001:db8::4", "eve@example.com", eve), "wrong": p.guessFrom("2001:db8::4", "eve@example.com", not(eve)),
		"no challenge": p.guessFrom("2001:db8::4", "nobody@example.com", "123456"),
	} {
		a.wants(t, http.StatusTooManyRequests, "too_many_attempts")
		if a.str("error_description") != "Your account has been blocked after multiple consecutive login attempts." {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	if a := p.guessFrom("2001:db8:0:1::1", "eve@example.com", eve); a.StatusCode != http.StatusOK {
		t.Errorf("from another network: %d %s", a.StatusCode, a.body)
	}
	// The app's own server asks for everybody, and a proxy that nobody told us of too.
	for range 4 {
		p.token("grant_type", grantOTP, "realm", "email", "username", "ada@example.com", "otp", "1").wants(t, http.StatusForbidden, "invalid_grant")
		p.guessFrom("10.1.2.3", "zoe@example.com", "1").wants(t, http.StatusForbidden, "invalid_grant")
	}
	full := must(p.store.CountersFull(t.Context(), time.Now(), []grants.Counter{
		grants.IPCounter(grants.Limit{N: 3, Per: time.Hour}, "2001:db8::/64"), grants.IPCounter(grants.Limit{N: 1, Per: time.Hour}, "10.1.2.3"),
		grants.IPCounter(grants.Limit{N: 1, Per: time.Hour}, "2001:db8:0:1::/64"),
	}))
	if !full[0] || full[1] || full[2] {
		t.Errorf("counted: %v", full)
	}
}

func TestSourceOfTooManyWrongCodesSeesALimitedPage(t *testing.T) {
	p := newProvider(t, proxied, func(s *settings) { s.engine.Limits.FailuresPerIP = grants.Limit{N: 2, Per: time.Hour} })
	b := p.browser()
	where, page := b.begin("ada@example.com", p.authorizeURL())
	code := p.code("ada@example.com", 1)
	from := func(ip, typed string) answer {
		t.Helper()
		return b.send(http.MethodPost, where, page.form("code", typed), "X-Forwarded-For", ip, "Origin", p.url, "Sec-Fetch-Site", "same-origin")
	}
	for range 2 {
		from("203.0.113.9", other(code)).mustBePage(t, http.StatusUnprocessableEntity, saysWrong)
	}
	from("203.0.113.9", other(code)).mustBePage(t, http.StatusTooManyRequests, saysLimited)
	limited := from("203.0.113.9", code)
	limited.mustBePage(t, http.StatusTooManyRequests, saysLimited)
	if limited.cookie("sallyport_session") != nil {
		t.Error("signed in")
	}
	link := b.get(p.link("ada@example.com", 1)) // nobody guesses a link
	a := b.send(http.MethodPost, "/u/login/link", link.form(), "X-Forwarded-For", "203.0.113.9", "Origin", p.url, "Sec-Fetch-Site", "same-origin")
	if must(url.Parse(a.Header.Get("Location"))).Query().Get("code") == "" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}
