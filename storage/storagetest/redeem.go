package storagetest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

func testRedeem(t *testing.T, b *bench) {
	t.Helper()
	t.Run("the first right proof creates the user, the next finds them", func(t *testing.T) {
		s, clock := b.open(t)
		c := openNew(t, s, "c", clock.Now())
		r := redemption(c, clock.Now())
		var ran grants.User
		u, err := s.Redeem(t.Context(), r, func(_ context.Context, u grants.User) error { ran = u; return nil })
		want(t, err, nil)
		equal(t, "user", u, grants.User{ID: r.NewUserID, Created: true})
		equal(t, "user of then", ran, u)
		got, err := s.Challenge(t.Context(), c.ID)
		want(t, err, nil)
		at(t, "spent", got.SpentAt, clock.Now())
		equal(t, "whom it signed in", got.UserID, u.ID)
		equal(t, "attempts", got.Attempts, 1)
		_, err = s.Latest(t.Context(), c.Slot())
		want(t, err, grants.ErrNoChallenge)
		stored, err := s.UserByAddress(t.Context(), c.Address)
		want(t, err, nil)
		equal(t, "identity", stored.Identities[0], named(identity("ada@example.com"), strings.TrimPrefix(u.ID, "email|")))

		second := openNew(t, s, "d", clock.Now())
		again, err := s.Redeem(t.Context(), redemption(second, clock.Now()), nothing)
		want(t, err, nil)
		equal(t, "user", again, grants.User{ID: u.ID})
		events, err := s.Events(t.Context(), storage.EventFilter{Type: grants.EventSucceeded, UserID: u.ID})
		want(t, err, nil)
		equal(t, "events with the user", len(events), 2)
	})
	t.Run("what then does belongs to it, and its error undoes everything", func(t *testing.T) {
		s, clock := b.open(t)
		c := openNew(t, s, "c", clock.Now())
		failure := errors.New("on purpose")
		_, err := s.Redeem(t.Context(), redemption(c, clock.Now()), func(ctx context.Context, u grants.User) error {
			want(t, s.Authorize(ctx, storage.Authorization{ID: "a", UserID: u.ID}), nil)
			return failure
		})
		want(t, err, failure)
		_, err = s.UserByAddress(t.Context(), c.Address)
		want(t, err, storage.ErrNotFound)
		got, err := s.Challenge(t.Context(), c.ID)
		want(t, err, nil)
		equal(t, "status", got.Status(clock.Now()), grants.Open)
		equal(t, "attempts", got.Attempts, 0)
		u, err := s.Redeem(t.Context(), redemption(c, clock.Now()), func(ctx context.Context, u grants.User) error {
			return s.Authorize(ctx, storage.Authorization{ID: "a", UserID: u.ID})
		})
		want(t, err, nil)
		_, of, err := s.AuthorizationWithUser(t.Context(), "a")
		want(t, err, nil)
		equal(t, "user", of.ID, u.ID)
	})
	t.Run("a proof for another address than the challenge's is none", func(t *testing.T) {
		s, clock := b.open(t)
		r := redemption(openNew(t, s, "c", clock.Now()), clock.Now())
		r.Address = email("eve@example.com")
		_, err := s.Redeem(t.Context(), r, nothing)
		want(t, err, grants.ErrNotOpen)
	})
	testRefusals(t, b)
	testRepeats(t, b)
}

func testRefusals(t *testing.T, b *bench) {
	t.Helper()
	never := func(t *testing.T) func(context.Context, grants.User) error {
		t.Helper()
		return func(context.Context, grants.User) error {
			t.Error("then ran for a proof that was refused")
			return nil
		}
	}
	for name, test := range map[string]struct {
		prepare func(t *testing.T, s *storage.Store, r *grants.Redemption)
		err     error
	}{
		"blocked": {func(t *testing.T, s *storage.Store, _ *grants.Redemption) {
			t.Helper()
			addUser(t, s, "email|1", "ada@example.com")
			want(t, s.SetBlocked(t.Context(), "email|1", true), nil)
		}, grants.ErrBlocked},
		"sign-up closed": {func(_ *testing.T, _ *storage.Store, r *grants.Redemption) { r.Signup = false }, grants.ErrSignupClosed},
	} {
		t.Run("a right proof that is refused is spent: "+name, func(t *testing.T) {
			s, clock := b.open(t)
			c := openNew(t, s, "c", clock.Now())
			r := redemption(c, clock.Now())
			r.RepeatWithin = time.Minute
			test.prepare(t, s, &r)
			_, err := s.Redeem(t.Context(), r, never(t))
			want(t, err, test.err)
			got, err := s.Challenge(t.Context(), c.ID)
			want(t, err, nil)
			equal(t, "status", got.Status(clock.Now()), grants.Spent)
			equal(t, "whom it signed in", got.UserID, "")
			equal(t, "events", countEvents(t, s, grants.EventRefused), 1)
			_, err = s.Redeem(t.Context(), r, never(t))
			want(t, err, grants.ErrNotOpen)
		})
	}
}

func testRepeats(t *testing.T, b *bench) {
	t.Helper()
	t.Run("the same proof counts again within the time for it", func(t *testing.T) {
		s, clock := b.open(t)
		c := openNew(t, s, "c", clock.Now())
		r := redemption(c, clock.Now())
		r.RepeatWithin = 10 * time.Second
		first, err := s.Redeem(t.Context(), r, nothing)
		want(t, err, nil)
		ran := 0
		count := func(context.Context, grants.User) error { ran++; return nil }
		r.Now = clock.Now().Add(r.RepeatWithin - time.Microsecond)
		again, err := s.Redeem(t.Context(), r, count)
		want(t, err, nil)
		equal(t, "user", again, grants.User{ID: first.ID})
		equal(t, "runs of then", ran, 1)
		r.Now = clock.Now().Add(r.RepeatWithin)
		_, err = s.Redeem(t.Context(), r, count)
		want(t, err, grants.ErrNotOpen)
		r.Now, r.RepeatWithin = clock.Now(), 0
		_, err = s.Redeem(t.Context(), r, count)
		want(t, err, grants.ErrNotOpen)
		equal(t, "runs of then", ran, 1)
		equal(t, "logins in the log", countEvents(t, s, grants.EventSucceeded), 1)
	})
	t.Run("a user who was blocked or deleted in between gets nothing", func(t *testing.T) {
		s, clock := b.open(t)
		c := openNew(t, s, "c", clock.Now())
		r := redemption(c, clock.Now())
		r.RepeatWithin = 10 * time.Second
		u, err := s.Redeem(t.Context(), r, nothing)
		want(t, err, nil)
		want(t, s.DeleteUser(t.Context(), u.ID), nil)
		_, err = s.Redeem(t.Context(), r, nothing)
		want(t, err, grants.ErrNotOpen)
	})
}
