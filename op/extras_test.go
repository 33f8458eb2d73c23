package op_test

import (
	"net/http"
	"strings"
	"testing"
)

const saysSignUp = "Sign up for Web App"

// Auth0's SDKs add parameters of their own. Those that mean something pick what the page shows; the rest is ignored.
func TestAuth0ParametersPickWhatThePageShows(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	open := func(more ...string) answer {
		t.Helper()
		a := b.get(p.authorizeURL(more...))
		if a.StatusCode != http.StatusSeeOther {
			t.Fatalf("%v: %d %s", more, a.StatusCode, a.body)
		}
		return b.get(a.Header.Get("Location"))
	}
	for name, c := range map[string]struct {
		says   string
		change []string
	}{
		"connection":       {`type="tel"`, []string{"connection", "sms"}},
		"realm":            {`type="tel"`, []string{"realm", "sms"}},
		"connection first": {`<label for="identifier">Email address</label>`, []string{"connection", "email", "realm", "sms"}},
		"both by default":  {`<label for="identifier">Email address or phone number</label>`, nil},
		"signup":           {saysSignUp, []string{"screen_hint", "signup"}},
		"login":            {"Sign in to Web App", []string{"screen_hint", "login"}},
		"another hint":     {"Sign in to Web App", []string{"screen_hint", "reset_password"}},
		"login_hint":       {`value="ada@example.com"`, []string{"login_hint", "ada@example.com"}},
		"ui_locales":       {"Bei Web App anmelden", []string{"ui_locales", "de"}},
		"all the rest": {"Sign in to Web App", []string{
			"auth0Client", "eyJuYW1lIjoiYXV0aDAuanMifQ==", "ext-color", "red", "organization", "org_1", "invitation", "i", "protocol", "oauth2", "_csrf", "x",
			"_intstate", "deprecated", "owp", "true", "device", "phone", "access_type", "offline", "resource", "https://x.example.com", "dpop_jkt", "j", "popup", "true",
		}},
	} {
		if page := open(c.change...); page.StatusCode != http.StatusOK || !strings.Contains(page.body, c.says) {
			t.Errorf("%s: %d does not say %q\n%s", name, page.StatusCode, c.says, page.body)
		}
	}
	b.get(p.authorizeURL("realm", "Username-Password-Authentication")).mustBeError(t, p, "invalid_request")
}

// A connection picks the page only: whoever is signed in goes on, silently too, as spa-js does it.
func TestConnectionDoesNotEndASession(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	b.signIn("ada@example.com", p.authorizeURL())
	for _, more := range [][]string{{"connection", "sms"}, {"realm", "email"}, {"connection", "sms", "prompt", "none"}, {"screen_hint", "signup"}, {"login_hint", "bob@example.com"}} {
		if back := b.get(p.authorizeURL(more...)).sentBack(t); back.Get("code") == "" {
			t.Errorf("%v: %v", more, back)
		}
	}
	if a := b.get(p.authorizeURL("connection", "sms", "prompt", "login")); !strings.HasPrefix(a.Header.Get("Location"), p.url+"/u/login?") {
		t.Errorf("%s", a.Header.Get("Location"))
	}
}
