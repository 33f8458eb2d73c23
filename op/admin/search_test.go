package admin

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

// Whatever is searched for is a fault or a search of bounded size.
func FuzzSearch(f *testing.F) {
	for _, seed := range []string{`email:"a@example.com" AND blocked:true`, `user_id:("a" OR "b")`, `email:a*`, `:`, `((((`, `email:"`, "phone_number:+49*", "type:s AND user_id:x"} {
		f.Add(seed, "created_at:-1")
	}
	f.Fuzz(func(t *testing.T, q, sort string) {
		target := "/?" + url.Values{"q": {q}, "sort": {sort}}.Encode()
		users := (&call{Request: httptest.NewRequest(http.MethodGet, target, nil)}).query()
		search := users.users()
		if users.done() == nil && (len(search.IDs) > maxValues || search.Sort == "" && sort != "") {
			t.Errorf("%q %q: %+v", q, sort, search)
		}
		logs := (&call{Request: httptest.NewRequest(http.MethodGet, target, nil)}).query()
		if found := logs.logs(); logs.done() == nil && len(found.Types) > 3*maxValues {
			t.Errorf("%q: %+v", q, found)
		}
	})
}
