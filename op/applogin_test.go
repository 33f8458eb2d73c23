package op_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"sallyport/grants"
)

const (
	appOrigin   = "http://spa.example.com"
	evilOrigin  = "http://evil.example.com"
	notTheFive  = "Invalid request body. All and only of client_id, credential_type, username, otp, realm are required."
	saysAppAsks = "Continue only if this is your account and you have just typed its code."
)

// crossOrigin asks for a ticket as a page of the single-page client would, with the browser's cookies.
func (b *browser) crossOrigin(to, code string, more map[string]any, header ...string) answer {
	b.p.t.Helper()
	realm := "email"
	if strings.HasPrefix(to, "+") {
		realm = "sms"
	}
	body := map[string]any{"client_id": "spa", "username": to, "otp": code, "realm": realm, "credential_type": grantOTP}
	maps.Copy(body, more)
	maps.DeleteFunc(body, func(_ string, v any) bool { return v == nil })
	r := must(http.NewRequest(http.MethodPost, b.p.url+"/co/authenticate", strings.NewReader(string(must(json.Marshal(body))))))
	for i, header := 0, append([]string{"Content-Type", "application/json", "Origin", appOrigin}, header...); i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return b.do(r)
}

// appURL is what a page of the single-page client sends the browser to.
func (p *provider) appURL(path string, more ...string) string {
	u := must(url.Parse(p.authorizeURL(append([]string{"client_id", "spa", "redirect_uri", "http://127.0.0.1:9/spa"}, more...)...)))
	u.Path = path
	return u.String()
}

func (p *provider) verifyRedirectURL(to, code string, more ...string) string {
	return p.appURL("/passwordless/verify_redirect", append([]string{"connection", "email", "email", to, "verification_code", code}, more...)...)
}

func (p *provider) ticketURL(ticket string, more ...string) string {
	return p.appURL("/authorize", append([]string{"realm", "email", "login_ticket", ticket}, more...)...)
}

// visit opens an address as a browser does that a page of an origin sends there.
func (b *browser) visit(from, target string, header ...string) answer {
	b.p.t.Helper()
	return b.send(http.MethodGet, target, nil, append([]string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "cross-site", "Referer", from + "/"}, header...)...)
}

// unmoved fails unless the browser has the session that it had.
func (b *browser) unmoved(t *testing.T, name string, before string, a answer) {
	t.Helper()
	if a.cookie("sallyport_session") != nil || a.cookie("sallyport_device") != nil || b.cookieValue("sallyport_session") != before {
		t.Errorf("%s: a session came of it: %v", name, a.Cookies())
	}
}

