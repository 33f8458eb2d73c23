package op_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"sallyport/grants"
)

// A login gives a new secret every time: no cookie from before it is worth anything after it.
func TestSessionSecretIsNewAtEveryLogin(t *testing.T) {
	p := newProvider(t)
	b, thief, fixed := p.browser(), p.browser(), p.browser()
	const chosen = "an-attacker-has-chosen-this-value-for-the-cookie"
	b.Jar.SetCookies(must(url.Parse(p.url)), []*http.Cookie{{Name: "sallyport_session", Value: chosen}})
	b.get(p.authorizeURL())
	thief.copyCookies(b, "sallyport_browser", "sallyport_session")
	fixed.Jar.SetCookies(must(url.Parse(p.url)), []*http.Cookie{{Name: "sallyport_session", Value: chosen}})
	one := p.exchange(b.signIn("ada@example.com", p.authorizeURL()).Get("code"))
	first := b.cookieValue("sallyport_session")
	if first == chosen || len(first) < 43 {
		t.Fatalf("session cookie %q", first)
	}
	thief.copyCookies(b, "sallyport_device")
	if thief.signedIn() || fixed.signedIn() {
		t.Error("a cookie from before the login is signed in by it")
	}
	old := p.browser()
	old.copyCookies(b, "sallyport_session")
	if !old.signedIn() {
		t.Fatal("the session's cookie is not enough")
	}
	two := p.exchange(b.signIn("ada@example.com", p.authorizeURL("prompt", "login")).Get("code"))
	if second := b.cookieValue("sallyport_session"); second == first {
		t.Error("the second login kept the secret")
	}
	if old.signedIn() || !b.signedIn() {
		t.Error("the old secret is still good, or the new one is not")
	}
	if a, b := claims(t, one.str("id_token")), claims(t, two.str("id_token")); a["sid"] != b["sid"] || a["sub"] != b["sub"] || a["sid"] == nil {
		t.Errorf("the same user's session has another sid: %v and %v", a["sid"], b["sid"])
	}
	p.alive(t, one.str("access_token"))
}

func TestLoginOfAnotherUserEndsTheSessionBefore(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	short := p.exchange(b.signIn("ada@example.com", p.authorizeURL("scope", "openid email")).Get("code"))
	long := p.exchange(b.get(p.authorizeURL()).sentBack(t).Get("code"))
	waiting := b.get(p.authorizeURL("scope", "openid")).sentBack(t).Get("code")
	stolen := p.browser()
	stolen.copyCookies(b, "sallyport_session")
	p.alive(t, short.str("access_token"))
	bob := p.exchange(b.signIn("bob@example.com", p.authorizeURL("prompt", "login")).Get("code"))
	p.dead(t, short.str("access_token"))
	p.alive(t, long.str("access_token"))
	if a := p.exchange(waiting); a.str("error") != "invalid_grant" {
		t.Errorf("a code of the session before: %s", a.body)
	}
	if stolen.signedIn() {
		t.Error("the session before goes on")
	}
	if a, b := claims(t, short.str("id_token")), claims(t, bob.str("id_token")); a["sid"] == b["sid"] || a["sub"] == b["sub"] {
		t.Errorf("%v and %v", a, b)
	}
	if a := p.refresh(long.str("refresh_token")); a.StatusCode != http.StatusOK {
		t.Errorf("offline access: %s", a.body)
	}
}

func TestSessionEndsWhenIdleAndAtItsAbsoluteLimit(t *testing.T) {
	p := newProvider(t, func(s *settings) { s.op.SessionIdle, s.op.SessionAbsolute = 72*time.Hour, 200*time.Hour })
	idle, busy := p.browser(), p.browser()
	idle.signIn("ada@example.com", p.authorizeURL())
	busy.signIn("bob@example.com", p.authorizeURL())
	for range 2 {
		p.pass(71 * time.Hour)
		if !busy.signedIn() {
			t.Fatal("a session in use has ended")
		}
	}
	if idle.signedIn() {
		t.Error("a session that nobody used goes on")
	}
	p.pass(57 * time.Hour)
	if !busy.signedIn() {
		t.Error("ended before its limit")
	}
	p.pass(time.Hour)
	if busy.signedIn() {
		t.Error("the absolute limit does not hold")
	}
	busy.signIn("bob@example.com", p.authorizeURL())
	if !busy.signedIn() {
		t.Error("no login after it")
	}
}

