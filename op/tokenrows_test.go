package op_test

import (
	"context"
	"net/http"
	"testing"
	"time"
)

// What Auth0's SDKs are told by the token endpoint when a person's code does not do, in the words that they compare.
// Whether there is an account, or it is blocked, is told to nobody who has no right code, nor to those who have one.
func TestErrorRowsOfTheTokenEndpoint(t *testing.T) {
	p := newProvider(t)
	otp := func(realm, username, code string, more ...string) answer {
		return p.token(append([]string{"grant_type", grantOTP, "realm", realm, "username", username, "otp", code}, more...)...)
	}
	blocked := p.login("blocked@example.com")
	check(t, p.store.SetBlocked(context.Background(), sub(t, blocked), true))
	p.mailed("wrong@example.com")
	p.start(map[string]any{"connection": "sms", "phone_number": "+491701234567"}).wants(t, http.StatusOK, "")
	phoned := p.code("+491701234567", 1)
	exhausted := p.mailed("exhausted@example.com")
	for range 5 {
		otp("email", "exhausted@example.com", not(exhausted)).wants(t, http.StatusForbidden, "invalid_grant")
	}
	p.start(map[string]any{"email": "blocked@example.com"}).wants(t, http.StatusOK, "")
	for name, c := range map[string]struct {
		got    answer
		status int
		code   string
		text   string
	}{
		"a wrong code by mail":    {otp("email", "wrong@example.com", not(p.derived("web", "wrong@example.com"))), 403, "invalid_grant", wrongMail},
		"nobody asked for one":    {otp("email", "nobody@example.com", "123456"), 403, "invalid_grant", wrongMail},
		"a wrong code by SMS":     {otp("sms", "+491701234567", not(phoned)), 403, "invalid_grant", wrongSMS},
		"not a number":            {otp("sms", "nonsense", "123456"), 403, "invalid_grant", wrongSMS},
		"too many, then the code": {otp("email", "exhausted@example.com", exhausted), 403, "invalid_grant", tooMany},
		"a blocked user's code":   {otp("email", "blocked@example.com", p.derived("web", "blocked@example.com")), 403, "invalid_grant", wrongMail},
		"a wrong secret":          {otp("email", "wrong@example.com", "1", "client_secret", "x"), 401, "invalid_client", "Client authentication failed."},
		"no such code":            {p.exchange("x"), 400, "invalid_grant", "The authorization code is invalid, expired or was used already."},
		"no such refresh token":   {p.refresh("x"), 400, "invalid_grant", "Unknown or invalid refresh token."},
		"an unknown grant":        {p.token("grant_type", "password", "username", "a", "password", "b"), 400, "unsupported_grant_type", "The grant_type is not supported."},
		"a grant of another's": {
			p.callAs("machine", machineSecret, "/oauth/token", "grant_type", grantOTP, "realm", "email", "username", "a@example.com", "otp", "1"),
			400, "unauthorized_client", "Grant type '" + grantOTP + "' not allowed for the client.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if c.got.wants(t, c.status, c.code); c.got.str("error_description") != c.text {
				t.Errorf("%s", c.got.body)
			}
		})
	}
	late := p.mailed("late@example.com")
	p.pass(6 * time.Minute)
	expired := p.replica().token("grant_type", grantOTP, "realm", "email", "username", "late@example.com", "otp", late)
	if expired.wants(t, http.StatusForbidden, "invalid_grant"); expired.str("error_description") != codeOver {
		t.Errorf("%s", expired.body)
	}
}

// Recorded of Auth0: revocation says 200 and nothing more, to public clients and of unknown tokens too.
func TestErrorRowsOfRevocation(t *testing.T) {
	p := newProvider(t)
	token := p.login("ada@example.com").str("refresh_token")
	for name, a := range map[string]answer{
		"a form":           p.call("/oauth/revoke", "client_id", "web", "client_secret", webSecret, "token", token),
		"JSON":             p.callJSON("/oauth/revoke", map[string]any{"client_id": "web", "client_secret": webSecret, "token": token}),
		"no token of ours": p.callJSON("/oauth/revoke", map[string]any{"client_id": "spa", "token": "x"}),
	} {
		if a.wants(t, http.StatusOK, ""); a.body != "" {
			t.Errorf("%s: %q", name, a.body)
		}
	}
	p.callJSON("/oauth/revoke", map[string]any{"client_id": "web", "token": token}).wants(t, http.StatusUnauthorized, "invalid_client")
	p.callJSON("/oauth/revoke", map[string]any{"client_id": "spa"}).wants(t, http.StatusBadRequest, "invalid_request")
	p.userinfo("x").wants(t, http.StatusUnauthorized, "invalid_token")
}