// An attacker has a code, and a ticket, of an account of their own, from the victim's network with the victim's user
// agent, and sends the victim's browser there from a page of theirs, in every way there is.
func TestAttackersOwnProofMakesNoSessionInTheVictimsBrowser(t *testing.T) {
	p := newProvider(t)
	for name, target := range map[string]func(more ...string) string{
		"verify_redirect": func(more ...string) string {
			code := p.mailedSPA("eve@example.com")
			if a := p.verify(code, map[string]any{"email": "eve@example.com"}, "Origin", appOrigin); a.StatusCode != http.StatusOK {
				t.Fatalf("%d %s", a.StatusCode, a.body)
			}
			return p.verifyRedirectURL("eve@example.com", code, more...)
		},
		"login_ticket": func(more ...string) string {
			a := p.browser().crossOrigin("eve@example.com", p.mailedSPA("eve@example.com"), nil)
			return p.ticketURL(a.str("login_ticket"), more...)
		},
	} {
		for _, signedIn := range []bool{false, true} {
			victim := p.browser()
			if signedIn {
				victim.signIn("ada@example.com", p.authorizeURL())
			}
			before := victim.cookieValue("sallyport_session")
			// The victim is about to sign in by the app's page too: that cookie is for another challenge.
			if a := victim.crossOrigin("ada@example.com", p.mailedSPA("ada@example.com"), nil); a.StatusCode != http.StatusOK {
				t.Fatalf("%d %s", a.StatusCode, a.body)
			}
			bait := target()
			page := victim.visit(evilOrigin, bait)
			for how, a := range map[string]answer{
				"navigation": page, "without referrer": victim.visit(evilOrigin, bait, "Referer", ""), "by Origin": victim.visit(appOrigin, bait, "Origin", evilOrigin),
				"another client's page": victim.visit("http://app.example.com", bait), "an old browser": victim.send(http.MethodGet, bait, nil, "Referer", appOrigin+"/"),
				"referrer that looks like it": victim.visit(appOrigin+".evil.example.com", bait), "user in the referrer": victim.visit("http://spa.example.com@evil.example.com", bait),
				"HEAD": victim.send(http.MethodHead, bait, nil, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Referer", appOrigin+"/"),
			} {
				if a.StatusCode != http.StatusOK || a.Header.Get("Location") != "" || !strings.Contains(a.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
					t.Errorf("%s, %s: %d %s", name, how, a.StatusCode, a.Header.Get("Location"))
				}
				victim.unmoved(t, name+", "+how, before, a)
			}
			for how, a := range map[string]answer{ // these do not even ask
				"iframe": victim.visit(appOrigin, bait, "Sec-Fetch-Dest", "iframe"), "embed": victim.visit(appOrigin, bait, "Sec-Fetch-Dest", "embed"),
				"fetch": victim.visit(appOrigin, bait, "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "empty"),
				"image": victim.visit(appOrigin, bait, "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"),
			} {
				if a.StatusCode != http.StatusForbidden || a.Header.Get("Location") != "" || !strings.Contains(a.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
					t.Errorf("%s, %s: %d %s", name, how, a.StatusCode, a.Header.Get("Location"))
				}
				victim.unmoved(t, name+", "+how, before, a)
			}
			page.mustBePage(t, http.StatusOK, saysAppAsks)
			if !strings.Contains(page.body, "eve<wbr>@example.com") || !strings.Contains(page.body, "Single Page") || strings.Contains(page.body, "data-auto") {
				t.Errorf("%s: the page does not say who and where, or goes on by itself:\n%s", name, page.body)
			}
			for how, a := range map[string]answer{
				"form of another site": victim.send(http.MethodPost, action(page), page.form(), "Origin", evilOrigin, "Sec-Fetch-Site", "cross-site"),
				"form without origin":  victim.send(http.MethodPost, action(page), page.form(), "Sec-Fetch-Site", "cross-site"),
				"attacker's own form":  victim.post(action(page), p.browser().visit(evilOrigin, bait).form()),
			} {
				if a.StatusCode != http.StatusForbidden {
					t.Errorf("%s, %s: %d %s", name, how, a.StatusCode, a.Header.Get("Location"))
				}
				victim.unmoved(t, name+", "+how, before, a)
			}
			// Even where the victim presses the button the app alone gets it: no session comes or goes.
			pressed := victim.post(action(page), page.form())
			if pressed.sentBack(t).Get("code") == "" {
				t.Errorf("%s: %s", name, pressed.Header.Get("Location"))
			}
			victim.unmoved(t, name+", pressed", before, pressed)
			if again := victim.post(action(page), page.form()).sentBack(t); again.Get("error") != "access_denied" {
				t.Errorf("%s: twice: %v", name, again)
			}
			if want := map[bool]string{true: "", false: "login_required"}[signedIn]; victim.get(p.authorizeURL("prompt", "none")).sentBack(t).Get("error") != want {
				t.Errorf("%s: session", name)
			}
		}
	}
}

// action is where a page's form leads.
func action(a answer) string {
	_, rest, _ := strings.Cut(a.body, `action="`)
	target, _, _ := strings.Cut(rest, `"`)
	return target
}

func TestCodeTypedInTheAppSignsInAtOnce(t *testing.T) {
	p := newProvider(t)
	code := p.mailedSPA("ada@example.com")
	p.verify(code, nil, "Origin", appOrigin).wants(t, http.StatusOK, "")
	b := p.browser()
	a := b.visit(appOrigin, p.verifyRedirectURL("ada@example.com", code))
	back := a.sentBack(t)
	if !strings.HasPrefix(a.Header.Get("Location"), "http://127.0.0.1:9/spa?") || back.Get("state") != "st" || back.Get("iss") != p.url || len(a.Cookies()) > 0 {
		t.Fatalf("%v %v", a.Header.Get("Location"), a.Cookies())
	}
	tokens := p.exchangeSPA(back.Get("code"))
	if c := claims(t, tokens.str("id_token")); c["email"] != "ada@example.com" || c["nonce"] != "no" || c["sid"] != nil || tokens.str("refresh_token") == "" {
		t.Errorf("%s", tokens.body)
	}
	if again := p.exchangeSPA(back.Get("code")); again.str("error") != "invalid_grant" {
		t.Errorf("%s", again.body)
	}
	// The same address again, by reloading or from the history: it asks, and the code is used.
	page := b.visit(appOrigin, p.verifyRedirectURL("ada@example.com", code))
	page.mustBePage(t, http.StatusOK, saysAppAsks)
	if again := b.post(action(page), page.form()).sentBack(t); again.Get("error") != "access_denied" || again.Get("error_description") != wrongMail || again.Get("state") != "st" {
		t.Errorf("%v", again)
	}
}

func (p *provider) exchangeSPA(code string) answer {
	p.t.Helper()
	return p.token("client_id", "spa", "client_secret", "", "grant_type", "authorization_code", "code", code, "redirect_uri", "http://127.0.0.1:9/spa", "code_verifier", verifier)
}

// Without a verification of a moment ago by the same client, network and user agent the page asks, whatever the code, and
// the opening tells nothing and costs nothing.
func TestOpeningVerifyRedirectLooksAtNoCode(t *testing.T) {
	p := newProvider(t, proxied)
	code := p.mailedSPA("ada@example.com")
	b := p.browser()
	good, wrong := p.verifyRedirectURL("ada@example.com", code), p.verifyRedirectURL("ada@example.com", not(code))
	strip := func(a answer) string {
		for _, v := range a.form() {
			a.body = strings.ReplaceAll(a.body, v[0], "")
		}
		return strings.ReplaceAll(a.body, action(a), "")
	}
	want := strip(b.visit(appOrigin, good))
	for range 8 {
		for _, target := range []string{good, wrong} {
			if a := b.visit(appOrigin, target); strip(a) != want || a.StatusCode != http.StatusOK {
				t.Fatalf("%d\n%s\n%s", a.StatusCode, strip(a), want)
			}
		}
	}
	if nobody := b.visit(appOrigin, p.verifyRedirectURL("abe@example.com", code)); strings.ReplaceAll(strip(nobody), "abe<wbr>@", "ada<wbr>@") != want {
		t.Errorf("tells that nobody asked:\n%s", nobody.body)
	}
	p.verify(code, nil, "Origin", appOrigin, "X-Forwarded-For", "2001:db8::1", "User-Agent", "one").wants(t, http.StatusOK, "")
	for name, header := range map[string][]string{
		"another network":    {"X-Forwarded-For", "2001:db8:0:1::1", "User-Agent", "one"},
		"another user agent": {"X-Forwarded-For", "2001:db8::1", "User-Agent", "two"},
	} {
		if a := b.visit(appOrigin, good, header...); a.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.Header.Get("Location"))
		}
	}
	p.pass(30 * time.Second)
	if a := b.visit(appOrigin, good, "X-Forwarded-For", "2001:db8::1", "User-Agent", "one"); a.StatusCode != http.StatusOK {
		t.Errorf("after 30 s: %d %s", a.StatusCode, a.Header.Get("Location"))
	}
	p.verify(code, nil, "Origin", appOrigin, "X-Forwarded-For", "2001:db8::1", "User-Agent", "one").wants(t, http.StatusOK, "")
	same := b.visit(appOrigin, wrong, "X-Forwarded-For", "2001:db8::ffff", "User-Agent", "one") // one /64; now it is looked at
	if back := same.sentBack(t); back.Get("error_description") != wrongMail {
		t.Errorf("%v", back)
	}
	if back := b.visit(appOrigin, good, "X-Forwarded-For", "2001:db8::ffff", "User-Agent", "one").sentBack(t); back.Get("code") == "" {
		t.Errorf("%v", back)
	}
}

