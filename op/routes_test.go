package op_test

import (
	"net/http"
	"net/url"
	"testing"
)

// A path that is spelled otherwise is none: it is not redirected, least of all with the form that was sent to it.
func TestUncleanPathsAreNotFound(t *testing.T) {
	b := newProvider(t).browser()
	for _, path := range []string{"/u//login", "/u/./login", "//u/login", "/x/../u/login", "//evil.example.com/..", "/oauth//token", "/u/login/", "/authorize/"} {
		for _, a := range []answer{b.get(b.p.url + path), b.post(b.p.url+path, url.Values{"code": {"123456"}})} {
			if a.StatusCode != http.StatusNotFound || a.Header.Get("Location") != "" {
				t.Errorf("%s %s: %d %s", a.Request.Method, path, a.StatusCode, a.Header.Get("Location"))
			}
		}
	}
}
