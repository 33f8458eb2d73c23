package storagetest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

const grace = 10 * time.Second

func testRefresh(t *testing.T, b *bench) {
	t.Helper()
	rotate := func(ctx context.Context, s *storage.Store, g int, now time.Time) (storage.Authorization, error) {
		a, u, err := s.RotateRefresh(ctx, "a", g, now, grace, now.Add(time.Hour), rotated())
		if err == nil && (u.ID != ada || len(u.Identities) != 1) {
			err = errors.New("not the user")
		}
		return a, err
	}
	t.Run("of 50 that rotate one generation all get one successor", func(t *testing.T) {
		s, clock := b.openWithUser(t)
		authorize(t, s, "a")
		var outcomes tally
		together(50, func(int) {
			a, err := rotate(t.Context(), s, 1, clock.Now())
			if err == nil && a.RefreshGeneration != 2 {
				err = errors.New("another successor")
			}
			outcomes.add(err, nil)
		})
		outcomes.want(t, map[string]int{"ok": 50})
		equal(t, "rotations", countEvents(t, s, "refresh.rotated"), 1)
	})
	t.Run("the previous generation is good for the grace, extends nothing, and then ends the family", func(t *testing.T) {
		s, clock := b.openWithUser(t)
		authorize(t, s, "a")
		first, err := rotate(t.Context(), s, 1, clock.Now())
		want(t, err, nil)
		at(t, "idle limit", first.RefreshExpiresAt, clock.Now().Add(time.Hour))
		again, err := rotate(t.Context(), s, 1, clock.Now().Add(grace))
		want(t, err, nil)
		if !reflect.DeepEqual(again, first) {
			t.Fatalf("second answer\n%+v\nfirst\n%+v", again, first)
		}
		_, err = rotate(t.Context(), s, 1, clock.Now().Add(grace+time.Microsecond))
		want(t, err, storage.ErrReused)
		equal(t, "revoked", revoked(t, s, "a"), true)
		equal(t, "events", countEvents(t, s, storage.EventRefreshReused), 1)
		_, err = rotate(t.Context(), s, 2, clock.Now())
		want(t, err, storage.ErrRevoked)
	})
	t.Run("a generation before the previous ends the family at once, in a failing transaction too", func(t *testing.T) {
		s, clock := b.openWithUser(t)
		authorize(t, s, "a")
		for g := 1; g <= 2; g++ {
			_, err := rotate(t.Context(), s, g, clock.Now())
			want(t, err, nil)
		}
		err := s.Tx(t.Context(), func(ctx context.Context) error {
			_, err := rotate(ctx, s, 1, clock.Now())
			return err
		})
		want(t, err, storage.ErrReused)
		equal(t, "revoked", revoked(t, s, "a"), true)
	})
	t.Run("both limits end at exactly their last microsecond", func(t *testing.T) {
		s, clock := b.openWithUser(t)
		a := authorize(t, s, "a")
		_, err := rotate(t.Context(), s, 1, a.RefreshExpiresAt)
		want(t, err, storage.ErrExpired)
		_, err = rotate(t.Context(), s, 1, a.RefreshExpiresAt.Add(-time.Microsecond))
		want(t, err, nil)
		_, _, err = s.RotateRefresh(t.Context(), "a", 2, a.RefreshEndsAt.Add(-time.Hour), grace, a.RefreshEndsAt.Add(time.Hour), rotated())
		want(t, err, storage.ErrExpired) // the idle limit was an hour after the last use
		equal(t, "revoked", revoked(t, s, "a"), false)
		_, _, err = s.RotateRefresh(t.Context(), "a", 2, clock.Now(), grace, a.RefreshEndsAt.Add(time.Hour), rotated())
		want(t, err, nil)
		_, err = rotate(t.Context(), s, 3, a.RefreshEndsAt)
		want(t, err, storage.ErrExpired)
	})
	t.Run("nothing without a refresh token, nor for a blocked user", func(t *testing.T) {
		s, clock := b.openWithUser(t)
		a := fullAuthorization("a")
		a.Offline = false
		want(t, s.Authorize(t.Context(), a), nil)
		_, err := rotate(t.Context(), s, 1, clock.Now())
		want(t, err, storage.ErrNotFound)
		_, _, err = s.RotateRefresh(t.Context(), "none", 1, clock.Now(), grace, clock.Now(), rotated())
		want(t, err, storage.ErrNotFound)
		authorize(t, s, "b")
		want(t, s.SetBlocked(t.Context(), ada, true), nil)
		late := fullAuthorization("c")
		want(t, s.Authorize(t.Context(), late), nil)
		for _, id := range []string{"b", "c"} {
			_, _, err = s.RotateRefresh(t.Context(), id, 1, clock.Now(), grace, clock.Now().Add(time.Hour), rotated())
			want(t, err, storage.ErrRevoked)
		}
	})
}

