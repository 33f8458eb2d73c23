package op_test

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const (
	bye           = "http://127.0.0.1:9/bye"
	saysSignOut   = "Sign out?"
	saysSignedOut = "You are signed out"
)

func logoutURL(more ...string) string {
	q := url.Values{"post_logout_redirect_uri": {bye}, "state": {"out"}}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
		if more[i+1] == "" {
			q.Del(more[i])
		}
	}
	return "/oidc/logout?" + q.Encode()
}

// signedIn tells whether the browser has a session.
func (b *browser) signedIn() bool {
	b.p.t.Helper()
	back := b.get(b.p.authorizeURL("prompt", "none")).sentBack(b.p.t)
	if !back.Has("code") && back.Get("error") != "login_required" {
		b.p.t.Fatalf("%v", back)
	}
	return back.Has("code")
}

func TestLogoutWithAHintEndsTheSessionAndGoesBack(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	short := p.exchange(b.signIn("ada@example.com", p.authorizeURL("scope", "openid")).Get("code"))
	long := p.exchange(b.get(p.authorizeURL()).sentBack(t).Get("code"))
	spaCode := b.get(p.authorizeURL("client_id", "spa", "redirect_uri", "http://127.0.0.1:9/spa")).sentBack(t).Get("code")
	spa := p.exchange(spaCode, "client_id", "spa", "client_secret", "", "redirect_uri", "http://127.0.0.1:9/spa")
	waiting := b.get(p.authorizeURL("scope", "openid")).sentBack(t).Get("code")
	if short.str("id_token") == "" || long.str("refresh_token") == "" || spa.str("refresh_token") == "" {
		t.Fatalf("%s %s %s", short.body, long.body, spa.body)
	}
	state := strings.Repeat("s", 128)
	stolen := p.browser()
	stolen.copyCookies(b, "sallyport_session")
	p.pass(3 * time.Hour) // the hint has expired, which does not matter
	a := b.get(logoutURL("id_token_hint", short.str("id_token"), "state", state))
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != bye+"?state="+state || a.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Fatalf("%d %s", a.StatusCode, a.Header.Get("Location"))
	}
	if c := a.cookie("sallyport_session"); c == nil || c.MaxAge >= 0 || c.Value != "" {
		t.Errorf("%v", c)
	}
	if b.signedIn() || stolen.signedIn() {
		t.Error("the session goes on")
	}
	if a := b.get(logoutURL("id_token_hint", short.str("id_token"), "state", "")); a.Header.Get("Location") != bye {
		t.Errorf("signed out already, without state: %d %s", a.StatusCode, a.Header.Get("Location"))
	}
	later := p.replica()
	if a := later.exchange(waiting); a.str("error") != "invalid_grant" {
		t.Errorf("a code of the ended session: %s", a.body)
	}
	if a := later.token("grant_type", "refresh_token", "refresh_token", long.str("refresh_token")); a.StatusCode != http.StatusOK {
		t.Errorf("offline access of a web app ends: %s", a.body)
	}
	if a := later.token("grant_type", "refresh_token", "refresh_token", spa.str("refresh_token"), "client_id", "spa", "client_secret", ""); a.str("error") != "invalid_grant" {
		t.Errorf("a single-page app stays signed in: %s", a.body)
	}
}

func TestLogoutEndsTheAccessTokensOfTheSession(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	short := p.exchange(b.signIn("ada@example.com", p.authorizeURL("scope", "openid email")).Get("code"))
	long := p.exchange(b.get(p.authorizeURL()).sentBack(t).Get("code"))
	elsewhere := p.exchange(p.browser().signIn("ada@example.com", p.authorizeURL("scope", "openid email")).Get("code"))
	p.alive(t, short.str("access_token"))
	b.get(logoutURL("id_token_hint", long.str("id_token"))).sentBack(t)
	p.dead(t, short.str("access_token"))
	p.alive(t, long.str("access_token"))
	p.alive(t, elsewhere.str("access_token"))
}

