package op_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"sallyport/storage"
)

// navigate opens an address as a browser does that shows a page of this origin: its whole window goes there.
func (b *browser) navigate(target, from string, header ...string) answer {
	b.p.t.Helper()
	r := must(http.NewRequest(http.MethodGet, b.p.abs(target), nil))
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.Header.Set("Referer", from+"/")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			r.Header.Del(header[i])
		}
	}
	return b.do(r)
}

const (
	webOrigin = "http://app.example.com"
	returnTo  = "/v2/logout?client_id=web&returnTo=http%3A%2F%2F127.0.0.1%3A9%2Fbye"
)

// No parameter leads to an address that is not registered, with or without a session, asked or not.
func TestReturnToIsARegisteredAddress(t *testing.T) {
	p := newProvider(t)
	gone := publicClient("gone", "spa", "https://gone.example.com/cb")
	gone.PostLogoutRedirectURIs, gone.Disabled = []string{"https://gone.example.com/bye"}, true
	p.addClients(gone)
	b, nobody := p.browser(), p.browser()
	b.signIn("ada@example.com", p.authorizeURL())
	for _, uri := range []string{
		"https://evil.example.com/", bye + "/", bye + "?x=y", bye + "#f", bye + " ", "HTTP://127.0.0.1:9/bye", "http://127.0.0.1:9/BYE", "http://127.0.0.1:9/%62ye", "http://127.0.0.1:10/bye",
		"http://localhost:9/bye", "http://u@127.0.0.1:9/bye", "//127.0.0.1:9/bye", "//evil.example.com", "javascript:alert(1)", webRedirect, "http://127.0.0.1:9", "/bye", "\\\\evil.example.com",
		"https://gone.example.com/bye", bye + "," + bye, webOrigin,
	} {
		for _, query := range []string{"client_id=web&", ""} {
			for _, who := range []*browser{b, nobody} {
				who.navigate("/v2/logout?"+query+"returnTo="+url.QueryEscape(uri), webOrigin).mustBePage(t, http.StatusBadRequest, saysBadRedirect)
			}
		}
	}
	b.navigate("/v2/logout?client_id=other&returnTo="+url.QueryEscape(bye), webOrigin).mustBePage(t, http.StatusBadRequest, saysBadRedirect)
	b.navigate("/v2/logout?client_id=nobody&returnTo="+url.QueryEscape(bye), webOrigin).mustBePage(t, http.StatusBadRequest, saysUnknownApp)
	b.navigate("/v2/logout?client_id=gone", webOrigin).mustBePage(t, http.StatusBadRequest, saysUnknownApp)
	b.navigate(returnTo+"&returnTo=x", webOrigin).mustBePage(t, http.StatusBadRequest, saysInvalid)
	if !b.signedIn() {
		t.Error("a refused request ended the session")
	}
}

