package op_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestUserinfoChallenges(t *testing.T) {
	p := newProvider(t)
	host := strings.TrimPrefix(p.url, "http://")
	noOpenID := p.login("ada@example.com", "scope", "email").str("access_token")
	for name, c := range map[string]struct {
		header    []string
		status    int
		challenge string
	}{
		"no token":        {nil, http.StatusUnauthorized, `Bearer realm="` + host + `"`},
		"another scheme":  {[]string{"Authorization", basic("web", webSecret)}, http.StatusUnauthorized, `Bearer realm="` + host + `"`},
		"no scheme":       {[]string{"Authorization", noOpenID}, http.StatusUnauthorized, `Bearer realm="` + host + `"`},
		"DPoP":            {[]string{"Authorization", "DPoP " + noOpenID}, http.StatusUnauthorized, `Bearer realm="` + host + `"`},
		"empty token":     {[]string{"Authorization", "Bearer "}, http.StatusUnauthorized, `Bearer realm="` + host + `", error="invalid_token"`},
		"no such token":   {[]string{"Authorization", "Bearer nonsense"}, http.StatusUnauthorized, `Bearer realm="` + host + `", error="invalid_token"`},
		"without openid":  {[]string{"Authorization", "Bearer " + noOpenID}, http.StatusForbidden, `Bearer realm="` + host + `", error="insufficient_scope", scope="openid"`},
		"two headers":     {[]string{"Authorization", "Bearer " + noOpenID, "Authorization", "Bearer x"}, http.StatusBadRequest, ""},
		"tokens in a row": {[]string{"Authorization", "Bearer " + noOpenID + ", Bearer x"}, http.StatusUnauthorized, `Bearer realm="` + host + `", error="invalid_token"`},
	} {
		t.Run(name, func(t *testing.T) {
			a := p.send(http.MethodGet, "/userinfo", "", c.header...)
			if a.StatusCode != c.status || a.Header.Get("WWW-Authenticate") != c.challenge || a.Header.Get("Cache-Control") != "no-store" || a.str("error") == "" || strings.Contains(a.body, "access token missing") {
				t.Errorf("%d %q %s", a.StatusCode, a.Header.Get("WWW-Authenticate"), a.body)
			}
		})
	}
}

func TestUserinfoTakesTheTokenInHeaderOrForm(t *testing.T) {
	p := newProvider(t)
	token := p.login("ada@example.com").str("access_token")
	for name, a := range map[string]answer{
		"GET":         p.userinfo(token),
		"lower case":  p.send(http.MethodGet, "/userinfo", "", "Authorization", "bearer "+token),
		"POST":        p.send(http.MethodPost, "/userinfo", "", "Authorization", "Bearer "+token),
		"POST, form":  p.call("/userinfo", "access_token", token),
		"empty form":  p.send(http.MethodPost, "/userinfo", "", "Authorization", "Bearer "+token, "Content-Type", formType),
		"upper, form": p.send(http.MethodPost, "/userinfo", "x=y", "Authorization", "BEARER  "+token, "Content-Type", formType),
	} {
		if a.StatusCode != http.StatusOK || a.str("email") != "ada@example.com" || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
	p.send(http.MethodPost, "/userinfo", "access_token="+token, "Content-Type", formType, "Authorization", "Bearer "+token).
		wants(t, http.StatusBadRequest, "invalid_request")
}

func TestUserinfoGivesWhatTheScopesAskFor(t *testing.T) {
	p := newProvider(t)
	for scope, want := range map[string][]string{
		"openid":         {"sub"},
		"openid email":   {"sub", "email", "email_verified"},
		"openid profile": {"sub", "name", "nickname", "updated_at"},
		"openid phone":   {"sub"},
	} {
		a := p.userinfo(p.login("ada@example.com", "scope", scope).str("access_token"))
		if got := a.json(); len(got) != len(want) {
			t.Errorf("%s: %s", scope, a.body)
		} else {
			for _, name := range want {
				if got[name] == nil {
					t.Errorf("%s: no %s in %s", scope, name, a.body)
				}
			}
		}
	}
}

func TestUserinfoWritesUpdatedAtAsTextForAuth0SDKs(t *testing.T) {
	p := newProvider(t)
	token := p.login("ada@example.com", "scope", "openid profile email").str("access_token")
	a := p.send(http.MethodGet, "/userinfo", "", "Authorization", "Bearer "+token, "Auth0-Client", "eyJuYW1lIjoiZ28tYXV0aDAifQ")
	if at, err := time.Parse(time.RFC3339, a.str("updated_at")); err != nil || at.IsZero() || a.str("email") != "ada@example.com" {
		t.Errorf("for an SDK: %s", a.body)
	}
	if _, number := p.userinfo(token).json()["updated_at"].(float64); !number {
		t.Errorf("for others: %s", p.userinfo(token).body)
	}
}