// A page that the browser fetches in advance is no login, nor does a stranger's page, which can send the browser here with
// the cookie of a login that is going on, cost that login an attempt.
func TestOpeningVerifyRedirectBehindAPersonsBackDoesNothing(t *testing.T) {
	p := newProvider(t)
	b, code := p.browser(), p.mailedSPA("ada@example.com")
	p.verify(code, nil, "Origin", appOrigin).wants(t, http.StatusOK, "")
	for _, header := range []string{"Sec-Purpose", "Purpose"} {
		b.visit(appOrigin, p.verifyRedirectURL("ada@example.com", code), header, "prefetch;prerender").mustBePage(t, http.StatusForbidden, saysInvalid)
	}
	b.crossOrigin("ada@example.com", code, nil).wants(t, http.StatusOK, "")
	for range 6 {
		b.visit(evilOrigin, p.verifyRedirectURL("ada@example.com", not(code))).mustBePage(t, http.StatusOK, saysAppAsks)
	}
	if back := b.visit(appOrigin, p.verifyRedirectURL("ada@example.com", code)).sentBack(t); back.Get("code") == "" {
		t.Errorf("%v", back)
	}
}

func TestPressOfTheAppLoginDrawsOnTheAttempts(t *testing.T) {
	p := newProvider(t)
	code := p.mailedSPA("ada@example.com")
	b := p.browser()
	press := func(typed string) url.Values {
		t.Helper()
		page := b.visit(evilOrigin, p.verifyRedirectURL("ada@example.com", typed))
		return b.post(action(page), page.form()).sentBack(t)
	}
	for range 5 {
		if back := press(not(code)); back.Get("error") != "access_denied" || back.Get("error_description") != wrongMail {
			t.Fatalf("%v", back)
		}
	}
	for _, typed := range []string{code, not(code)} {
		if back := press(typed); back.Get("error_description") != tooMany {
			t.Errorf("%v", back)
		}
	}
	if back := press("x"); back.Get("error_description") != tooMany {
		t.Errorf("%v", back)
	}
}

