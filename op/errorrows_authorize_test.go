package op_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// The rows of Auth0's error tables for /authorize and the logout: status, code, text and where they are told.
func TestErrorRowsOfTheAuthorizationEndpoint(t *testing.T) {
	p := newProvider(t)
	p.addClients(implicitClient())
	b := p.browser()
	const nobody = "The user is not signed in, or not as this request asks."
	read := map[string]func(a answer) url.Values{
		"query": func(a answer) url.Values {
			return must(url.ParseQuery(strings.TrimPrefix(a.Header.Get("Location"), pageRedirect+"&")))
		},
		"fragment": func(a answer) url.Values { return a.fragment(t, pageRedirect) },
		"form_post": func(a answer) url.Values {
			fields, _ := a.postedForm(t)
			return fields
		},
		"web_message": func(a answer) url.Values {
			response, target := a.message(t)
			if target != pageOrigin {
				t.Errorf("told to %s", target)
			}
			v := url.Values{}
			for name, value := range response {
				v.Set(name, value)
			}
			return v
		},
	}
	for _, row := range []struct {
		mode, code, text string
		change           []string
	}{
		{"web_message", "login_required", nobody, []string{"prompt", "none", "response_mode", "web_message"}}, // checkSession
		{"web_message", "login_required", nobody, []string{"prompt", "none", "response_mode", "web_message", "response_type", "code", "code_challenge", s256(verifier), "code_challenge_method", "S256"}},
		{"fragment", "login_required", nobody, []string{"prompt", "none"}}, // parseHash
		{"query", "login_required", nobody, []string{"prompt", "none", "response_type", "code", "code_challenge", s256(verifier), "code_challenge_method", "S256"}},
		{"form_post", "login_required", nobody, []string{"prompt", "none", "response_mode", "form_post"}},
		{"fragment", "invalid_request", "The connection is not one that this client has.", []string{"connection", "google-oauth2"}},
		{"fragment", "unsupported_response_type", "The response_type must be one of code, token, id_token, id_token token.", []string{"response_type", "code token"}},
		{"fragment", "invalid_request", "The response_type id_token needs a nonce.", []string{"nonce", ""}},
		{"fragment", "invalid_target", "The audience is not one that this client may ask for.", []string{"audience", "https://nothing.example.com"}},
		{"fragment", "invalid_request", "prompt=none cannot be combined with other values.", []string{"prompt", "none login"}},
		{"query", "invalid_request", "The response_type is missing.", []string{"response_type", ""}},
	} {
		a := b.get(p.implicitURL(row.change...))
		back := read[row.mode](a)
		if back.Get("error") != row.code || back.Get("error_description") != row.text || back.Get("state") != "st" || back.Get("iss") != p.url {
			t.Errorf("%v: %v", row.change, back)
		}
		if status := map[bool]int{true: http.StatusSeeOther, false: http.StatusOK}[row.mode == "query" || row.mode == "fragment"]; a.StatusCode != status {
			t.Errorf("%v: %d", row.change, a.StatusCode)
		}
	}
	for target, text := range map[string]string{
		p.implicitURL("client_id", "nobody"):                          saysUnknownApp,
		p.implicitURL("redirect_uri", "https://evil.example.com"):     saysBadRedirect,
		"/v2/logout?client_id=nobody":                                 saysUnknownApp,
		"/v2/logout?client_id=web&returnTo=https://evil.example.com/": saysBadRedirect,
		"/v2/logout?returnTo=https://evil.example.com/":               saysBadRedirect,
		logoutURL("client_id", "other"):                               saysBadRedirect,
	} {
		b.get(target).mustBePage(t, http.StatusBadRequest, text)
	}
}