// Without a hint for this very session anybody's page could have sent the browser here: the person is asked.
func TestLogoutWithoutAHintAsks(t *testing.T) {
	p := newProvider(t)
	ada, bob := p.browser(), p.browser()
	hint := p.exchange(ada.signIn("ada@example.com", p.authorizeURL()).Get("code")).str("id_token")
	elsewhere := p.exchange(p.browser().signIn("ada@example.com", p.authorizeURL()).Get("code")).str("id_token")
	bob.signIn("bob@example.com", p.authorizeURL())
	for name, target := range map[string]string{
		"no parameters": "/oidc/logout", "state only": "/oidc/logout?state=x", "client only": logoutURL("client_id", "web"), "client without address": "/oidc/logout?client_id=web",
		"somebody else's hint": logoutURL("id_token_hint", hint), "hint without address": logoutURL("id_token_hint", hint, "post_logout_redirect_uri", ""),
		"hint of another session": logoutURL("id_token_hint", elsewhere),
	} {
		b := bob
		if name == "hint of another session" {
			b = ada
		}
		a := b.get(target)
		a.mustBePage(t, http.StatusOK, saysSignOut)
		if !b.signedIn() {
			t.Fatalf("%s ended the session", name)
		}
	}
	asked := bob.get(logoutURL("client_id", "web"))
	action := "/u/logout?client_id=web&returnTo=" + url.QueryEscape(bye) + "&state=out"
	if !strings.Contains(asked.body, `action="`+html.EscapeString(action)+`"`) {
		t.Fatalf("%s", asked.body)
	}
	for name, form := range map[string]url.Values{"none": {}, "junk": {"csrf": {"junk"}}, "of another browser": ada.get("/oidc/logout").form()} {
		bob.post(action, form).mustBePage(t, http.StatusForbidden, saysElsewhere)
		if !bob.signedIn() {
			t.Fatalf("a form with a token %s ended the session", name)
		}
	}
	bob.send("POST", action, asked.form(), "Origin", "https://evil.example.com", "Sec-Fetch-Site", "cross-site").mustBePage(t, http.StatusForbidden, saysElsewhere)
	for _, bad := range []string{
		"/u/logout?client_id=web&returnTo=https%3A%2F%2Fevil.example.com", "/u/logout?returnTo=https%3A%2F%2Fevil.example.com",
		"/u/logout?client_id=other&returnTo=" + url.QueryEscape(bye), action + "&returnTo=x",
	} {
		if a := bob.post(bad, asked.form()); a.StatusCode != http.StatusBadRequest || a.Header.Get("Location") != "" || !bob.signedIn() {
			t.Errorf("%s: %d %s", bad, a.StatusCode, a.Header.Get("Location"))
		}
	}
	if a := bob.post(action, asked.form()); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != bye+"?state=out" {
		t.Errorf("the person said yes: %d %s", a.StatusCode, a.Header.Get("Location"))
	}
	if bob.signedIn() || !ada.signedIn() {
		t.Error("the wrong session ended")
	}
	bob.post("/u/logout?client_id=web", asked.form()).mustBePage(t, http.StatusOK, saysSignedOut) // the back button, and the form again
	bob.get("/oidc/logout").mustBePage(t, http.StatusOK, saysSignedOut)
	bob.get(logoutURL("client_id", "web")).mustBePage(t, http.StatusOK, saysSignedOut) // nor where nobody is signed in
}

func TestLogoutNeverLeadsToAnUnregisteredAddress(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	tokens := p.exchange(b.signIn("ada@example.com", p.authorizeURL()).Get("code"))
	hint := tokens.str("id_token")
	for _, uri := range []string{
		"https://evil.example.com/", bye + "/", bye + "?x=y", bye + "#f", bye + " ", "HTTP://127.0.0.1:9/bye", "http://127.0.0.1:9/BYE", "http://127.0.0.1:9/x/../bye", "http://127.0.0.1:9/%62ye",
		"http://127.0.0.1:10/bye", "http://localhost:9/bye", "http://u@127.0.0.1:9/bye", "//127.0.0.1:9/bye", "javascript:alert(1)", webRedirect, "http://127.0.0.1:9", "/bye", "http://127.0.0.1:9\\bye",
	} {
		b.get(logoutURL("id_token_hint", hint, "post_logout_redirect_uri", uri)).mustBePage(t, http.StatusBadRequest, saysBadRedirect)
	}
	b.get(logoutURL()).mustBePage(t, http.StatusBadRequest, saysBadRedirect)
	b.get(logoutURL("client_id", "other")).mustBePage(t, http.StatusBadRequest, saysBadRedirect)
	b.get(logoutURL("client_id", "nobody")).mustBePage(t, http.StatusBadRequest, saysUnknownApp)
	for name, bad := range map[string]string{
		"unsigned": unsigned(hint), "with another signature": hint[:len(hint)-6] + "AAAAAA", "junk": "junk", "an access token": tokens.str("access_token"), "a refresh token": tokens.str("refresh_token"),
	} {
		a := b.get(logoutURL("id_token_hint", bad))
		if a.mustBePage(t, http.StatusBadRequest, saysInvalid); a.cookie("sallyport_session") != nil {
			t.Errorf("%s", name)
		}
	}
	b.get(logoutURL("id_token_hint", hint, "client_id", "other")).mustBePage(t, http.StatusBadRequest, saysInvalid)
	b.get(logoutURL("id_token_hint", hint)+"&state=x").mustBePage(t, http.StatusBadRequest, saysInvalid)
	if !b.signedIn() {
		t.Error("a refused request ended the session")
	}
}

