package op_test

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"sallyport/storage"
)

const (
	pageRedirect = "https://page.example.com/cb?a=b"
	pageOrigin   = "https://page.example.com"
)

// pageClient is a client with pages of its own: it may be answered in every mode.
func pageClient() storage.Client {
	c := publicClient("page", "spa", pageRedirect)
	c.WebOrigins = []string{pageOrigin, "http://localhost:3000", "https://evil.example.com/ ; x", "https://page.example.com/path"}
	return c
}

// pageURL asks for a code for pageClient.
func (p *provider) pageURL(more ...string) string {
	return p.authorizeURL(append([]string{"client_id", "page", "redirect_uri", pageRedirect}, more...)...)
}

var attributes = regexp.MustCompile(`data-response="([^"]*)" data-target="([^"]*)"`)

// message is what a page for web_message hands over, and to which origin.
func (a answer) message(tb testing.TB) (response map[string]string, target string) {
	tb.Helper()
	m := attributes.FindStringSubmatch(a.body)
	if a.StatusCode != http.StatusOK || m == nil {
		tb.Fatalf("no message: %d %s %s", a.StatusCode, a.Header.Get("Location"), a.body)
	}
	if err := json.Unmarshal([]byte(html.UnescapeString(m[1])), &response); err != nil {
		tb.Fatal(err)
	}
	return response, html.UnescapeString(m[2])
}

var (
	formAction = regexp.MustCompile(`<form method="post" action="([^"]*)" data-auto>`)
	formField  = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
)

// posted is the form of a page for form_post: its fields, and where it goes.
func (a answer) postedForm(tb testing.TB) (fields url.Values, action string) {
	tb.Helper()
	m := formAction.FindStringSubmatch(a.body)
	if a.StatusCode != http.StatusOK || m == nil {
		tb.Fatalf("no form: %d %s %s", a.StatusCode, a.Header.Get("Location"), a.body)
	}
	fields = url.Values{}
	for _, f := range formField.FindAllStringSubmatch(a.body, -1) {
		fields.Add(html.UnescapeString(f[1]), html.UnescapeString(f[2]))
	}
	return fields, html.UnescapeString(m[1])
}

// Whoever may frame a page of ours could lay a trap over it: only the answer for web_message is framed, by the pages of
// the app that is answered.
func TestOnlyAMessageMayBeFramedAndOnlyByTheApp(t *testing.T) {
	p := newProvider(t)
	p.addClients(pageClient())
	b := p.browser()
	silent := p.pageURL("response_mode", "web_message", "prompt", "none")
	for name, a := range map[string]answer{"not signed in": b.get(silent), "bad request": b.get(p.pageURL("response_mode", "web_message", "scope", `"`))} {
		if csp := a.Header.Get("Content-Security-Policy"); !strings.HasSuffix(csp, "; frame-ancestors https://page.example.com http://localhost:3000") ||
			a.Header.Get("X-Frame-Options") != "" || strings.Contains(csp, "unsafe") || strings.Contains(csp, "evil") || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", name, a.Header)
		}
	}
	begun := b.get(p.pageURL("response_mode", "web_message"))
	login := b.get(begun.Header.Get("Location"))
	b.signIn("ada@example.com", p.authorizeURL())
	for name, a := range map[string]answer{
		"login page": login, "form post": b.get(p.pageURL("response_mode", "form_post")),
		"confirm page": b.get(b.get(p.pageURL("response_mode", "web_message", "prompt", "select_account")).Header.Get("Location")),
		"foreign":      b.get(p.authorizeURL("response_mode", "web_message", "prompt", "none")),
	} {
		if csp := a.Header.Get("Content-Security-Policy"); !strings.HasSuffix(csp, "frame-ancestors 'none'") || a.Header.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: %s %s", name, csp, a.Header.Get("X-Frame-Options"))
		}
	}
}

