package op_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"sallyport/op"
)

// kidOf is the id of the key that a JWT names.
func kidOf(t *testing.T, token string) string {
	t.Helper()
	kid, _ := segment(t, token, 0)["kid"].(string)
	return kid
}

func TestKeysSurviveARestart(t *testing.T) {
	p := newProvider(t)
	token := p.login("ada@example.com", "audience", apiAudience)
	q := p.replica()
	if a, b := p.send(http.MethodGet, "/.well-known/jwks.json", "").body, q.send(http.MethodGet, "/.well-known/jwks.json", "").body; a != b {
		t.Errorf("%s\n%s", a, b)
	}
	q.alive(t, token.str("access_token"))
	if !verifies(t, q.keySet(t), token.str("id_token")) {
		t.Error("the ID token is not verified any more")
	}
}

func TestRotatedKeyIsPublishedBeforeItSigns(t *testing.T) {
	p := newProvider(t)
	before := p.login("ada@example.com")
	old := kidOf(t, before.str("id_token"))
	fresh := must(op.RotateKeys(context.Background(), p.store, "RS256"))
	kid := func(q *provider) string { return kidOf(t, q.login("ada@example.com").str("id_token")) }

	q := p.replica()
	if len(q.keySet(t).Key(fresh.ID)) != 1 {
		t.Error("the new key is not published at once")
	}
	if got := kid(q); got != old {
		t.Errorf("the new key signs at once: %v", got)
	}
	p.pass(5*time.Minute + 30*time.Second) // the longest that anybody may have kept the keys from before
	q = p.replica()
	if got := kid(q); got != old {
		t.Errorf("the new key signs before everybody can know it: %v", got)
	}
	p.pass(2 * time.Minute)
	q = p.replica()
	if got := kid(q); got != fresh.ID {
		t.Errorf("the new key does not sign: %v", got)
	}
	if !verifies(t, q.keySet(t), before.str("id_token")) {
		t.Error("the old key does not verify any more")
	}
	p.pass(91 * 24 * time.Hour)
	if q = p.replica(); len(q.keySet(t).Key(old)) != 0 {
		t.Error("the old key is published for ever")
	}
}

func TestDroppedKeyVerifiesNothing(t *testing.T) {
	p := newProvider(t)
	jwt := p.login("ada@example.com", "audience", apiAudience).str("access_token")
	check(t, p.store.DeleteSigningKey(context.Background(), kidOf(t, jwt)))
	q := p.replica()
	q.userinfo(jwt).wants(t, http.StatusUnauthorized, "invalid_token")
	q.alive(t, q.login("ada@example.com", "audience", apiAudience).str("access_token")) // another was made
}

func TestStaleKeysIssueNothing(t *testing.T) {
	p := newProvider(t)
	code := p.codes("ada@example.com")()
	token := p.login("ada@example.com").str("refresh_token")
	otp := p.mailed("eve@example.com")
	p.pass(59 * time.Second)
	late := p.replica() // has read the keys now
	p.pass(32 * time.Second)
	p.refresh(token).wants(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	p.exchange(code).wants(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	p.machineToken().wants(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	grant := []string{"grant_type", grantEmail, "username", "eve@example.com", "code", otp}
	p.token(grant...).wants(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	if a := p.send(http.MethodGet, "/readyz", ""); a.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("ready: %d", a.StatusCode)
	}
	if a := late.token(grant...); a.StatusCode != http.StatusOK {
		t.Errorf("the refused request has spent the code: %d %s", a.StatusCode, a.body)
	}
	if a := late.refresh(token); a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}
