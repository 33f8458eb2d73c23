package web

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParams checks that whatever body comes, the parameters that come out of it are text without NUL, each once, and
// those of an object are its own.
func FuzzParams(f *testing.F) {
	for _, body := range []string{
		`{"client_id":"a","x":1}`, `{"client_id":1}`, `{"a":"b","a":"c"}`, `{"client_id":null}`, `[]`, `{`, `{"a":{"b":["c"]}}`, `{"a":"\u0000"}`, `{"\ud800":"\udfff"}`,
		"client_id=a&x=1", "a=1&a=2", "%", "a=%00", "a;b", "",
	} {
		f.Add("application/json", body)
		f.Add("application/x-www-form-urlencoded", body)
	}
	f.Fuzz(func(t *testing.T, contentType, body string) {
		r := httptest.NewRequest(http.MethodPost, "/oauth/token?client_id=address", strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		form, err := Params(r, []string{"client_id"})
		if err != nil {
			return
		}
		var object map[string]any
		isJSON := json.Unmarshal([]byte(body), &object) == nil && strings.HasPrefix(strings.ToLower(strings.TrimSpace(contentType)), "application/json")
		for name, values := range form {
			if len(values) != 1 || !utf8.ValidString(name+values[0]) || strings.Contains(name+values[0], "\x00") {
				t.Errorf("%q is %q", name, values)
			}
			if isJSON && object[name] != values[0] {
				t.Errorf("%q is %q, the object has %v", name, values, object[name])
			}
		}
		if form.Get("client_id") == "address" && !strings.Contains(body, "address") {
			t.Error("the address was read")
		}
		if len(r.PostForm) != len(form) || len(r.Form) != len(form) {
			t.Errorf("PostForm %v, Form %v", r.PostForm, r.Form)
		}
	})
}
