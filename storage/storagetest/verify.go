package storagetest

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

func verification(c grants.Challenge, now time.Time, draw ...grants.Counter) grants.Verification {
	g := guess(c, now, draw...)
	g.Event.Type = grants.EventVerified
	return grants.Verification{Guess: g, Until: now.Add(30 * time.Second), By: "somebody"}
}

func testVerify(t *testing.T, b *bench) {
	t.Helper()
	t.Run("a right code that is shown is remembered, and counts and spends nothing", func(t *testing.T) {
		s, clock := b.open(t)
		c := openNew(t, s, "c", clock.Now())
		for range 2 * c.MaxAttempts {
			want(t, s.Verify(t.Context(), verification(c, clock.Now())), nil)
		}
		got, err := s.Challenge(t.Context(), c.ID)
		want(t, err, nil)
		at(t, "verified until", got.VerifiedUntil, clock.Now().Add(30*time.Second))
		equal(t, "verified by", got.VerifiedBy, "somebody")
		equal(t, "attempts", got.Attempts, 0)
		equal(t, "status", got.Status(clock.Now()), grants.Open)
		equal(t, "events", countEvents(t, s, grants.EventVerified), 1) // a mark that is in force is no news
		clock.Add(30 * time.Second)
		want(t, s.Verify(t.Context(), verification(c, clock.Now())), nil)
		equal(t, "events, when it was over", countEvents(t, s, grants.EventVerified), 2)
		_, err = s.Redeem(t.Context(), redemption(c, clock.Now()), nothing)
		want(t, err, nil)
	})
	t.Run("none is looked at that no guess would be", func(t *testing.T) {
		for name, over := range map[string]func(*testing.T, *storage.Store, *Clock, grants.Challenge){
			"expired": func(_ *testing.T, _ *storage.Store, clock *Clock, _ grants.Challenge) { clock.Add(lifetime) },
			"exhausted": func(t *testing.T, s *storage.Store, clock *Clock, c grants.Challenge) {
				t.Helper()
				for range c.MaxAttempts {
					want(t, s.Fail(t.Context(), guess(c, clock.Now())), nil)
				}
			},
			"spent": func(t *testing.T, s *storage.Store, clock *Clock, c grants.Challenge) {
				t.Helper()
				_, err := s.Redeem(t.Context(), redemption(c, clock.Now()), nothing)
				want(t, err, nil)
			},
			"ended": func(t *testing.T, s *storage.Store, clock *Clock, _ grants.Challenge) {
				t.Helper()
				openNew(t, s, "c", clock.Now())
			},
		} {
			t.Run(name, func(t *testing.T) {
				s, clock := b.open(t)
				c := openNew(t, s, "c", clock.Now())
				over(t, s, clock, c)
				want(t, s.Verify(t.Context(), verification(c, clock.Now())), grants.ErrNotOpen)
				got, err := s.Challenge(t.Context(), c.ID)
				want(t, err, nil)
				equal(t, "verified by", got.VerifiedBy, "")
				equal(t, "events", countEvents(t, s, grants.EventVerified), 0)
			})
		}
	})
	t.Run("nor with the address's budget used up", func(t *testing.T) {
		s, clock := b.open(t)
		c := openNew(t, s, "c", clock.Now())
		for range 2 {
			want(t, s.Fail(t.Context(), guess(c, clock.Now(), counter(2, 1, "fail")...)), nil)
		}
		want(t, s.Verify(t.Context(), verification(c, clock.Now(), counter(2, 0, "fail")...)), grants.ErrTooManyAttempts)
	})
	t.Run("of 100 at once, the right one is answered only before the attempts are used up", func(t *testing.T) {
		for range 5 {
			testVerifyAmongWrong(t, b)
		}
	})
	testSource(t, b)
}

// testSource is the counter of whom guesses come from.
func testSource(t *testing.T, b *bench) {
	t.Helper()
	t.Run("of one source no more wrong guesses are answered than its limit, however many come at once", func(t *testing.T) {
		s, clock := b.open(t)
		source := "fail-ip:203.0.113.9"
		var challenges []grants.Challenge
		for _, slot := range []string{"a", "b", "c", "d", "e"} {
			challenges = append(challenges, openNew(t, s, slot, clock.Now()))
		}
		var wrong tally
		together(40, func(i int) {
			g := guess(challenges[i%5], clock.Now())
			g.Source = counter(3, 1, source)
			wrong.add(s.Fail(t.Context(), g), map[string]error{"source": grants.ErrTooManyFailures, "not open": grants.ErrNotOpen})
		})
		if wrong.n["ok"] != 3 {
			t.Errorf("%v", wrong.n)
		}
		g := guess(openNew(t, s, "f", clock.Now()), clock.Now())
		g.Source = counter(3, 1, source)
		if limited := new(grants.FailuresError); !errors.As(s.Fail(t.Context(), g), &limited) || limited.RetryAfter != time.Hour {
			t.Errorf("%v", limited)
		}
		g.Source = counter(3, 1, "fail-ip:198.51.100.1")
		want(t, s.Fail(t.Context(), g), nil)
	})
	t.Run("who gets it right gets back what the challenge's wrong guesses took, and no more", func(t *testing.T) {
		s, clock := b.open(t)
		source := counter(9, 1, "fail-ip:203.0.113.9")
		miss := func(c grants.Challenge, times int) {
			t.Helper()
			for range times {
				g := guess(c, clock.Now())
				g.Source = source
				want(t, s.Fail(t.Context(), g), nil)
			}
		}
		a, c := openNew(t, s, "a", clock.Now()), openNew(t, s, "c", clock.Now())
		miss(a, 3)
		miss(c, 2)
		r := redemption(c, clock.Now())
		r.GiveBack, r.RepeatWithin = []string{source[0].Key}, time.Minute
		for range 3 { // a form sent twice gives back once
			_, err := s.Redeem(t.Context(), r, nothing)
			want(t, err, nil)
		}
		for n, full := range map[int]bool{3: true, 4: false} {
			got, err := s.CountersFull(t.Context(), clock.Now(), counter(n, 0, source[0].Key))
			want(t, err, nil)
			equal(t, "full", got[0], full)
		}
	})
}

// testVerifyAmongWrong sends 99 wrong guesses and one right verification at once. No more are answered as looked at than
// the challenge has attempts, beside the right one, which is answered only where one was left.
func testVerifyAmongWrong(t *testing.T, b *bench) {
	t.Helper()
	s, clock := b.open(t)
	c := openNew(t, s, "c", clock.Now())
	var wrong tally
	var right error
	var seen atomic.Int64
	together(100, func(i int) {
		if i != 50 {
			wrong.add(s.Fail(t.Context(), guess(c, clock.Now())), map[string]error{"not open": grants.ErrNotOpen})
			return
		}
		right = s.Verify(t.Context(), verification(c, clock.Now()))
		got, err := s.Challenge(t.Context(), c.ID)
		if err == nil {
			seen.Store(int64(got.Attempts))
		}
	})
	wrong.want(t, map[string]int{"ok": c.MaxAttempts, "not open": 99 - c.MaxAttempts})
	if right != nil {
		want(t, right, grants.ErrNotOpen)
		equal(t, "attempts when the right one was refused", seen.Load(), int64(c.MaxAttempts))
	}
	// Now they are used up by all accounts.
	want(t, s.Verify(t.Context(), verification(c, clock.Now())), grants.ErrNotOpen)
}