func TestVerifyRedirectChecksWhatAuthorizeChecks(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	for name, more := range map[string][]string{
		"unregistered redirect_uri": {"redirect_uri", "http://evil.example.com/"}, "another client's": {"redirect_uri", webRedirect}, "no redirect_uri": {"redirect_uri", ""},
		"unknown client": {"client_id", "nobody"},
	} {
		if a := b.visit(appOrigin, p.verifyRedirectURL("ada@example.com", "1", more...)); a.StatusCode != http.StatusBadRequest || a.Header.Get("Location") != "" {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.Header.Get("Location"))
		}
	}
	for name, c := range map[string]struct {
		more []string
		code string
	}{
		"no PKCE":                {[]string{"code_challenge", "", "code_challenge_method", ""}, "invalid_request"},
		"PKCE plain":             {[]string{"code_challenge_method", "plain"}, "invalid_request"},
		"no response_type":       {[]string{"response_type", ""}, "invalid_request"},
		"unknown response_mode":  {[]string{"response_mode", "pigeon"}, "invalid_request"},
		"unknown audience":       {[]string{"audience", "https://nobody.example.com"}, "invalid_target"},
		"unknown connection":     {[]string{"connection", "fax"}, "invalid_request"},
		"no connection":          {[]string{"connection", ""}, "invalid_request"},
		"no code":                {[]string{"verification_code", ""}, "invalid_request"},
		"no address":             {[]string{"email", ""}, "invalid_request"},
		"the number of a mail":   {[]string{"connection", "sms"}, "invalid_request"},
		"prompt=none":            {[]string{"prompt", "none"}, "login_required"},
		"a client of no codes":   {[]string{"client_id", "native", "redirect_uri", "com.example.app:/cb"}, "unauthorized_client"},
		"scopes that do not fit": {[]string{"scope", "read:nothing"}, "invalid_scope"},
	} {
		a := b.visit(appOrigin, p.verifyRedirectURL("ada@example.com", "1", c.more...))
		if back := a.sentBack(t); back.Get("error") != c.code || back.Get("state") != "st" {
			t.Errorf("%s: %v", name, back)
		}
	}
	twice := b.visit(appOrigin, p.verifyRedirectURL("ada@example.com", "1")+"&verification_code=2")
	if back := twice.sentBack(t); back.Get("error") != "invalid_request" {
		t.Errorf("%v", back)
	}
}

