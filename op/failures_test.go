package op_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

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

func TestSourceOfTooManyWrongCodesIsAskedForAProof(t *testing.T) {
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
	from("203.0.113.9", other(code)).mustBePage(t, http.StatusTooManyRequests, saysProof)
	limited := from("203.0.113.9", code)
	limited.mustBePage(t, http.StatusTooManyRequests, saysProof)
	if limited.cookie("sallyport_session") != nil || limited.Header.Get("Retry-After") != "3600" && limited.Header.Get("Retry-After") != "3599" {
		t.Errorf("%v", limited.Header)
	}
	link := b.get(p.link("ada@example.com", 1)) // nobody guesses a link
	a := b.send(http.MethodPost, "/u/login/link", link.form(), "X-Forwarded-For", "203.0.113.9", "Origin", p.url, "Sec-Fetch-Site", "same-origin")
	if must(url.Parse(a.Header.Get("Location"))).Query().Get("code") == "" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// A stranger's page has its visitors' browsers send plain forms, with codes of the stranger's own making: that costs the
// visitors nothing, and the people behind the codes neither.
func TestPagesOfStrangersCostTheirVisitorsNothing(t *testing.T) {
	p := newProvider(t, proxied, func(s *settings) { s.engine.Limits.FailuresPerIP = grants.Limit{N: 2, Per: time.Hour} })
	p.addTV()
	code := p.mailedSPA("ada@example.com")
	form := values("client_id", "spa", "grant_type", grantOTP, "realm", "email", "username", "ada@example.com", "otp", not(code)).Encode()
	pushed := values("client_id", "spa", "redirect_uri", "http://127.0.0.1:9/spa", "response_type", "code", "code_challenge", s256(verifier), "code_challenge_method", "S256").Encode()
	post := func(path, body string, header ...string) answer {
		return p.send(http.MethodPost, path, body, append([]string{"Content-Type", formType, "X-Forwarded-For", "203.0.113.9"}, header...)...)
	}
	for name, header := range map[string][]string{
		"a page": {"Origin", evilOrigin, "Sec-Fetch-Site", "cross-site"}, "an old browser": {"Origin", evilOrigin}, "a page that hides": {"Origin", "null"},
		"another client's page": {"Origin", "http://app.example.com"}, "no origin": {"Sec-Fetch-Site", "cross-site"}, "a neighbour": {"Sec-Fetch-Site", "same-site"},
	} {
		for range 6 {
			if a := post("/oauth/token", form, header...); a.StatusCode != http.StatusForbidden || a.str("error") != "unauthorized_client" {
				t.Fatalf("%s: %d %s", name, a.StatusCode, a.body)
			}
			a := p.json("/passwordless/verify", map[string]any{"client_id": "spa", "connection": "email", "email": "ada@example.com", "verification_code": not(code)}, nil,
				append([]string{"X-Forwarded-For", "203.0.113.9"}, header...)...)
			a.wants(t, http.StatusForbidden, "unauthorized_client")
		}
		for range 10 {
			post("/oauth/device/code", "client_id=tv", header...).wants(t, http.StatusForbidden, "unauthorized_client")
			post("/oauth/par", pushed, header...).wants(t, http.StatusForbidden, "unauthorized_client")
		}
	}
	post("/oauth/device/code", "client_id=tv").wants(t, http.StatusOK, "")
	post("/oauth/par", pushed).wants(t, http.StatusCreated, "")
	post("/oauth/par", pushed, "Origin", appOrigin, "Sec-Fetch-Site", "cross-site").wants(t, http.StatusCreated, "")
	secret := form + "&client_secret=" + webSecret
	post("/oauth/token", strings.Replace(secret, "client_id=spa", "client_id=web", 1), "Origin", evilOrigin).wants(t, http.StatusForbidden, "invalid_grant") // whoever has the secret
	if a := post("/oauth/token", strings.Replace(form, not(code), code, 1), "Origin", appOrigin, "Sec-Fetch-Site", "cross-site"); a.StatusCode != http.StatusOK {
		t.Errorf("the app's own page: %d %s", a.StatusCode, a.body)
	}
}

func TestKnownBrowserGetsInWhateverItsNeighboursDo(t *testing.T) {
	p := newProvider(t, proxied, func(s *settings) { s.engine.Limits.FailuresPerIP = grants.Limit{N: 2, Per: time.Hour} })
	b := p.browser()
	b.signIn("ada@example.com", p.authorizeURL())
	code := p.mailedSPA("eve@example.com")
	for range 2 {
		p.guessFrom("203.0.113.9", "eve@example.com", not(code)).wants(t, http.StatusForbidden, "invalid_grant")
	}
	p.guessFrom("203.0.113.9", "eve@example.com", code).wants(t, http.StatusTooManyRequests, "too_many_attempts")
	where, page := b.begin("ada@example.com", p.authorizeURL("prompt", "login"))
	right := p.code("ada@example.com", 2)
	from := func(typed string) answer {
		return b.send(http.MethodPost, where, page.form("code", typed), "X-Forwarded-For", "203.0.113.9", "Origin", p.url, "Sec-Fetch-Site", "same-origin")
	}
	from(other(right)).mustBePage(t, http.StatusUnprocessableEntity, saysWrong)
	if back := from(right).sentBack(t); back.Get("code") == "" {
		t.Errorf("%v", back)
	}
}

// People of one network who mistype once and then get it right do not use up what all of them have.
func TestCompletedLoginGivesItsWrongCodesBack(t *testing.T) {
	p := newProvider(t, proxied, func(s *settings) { s.engine.Limits.FailuresPerIP = grants.Limit{N: 3, Per: time.Hour} })
	for _, to := range []string{"ada@example.com", "bob@example.com", "eve@example.com", "zoe@example.com"} {
		code := p.mailedSPA(to)
		for range 2 {
			p.guessFrom("203.0.113.9", to, not(code)).wants(t, http.StatusForbidden, "invalid_grant")
		}
		p.guessFrom("203.0.113.9", to, code).wants(t, http.StatusOK, "")
	}
	b, code := p.browser(), p.mailedSPA("ada@example.com") // through a ticket likewise
	for range 4 {
		for range 2 {
			b.crossOrigin("ada@example.com", not(code), nil, "X-Forwarded-For", "203.0.113.9").wants(t, http.StatusForbidden, "access_denied")
		}
		ticket := b.crossOrigin("ada@example.com", code, nil, "X-Forwarded-For", "203.0.113.9").str("login_ticket")
		if back := b.visit(appOrigin, p.ticketURL(ticket), "X-Forwarded-For", "203.0.113.9").sentBack(t); back.Get("code") == "" {
			t.Fatalf("%v", back)
		}
		code = p.mailedSPA("ada@example.com")
	}
}

// Whom a trusted server asks for is who pays, and who stands in the audit log, wherever a code is shown.
func TestForwardedForOfCodes(t *testing.T) {
	p := newProvider(t, func(s *settings) { s.engine.Limits.FailuresPerIP = grants.Limit{N: 2, Per: time.Hour} })
	p.addForwarding()
	p.startFor("forwarding", webSecret, "ada@example.com", "203.0.113.9").wants(t, http.StatusOK, "")
	code := p.code("ada@example.com", 1)
	token := func(typed, forwarded string) answer {
		return p.send(http.MethodPost, "/oauth/token", values("client_id", "forwarding", "client_secret", webSecret, "grant_type", grantOTP, "realm", "email",
			"username", "ada@example.com", "otp", typed).Encode(), "Content-Type", formType, "Auth0-Forwarded-For", forwarded)
	}
	verify := func(typed, forwarded string) answer {
		return p.verify(typed, map[string]any{"client_id": "forwarding", "client_secret": webSecret}, "Auth0-Forwarded-For", forwarded)
	}
	token(not(code), "203.0.113.9").wants(t, http.StatusForbidden, "invalid_grant")
	verify(not(code), "203.0.113.9").wants(t, http.StatusUnauthorized, "invalid_user_password")
	for _, e := range must(p.store.Events(t.Context(), storage.EventFilter{Type: grants.EventFailed})) {
		if e.IP != "203.0.113.9" {
			t.Errorf("wrong code from %s", e.IP)
		}
	}
	for _, a := range []answer{token(code, "203.0.113.9"), verify(code, "203.0.113.9")} {
		a.wants(t, http.StatusTooManyRequests, "too_many_attempts")
		if seconds := must(strconv.Atoi(a.Header.Get("Retry-After"))); seconds < 3000 || seconds > 3600 {
			t.Errorf("Retry-After %d", seconds)
		}
	}
	token(code, "198.51.100.1").wants(t, http.StatusOK, "")
}
