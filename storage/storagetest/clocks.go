package storagetest

import (
	"errors"
	"testing"
	"time"

	"sallyport/grants"
)

// testClocks sets clocks forward and back by hours, and has them differ by minutes between processes: whatever was used
// stays used, nobody is kept out for longer than the clock was wrong by little, and nothing fails otherwise.
func testClocks(t *testing.T, b *bench) {
	t.Helper()
	const jump, skew = 5 * time.Hour, 2 * time.Minute
	t.Run("a code that was used stays used", func(t *testing.T) {
		for _, by := range []time.Duration{-jump, -skew, skew, jump} {
			s, clock := b.open(t)
			c := openNew(t, s, "c", clock.Now())
			_, err := s.Redeem(t.Context(), redemption(c, clock.Now()), nothing)
			want(t, err, nil)
			_, err = s.Redeem(t.Context(), redemption(c, clock.Now().Add(by)), nothing)
			want(t, err, grants.ErrNotOpen)
			want(t, s.Fail(t.Context(), guess(c, clock.Now().Add(by))), grants.ErrNotOpen)
		}
	})
	t.Run("a form that is sent twice counts once more only while the clock can be trusted", func(t *testing.T) {
		s, clock := b.open(t)
		c := openNew(t, s, "c", clock.Now())
		r := redemption(c, clock.Now())
		r.RepeatWithin = 10 * time.Second
		_, err := s.Redeem(t.Context(), r, nothing)
		want(t, err, nil)
		for by, wanted := range map[time.Duration]error{-jump: grants.ErrNotOpen, -skew: nil, 0: nil, skew: grants.ErrNotOpen} {
			r := r
			r.Now = clock.Now().Add(by)
			_, err = s.Redeem(t.Context(), r, nothing)
			want(t, err, wanted)
		}
	})
	t.Run("a challenge from the future is open only as long as any other", func(t *testing.T) {
		s, clock := b.open(t)
		far := openNew(t, s, "far", clock.Now().Add(jump))
		want(t, s.Fail(t.Context(), guess(far, clock.Now())), grants.ErrNotOpen)
		_, err := s.Redeem(t.Context(), redemption(far, clock.Now()), nothing)
		want(t, err, grants.ErrNotOpen)
		near := openNew(t, s, "near", clock.Now().Add(skew))
		_, err = s.Redeem(t.Context(), redemption(near, clock.Now()), nothing)
		want(t, err, nil)
	})
	t.Run("the refresh token before the current one is good for seconds, not for as long as a clock was ahead", func(t *testing.T) {
		for by, wanted := range map[time.Duration]bool{30 * time.Minute: false, skew: true} {
			s, clock := b.openWithUser(t)
			authorize(t, s, "a")
			ahead := clock.Now().Add(by)
			_, _, err := s.RotateRefresh(t.Context(), "a", 1, ahead, grace, ahead.Add(time.Hour), rotated())
			want(t, err, nil)
			_, _, err = s.RotateRefresh(t.Context(), "a", 1, clock.Now(), grace, ahead.Add(time.Hour), rotated())
			equal(t, "the token before was good", err == nil, wanted)
			equal(t, "its family is revoked", revoked(t, s, "a"), !wanted)
		}
	})
	t.Run("a budget that was used up stays so between clocks that differ, and is not lost for hours by one that was wrong", func(t *testing.T) {
		s, clock := b.open(t)
		use := func(at time.Time) error {
			o := opening(challenge("c", at), at)
			o.Count = counter(1, 1, "budget")
			_, err := s.Open(t.Context(), o)
			return err
		}
		want(t, use(clock.Now().Add(skew)), nil)
		var limit *grants.LimitError
		if err := use(clock.Now()); !errors.As(err, &limit) || limit.RetryAfter > time.Hour+skew {
			t.Fatalf("error is %v, want a limit", err)
		}
		want(t, use(clock.Now().Add(jump)), nil)
		now := clock.Now().Add(skew)
		waits, err := s.Waits(t.Context(), now, counter(1, 1, "budget"))
		want(t, err, nil)
		equal(t, "wait", waits[0], 0)
		want(t, use(now), nil)
		if err := use(now); !errors.As(err, &limit) || limit.RetryAfter > time.Hour {
			t.Fatalf("error is %v, want a limit of the new period", err)
		}
	})
	t.Run("so does a rate", func(t *testing.T) {
		s, clock := b.open(t)
		arrival := func(at time.Time) time.Duration {
			got, err := s.SpendRates(t.Context(), at, []grants.Rate{{Kind: "k", Of: "a", Per: time.Hour, Spent: time.Minute}})
			want(t, err, nil)
			return got[0].Arrival.Sub(clock.Now())
		}
		equal(t, "ahead by little", arrival(clock.Now().Add(skew)), skew+time.Minute)
		equal(t, "then", arrival(clock.Now()), skew+2*time.Minute)
		equal(t, "ahead by hours", arrival(clock.Now().Add(jump)), jump+time.Minute)
		equal(t, "then", arrival(clock.Now()), time.Minute)
	})
}
