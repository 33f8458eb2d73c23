package web

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sallyport/grants"
)

func TestPanicIsA500ThatSaysNothing(t *testing.T) {
	var log strings.Builder
	h := Middleware(Options{Now: time.Now, Log: slog.New(slog.NewTextHandler(&log, nil)), HTTPS: true}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic("the secret of the house")
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/x?token=abc", http.NoBody))
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "secret") || !strings.Contains(w.Body.String(), "server_error") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "the secret of the house") || strings.Contains(log.String(), "abc") {
		t.Errorf("log: %s", &log)
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Strict-Transport-Security": "max-age=31536000"} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestLimiterRefillsEvenly(t *testing.T) {
	now := time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC)
	l := NewLimiter(func() time.Time { return now })
	limit := grants.Limit{N: 2, Per: time.Hour}
	for range 2 {
		if wait := l.Take("start", "a", limit); wait != 0 {
			t.Fatalf("wait %s", wait)
		}
	}
	for range 3 { // being refused costs nothing
		if wait := l.Take("start", "a", limit); wait != 30*time.Minute {
			t.Fatalf("wait %s", wait)
		}
	}
	if wait := l.Take("start", "b", limit); wait != 0 {
		t.Errorf("another source waits %s", wait)
	}
	if wait := l.Take("start", "a", grants.Limit{}); wait != 0 {
		t.Errorf("a limit that is off: %s", wait)
	}
	now = now.Add(30 * time.Minute)
	if wait := l.Take("start", "a", limit); wait != 0 {
		t.Errorf("after the time: %s", wait)
	}
}

func TestFaultRoundsRetryAfterUp(t *testing.T) {
	w := httptest.NewRecorder()
	(&Fault{Status: http.StatusTooManyRequests, Code: "x", RetryAfter: 1200 * time.Millisecond}).WriteJSON(w)
	if w.Header().Get("Retry-After") != "2" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%v", w.Header())
	}
}
