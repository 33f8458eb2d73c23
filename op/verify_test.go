package op_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"sallyport/grants"
)

const blockedText = "Your account has been blocked after multiple consecutive login attempts."

// posted sends an object; nil removes a member.
func (p *provider) json(path string, body, more map[string]any, header ...string) answer {
	p.t.Helper()
	body = maps.Clone(body)
	maps.Copy(body, more)
	maps.DeleteFunc(body, func(_ string, v any) bool { return v == nil })
	return p.send(http.MethodPost, path, string(must(json.Marshal(body))), append([]string{"Content-Type", "application/json"}, header...)...)
}

// verify shows a code of ada's as the single-page client; more overrides, and nil removes.
func (p *provider) verify(code string, more map[string]any, header ...string) answer {
	p.t.Helper()
	return p.json("/passwordless/verify", map[string]any{"client_id": "spa", "connection": "email", "email": "ada@example.com", "verification_code": code}, more, header...)
}

// mailedSPA asks for a code as the single-page client.
func (p *provider) mailedSPA(to string) string {
	p.t.Helper()
	n := 1
	for _, m := range p.inbox.Messages() {
		if m.To == to {
			n++
		}
	}
	p.start(map[string]any{"client_id": "spa", "client_secret": nil, "email": to}).wants(p.t, http.StatusOK, "")
	return p.code(to, n)
}

func TestErrorRowsOfVerify(t *testing.T) {
	p := newProvider(t)
	p.mailedSPA("ada@example.com")
	legacy := map[string]any{"grant_type": "password", "username": "ada@example.com", "password": "123456", "scope": "openid", "verification_code": nil, "email": nil}
	old := func(more ...any) map[string]any {
		out := maps.Clone(legacy)
		for i := 0; i+1 < len(more); i += 2 {
			out[more[i].(string)] = more[i+1] //nolint:errcheck,forcetypeassert // a name
		}
		return out
	}
	for name, c := range map[string]struct {
		fields      map[string]any
		status      int
		code        string
		description string
	}{
		"no client":                 {map[string]any{"client_id": nil}, 400, "invalid_request", "missing client_id parameter"},
		"no connection":             {map[string]any{"connection": nil}, 400, "invalid_request", "missing connection parameter"},
		"no mail":                   {map[string]any{"email": nil}, 400, "invalid_request", "missing email parameter"},
		"no number":                 {map[string]any{"connection": "sms"}, 400, "invalid_request", "missing phone_number parameter"},
		"no code":                   {map[string]any{"verification_code": nil}, 400, "invalid_request", "missing verification_code parameter"},
		"a number as code":          {map[string]any{"verification_code": 123456}, 400, "invalid_request", "verification_code parameter must be a string"},
		"no such connection":        {map[string]any{"connection": "fax"}, 400, "invalid_request", "the connection was not found"},
		"legacy, no user":           {old("username", nil), 400, "invalid_request", "missing username parameter"},
		"legacy, no password":       {old("password", nil), 400, "invalid_request", "missing password parameter"},
		"legacy, no connection":     {old("connection", nil), 400, "invalid_request", "missing connection parameter"},
		"legacy, no client":         {old("client_id", nil), 400, "invalid_request", "missing client_id parameter"},
		"legacy, scope a list":      {old("scope", []string{"openid"}), 400, "invalid_request", "scope parameter must be a string"},
		"legacy":                    {old(), 400, "invalid_request", "grant_type is not supported here: use POST /oauth/token"},
		"wrong code":                {nil, 401, "invalid_user_password", wrongMail},
		"no challenge":              {map[string]any{"email": "nobody@example.com"}, 401, "invalid_user_password", wrongMail},
		"no mail at all":            {map[string]any{"email": "nonsense"}, 401, "invalid_user_password", wrongMail},
		"no challenge, sms":         {map[string]any{"connection": "sms", "phone_number": "+491701234567"}, 401, "invalid_user_password", wrongSMS},
		"unknown client":            {map[string]any{"client_id": "nobody"}, 403, "unauthorized_client", "invalid client"},
		"confidential, no secret":   {map[string]any{"client_id": "web"}, 403, "unauthorized_client", "invalid client"},
		"wrong secret":              {map[string]any{"client_id": "web", "client_secret": "wrong"}, 401, "access_denied", "Unauthorized"},
		"not passwordless":          {map[string]any{"client_id": "native"}, 403, "unauthorized_client", "The client may not use passwordless login."},
		"two ways to say who it is": {map[string]any{"client_id": "web", "client_secret": webSecret, "client_assertion": "x", "client_assertion_type": "y"}, 401, "access_denied", "Unauthorized"},
	} {
		t.Run(name, func(t *testing.T) {
			a := p.verify("1", c.fields)
			a.wants(t, c.status, c.code)
			if a.str("error_description") != c.description {
				t.Errorf("%s", a.body)
			}
			if strings.Contains(a.Header.Get("WWW-Authenticate"), "Basic") {
				t.Error("a browser would ask for a password")
			}
		})
	}
	for _, ct := range []string{"", "text/plain", formType} {
		p.send(http.MethodPost, "/passwordless/verify", `{}`, "Content-Type", ct).wants(t, http.StatusUnsupportedMediaType, "invalid_request")
	}
}

