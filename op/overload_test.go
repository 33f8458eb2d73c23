package op_test

import (
	"context"
	"net/http"
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