// Whoever but the app's own page sends the browser here, nobody is signed out without being asked.
func TestReturnToAsksUnlessTheAppsOwnPageSends(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	b.signIn("ada@example.com", p.authorizeURL())
	for name, a := range map[string]answer{
		"a foreign page":         b.navigate(returnTo, stranger),
		"another app's page":     b.navigate(returnTo, registered),
		"a look-alike":           b.navigate(returnTo, webOrigin+".evil.example.com"),
		"in the user part":       b.navigate(returnTo, "http://app.example.com@evil.example.com"),
		"another port":           b.navigate(returnTo, webOrigin+":81"),
		"another scheme":         b.navigate(returnTo, "https://app.example.com"),
		"typed":                  b.navigate(returnTo, "", "Referer", "", "Sec-Fetch-Site", "none"),
		"no referrer":            b.navigate(returnTo, "", "Referer", ""),
		"ourselves":              b.navigate(returnTo, p.url),
		"an opaque origin":       b.navigate(returnTo, webOrigin, "Origin", "null"),
		"a foreign origin":       b.navigate(returnTo, webOrigin, "Origin", stranger),
		"a frame":                b.navigate(returnTo, webOrigin, "Sec-Fetch-Dest", "iframe"),
		"an image":               b.navigate(returnTo, webOrigin, "Sec-Fetch-Dest", "image", "Sec-Fetch-Mode", "no-cors"),
		"a script":               b.navigate(returnTo, webOrigin, "Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "cors"),
		"fetched in advance":     b.navigate(returnTo, webOrigin, "Sec-Purpose", "prefetch;prerender"),
		"an old browser":         b.navigate(returnTo, webOrigin, "Sec-Fetch-Dest", "", "Sec-Fetch-Mode", ""),
		"no client":              b.navigate("/v2/logout?returnTo="+url.QueryEscape(bye), webOrigin),
		"no client, no returnTo": b.navigate("/v2/logout", webOrigin),
		"another client":         b.navigate("/v2/logout?client_id=other", webOrigin),
	} {
		if a.StatusCode != http.StatusOK || !strings.Contains(a.body, saysSignOut) {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.Header.Get("Location"))
		}
	}
	if a := b.send(http.MethodHead, returnTo, nil, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Referer", webOrigin+"/"); a.Header.Get("Location") != "" {
		t.Errorf("HEAD leads to %s", a.Header.Get("Location"))
	}
	if !b.signedIn() {
		t.Fatal("the session ended")
	}
	asked := b.navigate(returnTo+"&federated&auth0Client=x&state=ignored", stranger)
	a := b.post("/u/logout?client_id=web&returnTo="+url.QueryEscape(bye), asked.form())
	if !strings.Contains(asked.body, `action="/u/logout?client_id=web&amp;returnTo=http%3A%2F%2F127.0.0.1%3A9%2Fbye"`) || a.Header.Get("Location") != bye || b.signedIn() {
		t.Errorf("the person said yes: %d %s\n%s", a.StatusCode, a.Header.Get("Location"), asked.body)
	}
}

func TestReturnToEndsTheSessionForTheAppsOwnPage(t *testing.T) {
	p := newProvider(t)
	p.addClients(storage.Client{ID: "bare", Name: "Bare", Type: "spa", AuthMethods: []string{"none"}, RedirectURIs: []string{"https://bare.example.com:443/cb"}})
	for name, c := range map[string]struct{ target, from, want string }{
		"web origin":             {returnTo, webOrigin, bye},
		"origin of the redirect": {returnTo, "http://127.0.0.1:9", bye},
		"as auth0-js does":       {returnTo + "&federated&auth0Client=eyJ9&state=x", webOrigin + "/deep/page?x=y", bye},
		"first address":          {"/v2/logout?client_id=web", webOrigin, bye},
		"no address":             {"/v2/logout?client_id=bare", "https://bare.example.com", ""},
	} {
		b := p.browser()
		tokens := p.exchange(b.signIn("ada@example.com", p.authorizeURL("scope", "openid email")).Get("code"))
		a := b.navigate(c.target, c.from)
		if c.want == "" {
			a.mustBePage(t, http.StatusOK, saysSignedOut)
		} else if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != c.want {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.Header.Get("Location"))
		}
		if cookie := a.cookie("sallyport_session"); cookie == nil || cookie.MaxAge >= 0 || b.signedIn() {
			t.Errorf("%s: the session goes on", name)
		}
		p.dead(t, tokens.str("access_token"))
		if again := b.navigate(c.target, stranger); again.Header.Get("Location") != c.want {
			t.Errorf("%s, signed out already: %d %s", name, again.StatusCode, again.Header.Get("Location"))
		}
	}
	if a := p.browser().get("/v2/logout?returnTo=" + url.QueryEscape(bye)); a.Header.Get("Location") != bye {
		t.Errorf("without a client: %d %s", a.StatusCode, a.Header.Get("Location"))
	}
}
