package storagetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

const lifetime = 5 * time.Minute

// challenge is a fresh one for a client and ada@example.com.
func challenge(client string, now time.Time) grants.Challenge {
	return grants.Challenge{
		ID: grants.NewID(), Seed: []byte("0123456789abcdef"), KeyID: "0a0b0c0d", ClientID: client, Connection: "email",
		Address: email("ada@example.com"), Purpose: grants.PurposeLogin, Requester: grants.RequesterAPI, Device: "d",
		CodeLength: 6, MaxAttempts: 5, CreatedAt: now, ExpiresAt: now.Add(lifetime),
	}
}

// opening puts a challenge in the place of any other of its slot.
func opening(c grants.Challenge, now time.Time) grants.Opening {
	return grants.Opening{
		Now: now, Slot: c.Slot(), Choose: func(*grants.Challenge, bool) grants.Challenge { return c },
		Message: grants.Message{ID: grants.NewID(), Send: grants.SendCode, CreatedAt: now, LeasedUntil: now.Add(30 * time.Second)},
		Event:   grants.Event{Type: grants.EventStarted, Time: now, ClientID: c.ClientID},
	}
}

func openNew(t *testing.T, s *storage.Store, client string, now time.Time) grants.Challenge {
	t.Helper()
	c, err := s.Open(t.Context(), opening(challenge(client, now), now))
	want(t, err, nil)
	return c
}

func guess(c grants.Challenge, now time.Time, draw ...grants.Counter) grants.Guess {
	return grants.Guess{Now: now, ChallengeID: c.ID, Draw: draw, Event: grants.Event{Type: grants.EventFailed, Time: now, ChallengeID: c.ID}}
}

func redemption(c grants.Challenge, now time.Time, draw ...grants.Counter) grants.Redemption {
	g := guess(c, now, draw...)
	g.Event.Type = grants.EventSucceeded
	return grants.Redemption{Guess: g, Address: c.Address, Signup: true, NewUserID: "email|" + grants.NewID()}
}

func nothing(context.Context, grants.User) error { return nil }

func testChallenges(t *testing.T, b *bench) {
	t.Helper()
	t.Run("a challenge reads as it was opened", func(t *testing.T) {
		s, clock := b.open(t)
		c := challenge("c", clock.Now())
		opened, err := s.Open(t.Context(), opening(c, clock.Now()))
		want(t, err, nil)
		byID, err := s.Challenge(t.Context(), c.ID)
		want(t, err, nil)
		bySlot, err := s.Latest(t.Context(), c.Slot())
		want(t, err, nil)
		for name, got := range map[string]grants.Challenge{"opened": opened, "by id": byID, "by slot": bySlot} {
			if !reflect.DeepEqual(got, c) {
				t.Fatalf("%s\n%+v\nwrote\n%+v", name, got, c)
			}
		}
		_, err = s.Challenge(t.Context(), "none")
		want(t, err, grants.ErrNoChallenge)
		_, err = s.Latest(t.Context(), "none")
		want(t, err, grants.ErrNoChallenge)
		equal(t, "events", countEvents(t, s, grants.EventStarted), 1)
	})
	t.Run("a kept challenge only gets a new end", func(t *testing.T) {
		s, clock := b.open(t)
		c := openNew(t, s, "c", clock.Now())
		want(t, s.Fail(t.Context(), guess(c, clock.Now())), nil)
		clock.Add(time.Minute)
		o := opening(c, clock.Now())
		o.Choose = func(current *grants.Challenge, _ bool) grants.Challenge {
			kept := *current
			kept.ExpiresAt = clock.Now().Add(lifetime)
			return kept
		}
		kept, err := s.Open(t.Context(), o)
		want(t, err, nil)
		equal(t, "id", kept.ID, c.ID)
		got, err := s.Challenge(t.Context(), c.ID)
		want(t, err, nil)
		at(t, "end", got.ExpiresAt, clock.Now().Add(lifetime))
		equal(t, "attempts", got.Attempts, 1)
		_, of, err := s.Message(t.Context(), o.Message.ID)
		want(t, err, nil)
		equal(t, "challenge of the second message", of.ID, c.ID)
	})
	t.Run("a new challenge ends the one before", func(t *testing.T) {
		s, clock := b.open(t)
		first := openNew(t, s, "c", clock.Now())
		elsewhere := openNew(t, s, "d", clock.Now())
		clock.Add(time.Second)
		second := openNew(t, s, "c", clock.Now())
		got, err := s.Challenge(t.Context(), first.ID)
		want(t, err, nil)
		at(t, "end of the first", got.EndedAt, clock.Now())
		latest, err := s.Latest(t.Context(), first.Slot())
		want(t, err, nil)
		equal(t, "latest", latest.ID, second.ID)
		want(t, s.Fail(t.Context(), guess(first, clock.Now())), grants.ErrNotOpen)
		_, err = s.Redeem(t.Context(), redemption(first, clock.Now()), nothing)
		want(t, err, grants.ErrNotOpen)
		got, err = s.Challenge(t.Context(), elsewhere.ID)
		want(t, err, nil)
		equal(t, "another client's status", got.Status(clock.Now()), grants.Open)
	})
	t.Run("an expired challenge keeps its slot until replaced", func(t *testing.T) {
		s, clock := b.open(t)
		c := openNew(t, s, "c", clock.Now())
		clock.Add(lifetime)
		latest, err := s.Latest(t.Context(), c.Slot())
		want(t, err, nil)
		equal(t, "status", latest.Status(clock.Now()), grants.Expired)
	})
	testGuesses(t, b)
}

