package admin_test

import (
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/op/admin"
)

type entry struct {
	method, path string
	scopes       []string
	body         bool
}

// table reads the routes from the source, so that none is forgotten here.
func table(t *testing.T) []entry {
	t.Helper()
	source := string(must(os.ReadFile("routes.go")))
	scopes := map[string]string{}
	for _, m := range regexp.MustCompile(`(\w+) += "(\w+:\w+)"`).FindAllStringSubmatch(string(must(os.ReadFile("scopes.go"))), -1) {
		scopes[m[1]] = m[2]
	}
	var out []entry
	for _, m := range regexp.MustCompile(`\{"([A-Z]+)", "([^"]+)", anyOf\(([\w, ]+)\), (\w+), `).FindAllStringSubmatch(source, -1) {
		e := entry{method: m[1], path: strings.ReplaceAll(m[2], "{id}", "email%7C1"), body: m[4] == "true"}
		e.path = strings.NewReplacer("{provider}", "sms", "{identity}", "1", "{ip}", "192.0.2.1").Replace(e.path)
		for name := range strings.SplitSeq(m[3], ", ") {
			e.scopes = append(e.scopes, scopes[name])
		}
		if slices.Contains(e.scopes, "") {
			t.Fatalf("%v has a scope that is none", m)
		}
		out = append(out, e)
	}
	if len(out) < 40 {
		t.Fatalf("the table could not be read: %d", len(out))
	}
	return out
}

func TestEveryRouteNeedsATokenWithItsScope(t *testing.T) {
	a := newAPI(t)
	for _, e := range table(t) {
		t.Run(e.method+" "+e.path, func(t *testing.T) {
			a := &api{t: t, url: a.url, store: a.store}
			for header, message := range map[string]string{
				"": "Missing authentication", "Bearer": "Bad HTTP authentication header format", "Basic cm9vdDpyb290": "Bad HTTP authentication header format",
				"Bearer wrong": "Invalid token", "Bearer " + root + "x": "Invalid token", "Bearer  " + root: "Invalid token", root: "Bad HTTP authentication header format",
			} {
				req := must(http.NewRequestWithContext(t.Context(), e.method, a.url+"/api/v2/"+e.path, http.NoBody))
				if header != "" {
					req.Header.Set("Authorization", header)
				}
				an := a.do(req)
				an.refused(http.StatusUnauthorized, "", message)
				if an.Header.Get("WWW-Authenticate") == "" {
					t.Error("no challenge")
				}
			}
			for _, in := range []string{"?access_token=" + root, "?token=" + root, "?authorization=Bearer%20" + root} {
				(&api{t: t, url: a.url}).call(e.method, e.path+in, nil).refused(http.StatusUnauthorized, "", "Missing authentication")
			}
			others := slices.DeleteFunc(admin.Scopes(), func(s string) bool { return slices.Contains(e.scopes, s) })
			a.as(others...).call(e.method, e.path, nil).refused(http.StatusForbidden, "insufficient_scope", "Insufficient scope, expected any of: "+strings.Join(e.scopes, ","))
			if an := a.as(e.scopes[0]).call(e.method, e.path, "{}"); an.StatusCode == http.StatusUnauthorized || an.StatusCode == http.StatusForbidden || an.StatusCode >= 500 {
				t.Errorf("with the scope: %d %s", an.StatusCode, an.text)
			}
		})
	}
}

func TestTwoTokensAreRefused(t *testing.T) {
	a := newAPI(t)
	req := must(http.NewRequestWithContext(t.Context(), http.MethodGet, a.url+"/api/v2/users", http.NoBody))
	req.Header["Authorization"] = []string{"Bearer " + root, "Bearer " + root}
	a.do(req).refused(http.StatusUnauthorized, "", "Bad HTTP authentication header format")
}

func TestStaticTokenEndsWhenItExpires(t *testing.T) {
	end := time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC)
	a := newAPI(t, func(c *admin.Config) { c.Tokens[0].Expires = end })
	a.get("users").wants(http.StatusOK)
	a.skew.Store(int64(time.Hour))
	a.get("users").refused(http.StatusUnauthorized, "", "Invalid token")
}

func TestStaticTokenHasItsScopesOnly(t *testing.T) {
	a := newAPI(t, func(c *admin.Config) { c.Tokens[0].Scopes = []string{"read:stats"} })
	a.get("stats/active-users").wants(http.StatusOK)
	a.get("users").refused(http.StatusForbidden, "insufficient_scope", "read:users")
}

