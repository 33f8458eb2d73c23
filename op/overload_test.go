package op_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/op/web"
)

// While all places are taken, everybody else is told so at once and in the shape of what they asked for; what needs no
// database is answered as always.
func TestOverloadIsRefusedInTheRoutesOwnShape(t *testing.T) {
	p := newProvider(t, func(s *settings) {
		s.op.Gate = web.GateConfig{Places: 1, Waiting: 1, Wait: 50 * time.Millisecond, Work: time.Minute}
	})
	shared := map[string]string{
		"/oauth/token": "POST", "/oauth/revoke": "POST", "/userinfo": "GET", "/user/geoloc/country": "GET", "/passwordless/start": "POST",
		"/passwordless/verify": "POST", "/co/authenticate": "POST",
	}
	calm := map[string]http.Header{}
	for path, method := range shared {
		calm[path] = p.send(method, path, "", "Origin", registered).Header
	}
	locked, done := make(chan struct{}), make(chan struct{})
	var staying sync.WaitGroup
	staying.Go(func() {
		if err := p.store.Tx(context.Background(), func(context.Context) error { close(locked); <-done; return nil }); err != nil {
			t.Error(err)
		}
	})
	<-locked
	first := make(chan answer, 1)
	staying.Go(func() { first <- p.start(map[string]any{"email": "ada@example.com"}) })
	refused := func(a answer, shape string) {
		t.Helper()
		if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || a.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("status %d, headers %v: %s", a.StatusCode, a.Header, a.body)
		}
		if !strings.Contains(a.body, shape) {
			t.Errorf("%s", a.body)
		}
	}
	for { // until the start above has its place
		if a := p.send(http.MethodGet, "/userinfo", ""); a.StatusCode == http.StatusServiceUnavailable {
			refused(a, `"error":"temporarily_unavailable"`)
			break
		}
	}
	refused(p.browser().get(p.authorizeURL()), "We are very busy")
	refused(p.token("grant_type", "client_credentials"), `"error":"temporarily_unavailable"`)
	refused(p.send(http.MethodGet, "/api/v2/users", ""), `"statusCode":503`)
	for path, method := range shared {
		a := p.send(method, path, "", "Origin", registered)
		refused(a, `"error":"temporarily_unavailable"`)
		if !strings.Contains(a.Header.Get("Access-Control-Expose-Headers"), "Retry-After") || a.Header.Get("Vary") != "Origin" {
			t.Errorf("the app cannot read when to ask %s again: %v", path, a.Header)
		}
		for name, values := range calm[path] {
			switch name {
			case "Content-Length", "Content-Type", "Date", "Pragma", "Vary", "Www-Authenticate":
			default:
				if got := a.Header.Values(name); !slices.Equal(got, values) {
					t.Errorf("%s: %s is %q, and %q while it is calm", path, name, got, values)
				}
			}
		}
		preflight := p.send(http.MethodOptions, path, "", "Origin", registered, "Access-Control-Request-Method", method)
		if preflight.StatusCode != http.StatusNoContent || preflight.Header.Get("Access-Control-Allow-Methods") == "" || preflight.Header.Get("Access-Control-Allow-Origin") != registered {
			t.Errorf("preflight of %s: %d %v", path, preflight.StatusCode, preflight.Header)
		}
		if got := corsHeaders(p.send(method, path, "", "Origin", stranger).Header); got != nil {
			t.Errorf("%s for a stranger: %v", path, got)
		}
	}
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/jwks.json", "/healthz", "/readyz"} {
		if a := p.send(http.MethodGet, path, ""); a.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
	close(done)
	(<-first).wants(t, http.StatusOK, "")
	staying.Wait()
	if n := strings.Count(p.log.String(), "overload, some requests are refused"); n != 1 {
		t.Errorf("the log says it %d times", n)
	}
	if a := p.login("bob@example.com"); a.StatusCode != http.StatusOK {
		t.Errorf("afterwards: %d %s", a.StatusCode, a.body)
	}
}