func testGuesses(t *testing.T, b *bench) {
	t.Helper()
	t.Run("a challenge ends at exactly its last microsecond", func(t *testing.T) {
		s, clock := b.open(t)
		c := openNew(t, s, "c", clock.Now())
		last := c.ExpiresAt.Add(-time.Microsecond)
		want(t, s.Fail(t.Context(), guess(c, c.ExpiresAt)), grants.ErrNotOpen)
		_, err := s.Redeem(t.Context(), redemption(c, c.ExpiresAt), nothing)
		want(t, err, grants.ErrNotOpen)
		want(t, s.Fail(t.Context(), guess(c, last)), nil)
		_, err = s.Redeem(t.Context(), redemption(c, last), nothing)
		want(t, err, nil)
	})
	t.Run("attempts are counted and end", func(t *testing.T) {
		s, clock := b.open(t)
		c := openNew(t, s, "c", clock.Now())
		for range c.MaxAttempts {
			want(t, s.Fail(t.Context(), guess(c, clock.Now())), nil)
		}
		want(t, s.Fail(t.Context(), guess(c, clock.Now())), grants.ErrNotOpen)
		_, err := s.Redeem(t.Context(), redemption(c, clock.Now()), nothing)
		want(t, err, grants.ErrNotOpen)
		got, err := s.Challenge(t.Context(), c.ID)
		want(t, err, nil)
		equal(t, "attempts", got.Attempts, c.MaxAttempts)
		equal(t, "events", countEvents(t, s, grants.EventFailed), c.MaxAttempts)
	})
	t.Run("a challenge that is not there is not open", func(t *testing.T) {
		s, clock := b.open(t)
		c := challenge("c", clock.Now())
		want(t, s.Fail(t.Context(), guess(c, clock.Now())), grants.ErrNotOpen)
		r := redemption(c, clock.Now())
		r.RepeatWithin = time.Minute
		_, err := s.Redeem(t.Context(), r, nothing)
		want(t, err, grants.ErrNotOpen)
	})
}

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
		equal(t, "identity", stored.Identities[0], identity("ada@example.com"))

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

func counter(n int, add int, keys ...string) []grants.Counter {
	var out []grants.Counter
	for _, k := range keys {
		out = append(out, grants.Counter{Key: k, Limit: grants.Limit{N: n, Per: time.Hour}, Add: add})
	}
	return out
}