func TestErrorsOfRoutingHaveTheSameShape(t *testing.T) {
	a := newAPI(t)
	for _, path := range []string{"", "nothing", "users/", "roles", "tickets/password-change", "jobs/users-imports", "users/email%7C1/roles", "users%2Femail"} {
		a.get(path).refused(http.StatusNotFound, "", "Not Found")
	}
	an := a.call(http.MethodPut, "users/email%7C1", nil)
	an.refused(http.StatusMethodNotAllowed, "", "Method Not Allowed")
	if an.Header.Get("Allow") != "DELETE, GET, PATCH" {
		t.Errorf("Allow: %q", an.Header.Get("Allow"))
	}
	an = a.call(http.MethodOptions, "users", nil)
	an.refused(http.StatusMethodNotAllowed, "", "Method Not Allowed")
	a.token = ""
	a.get("nothing").refused(http.StatusUnauthorized, "", "Missing authentication")
}

func TestNoOriginReadsAnswers(t *testing.T) {
	a := newAPI(t)
	for _, method := range []string{http.MethodGet, http.MethodOptions} {
		req := must(http.NewRequestWithContext(t.Context(), method, a.url+"/api/v2/users", http.NoBody))
		req.Header.Set("Origin", "https://app.example.com")
		req.Header.Set("Access-Control-Request-Method", "GET")
		req.Header.Set("Authorization", "Bearer "+root)
		an := a.do(req)
		for name := range an.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: %s: %q", method, name, an.Header.Get(name))
			}
		}
	}
}

func TestErrorRowsOfBodies(t *testing.T) {
	a := newAPI(t)
	a.call(http.MethodPost, "users", "{").refused(http.StatusBadRequest, "invalid_body", "The body is not one valid JSON value.")
	a.call(http.MethodPost, "users", `{"connection":"email","connection":"sms"}`).refused(http.StatusBadRequest, "invalid_body", "valid JSON")
	a.call(http.MethodPost, "users", "[]").refused(http.StatusBadRequest, "invalid_body", "Expected type object but found type array")
	a.call(http.MethodPost, "users", "null").refused(http.StatusBadRequest, "invalid_body", "Expected type object but found type null")
	a.call(http.MethodPost, "users", `{"connection":"email","email":"a@example.com","shoe_size":42}`).
		refused(http.StatusBadRequest, "invalid_body", "Payload validation error: 'Additional properties not allowed: shoe_size'.")
	a.call(http.MethodPost, "users", `{"a":"`+strings.Repeat("x", 70_000)+`"}`).refused(http.StatusRequestEntityTooLarge, "invalid_body", "too large")
	a.get("users?shoe_size=42").refused(http.StatusBadRequest, "invalid_query_string", "Query validation error: 'Additional properties not allowed: shoe_size'.")
	req := must(http.NewRequestWithContext(t.Context(), http.MethodPost, a.url+"/api/v2/users", strings.NewReader("connection=email")))
	req.Header.Set("Authorization", "Bearer "+root)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	a.do(req).refused(http.StatusUnsupportedMediaType, "invalid_body", "application/json")
	if a.logged(admin.EventOperation) {
		t.Error("what was refused is in the log as done")
	}
}

// The documentation names every route with its scopes, and no other.
func TestRoutesAreDocumented(t *testing.T) {
	page := string(must(os.ReadFile("../../docs/management-api.md")))
	source := string(must(os.ReadFile("routes.go")))
	rows := regexp.MustCompile("(?m)^\\| `([A-Z]+ /[^`]+)` \\| ([^|]+) \\|").FindAllStringSubmatch(page, -1)
	entries := table(t)
	paths := regexp.MustCompile(`\{"([A-Z]+)", "([^"]+)", anyOf`).FindAllStringSubmatch(source, -1)
	if len(rows) != len(entries) || len(paths) != len(entries) {
		t.Fatalf("%d rows for %d routes", len(rows), len(entries))
	}
	for i, p := range paths {
		if want := "`" + strings.Join(entries[i].scopes, "`, `") + "`"; rows[i][1] != p[1]+" /"+p[2] || rows[i][2] != want {
			t.Errorf("%s /%s (%s) is documented as %s (%s)", p[1], p[2], want, rows[i][1], rows[i][2])
		}
	}
}
