package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// answered is a deployment over TLS with one app, on an origin of its own, and a page of somebody else on another site.
type answered struct {
	*daemon
	app, stranger string
}

func newAnswered(t *testing.T) *answered {
	t.Helper()
	blank := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		posted := ""
		if r.Method == http.MethodPost && r.ParseForm() == nil {
			posted = string(must(json.Marshal(r.PostForm)))
		}
		_, _ = fmt.Fprintf(w, "<!doctype html><title>app</title><body><pre id=at>%s</pre><pre id=posted>%s</pre>", r.URL.Path, strings.ReplaceAll(posted, "<", "&lt;"))
	}
	s := &answered{app: serveTLS(t, http.HandlerFunc(blank))}
	s.stranger = strings.Replace(serveTLS(t, http.HandlerFunc(blank)), "localhost", otherSite, 1)
	_, port, _ := strings.Cut(freeAddr(t), ":")
	dir := t.TempDir()
	config := fmt.Sprintf(`
issuer: https://localhost:%[1]s/
listen: 127.0.0.1:%[1]s
tls: {cert: %[2]q, key: %[3]q}
session: {same_site: none}
clients:
  - id: app
    name: App
    type: spa
    redirect_uris: ["%[4]s/cb"]
    post_logout_redirect_uris: ["%[4]s/bye"]
    web_origins: ["%[4]s"]
    grant_types: [authorization_code, implicit]
    response_types: [code, token id_token]
`, port, identity.certFile, identity.keyFile, s.app)
	if err := os.WriteFile(filepath.Join(dir, "sallyport.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.daemon = start(t, dir, "https://localhost:"+port, nil, "serve")
	return s
}

// browser has signed in at the app, in the way that the parameters ask for.
func (s *answered) browser(t *testing.T, address string, more ...string) tab {
	t.Helper()
	b := tab{t, chromium(t, chromedp.Flag("ignore-certificate-errors", true), chromedp.Flag("host-resolver-rules", "MAP "+otherSite+" 127.0.0.1"))}
	b.run("to the login page", chromedp.Navigate(s.authorize(more...)), chromedp.SendKeys(css("#identifier"), address+"\n"), chromedp.WaitVisible(css("#code")))
	b.run("code", chromedp.SendKeys(css("#code"), s.newest(address, 0).code()+"\n"), chromedp.WaitReady(css("#at")))
	return b
}

func (s *answered) authorize(more ...string) string {
	q := url.Values{"client_id": {"app"}, "redirect_uri": {s.app + "/cb"}, "response_type": {"token id_token"}, "scope": {"openid email"}, "nonce": {"n"}, "state": {"s"}}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return s.url + "/authorize?" + q.Encode()
}

func (b tab) location() string {
	b.t.Helper()
	where, err := chromedp.Run(b.ctx, chromedp.Location())
	if err != nil {
		b.t.Fatal(err)
	}
	return where
}

// message is what a page hears from us, empty when nothing came by the time that the frame it opened was loaded.
type message struct {
	Origin string
	Data   struct {
		Type     string
		Response map[string]string
	}
}

// hears opens an address in a frame or a window, of the page that the browser shows, and listens.
func (b tab) hears(address, how string) (m message) {
	b.t.Helper()
	open := `const f = document.createElement("iframe");
		f.onload = () => { const end = new MessageChannel(); end.port1.onmessage = () => resolve({}); end.port2.postMessage(0); };
		f.src = ` + quote(address) + `; document.body.append(f);`
	if how == "window" {
		open = `window.open(` + quote(address) + `, "popup", "width=400,height=600");`
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	m, err := chromedp.Run(ctx, chromedp.Evaluate[message](`new Promise((resolve) => {
		addEventListener("message", (e) => resolve({ origin: e.origin, data: e.data }));
		`+open+`
	})`, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s in a %s: %v", address, how, err)
	}
	return m
}

// TestAnswersReachTheAppAndNobodyElse gives answers by a form and by messages to an app in Chromium, and lets a page of
// another site try to have them.
func TestAnswersReachTheAppAndNobodyElse(t *testing.T) {
	s := newAnswered(t)
	b := s.browser(t, "ada@example.com", "response_mode", "form_post", "state", `"><script>alert(1)</script>`)
	var posted map[string][]string
	if err := json.Unmarshal([]byte(b.text("#posted")), &posted); err != nil || b.location() != s.app+"/cb" || len(posted["id_token"]) != 1 ||
		len(posted["access_token"]) != 1 || posted["state"][0] != `"><script>alert(1)</script>` || posted["iss"][0] != s.url+"/" {
		t.Fatalf("the form brought %v to %s: %v", posted, b.location(), err)
	}
	b.open(s.app)
	for _, how := range []string{"frame", "window"} {
		m := b.hears(s.authorize("response_mode", "web_message", "prompt", "none"), how)
		if m.Origin != s.url || m.Data.Type != "authorization_response" || m.Data.Response["state"] != "s" || m.Data.Response["id_token"] == "" || m.Data.Response["access_token"] == "" {
			t.Fatalf("the app's %s brought %+v", how, m)
		}
	}
	b.open(s.stranger)
	for name, address := range map[string]string{
		"as the app": s.authorize("response_mode", "web_message", "prompt", "none"), "to itself": s.authorize("response_mode", "web_message", "prompt", "none", "redirect_uri", s.stranger+"/cb"),
		"the login page": s.authorize("prompt", "login"), "a form": s.authorize("response_mode", "form_post"),
	} {
		if m := b.hears(address, "frame"); m.Origin != "" {
			t.Errorf("%s: another site hears %+v", name, m)
		}
	}
}

// TestPopupAnswersAfterALogin signs in in a window that the app opened: the pages on the way keep it as their opener.
func TestPopupAnswersAfterALogin(t *testing.T) {
	s := newAnswered(t)
	b := s.browser(t, "ada@example.com")
	b.open(s.app)
	opened := chromedp.WaitNewTarget(b.ctx, func(i *target.Info) bool { return strings.Contains(i.URL, "/u/login") })
	b.run("open a window", chromedp.Evaluate[chromedp.Void](`globalThis.heard = new Promise((resolve) => addEventListener("message", (e) => resolve({ origin: e.origin, data: e.data })));
		window.open(`+quote(s.authorize("response_mode", "web_message", "prompt", "login"))+`, "popup", "width=400,height=600"); void 0`))
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithTargetID(<-opened))
	defer cancel()
	popup := tab{t, ctx}
	if err := chromedp.Do(ctx); err != nil { // attached for as long as this context
		t.Fatal(err)
	}
	popup.run("address", chromedp.SendKeys(css("#identifier"), "bob@example.com\n"), chromedp.WaitVisible(css("#code")))
	popup.run("code", chromedp.SendKeys(css("#code"), s.newest("bob@example.com", 0).code()+"\n"), chromedp.WaitReady(css("[data-response]")))
	ctx, cancel = context.WithTimeout(b.ctx, patience)
	defer cancel()
	m, err := chromedp.Run(ctx, chromedp.Evaluate[message](`heard`, chromedp.EvalAwaitPromise))
	if err != nil || m.Origin != s.url || m.Data.Response["id_token"] == "" || m.Data.Response["state"] != "s" {
		t.Fatalf("the window brought %+v: %v", m, err)
	}
}

// TestOnlyTheAppSignsOutWithoutAsking sends the browser to /v2/logout from a page of the app and from somebody else's.
func TestOnlyTheAppSignsOutWithoutAsking(t *testing.T) {
	s := newAnswered(t)
	logout := s.url + "/v2/logout?" + url.Values{"client_id": {"app"}, "returnTo": {s.app + "/bye"}}.Encode()
	leave := `location.assign(` + quote(logout) + `)`
	b := s.browser(t, "ada@example.com")
	if !strings.HasPrefix(b.location(), s.app+"/cb#") {
		t.Fatalf("signed in at %s", b.location())
	}
	silent := func() string {
		t.Helper()
		b.open(s.app)
		r := b.hears(s.authorize("response_mode", "web_message", "prompt", "none"), "frame").Data.Response
		return r["error"] + strings.Repeat("signed in", len(r["id_token"])/max(1, len(r["id_token"])))
	}

	b.open(s.stranger)
	b.hears(logout, "frame")
	if got := silent(); got != "signed in" {
		t.Fatalf("another site's frame: %s", got)
	}
	b.open(s.stranger)
	b.leaves(leave, "form button")
	b.picture("logout-asked")
	if got := silent(); got != "signed in" {
		t.Fatalf("another site's page: %s", got)
	}
	b.open(s.app)
	b.leaves(leave, "#at")
	if got := silent(); b.location() != s.app+"/" || got != "login_required" {
		t.Fatalf("the app's own page: %s", got)
	}

	again := s.browser(t, "bob@example.com")
	again.open(s.stranger)
	again.leaves(leave, "form button")
	again.run("say yes", chromedp.Click(css("form button")), chromedp.WaitReady(css("#at")))
	if where := again.location(); where != s.app+"/bye" {
		t.Fatalf("after the question at %s", where)
	}
}