func TestErrorRowsOfCrossOriginAuthentication(t *testing.T) {
	p := newProvider(t)
	code := p.mailedSPA("ada@example.com")
	b := p.browser()
	for name, c := range map[string]struct {
		fields      map[string]any
		origin      string
		status      int
		code        string
		description string
	}{
		"foreign origin":          {nil, evilOrigin, 403, "unauthorized_client", "The origin is not one of the client's web_origins."},
		"another client's origin": {nil, "http://app.example.com", 403, "unauthorized_client", "The origin is not one of the client's web_origins."},
		"no origin":               {nil, "", 403, "unauthorized_client", "The origin is not one of the client's web_origins."},
		"null":                    {nil, "null", 403, "unauthorized_client", "The origin is not one of the client's web_origins."},
		"unknown client":          {map[string]any{"client_id": "nobody"}, appOrigin, 403, "unauthorized_client", "The origin is not one of the client's web_origins."},
		"one more member":         {map[string]any{"scope": "openid"}, appOrigin, 400, "invalid_request", notTheFive},
		"another for one":         {map[string]any{"scope": "openid", "realm": nil}, appOrigin, 400, "invalid_request", notTheFive},
		"no client":               {map[string]any{"client_id": nil}, appOrigin, 400, "invalid_request", notTheFive},
		"no otp":                  {map[string]any{"otp": nil}, appOrigin, 400, "invalid_request", notTheFive},
		"no username":             {map[string]any{"username": ""}, appOrigin, 400, "invalid_request", notTheFive},
		"otp a number":            {map[string]any{"otp": 123456}, appOrigin, 400, "invalid_request", "otp parameter must be a string"},
		"a password":              {map[string]any{"credential_type": "password"}, appOrigin, 400, "invalid_request", "credential_type must be " + grantOTP},
		"unknown realm":           {map[string]any{"realm": "Username-Password-Authentication"}, appOrigin, 400, "invalid_request", "the connection was not found"},
		"wrong code":              {map[string]any{"otp": not(code)}, appOrigin, 403, "access_denied", wrongMail},
		"no challenge":            {map[string]any{"username": "nobody@example.com"}, appOrigin, 403, "access_denied", wrongMail},
		"no challenge, sms":       {map[string]any{"username": "+491701234567", "realm": "sms"}, appOrigin, 403, "access_denied", wrongSMS},
	} {
		a := b.crossOrigin("ada@example.com", code, c.fields, "Origin", c.origin)
		a.wants(t, c.status, c.code)
		if a.str("error_description") != c.description || len(a.Cookies()) > 0 {
			t.Errorf("%s: %s %v", name, a.body, a.Cookies())
		}
	}
	a := b.crossOrigin("ada@example.com", code, nil)
	if a.StatusCode != http.StatusOK || len(a.json()) != 3 || a.str("login_ticket") == "" || a.str("co_verifier") == "" || a.str("co_id") == "" {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if a.Header.Get("Access-Control-Allow-Origin") != appOrigin || a.Header.Get("Access-Control-Allow-Credentials") != "true" {
		t.Errorf("%v", a.Header)
	}
	cookie := a.cookie("sallyport_co")
	if cookie == nil || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.MaxAge != 600 || strings.Contains(cookie.Value, code) {
		t.Errorf("%v", cookie)
	}
	preflight := p.send(http.MethodOptions, "/co/authenticate", "", "Origin", appOrigin, "Access-Control-Request-Method", "POST")
	if preflight.Header.Get("Access-Control-Allow-Credentials") != "true" || preflight.Header.Get("Access-Control-Allow-Origin") != appOrigin {
		t.Errorf("%v", preflight.Header)
	}
	if foreign := p.send(http.MethodOptions, "/co/authenticate", "", "Origin", evilOrigin, "Access-Control-Request-Method", "POST"); corsHeaders(foreign.Header) != nil {
		t.Errorf("%v", foreign.Header)
	}
}

func TestCrossOriginCookieIsForOtherSitesOnHTTPS(t *testing.T) {
	p := newProvider(t, func(s *settings) { s.op.Issuer = strings.Replace(s.op.Issuer, "http:", "https:", 1) })
	c := p.browser().crossOrigin("ada@example.com", p.mailedSPA("ada@example.com"), nil).cookie("__Host-sallyport_co")
	if c == nil || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteNoneMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("%v", c)
	}
}