func TestPostToLogoutBecomesAGet(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	hint := p.exchange(b.signIn("ada@example.com", p.authorizeURL()).Get("code")).str("id_token")
	asked := must(url.Parse(logoutURL("id_token_hint", hint))).Query()
	a := b.send("POST", "/oidc/logout", asked, "Origin", "https://app.example.com", "Sec-Fetch-Site", "cross-site")
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != p.url+"/oidc/logout?"+asked.Encode() || len(a.Cookies()) > 0 || !b.signedIn() {
		t.Fatalf("%d %s", a.StatusCode, a.Header.Get("Location"))
	}
	if back := b.get(a.Header.Get("Location")); back.Header.Get("Location") != bye+"?state=out" || b.signedIn() {
		t.Fatalf("%s", back.Header.Get("Location"))
	}
}

// Whoever presses Back after a logout finds forms that have nothing behind them, the right code included.
func TestBackButtonAfterALogoutSignsNobodyIn(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	where, page := b.begin("ada@example.com", p.authorizeURL())
	form := page.form("code", p.code("ada@example.com", 1))
	tokens := p.exchange(b.post(where, form).sentBack(t).Get("code"))
	confirm := b.get(p.authorizeURL("prompt", "select_account")).Header.Get("Location")
	goOn := b.get(confirm).form()
	b.get(logoutURL("id_token_hint", tokens.str("id_token"))).sentBack(t)
	b.post(where, form).mustBePage(t, http.StatusUnprocessableEntity, saysUsed) // within the ten seconds of a form sent twice
	if a := b.post(at(confirm, "/u/login/continue"), goOn); a.Header.Get("Location") != confirm {
		t.Errorf("%d %s", a.StatusCode, a.Header.Get("Location"))
	}
	b.get(where).mustBePage(t, http.StatusOK, saysUsed)
	if b.signedIn() || b.cookieValue("sallyport_session") != "" {
		t.Error("signed in again")
	}
}

// The session's id in logout_hint is as good as the ID token that it comes from, for an app that names itself.
func TestLogoutHintIsTheSessionsID(t *testing.T) {
	p := newProvider(t)
	b, other := p.browser(), p.browser()
	sid, _ := claims(t, p.exchange(b.signIn("ada@example.com", p.authorizeURL()).Get("code")).str("id_token"))["sid"].(string)
	if sid == "" {
		t.Fatal("no sid")
	}
	other.signIn("bob@example.com", p.authorizeURL())
	other.get(logoutURL("client_id", "web", "logout_hint", sid)).mustBePage(t, http.StatusOK, saysSignOut)
	b.get("/oidc/logout?logout_hint="+sid).mustBePage(t, http.StatusOK, saysSignOut)
	b.get(logoutURL("client_id", "web", "logout_hint", "")).mustBePage(t, http.StatusOK, saysSignOut)
	b.get(logoutURL("client_id", "web", "logout_hint", strings.ToUpper(sid)+"x")).mustBePage(t, http.StatusOK, saysSignOut)
	b.get(logoutURL("logout_hint", sid)).mustBePage(t, http.StatusBadRequest, saysBadRedirect)
	if !b.signedIn() || !other.signedIn() {
		t.Fatal("a session ended")
	}
	if a := b.get(logoutURL("client_id", "web", "logout_hint", sid, "federated", "")); a.Header.Get("Location") != bye+"?state=out" || b.signedIn() || !other.signedIn() {
		t.Errorf("%d %s", a.StatusCode, a.Header.Get("Location"))
	}
}