// A message goes to the origin of the registered redirect_uri, if the client has it among its web origins, and nowhere
// else: not even an error tells anything to another one.
func TestMessageGoesToARegisteredOriginOnly(t *testing.T) {
	p := newProvider(t)
	never := publicClient("never", "spa", "https://other.example.com/cb", "https://page.example.com:8443/cb", "http://localhost:3000/cb", "com.example.app:/cb")
	never.WebOrigins = []string{pageOrigin, "https://localhost:3000"}
	p.addClients(pageClient(), never)
	b := p.browser()
	b.signIn("ada@example.com", p.authorizeURL())
	for _, uri := range never.RedirectURIs {
		for _, more := range [][]string{nil, {"prompt", "none"}, {"response_type", "junk"}, {"scope", `"`}} {
			a := b.get(p.authorizeURL(append(more, "client_id", "never", "redirect_uri", uri, "response_mode", "web_message")...))
			a.mustBePage(t, http.StatusBadRequest, saysBadRedirect)
		}
	}
	b.get(p.pageURL("response_mode", "web_message", "redirect_uri", "https://evil.example.com/")).mustBePage(t, http.StatusBadRequest, saysBadRedirect)
	response, target := b.get(p.pageURL("response_mode", "web_message", "prompt", "none", "state", "</script>'\"&\u2028")).message(t)
	if target != pageOrigin || response["code"] == "" || response["state"] != "</script>'\"&\u2028" || response["iss"] != p.url || len(response) != 3 {
		t.Errorf("%v to %s", response, target)
	}
	tokens := p.exchange(response["code"], "client_id", "page", "client_secret", "", "redirect_uri", pageRedirect)
	if tokens.str("id_token") == "" {
		t.Errorf("%s", tokens.body)
	}
}

func TestMessageTellsErrors(t *testing.T) {
	p := newProvider(t)
	p.addClients(pageClient())
	response, target := p.browser().get(p.pageURL("response_mode", "web_message", "prompt", "none")).message(t)
	if target != pageOrigin || response["error"] != "login_required" || response["state"] != "st" || response["iss"] != p.url || response["code"] != "" ||
		!errorText.MatchString(response["error_description"]) {
		t.Errorf("%v to %s", response, target)
	}
}

// The window that opened the login waits for its message: the pages on the way must not cut it off, other pages do.
func TestPagesOfAPopupKeepTheirOpener(t *testing.T) {
	p := newProvider(t)
	p.addClients(pageClient())
	for mode, want := range map[string]string{"web_message": "", "query": "same-origin"} {
		b := p.browser()
		begun := b.get(p.pageURL("response_mode", mode))
		login := b.get(begun.Header.Get("Location"))
		where := b.post(begun.Header.Get("Location"), login.form("identifier", mode+"@example.com")).Header.Get("Location")
		code := b.get(where)
		done := b.post(where, code.form("code", p.code(mode+"@example.com", 1)))
		for i, a := range []answer{login, code} {
			if got := a.Header.Get("Cross-Origin-Opener-Policy"); got != want {
				t.Errorf("page %d of %s: %q", i, mode, got)
			}
		}
		if mode == "web_message" {
			if response, _ := done.message(t); response["code"] == "" || done.Header.Get("Cross-Origin-Opener-Policy") != "" {
				t.Errorf("%v %v", response, done.Header)
			}
		}
	}
}

func TestFormPostCarriesStrangersTextAsText(t *testing.T) {
	p := newProvider(t)
	p.addClients(pageClient())
	b := p.browser()
	b.signIn("ada@example.com", p.authorizeURL())
	const state = `"><script>alert(1)</script><input name="code" value="x`
	a := b.get(p.pageURL("response_mode", "form_post", "state", state))
	fields, action := a.postedForm(t)
	if action != pageRedirect || fields.Get("state") != state || len(fields["code"]) != 1 || fields.Get("iss") != p.url || len(fields) != 3 {
		t.Errorf("%v to %s", fields, action)
	}
	csp := a.Header.Get("Content-Security-Policy")
	if strings.Contains(a.body, "<script>") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "form-action") || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s\n%s", csp, a.body)
	}
	if tokens := p.exchange(fields.Get("code"), "client_id", "page", "client_secret", "", "redirect_uri", pageRedirect); tokens.str("id_token") == "" {
		t.Errorf("%s", tokens.body)
	}
	fields, action = p.browser().get(p.pageURL("response_mode", "form_post", "prompt", "none")).postedForm(t)
	if action != pageRedirect || fields.Get("error") != "login_required" || fields.Get("state") != "st" {
		t.Errorf("%v to %s", fields, action)
	}
	if back := b.get(p.authorizeURL("client_id", "native", "redirect_uri", "com.example.app:/cb", "response_mode", "form_post")).sentBack(t); back.Get("error") != "invalid_request" {
		t.Errorf("a form for an app that has no server: %v", back)
	}
}

func TestFragmentCarriesTheAnswer(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	b.signIn("ada@example.com", p.authorizeURL())
	for prompt, want := range map[string]string{"": "code", "none login": "error"} {
		location := b.get(p.authorizeURL("response_mode", "fragment", "prompt", prompt, "state", "a b+c#d")).Header.Get("Location")
		fragment, found := strings.CutPrefix(location, webRedirect+"#")
		back := must(url.ParseQuery(fragment))
		if !found || strings.ContainsAny(fragment, "+?#") || back.Get(want) == "" || back.Get("state") != "a b+c#d" || back.Get("iss") != p.url {
			t.Errorf("%q leads to %s", prompt, location)
		}
	}
}
