package storagetest

import (
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
		equal(t, "events", countEvents(t, s, grants.EventVerified), 2*c.MaxAttempts)
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
	t.Run("a source's counter is added to by what is counted, and refuses nothing by itself", func(t *testing.T) {
		s, clock := b.open(t)
		c := openNew(t, s, "c", clock.Now())
		source := counter(2, 1, "fail-ip:203.0.113.9")
		for range c.MaxAttempts {
			g := guess(c, clock.Now())
			g.Add = source
			want(t, s.Fail(t.Context(), g), nil)
		}
		g := guess(c, clock.Now())
		g.Add = counter(2, 1, "fail-ip:198.51.100.1")
		want(t, s.Fail(t.Context(), g), grants.ErrNotOpen)
		full, err := s.CountersFull(t.Context(), clock.Now(), append(source, g.Add...))
		want(t, err, nil)
		equal(t, "full", full[0], true)
		equal(t, "full, by what was not looked at", full[1], false)
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
