package admin_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

// refreshToken gives a user an authorization that has one.
func (a *api) refreshToken(user, id, session string, ends bool) {
	a.t.Helper()
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	check(a.t, a.store.Authorize(a.t.Context(), storage.Authorization{
		ID: id, ClientID: "filed", UserID: user, SessionID: session, EndsWithSession: ends, Scope: "openid offline_access", Audience: audience, AMR: grants.AMR(grants.Email),
		AuthTime: at, CreatedAt: at, Offline: true, RefreshGeneration: 1, RefreshedAt: at, RefreshExpiresAt: at.Add(24 * time.Hour), RefreshEndsAt: at.Add(48 * time.Hour), ExpiresAt: at.Add(48 * time.Hour),
	}))
}

func TestSessionsOfAUser(t *testing.T) {
	a := newAPI(t)
	path, _ := a.user(object{"email": "ada@example.com", "user_id": "a"})
	if an := a.get(path + "/sessions?take=50&include_totals=true"); fmt.Sprint(an.object(http.StatusOK)["sessions"]) != "[]" {
		t.Errorf("%s", an.text)
	}
	for _, id := range []string{"s1", "s2", "s3"} {
		check(t, a.session("email|a", id))
	}
	o := a.get(path + "/sessions?take=2").object(http.StatusOK)
	if l, _ := o["sessions"].([]any); len(l) != 2 || o["next"] != "2" {
		t.Errorf("%v", o)
	}
	o = a.get(path + "/sessions?take=2&from=2").object(http.StatusOK)
	if l, _ := o["sessions"].([]any); len(l) != 1 || o["next"] != nil {
		t.Errorf("%v", o)
	}
	s := a.get("sessions/s1").object(http.StatusOK)
	for name, want := range map[string]any{
		"id": "s1", "user_id": "email|a", "created_at": "2026-11-22T10:00:00.000Z", "authenticated_at": "2026-11-22T10:00:00.000Z", "expires_at": "2026-12-22T10:00:00.000Z",
		"idle_expires_at": "2026-11-25T10:00:00.000Z", "last_interacted_at": "2026-11-22T10:00:00.000Z", "updated_at": "2026-11-22T10:00:00.000Z",
	} {
		if s[name] != want {
			t.Errorf("%s: %v, want %v", name, s[name], want)
		}
	}
	for _, secret := range []string{"hash of s1", "secret"} {
		if an := a.get("sessions/s1"); strings.Contains(an.text, secret) {
			t.Errorf("shows %q: %s", secret, an.text)
		}
	}
	a.refreshToken("email|a", "r1", "s1", true)
	a.refreshToken("email|a", "r2", "s1", false)
	for range 2 {
		if an := a.call(http.MethodDelete, "sessions/s1", nil); an.StatusCode != http.StatusAccepted || an.text != "{}" {
			t.Fatalf("%d %s", an.StatusCode, an.text)
		}
	}
	a.get("sessions/s1").refused(http.StatusNotFound, "inexistent_session", "does not exist")
	a.get("refresh-tokens/r1").refused(http.StatusNotFound, "inexistent_refresh_token", "does not exist")
	a.get("refresh-tokens/r2").wants(http.StatusOK)

	a.refreshToken("email|a", "r3", "s2", false)
	a.call(http.MethodPost, "sessions/s2/revoke", nil).wants(http.StatusAccepted)
	a.get("refresh-tokens/r3").wants(http.StatusNotFound)
	a.get("refresh-tokens/r2").wants(http.StatusOK)
	a.call(http.MethodPost, "sessions/s2/revoke", nil).refused(http.StatusNotFound, "inexistent_session", "does not exist")

	a.call(http.MethodDelete, path+"/sessions", nil).wants(http.StatusAccepted)
	a.get("sessions/s3").wants(http.StatusNotFound)
}

func TestRefreshTokensOfAUser(t *testing.T) {
	a := newAPI(t)
	path, _ := a.user(object{"email": "ada@example.com", "user_id": "a"})
	a.refreshToken("email|a", "r1", "s1", false)
	a.refreshToken("email|a", "r2", "", false)
	o := a.get(path + "/refresh-tokens?include_totals=true&per_page=50").object(http.StatusOK)
	if l, _ := o["tokens"].([]any); len(l) != 2 || o["total"] != 2.0 {
		t.Errorf("%v", o)
	}
	r := a.get("refresh-tokens/r1").object(http.StatusOK)
	for name, want := range map[string]any{
		"id": "r1", "user_id": "email|a", "client_id": "filed", "session_id": "s1", "rotating": true, "created_at": "2026-11-22T10:00:00.000Z",
		"idle_expires_at": "2026-11-23T10:00:00.000Z", "expires_at": "2026-11-24T10:00:00.000Z",
	} {
		if r[name] != want {
			t.Errorf("%s: %v, want %v", name, r[name], want)
		}
	}
	if got := fmt.Sprint(r["resource_servers"]); got != "[map[audience:"+audience+" scopes:openid offline_access]]" {
		t.Error(got)
	}
	for range 2 {
		a.call(http.MethodDelete, "refresh-tokens/r1", nil).wants(http.StatusAccepted)
	}
	a.get("refresh-tokens/r1").wants(http.StatusNotFound)
	a.call(http.MethodDelete, path+"/refresh-tokens", nil).wants(http.StatusAccepted)
	a.get("refresh-tokens/r2").wants(http.StatusNotFound)
	if !a.logged("authorization.revoked") {
		t.Errorf("%v", a.types())
	}
}
