package storagetest

import (
	"context"
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

// wantLockout wants one wrong guess of all to have taken the last attempt of its challenge.
func wantLockout(t *testing.T, s *storage.Store) {
	t.Helper()
	events, err := s.Events(t.Context(), storage.EventFilter{Type: grants.EventFailed, Limit: 1000})
	want(t, err, nil)
	details := map[string]int{}
	for _, e := range events {
		details[e.Detail]++
	}
	equal(t, "lockouts", details[grants.DetailLastAttempt], 1)
	equal(t, "other wrong guesses", details[""], len(events)-1)
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
		wantLockout(t, s)
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
