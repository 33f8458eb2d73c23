package web

import (
	"net/http"
	"net/url"
	"testing"
)

func TestLoggedPathHasWordsOnly(t *testing.T) {
	for path, want := range map[string]string{
		"/": "/", "/oauth/token": "/oauth/token", "/.well-known/jwks.json": "/.well-known/jwks.json", "/u/login/link": "/u/login/link",
		"/api/v2/users/email|0123456789abcdef01234567": "/api/v2/users/…", "/123456": "/…", "/ZXlKaGJHY2lPaUpT": "/…", "/BCDF-GHJK": "/…",
		"/a-client-secret-of-32-characters-or-more": "/…", "/line\nbreak": "/…", "/a/b/c/d/e/f/g/h/i/j": "/a/b/c/d/e/f/g/…", "*": "…",
	} {
		if got := logPath(&http.Request{URL: &url.URL{Path: path}}); got != want {
			t.Errorf("%q is logged as %q, want %q", path, got, want)
		}
	}
}