func TestTicketSignsInOnceInTheBrowserThatHasItsCookie(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	ticket := b.crossOrigin("ada@example.com", p.mailedSPA("ada@example.com"), nil).str("login_ticket")
	a := b.visit(evilOrigin, p.ticketURL(ticket)) // the cookie says it all, wherever the app's referrer went
	if back := a.sentBack(t); back.Get("code") == "" || a.cookie("sallyport_session") == nil || a.cookie("sallyport_device") == nil || b.cookieValue("sallyport_co") != "" {
		t.Fatalf("%v %v", back, a.Cookies())
	}
	if tokens := p.exchangeSPA(a.sentBack(t).Get("code")); claims(t, tokens.str("id_token"))["email"] != "ada@example.com" || claims(t, tokens.str("id_token"))["sid"] == nil {
		t.Errorf("%s", tokens.body)
	}
	if !b.get(p.authorizeURL("prompt", "none")).sentBack(t).Has("code") {
		t.Error("there is no session")
	}
	if back := b.visit(appOrigin, p.ticketURL(ticket)).sentBack(t); back.Get("error") != "access_denied" || back.Get("error_description") != wrongMail {
		t.Errorf("again: %v", back)
	}
}

// Browsers that keep cookies of other sites away still sign in to the app, without a session here.
func TestTicketWithoutItsCookieSignsInToTheAppAlone(t *testing.T) {
	p := newProvider(t)
	ticket := p.browser().crossOrigin("ada@example.com", p.mailedSPA("ada@example.com"), nil).str("login_ticket")
	b := p.browser()
	b.signIn("bob@example.com", p.authorizeURL())
	before := b.cookieValue("sallyport_session")
	a := b.visit(appOrigin, p.ticketURL(ticket))
	if tokens := p.exchangeSPA(a.sentBack(t).Get("code")); claims(t, tokens.str("id_token"))["email"] != "ada@example.com" {
		t.Errorf("%s", tokens.body)
	}
	b.unmoved(t, "ticket", before, a)
	if again := b.get(p.authorizeURL("prompt", "none")).sentBack(t); !again.Has("code") {
		t.Errorf("bob's session ended: %v", again)
	}
}