func testBudgets(t *testing.T, b *bench) {
	t.Helper()
	t.Run("starts are counted, refused with the time to wait, and counted anew after it", func(t *testing.T) {
		s, clock := b.open(t)
		start := func() error {
			o := opening(challenge("c", clock.Now()), clock.Now())
			o.Count = append(counter(2, 1, "b", "a"), counter(100, 1, "c")...)
			_, err := s.Open(t.Context(), o)
			return err
		}
		want(t, start(), nil)
		clock.Add(time.Minute)
		want(t, start(), nil)
		var limit *grants.LimitError
		if err := start(); !errors.As(err, &limit) {
			t.Fatalf("error is %v, want a limit", err)
		}
		equal(t, "wait", limit.RetryAfter, 59*time.Minute)
		equal(t, "events", countEvents(t, s, grants.EventStarted), 2)
		clock.Add(59*time.Minute - time.Microsecond)
		if err := start(); !errors.As(err, &limit) {
			t.Fatalf("error is %v, want a limit", err)
		}
		clock.Add(time.Microsecond)
		want(t, start(), nil)
	})
	t.Run("watched counters are told to Choose", func(t *testing.T) {
		s, clock := b.open(t)
		c := openNew(t, s, "c", clock.Now())
		told := func() (guessed bool) {
			o := opening(c, clock.Now())
			o.Watch = counter(2, 0, "fail", "fail-day")
			o.Choose = func(current *grants.Challenge, g bool) grants.Challenge { guessed = g; return *current }
			_, err := s.Open(t.Context(), o)
			want(t, err, nil)
			return guessed
		}
		equal(t, "guessed at first", told(), false)
		want(t, s.Fail(t.Context(), guess(c, clock.Now(), counter(2, 1, "fail")...)), nil)
		equal(t, "guessed after one", told(), false)
		want(t, s.Fail(t.Context(), guess(c, clock.Now(), counter(2, 1, "fail")...)), nil)
		equal(t, "guessed after two", told(), true)
		clock.Add(time.Hour)
		equal(t, "guessed an hour later", told(), false)
	})
	t.Run("with the budget used up no proof is looked at, right or wrong", func(t *testing.T) {
		s, clock := b.open(t)
		c := openNew(t, s, "c", clock.Now())
		for range 2 {
			want(t, s.Fail(t.Context(), guess(c, clock.Now(), counter(2, 1, "fail")...)), nil)
		}
		want(t, s.Fail(t.Context(), guess(c, clock.Now(), counter(2, 1, "fail")...)), grants.ErrTooManyAttempts)
		_, err := s.Redeem(t.Context(), redemption(c, clock.Now(), counter(2, 0, "fail")...), nothing)
		want(t, err, grants.ErrTooManyAttempts)
		got, err := s.Challenge(t.Context(), c.ID)
		want(t, err, nil)
		equal(t, "attempts", got.Attempts, 2)
		_, err = s.Redeem(t.Context(), redemption(c, clock.Now()), nothing) // a long code draws on nothing
		want(t, err, nil)
	})
	t.Run("a guess that is not looked at draws on nothing", func(t *testing.T) {
		s, clock := b.open(t)
		c := openNew(t, s, "c", clock.Now())
		for range 20 {
			want(t, s.Fail(t.Context(), guess(c, c.ExpiresAt, counter(2, 1, "fail")...)), grants.ErrNotOpen)
		}
		want(t, s.Fail(t.Context(), guess(c, clock.Now(), counter(2, 1, "fail")...)), nil)
	})
	t.Run("once per period", func(t *testing.T) {
		s, clock := b.open(t)
		for i, wanted := range []bool{true, false, false} {
			first, err := s.OncePer(t.Context(), "k", time.Hour, clock.Now())
			want(t, err, nil)
			equal(t, fmt.Sprintf("answer %d", i), first, wanted)
			clock.Add(10 * time.Minute)
		}
		clock.Add(30 * time.Minute)
		first, err := s.OncePer(t.Context(), "k", time.Hour, clock.Now())
		want(t, err, nil)
		equal(t, "answer after the period", first, true)
		first, err = s.OncePer(t.Context(), "other", time.Hour, clock.Now())
		want(t, err, nil)
		equal(t, "answer for another key", first, true)
	})
}
