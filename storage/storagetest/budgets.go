package storagetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

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
	t.Run("a proof of work helps where it stands in for all that refuse", func(t *testing.T) {
		s, clock := b.open(t)
		provable := func(start, messages int) bool {
			o := opening(challenge("c", clock.Now()), clock.Now())
			o.Count = append(counter(start, 1, "start"), counter(messages, 1, "messages")...)
			o.Count[0].Provable = true
			_, err := s.Open(t.Context(), o)
			var limit *grants.LimitError
			if !errors.As(err, &limit) {
				t.Fatalf("error is %v, want a limit", err)
			}
			return limit.Provable
		}
		o := opening(challenge("c", clock.Now()), clock.Now())
		o.Count = counter(1, 1, "start", "messages")
		_, err := s.Open(t.Context(), o)
		want(t, err, nil)
		equal(t, "only starts refuse", provable(1, 2), true)
		equal(t, "only messages refuse", provable(2, 1), false)
		equal(t, "both refuse", provable(1, 1), false)
	})
	t.Run("wrong codes", func(t *testing.T) { testWrongGuesses(t, b) })
	t.Run("the draw that takes the last of a budget is an event, and what is refused after it is none", func(t *testing.T) { testLimited(t, b) })
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

func testWrongGuesses(t *testing.T, b *bench) {
	t.Helper()
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
}

func testLimited(t *testing.T, b *bench) {
	t.Helper()
	s, clock := b.open(t)
	limited := func() []string {
		t.Helper()
		events, err := s.Events(t.Context(), storage.EventFilter{Type: grants.EventLimited})
		want(t, err, nil)
		var names []string
		for _, e := range events {
			name, _, _ := strings.Cut(e.Detail, " ")
			names = append(names, name)
		}
		slices.Sort(names)
		return names
	}
	c := openNew(t, s, "c", clock.Now())
	for range 4 {
		o := opening(c, clock.Now())
		o.Choose = func(current *grants.Challenge, _ bool) grants.Challenge { return *current }
		o.Count = append(counter(2, 1, "start:email:ada@example.com"), counter(100, 1, "messages:email:ada@example.com")...)
		_, _ = s.Open(t.Context(), o)
	}
	equal(t, "after starts", strings.Join(limited(), " "), "start_per_address")
	for range 4 {
		_ = s.Fail(t.Context(), guess(c, clock.Now(), counter(2, 1, "fail:email:ada@example.com", "fail-day:email:ada@example.com")...))
	}
	equal(t, "after guesses", strings.Join(limited(), " "), "failures_per_address failures_per_address_day start_per_address")
	clock.Add(time.Hour)
	c = openNew(t, s, "d", clock.Now())
	want(t, s.Fail(t.Context(), guess(c, clock.Now(), counter(1, 1, "fail:email:ada@example.com")...)), nil)
	equal(t, "in the next period", len(limited()), 4)
}