func TestOneLoginServesEveryApp(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	one := p.exchange(b.signIn("ada@example.com", p.authorizeURL()).Get("code"))
	p.pass(time.Minute)
	back := b.get(p.authorizeURL("client_id", "other", "redirect_uri", "http://127.0.0.1:9/other", "nonce", "second")).sentBack(t)
	two := p.exchange(back.Get("code"), "client_id", "other", "client_secret", machineSecret, "redirect_uri", "http://127.0.0.1:9/other")
	a, c := claims(t, one.str("id_token")), claims(t, two.str("id_token"))
	if a["sid"] != c["sid"] || a["sub"] != c["sub"] || a["auth_time"] != c["auth_time"] || c["nonce"] != "second" || c["aud"] != "other" {
		t.Errorf("%v and %v", a, c)
	}
	if len(p.inbox.Messages()) != 1 {
		t.Error("a second code was sent")
	}
	// The authorization code is the other app's: nobody else's, and not with another address.
	code := b.get(p.authorizeURL("client_id", "other", "redirect_uri", "http://127.0.0.1:9/other")).sentBack(t).Get("code")
	if a := p.exchange(code); a.str("error") != "invalid_grant" {
		t.Errorf("%s", a.body)
	}
}

func TestBlockedUserHasNoSession(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	b.signIn("ada@example.com", p.authorizeURL())
	confirm := b.get(p.authorizeURL("prompt", "select_account")).Header.Get("Location")
	form := b.get(confirm).form()
	user := must(p.store.UserByAddress(context.Background(), grants.Address{Channel: grants.Email, Value: "ada@example.com"}))
	check(t, p.store.SetBlocked(context.Background(), user.ID, true))
	if b.signedIn() {
		t.Error("a blocked user is signed in")
	}
	if a := b.post(at(confirm, "/u/login/continue"), form); a.Header.Get("Location") != confirm {
		t.Errorf("a blocked user goes on: %s", a.Header.Get("Location"))
	}
	check(t, p.store.SetBlocked(context.Background(), user.ID, false))
	if b.signedIn() {
		t.Error("the session came back")
	}
}

// A cookie that is junk is no cookie: nothing fails for it.
func TestJunkCookiesAreNoCookies(t *testing.T) {
	p := newProvider(t)
	for _, junk := range []string{"", "x", strings.Repeat("A", 43), strings.Repeat("A", 4000), "%00", "..", "\u00ff"} {
		b := p.browser()
		for _, name := range []string{"sallyport_browser", "sallyport_session", "sallyport_device"} {
			b.Jar.SetCookies(must(url.Parse(p.url)), []*http.Cookie{{Name: name, Value: junk}})
		}
		if b.signedIn() {
			t.Errorf("%q is a session", junk)
		}
		if back := b.signIn("ada@example.com", p.authorizeURL()); !back.Has("code") || !b.signedIn() {
			t.Errorf("%q keeps people out: %v", junk, back)
		}
	}
}

// While the database is away every page says so, and /authorize tells the app.
func TestPagesSayWhenTheDatabaseIsAway(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	where, page := b.begin("ada@example.com", p.authorizeURL())
	form, link := page.form("code", p.code("ada@example.com", 1)), p.link("ada@example.com", 1)
	signed := p.browser()
	signed.signIn("bob@example.com", p.authorizeURL())
	check(t, p.store.Close())
	for name, a := range map[string]answer{"code": b.get(where), "post": b.post(where, form), "link": b.get(link), "logout": signed.get("/oidc/logout")} {
		if a.mustBePage(t, http.StatusServiceUnavailable, "Nothing is lost"); a.Header.Get("Retry-After") == "" || strings.Contains(strings.ToLower(a.body), "sql") {
			t.Errorf("%s: %v %s", name, a.Header, a.body)
		}
	}
	for _, who := range []*browser{b, signed} {
		who.get(p.authorizeURL()).mustBeError(t, p, "temporarily_unavailable")
	}
}
