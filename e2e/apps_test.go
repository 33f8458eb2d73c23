package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// outcome is what a call of a library gave its app.
type outcome struct {
	Error *struct {
		Code        string `json:"code"`
		Description string `json:"description"`
	} `json:"error"`
	Result json.RawMessage `json:"result"`
}

// str is a string in the result.
func (o outcome) str(name string) string {
	var m map[string]any
	if json.Unmarshal(o.Result, &m) != nil {
		return ""
	}
	s, _ := m[name].(string)
	return s
}

// browser is a new browser that knows the tenant's certificate and where the other site is.
func (s *tenant) browser(t *testing.T, more ...chromedp.ExecAllocatorOption) tab {
	t.Helper()
	node(t) // the libraries are npm packages
	more = append(more, chromedp.Flag("ignore-certificate-errors", true), chromedp.Flag("host-resolver-rules", "MAP "+otherSite+" 127.0.0.1"))
	return tab{t, chromium(t, more...)}
}

// call evaluates a call of a library and waits for what it gives.
func (b tab) call(expression string) (o outcome) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	o, err := chromedp.Run(ctx, chromedp.Evaluate[outcome](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return o
}

// succeeds is a call that must give no error.
func (b tab) succeeds(expression string) outcome {
	b.t.Helper()
	o := b.call(expression)
	if o.Error != nil {
		b.t.Fatalf("%s: %+v", expression, *o.Error)
	}
	return o
}

// fails is a call that must give an error with this code.
func (b tab) fails(expression, code, description string) {
	b.t.Helper()
	if o := b.call(expression); o.Error == nil || o.Error.Code != code || description != "" && o.Error.Description != description {
		b.t.Fatalf("%s: error %+v, want %s %s", expression, o.Error, code, description)
	}
}

// leaves evaluates a call that leaves the page, and waits for an element of a page that follows.
func (b tab) leaves(expression, selector string) {
	b.t.Helper()
	b.run(expression, chromedp.Evaluate[chromedp.Void](`document.documentElement.id = "left"; void (`+expression+`)`),
		chromedp.WaitReady(css("html:not(#left) "+selector)))
}

// shown is the outcome that the page shows after a login.
func (b tab) shown() (o outcome) {
	b.t.Helper()
	if err := json.Unmarshal([]byte(b.text("#result")), &o); err != nil {
		b.t.Fatal(err)
	}
	if o.Error != nil {
		b.t.Fatalf("the login gave %+v", *o.Error)
	}
	return o
}

func (b tab) open(url string) {
	b.t.Helper()
	b.run("open "+url, chromedp.Navigate(url), chromedp.WaitReady(css("body")))
}

func quote(v any) string { return string(must(json.Marshal(v))) }

// TestUnregisteredOriginsAreRefusedByCORS calls what SDKs call, from a page whose origin no client has registered.
func TestUnregisteredOriginsAreRefusedByCORS(t *testing.T) {
	s := newTenant(t, "")
	stranger := serveTLS(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><body>")
	}))
	b := s.browser(t)
	read := func(origin, path, body string) string {
		t.Helper()
		b.open(origin)
		credentials := "omit"
		if path == "/co/authenticate" {
			credentials = "include"
		}
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		defer cancel()
		got, err := chromedp.Run(ctx, chromedp.Evaluate[string](`fetch(`+quote(s.url+path)+`, {
			method: "POST", headers: { "content-type": "application/json" }, credentials: `+quote(credentials)+`, body: `+quote(body)+`,
		}).then((answer) => "status " + answer.status, (error) => error.name)`, chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for path, body := range map[string]string{
		"/passwordless/start":  `{"client_id":"spa","connection":"email","email":"eve@example.com","send":"code"}`,
		"/passwordless/verify": `{"client_id":"spa","connection":"email","email":"eve@example.com","verification_code":"000000"}`,
		"/co/authenticate":     `{"client_id":"spa","username":"eve@example.com","otp":"000000","realm":"email","credential_type":"http://auth0.com/oauth/grant-type/passwordless/otp"}`,
		"/oauth/token":         `{"client_id":"spa","grant_type":"refresh_token","refresh_token":"x"}`,
		"/oauth/revoke":        `{"client_id":"spa","token":"x"}`,
	} {
		if got := read(stranger, path, body); got != "TypeError" {
			t.Errorf("%s answers a stranger's page with %s", path, got)
		}
		if got := read(s.app+"/auth0-js.html", path, body); !strings.HasPrefix(got, "status ") {
			t.Errorf("%s answers a registered page with %s", path, got)
		}
	}
	received(t, 1, func() []mail { return s.inbox("eve@example.com") }) // from the registered page
	if n := len(s.inbox("eve@example.com")); n != 1 {
		t.Errorf("%d messages", n)
	}
}