func TestVerifyingSpendsNothing(t *testing.T) {
	p := newProvider(t)
	code := p.mailedSPA("ada@example.com")
	for range 7 {
		if a := p.verify(code, nil, "Origin", "http://spa.example.com"); a.StatusCode != http.StatusOK || a.Header.Get("Access-Control-Allow-Origin") != "http://spa.example.com" ||
			a.Header.Get("Access-Control-Allow-Credentials") != "" || len(a.Cookies()) > 0 {
			t.Fatalf("%d %s %v", a.StatusCode, a.body, a.Header)
		}
	}
	if a := p.guessFrom("", "ada@example.com", code); a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if a := p.verify(code, nil); a.StatusCode != http.StatusUnauthorized || a.str("error_description") != wrongMail {
		t.Errorf("used: %d %s", a.StatusCode, a.body)
	}
}

func TestVerifyDrawsOnTheAttemptsOfTheTokenEndpoint(t *testing.T) {
	p := newProvider(t)
	code := p.mailedSPA("ada@example.com")
	for range 3 {
		p.verify(not(code), nil).wants(t, http.StatusUnauthorized, "invalid_user_password")
	}
	for range 2 {
		p.guessFrom("", "ada@example.com", not(code)).wants(t, http.StatusForbidden, "invalid_grant")
	}
	for _, last := range []string{code, not(code)} {
		if a := p.verify(last, nil); a.StatusCode != http.StatusUnauthorized || a.str("error_description") != tooMany {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	}
	p.mailedSPA("bob@example.com")
	p.pass(5 * time.Minute)
	if a := p.verify("1", map[string]any{"email": "bob@example.com"}); a.StatusCode != http.StatusUnauthorized || a.str("error_description") != codeOver {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// A request whose client or page is not good uses up nothing.
func TestVerifyHoldsClientAndOriginFirst(t *testing.T) {
	p := newProvider(t)
	code := p.mailedSPA("ada@example.com")
	for range 10 {
		p.verify(not(code), nil, "Origin", "http://evil.example.com").wants(t, http.StatusForbidden, "unauthorized_client")
		p.verify(not(code), nil, "Origin", "http://app.example.com").wants(t, http.StatusForbidden, "unauthorized_client") // another client's
		p.verify(not(code), nil, "Origin", "null").wants(t, http.StatusForbidden, "unauthorized_client")
		p.verify(not(code), map[string]any{"client_id": "web"}).wants(t, http.StatusForbidden, "unauthorized_client")
	}
	if a := p.verify(code, nil); a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	mine := p.mailed("eve@example.com") // a server's own request has no Origin that means anything
	if a := p.verify(mine, map[string]any{"client_id": "web", "client_secret": webSecret, "email": "eve@example.com"}, "Origin", "http://evil.example.com"); a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// A user who is blocked, or an address for which sign-up is closed, is refused as a wrong code is once the code is spent.
func TestVerifyTellsNothingOfTheAccount(t *testing.T) {
	p := newProvider(t)
	id := sub(t, p.login("ada@example.com"))
	code := p.mailedSPA("ada@example.com")
	check(t, p.store.SetBlocked(t.Context(), id, true))
	if a := p.verify(code, nil); a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if a := p.guessFrom("", "ada@example.com", code); a.StatusCode != http.StatusForbidden || a.str("error_description") != wrongMail {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

func TestVerifyIsRefusedToASourceOfTooManyWrongCodes(t *testing.T) {
	p := newProvider(t, proxied, func(s *settings) { s.engine.Limits.FailuresPerIP = grants.Limit{N: 2, Per: time.Hour} })
	code := p.mailedSPA("ada@example.com")
	from := []string{"X-Forwarded-For", "203.0.113.9"}
	for range 2 {
		p.verify(not(code), nil, from...).wants(t, http.StatusUnauthorized, "invalid_user_password")
	}
	for _, typed := range []string{code, not(code)} {
		a := p.verify(typed, nil, from...)
		a.wants(t, http.StatusTooManyRequests, "too_many_attempts")
		if a.str("error_description") != blockedText {
			t.Errorf("%s", a.body)
		}
	}
}

func TestParallelVerifiesNeverPassTheAttempts(t *testing.T) {
	onBothDatabases(t, func(t *testing.T, database func(*settings)) {
		t.Helper()
		p := newProvider(t, database)
		code := p.mailedSPA("ada@example.com")
		got := tally(100, func() string { return p.verify(not(code), nil).str("error_description") })
		if got[wrongMail] != 5 || got[tooMany] != 95 {
			t.Errorf("%v", got)
		}
	})
}
