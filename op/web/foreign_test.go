package web

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestForeign(t *testing.T) {
	for name, c := range map[string]struct {
		origin, site string
		want         bool
	}{
		"no browser":                  {"", "", false},
		"its page":                    {"https://app.example.com", "cross-site", false},
		"its page, an old browser":    {"https://app.example.com", "", false},
		"another page":                {"https://evil.example.com", "cross-site", true},
		"another page, an old one":    {"https://evil.example.com", "", true},
		"a neighbour":                 {"https://other.example.com", "same-site", true},
		"a look-alike":                {"https://app.example.com.evil.com", "cross-site", true},
		"a page that hides":           {"null", "cross-site", true},
		"hidden altogether":           {"", "cross-site", true},
		"a neighbour that hides":      {"", "same-site", true},
		"what the person did by hand": {"", "none", false},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("Origin", c.origin)
		r.Header.Set("Sec-Fetch-Site", c.site)
		if got := Foreign(r, []string{"https://app.example.com"}); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
