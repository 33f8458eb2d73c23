package op_test

import (
	"net/http"
	"net/url"
	"testing"

	"sallyport/grants"
	"sallyport/storage"
)

// A path that is spelled otherwise is none: it is not redirected, least of all with the form that was sent to it.
func TestUncleanPathsAreNotFound(t *testing.T) {
	b := newProvider(t).browser()
	for _, path := range []string{"/u//login", "/u/./login", "//u/login", "/x/../u/login", "//evil.example.com/..", "/oauth//token", "/u/login/", "/authorize/"} {
		for _, a := range []answer{b.get(b.p.url + path), b.post(b.p.url+path, url.Values{"code": {"123456"}})} {
			if a.StatusCode != http.StatusNotFound || a.Header.Get("Location") != "" {
				t.Errorf("%s %s: %d %s", a.Request.Method, path, a.StatusCode, a.Header.Get("Location"))
			}
		}
	}
}

// Previews and scanners ask for an address by HEAD before its person opens it: nothing has happened then.
func TestHEADChangesNothing(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	id := claims(t, p.exchange(b.signIn("ada@example.com", p.authorizeURL()).Get("code")).str("id_token"))
	code := p.mailedSPA("ada@example.com")
	p.verify(code, nil, "Origin", appOrigin).wants(t, http.StatusOK, "")
	events := func() int { return len(must(p.store.Events(t.Context(), storage.EventFilter{Limit: 1000}))) }
	pushed, before := p.pushed(), events()
	sid, _ := id["sid"].(string)
	for _, target := range []string{
		pushed, p.authorizeURL(), p.verifyRedirectURL("ada@example.com", code), "/v2/logout?client_id=web",
		"/oidc/logout?" + values("client_id", "web", "logout_hint", sid).Encode(), "/device", "/u/login",
	} {
		a := b.send(http.MethodHead, target, nil, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Referer", appOrigin+"/")
		if a.StatusCode != http.StatusOK || a.Header.Get("Location") != "" || len(a.Cookies()) > 0 {
			t.Errorf("%s: %d %v", target, a.StatusCode, a.Header)
		}
	}
	if got := events(); got != before {
		t.Errorf("%d events more", got-before)
	}
	if a := b.get(pushed); a.sentBack(t).Get("code") == "" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if back := b.visit(appOrigin, p.verifyRedirectURL("ada@example.com", code)).sentBack(t); back.Get("code") == "" {
		t.Errorf("%v", back)
	}
	if a := b.send(http.MethodHead, "/nowhere", nil); a.StatusCode != http.StatusNotFound {
		t.Errorf("%d", a.StatusCode)
	}
	if n := len(must(p.store.Events(t.Context(), storage.EventFilter{Type: grants.EventVerified}))); n != 1 {
		t.Errorf("%d verified", n)
	}
}