func testTokens(t *testing.T, b *bench) {
	t.Helper()
	t.Run("one read tells all about a token", func(t *testing.T) {
		s, clock := b.openWithUser(t)
		a := authorize(t, s, "a")
		before := s.Statements()
		l, err := s.Live(t.Context(), "a", "jti")
		want(t, err, nil)
		equal(t, "statements", s.Statements()-before, 1)
		equal(t, "token is revoked", l.TokenRevoked, false)
		equal(t, "user", l.User.ID, ada)
		if !reflect.DeepEqual(l.Authorization, a) {
			t.Fatalf("read\n%+v\nwrote\n%+v", l.Authorization, a)
		}
		revocation := grants.Event{Type: "token.revoked", Time: clock.Now()}
		for range 2 {
			want(t, s.RevokeToken(t.Context(), "jti", clock.Now().Add(time.Hour), revocation), nil)
		}
		equal(t, "events", countEvents(t, s, "token.revoked"), 1)
		l, err = s.Live(t.Context(), "a", "jti")
		want(t, err, nil)
		equal(t, "token is revoked", l.TokenRevoked, true)
		l, err = s.Live(t.Context(), "a", "other")
		want(t, err, nil)
		equal(t, "other token is revoked", l.TokenRevoked, false)
		_, err = s.Live(t.Context(), "none", "jti")
		want(t, err, storage.ErrNotFound)
	})
	t.Run("a token without an authorization is looked up alone", func(t *testing.T) {
		s, clock := b.open(t)
		l, err := s.Live(t.Context(), "", "jti")
		want(t, err, nil)
		equal(t, "token is revoked", l.TokenRevoked, false)
		want(t, s.RevokeToken(t.Context(), "jti", clock.Now().Add(time.Hour), grants.Event{Time: clock.Now()}), nil)
		l, err = s.Live(t.Context(), "", "jti")
		want(t, err, nil)
		equal(t, "token is revoked", l.TokenRevoked, true)
	})
	t.Run("revocation and blocking show at once", func(t *testing.T) {
		s, clock := b.openWithUser(t)
		authorize(t, s, "a")
		revocation := grants.Event{Type: "authorization.revoked", Time: clock.Now()}
		for range 2 {
			want(t, s.RevokeAuthorization(t.Context(), "a", revocation), nil)
		}
		want(t, s.RevokeAuthorization(t.Context(), "none", revocation), nil)
		equal(t, "events", countEvents(t, s, "authorization.revoked"), 1)
		l, err := s.Live(t.Context(), "a", "jti")
		want(t, err, nil)
		at(t, "revoked", l.Authorization.RevokedAt, clock.Now())
		want(t, s.SetBlocked(t.Context(), ada, true), nil)
		l, err = s.Live(t.Context(), "a", "jti")
		want(t, err, nil)
		equal(t, "blocked", l.User.Blocked, true)
	})
}
