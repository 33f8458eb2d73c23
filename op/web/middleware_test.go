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

func TestLogNamesOnlyMethodsThatThereAre(t *testing.T) {
	var log strings.Builder
	h := Middleware(Options{Now: time.Now, Log: slog.New(slog.NewTextHandler(&log, nil))}, http.NotFoundHandler())
	for _, method := range []string{"SECRET", http.MethodDelete} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, "/x", http.NoBody))
	}
	if !strings.Contains(log.String(), "method=…") || !strings.Contains(log.String(), "method=DELETE") || strings.Contains(log.String(), "SECRET") {
		t.Errorf("log: %s", &log)
	}
}

func TestLimiterRefillsEvenly(t *testing.T) {
	now := time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC)
	l := NewLimiter(func() time.Time { return now })
	limit := grants.Limit{N: 2, Per: time.Hour}
	want := func(name, source string, left int, wait, resets time.Duration) {
		t.Helper()
		if got := l.Take("start", source, limit); got != (grants.Budget{Limit: limit, Left: left, Wait: wait, Resets: resets}) {
			t.Fatalf("%s: %+v", name, got)
		}
	}
	want("first", "a", 1, 0, 30*time.Minute)
	want("second", "a", 0, 0, time.Hour)
	for range 3 { // being refused costs nothing
		want("refused", "a", 0, 30*time.Minute, time.Hour)
	}
	want("another source", "b", 1, 0, 30*time.Minute)
	if got := l.Take("start", "a", grants.Limit{}); got != (grants.Budget{}) {
		t.Errorf("a limit that is off: %+v", got)
	}
	now = now.Add(30 * time.Minute)
	want("after the time", "a", 0, 0, time.Hour)
}

func TestFaultRoundsRetryAfterUp(t *testing.T) {
	w := httptest.NewRecorder()
	(&Fault{Status: http.StatusTooManyRequests, Code: "x", RetryAfter: 1200 * time.Millisecond}).WriteJSON(w)
	if w.Header().Get("Retry-After") != "2" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%v", w.Header())
	}
}
