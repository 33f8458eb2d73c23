package storagetest

import (
	"context"
	"reflect"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

const ada = "email|1"

// fullAuthorization has a value in every field but the times of what has not happened yet.
func fullAuthorization(id string) storage.Authorization {
	now := Start()
	return storage.Authorization{
		ID: id, ClientID: "c", UserID: ada, SessionID: "sid", ChallengeID: "ch", RedirectURI: "https://a.example/cb",
		Scope: "openid offline_access", Audience: "https://api.example", Nonce: "n", CodeChallenge: "cc", AMR: []string{"otp", "mfa"},
		ACR: "acr", AuthTime: now, Offline: true, EndsWithSession: true, CodeExpiresAt: now.Add(time.Minute),
		RefreshGeneration: 1, RefreshedAt: now, RefreshExpiresAt: now.Add(time.Hour), RefreshEndsAt: now.Add(24 * time.Hour),
		CreatedAt: now, ExpiresAt: now.Add(25 * time.Hour),
	}
}

func revoked(t *testing.T, s *storage.Store, id string) bool {
	t.Helper()
	a, _, err := s.AuthorizationWithUser(t.Context(), id)
	want(t, err, nil)
	return !a.RevokedAt.IsZero()
}

func exchanged() grants.Event {
	return grants.Event{Type: "code.exchanged", Time: Start(), ClientID: "c"}
}

func rotated() grants.Event {
	return grants.Event{Type: "refresh.rotated", Time: Start(), ClientID: "c"}
}

// openWithUser gives a store with a user.
func (b *bench) openWithUser(t *testing.T) (*storage.Store, *Clock) {
	t.Helper()
	s, clock := b.open(t)
	addUser(t, s, ada, "ada@example.com")
	return s, clock
}

func authorize(t *testing.T, s *storage.Store, id string) storage.Authorization {
	t.Helper()
	a := fullAuthorization(id)
	want(t, s.Authorize(t.Context(), a), nil)
	return a
}

func testAuthorizations(t *testing.T, b *bench) {
	t.Helper()
	t.Run("an authorization reads as it was written, with its user", func(t *testing.T) {
		s, _ := b.openWithUser(t)
		want(t, s.LinkIdentity(t.Context(), ada, identity("ada@example.org")), nil)
		a := authorize(t, s, "a")
		got, u, err := s.AuthorizationWithUser(t.Context(), "a")
		want(t, err, nil)
		if !reflect.DeepEqual(got, a) {
			t.Fatalf("read\n%+v\nwrote\n%+v", got, a)
		}
		whole, err := s.User(t.Context(), ada)
		want(t, err, nil)
		if !reflect.DeepEqual(u, whole) || len(u.Identities) != 2 {
			t.Fatalf("read user\n%+v\nwant\n%+v", u, whole)
		}
		want(t, s.Authorize(t.Context(), a), storage.ErrExists)
		_, _, err = s.AuthorizationWithUser(t.Context(), "b")
		want(t, err, storage.ErrNotFound)
	})
	t.Run("a code is spent once among 50, and then ends what it gave", func(t *testing.T) {
		s, _ := b.openWithUser(t)
		a := authorize(t, s, "a")
		var outcomes tally
		together(50, func(int) {
			outcomes.add(s.SpendCode(t.Context(), a, exchanged()), map[string]error{"reused": storage.ErrReused})
		})
		outcomes.want(t, map[string]int{"ok": 1, "reused": 49})
		equal(t, "revoked", revoked(t, s, "a"), true)
		equal(t, "exchanges", countEvents(t, s, "code.exchanged"), 1)
		equal(t, "replays", countEvents(t, s, storage.EventCodeReplayed), 1)
	})
	t.Run("spending sets what the refresh token begins with", func(t *testing.T) {
		s, clock := b.openWithUser(t)
		a := authorize(t, s, "a")
		a.RefreshGeneration, a.RefreshedAt, a.RefreshExpiresAt = 3, clock.Now().Add(time.Second), clock.Now().Add(2*time.Hour)
		a.RefreshEndsAt, a.ExpiresAt = clock.Now().Add(3*time.Hour), clock.Now().Add(4*time.Hour)
		want(t, s.SpendCode(t.Context(), a, exchanged()), nil)
		got, _, err := s.AuthorizationWithUser(t.Context(), "a")
		want(t, err, nil)
		a.CodeSpentAt = clock.Now()
		if !reflect.DeepEqual(got, a) {
			t.Fatalf("read\n%+v\nwant\n%+v", got, a)
		}
	})
	t.Run("a replay inside a transaction that fails revokes all the same", func(t *testing.T) {
		s, _ := b.openWithUser(t)
		a := authorize(t, s, "a")
		want(t, s.SpendCode(t.Context(), a, exchanged()), nil)
		err := s.Tx(t.Context(), func(ctx context.Context) error { return s.SpendCode(ctx, a, exchanged()) })
		want(t, err, storage.ErrReused)
		equal(t, "revoked", revoked(t, s, "a"), true)
	})
	t.Run("a code ends at exactly its last microsecond", func(t *testing.T) {
		s, clock := b.openWithUser(t)
		a := authorize(t, s, "a")
		clock.Add(time.Minute)
		want(t, s.SpendCode(t.Context(), a, exchanged()), storage.ErrExpired)
		clock.Add(-time.Microsecond)
		want(t, s.SpendCode(t.Context(), a, exchanged()), nil)
	})
	testDeadCodes(t, b)
	testTouchRefresh(t, b)
}

func testTouchRefresh(t *testing.T, b *bench) {
	t.Helper()
	end := func(t *testing.T, s *storage.Store) time.Time {
		t.Helper()
		a, _, err := s.AuthorizationWithUser(t.Context(), "a")
		want(t, err, nil)
		return a.RefreshExpiresAt
	}
	used := grants.Event{Type: "refresh.used", Time: Start()}
	t.Run("a refresh token that stays gets a new idle end", func(t *testing.T) {
		s, clock := b.openWithUser(t)
		a := authorize(t, s, "a")
		later := clock.Now().Add(12 * time.Hour)
		want(t, s.TouchRefresh(t.Context(), "a", a.RefreshGeneration, later, used), nil)
		at(t, "idle end", end(t, s), later)
		equal(t, "events", countEvents(t, s, "refresh.used"), 1)
	})
	t.Run("one that is not good gets none", func(t *testing.T) {
		for name, spoil := range map[string]func(*storage.Store, *Clock) error{
			"revoked":  func(s *storage.Store, _ *Clock) error { return s.RevokeAuthorization(t.Context(), "a", exchanged()) },
			"blocked":  func(s *storage.Store, _ *Clock) error { return s.SetBlocked(t.Context(), ada, true) },
			"too late": func(_ *storage.Store, clock *Clock) error { clock.Add(365 * 24 * time.Hour); return nil },
		} {
			s, clock := b.openWithUser(t)
			a := authorize(t, s, "a")
			want(t, spoil(s, clock), nil)
			want(t, s.TouchRefresh(t.Context(), "a", a.RefreshGeneration, clock.Now().Add(time.Hour), used), storage.ErrRevoked)
			at(t, name+": idle end", end(t, s), a.RefreshExpiresAt)
			equal(t, "events", countEvents(t, s, "refresh.used"), 0)
		}
		s, clock := b.openWithUser(t)
		a := authorize(t, s, "a")
		want(t, s.TouchRefresh(t.Context(), "a", a.RefreshGeneration+1, clock.Now().Add(time.Hour), used), storage.ErrRevoked)
	})
}

func testDeadCodes(t *testing.T, b *bench) {
	t.Helper()
	for name, test := range map[string]struct {
		kill func(t *testing.T, s *storage.Store)
		err  error
	}{
		"its authorization was revoked": {func(t *testing.T, s *storage.Store) {
			t.Helper()
			want(t, s.RevokeAuthorization(t.Context(), "a", exchanged()), nil)
		}, storage.ErrRevoked},
		"its user is blocked": {func(t *testing.T, s *storage.Store) {
			t.Helper()
			want(t, s.SetBlocked(t.Context(), ada, true), nil)
		}, storage.ErrRevoked},
		"its user was deleted": {func(t *testing.T, s *storage.Store) {
			t.Helper()
			want(t, s.DeleteUser(t.Context(), ada), nil)
		}, storage.ErrNotFound},
		"its session ended": {func(t *testing.T, s *storage.Store) {
			t.Helper()
			want(t, s.EndSession(t.Context(), "sid"), nil)
		}, storage.ErrRevoked},
	} {
		t.Run("a code is worth nothing when "+name, func(t *testing.T) {
			s, _ := b.openWithUser(t)
			signIn(t, s, "sid")
			a := authorize(t, s, "a")
			test.kill(t, s)
			want(t, s.SpendCode(t.Context(), a, exchanged()), test.err)
			equal(t, "exchanges", countEvents(t, s, "code.replayed"), 0)
		})
	}
	t.Run("a code made while its session ended is worth nothing", func(t *testing.T) {
		s, _ := b.openWithUser(t)
		signIn(t, s, "sid")
		want(t, s.EndSession(t.Context(), "sid"), nil)
		want(t, s.SpendCode(t.Context(), authorize(t, s, "a"), exchanged()), storage.ErrRevoked)
		stays := fullAuthorization("b")
		stays.EndsWithSession = false
		want(t, s.Authorize(t.Context(), stays), nil)
		want(t, s.SpendCode(t.Context(), stays, exchanged()), nil)
	})
	t.Run("an authorization without a code has none to spend", func(t *testing.T) {
		s, _ := b.openWithUser(t)
		a := fullAuthorization("a")
		a.CodeExpiresAt = time.Time{}
		want(t, s.Authorize(t.Context(), a), nil)
		want(t, s.SpendCode(t.Context(), a, exchanged()), storage.ErrNotFound)
		a.ID = "none"
		want(t, s.SpendCode(t.Context(), a, exchanged()), storage.ErrNotFound)
	})
}
