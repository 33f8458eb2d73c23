package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"golang.org/x/oauth2"
)

// TestDeviceSignsInThroughABrowser is a device of somebody else's making, which polls, and a person with Chromium. They
// follow the address with the code in it, which does nothing until they say so.
func TestDeviceSignsInThroughABrowser(t *testing.T) {
	d := deploy(t, "", `
  - id: tv
    name: Acme TV
    type: native
    grant_types: [device_code, refresh_token]
`).serve("")
	tv := &oauth2.Config{ClientID: "tv", Scopes: []string{"openid", "offline_access"}, Endpoint: oauth2.Endpoint{
		DeviceAuthURL: d.url + "/oauth/device/code", TokenURL: d.url + "/oauth/token", AuthStyle: oauth2.AuthStyleInParams,
	}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	shown, err := tv.DeviceAuth(ctx)
	if err != nil {
		t.Fatal(err)
	}
	type outcome struct {
		token *oauth2.Token
		err   error
	}
	polled := make(chan outcome, 1)
	go func() {
		token, err := tv.DeviceAccessToken(ctx, shown)
		polled <- outcome{token, err}
	}()

	b := tab{t, chromium(t)}
	b.run("the address", chromedp.Navigate(shown.VerificationURIComplete), chromedp.WaitVisible(css("#user_code")))
	b.picture("device")
	if got := must(chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.readyState + ' ' + location.pathname + ' ' + document.getElementById('user_code').value"))); got != "complete /device "+shown.UserCode {
		t.Fatalf("the page is %q", got)
	}
	b.run("to the login", chromedp.Click(css("button")), chromedp.WaitVisible(css("#identifier")))
	if h := b.text("h1"); !strings.Contains(h, "Acme TV") {
		t.Errorf("the login says %q", h)
	}
	b.run("to the code page", chromedp.SendKeys(css("#identifier"), "ada@example.com\n"), chromedp.WaitVisible(css("#code")))
	b.run("signed in", chromedp.SendKeys(css("#code"), d.newest("ada@example.com", 0).code()+"\n"), chromedp.WaitVisible(css("button[value=approve]")))
	b.picture("device-confirm")
	if text := b.text("main"); !strings.Contains(text, "Acme TV") || !strings.Contains(text, "ada@example.com") {
		t.Errorf("the page says %q", text)
	}
	select {
	case early := <-polled:
		t.Fatalf("before anybody agreed: %+v", early)
	default:
	}
	b.run("agree", chromedp.Click(css("button[value=approve]")), chromedp.WaitNotPresent(css("form")))
	b.picture("device-done")
	if h := b.text("h1"); h != "Your device is signed in" {
		t.Errorf("the page says %q", h)
	}
	got := <-polled
	if got.err != nil || got.token.AccessToken == "" || got.token.RefreshToken == "" {
		t.Fatalf("%+v", got)
	}
}
