package op_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"sallyport/storage"
)

func TestLockLearnsTheConnectionsOfItsClient(t *testing.T) {
	p := newProvider(t)
	mean := publicClient("a</script>'\"\u2028&b", "spa", "https://mean.example.com/cb")
	mean.Name, mean.Connections = "</script>", []string{"sms"}
	gone := publicClient("gone", "spa", "https://gone.example.com/cb")
	gone.Disabled = true
	p.addClients(mean, gone, storage.Client{ID: "mute", Type: "spa"})
	for path, want := range map[string][]string{
		"/client/web.js?t1763791234567": {"email", "sms"}, "/client/a%3C%2Fscript%3E'%22%E2%80%A8&b.js": {"sms"}, "/client/mute.js": nil,
	} {
		a := p.send(http.MethodGet, path, "")
		call, isCall := strings.CutPrefix(strings.TrimSuffix(a.body, ");\n"), "Auth0.setClient(")
		if a.StatusCode != http.StatusOK || !isCall || strings.ContainsAny(a.body, "<>&\u2028") || a.Header.Get("Content-Type") != "text/javascript; charset=utf-8" ||
			a.Header.Get("X-Content-Type-Options") != "nosniff" || a.Header.Get("Cache-Control") != "public, max-age=60" {
			t.Fatalf("%s: %d %s %v", path, a.StatusCode, a.body, a.Header)
		}
		var got struct {
			ID         string
			Strategies []struct {
				Name        string
				Connections []struct{ Name string }
			}
		}
		if err := json.Unmarshal([]byte(call), &got); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range got.Strategies {
			if len(s.Connections) != 1 || s.Connections[0].Name != s.Name {
				t.Errorf("%+v", s)
			}
			names = append(names, s.Name)
		}
		if !reflect.DeepEqual(names, want) || strings.Contains(a.body, "hmac") || strings.Contains(a.body, "127.0.0.1:9") {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	for _, path := range []string{"/client/nobody.js", "/client/gone.js", "/client/web", "/client/.js", "/client/web.js.js", "/client/%00.js", "/client/%ff.js", "/client/a%0Aalert(1).js"} {
		a := p.send(http.MethodGet, path, "")
		if a.StatusCode != http.StatusNotFound || a.body != "// The client is unknown.\n" || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %q", path, a.StatusCode, a.body)
		}
	}
}

func TestCountryIsOneThatMessagesGoTo(t *testing.T) {
	p := newProvider(t)
	for language, want := range map[string]string{
		"": "DE", "de-AT,en;q=0.5": "US", "en-US": "US", "de": "DE", "fr-FR, en-GB": "DE", "en-GB;q=0.1, de-DE;q=0.9": "DE", "junk;;;q=x": "DE", "*": "DE",
		strings.Repeat("en-US,", 3000): "DE", "\xff": "DE",
	} {
		a := p.send(http.MethodGet, "/user/geoloc/country", "", "Accept-Language", language, "Origin", registered)
		if a.StatusCode != http.StatusOK || a.str("country_code") != want || len(a.json()) != 1 || a.Header.Get("Access-Control-Allow-Origin") != registered {
			t.Errorf("%.40q: %d %s", language, a.StatusCode, a.body)
		}
	}
	if a := p.send(http.MethodGet, "/user/geoloc/country", "", "Origin", stranger); corsHeaders(a.Header) != nil {
		t.Errorf("%v", a.Header)
	}
	if a := p.send(http.MethodOptions, "/user/geoloc/country", "", "Origin", registered, "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "auth0-client"); a.StatusCode != http.StatusNoContent ||
		!strings.Contains(a.Header.Get("Access-Control-Allow-Headers"), "Auth0-Client") {
		t.Errorf("%d %v", a.StatusCode, a.Header)
	}
}