func TestTicketIsGoodForItsOwnRequestOnly(t *testing.T) {
	p := newProvider(t)
	p.addClients(pageClient(), implicitClient())
	b := p.browser()
	ticket := b.crossOrigin("ada@example.com", p.mailedSPA("ada@example.com"), nil).str("login_ticket")
	refused := func(name, target string) {
		t.Helper()
		if back := b.visit(appOrigin, target).sentBack(t); back.Get("error") != "access_denied" || back.Get("error_description") != "Unknown or invalid login ticket." {
			t.Errorf("%s: %v", name, back)
		}
	}
	for _, bad := range append(mangled(ticket), "x") {
		refused("mangled", p.ticketURL(bad))
	}
	refused("another realm", p.ticketURL(ticket, "realm", "sms"))
	refused("another client", p.ticketURL(ticket, "client_id", "web", "redirect_uri", webRedirect))
	refused("a code", p.ticketURL(must(b.get(p.authorizeURL()).Location()).Query().Get("tx")))
	p.pass(59 * time.Second)
	page := b.visit(appOrigin, p.ticketURL(ticket)) // the half minute of the verification is over
	page.mustBePage(t, http.StatusOK, saysAppAsks)
	p.pass(2 * time.Second)
	if back := b.post(action(page), page.form()).sentBack(t); back.Get("error_description") != "Unknown or invalid login ticket." {
		t.Errorf("pressed after a minute: %v", back)
	}
	refused("after a minute", p.ticketURL(ticket))
}

// A window or a frame of the app's gets the answer as a message, but only where the cookie came along.
func TestTicketInAFrameNeedsItsCookie(t *testing.T) {
	p := newProvider(t)
	c := implicitClient()
	c.WebOrigins, c.GrantTypes = append(c.WebOrigins, appOrigin), append(c.GrantTypes, grantOTP)
	p.addClients(c)
	target := func(ticket string) string {
		return p.implicitURL("realm", "email", "login_ticket", ticket, "response_mode", "web_message", "prompt", "none", "nonce", "no")
	}
	start := func() string {
		t.Helper()
		n := len(p.inbox.Messages())
		p.start(map[string]any{"client_id": "implicit", "client_secret": nil, "email": "ada@example.com"}).wants(t, http.StatusOK, "")
		return p.code("ada@example.com", n+1)
	}
	as := map[string]any{"client_id": "implicit"}
	b := p.browser()
	a := b.visit(appOrigin, target(b.crossOrigin("ada@example.com", start(), as).str("login_ticket")), "Sec-Fetch-Dest", "iframe")
	if m, _ := a.message(t); m["access_token"] == "" || m["id_token"] == "" || m["error"] != "" || a.cookie("sallyport_session") == nil {
		t.Errorf("%v", m)
	}
	code := start()
	stranger := p.browser()
	a = stranger.visit(appOrigin, target(p.browser().crossOrigin("ada@example.com", code, as).str("login_ticket")), "Sec-Fetch-Dest", "iframe")
	if m, _ := a.message(t); m["error"] != "login_required" {
		t.Errorf("%v", m)
	}
	stranger.unmoved(t, "frame", "", a)
}

func TestAppLoginOfARefusedUserIsAWrongCode(t *testing.T) {
	p := newProvider(t, proxied, func(s *settings) { s.engine.Limits.FailuresPerIP = grants.Limit{N: 1, Per: time.Hour} })
	id := sub(t, p.login("ada@example.com"))
	code := p.mailedSPA("ada@example.com")
	check(t, p.store.SetBlocked(t.Context(), id, true))
	b := p.browser()
	ticket := b.crossOrigin("ada@example.com", code, nil).str("login_ticket")
	if back := b.visit(appOrigin, p.ticketURL(ticket)).sentBack(t); back.Get("error") != "access_denied" || back.Get("error_description") != wrongMail {
		t.Errorf("%v", back)
	}
	from := func(ip, typed string) url.Values {
		page := b.visit(appOrigin, p.verifyRedirectURL("eve@example.com", typed))
		return b.send(http.MethodPost, action(page), page.form(), "X-Forwarded-For", ip, "Origin", p.url, "Sec-Fetch-Site", "same-origin").sentBack(t)
	}
	right := p.mailedSPA("eve@example.com")
	from("203.0.113.9", not(right))
	if back := from("203.0.113.9", right); back.Get("error") != "too_many_attempts" || back.Get("error_description") != blockedText {
		t.Errorf("%v", back)
	}
	if back := from("198.51.100.1", right); back.Get("code") == "" {
		t.Errorf("%v", back)
	}
}
