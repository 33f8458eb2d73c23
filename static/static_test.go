package static

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func get(h http.Handler, method, path string) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w.Result()
}

func TestFilesAreServedForEverByTheirHash(t *testing.T) {
	for name, kind := range map[string]string{
		"sallyport.css": "text/css; charset=utf-8", "sallyport.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml",
	} {
		path := Path(name)
		if !regexp.MustCompile(`^/static/[a-z]+\.[0-9a-f]{16}\.[a-z]+$`).MatchString(path) {
			t.Fatalf("the path of %s is %q", name, path)
		}
		r := get(Handler(), http.MethodGet, path)
		defer func() { _ = r.Body.Close() }()
		if r.StatusCode != http.StatusOK || r.ContentLength == 0 {
			t.Errorf("%s answers %s", path, r.Status)
		}
		for header, want := range map[string]string{
			"Content-Type": kind, "Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff",
		} {
			if got := r.Header.Get(header); got != want {
				t.Errorf("%s: %s is %q, not %q", name, header, got, want)
			}
		}
	}
}

func TestAnotherReleasesHashIsServedButNotKept(t *testing.T) {
	r := get(Handler(), http.MethodGet, "/static/sallyport.0000000000000000.css")
	defer func() { _ = r.Body.Close() }()
	if r.StatusCode != http.StatusOK || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("it answers %s with %q", r.Status, r.Header.Get("Cache-Control"))
	}
}

func TestNothingElseIsServed(t *testing.T) {
	for _, path := range []string{
		"/static/", "/static/sallyport.css", "/static/static.go", "/static/static.0.go", "/static/../static.go", "/sallyport.0.css",
		"/static/.css", "/static/..css", "/static/a/sallyport.0.css", "/static//sallyport.0.css", "/",
	} {
		r := get(Handler(), http.MethodGet, path)
		defer func() { _ = r.Body.Close() }()
		if r.StatusCode != http.StatusNotFound {
			t.Errorf("%s answers %s", path, r.Status)
		}
	}
	if got := Path("none.css"); got != "" {
		t.Errorf("an unknown file has the path %q", got)
	}
}

func TestOnlyGetAndHead(t *testing.T) {
	for method, want := range map[string]int{http.MethodHead: http.StatusOK, http.MethodPost: http.StatusMethodNotAllowed, http.MethodDelete: http.StatusMethodNotAllowed} {
		r := get(Handler(), method, Path("icon.svg"))
		defer func() { _ = r.Body.Close() }()
		if r.StatusCode != want {
			t.Errorf("%s answers %s", method, r.Status)
		}
	}
}

func TestAnAddedFileTakesThePlaceOfItsName(t *testing.T) {
	b := New()
	b.Add("brand.css", []byte("a{}"))
	old := b.Path("brand.css")
	b.Add("brand.css", []byte("b{}"))
	if b.Path("brand.css") == old {
		t.Error("other content has the same path")
	}
	if Path("brand.css") != "" {
		t.Error("a bundle's own file is in every bundle")
	}
	r := get(b, http.MethodGet, b.Path("brand.css"))
	defer func() { _ = r.Body.Close() }()
	if csp := r.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "sandbox") {
		t.Errorf("a file opened as a page has the policy %q", csp)
	}
}
