package storagetest

import (
	"testing"
	"time"

	"sallyport/grants"
)

func testRates(t *testing.T, b *bench) {
	t.Helper()
	rate := func(of string, spent time.Duration) grants.Rate {
		return grants.Rate{Kind: "a kind", Of: of, Per: time.Hour, Spent: spent}
	}
	t.Run("what processes spend adds up, and begins anew when it is over", func(t *testing.T) {
		s, clock := b.open(t)
		arrival := func(of string) time.Duration {
			t.Helper()
			got, err := s.SpendRates(t.Context(), clock.Now(), []grants.Rate{rate(of, time.Minute)})
			want(t, err, nil)
			equal(t, "rates", len(got), 1)
			equal(t, "whose", got[0].Of, of)
			equal(t, "of what kind", got[0].Kind, "a kind")
			return got[0].Arrival.Sub(clock.Now())
		}
		equal(t, "first", arrival("2001:db8::/64"), time.Minute)
		equal(t, "second", arrival("2001:db8::/64"), 2*time.Minute)
		equal(t, "another", arrival("a client's id"), time.Minute)
		clock.Add(30 * time.Second)
		equal(t, "later", arrival("2001:db8::/64"), 2*time.Minute+30*time.Second)
		clock.Add(time.Hour)
		equal(t, "after it is over", arrival("2001:db8::/64"), time.Minute)
		clock.Add(time.Minute)
		n, err := s.Purge(t.Context(), clock.Now(), 10)
		want(t, err, nil)
		equal(t, "purged", n, 2)
	})
	t.Run("processes that spend the same at once lose nothing", func(t *testing.T) {
		s, clock := b.open(t)
		together(12, func(i int) {
			spent := []grants.Rate{rate("a", time.Second), rate("b", time.Second)}
			if i%2 == 0 {
				spent[0], spent[1] = spent[1], spent[0]
			}
			if _, err := s.SpendRates(t.Context(), clock.Now(), spent); err != nil {
				t.Error(err)
			}
		})
		got, err := s.SpendRates(t.Context(), clock.Now(), []grants.Rate{rate("a", 0), rate("b", 0)})
		want(t, err, nil)
		for _, r := range got {
			equal(t, r.Of, r.Arrival.Sub(clock.Now()), 12*time.Second)
		}
	})
}

func testGuessing(t *testing.T, b *bench) {
	t.Helper()
	t.Run("challenges that saw wrong codes only are counted per client, whatever else was started", func(t *testing.T) {
		s, clock := b.open(t)
		open := func(client, requester string) grants.Challenge {
			c := challenge(client, clock.Now())
			c.Requester = requester
			c, err := s.Open(t.Context(), opening(c, clock.Now()))
			want(t, err, nil)
			return c
		}
		for _, requester := range []string{"a", "b", "c"} {
			c := open("app", requester)
			want(t, s.Fail(t.Context(), guess(c, clock.Now())), nil)
			want(t, s.Fail(t.Context(), guess(c, clock.Now())), nil)
			open("app", requester+" only asks")
		}
		mistyped := open("app", "d")
		want(t, s.Fail(t.Context(), guess(mistyped, clock.Now())), nil)
		r := redemption(mistyped, clock.Now())
		r.Event.ClientID = "app"
		_, err := s.Redeem(t.Context(), r, nothing)
		want(t, err, nil)
		want(t, s.Fail(t.Context(), guess(open("other", "e"), clock.Now())), nil)

		since := clock.Now().Add(-15 * time.Minute)
		failed, err := s.FailedChallenges(t.Context(), since)
		want(t, err, nil)
		equal(t, "failed", failed["app"], 3)
		equal(t, "failed elsewhere", failed["other"], 1)
		logins, err := s.Logins(t.Context(), since)
		want(t, err, nil)
		equal(t, "logins", logins["app"], 1)
		equal(t, "logins elsewhere", logins["other"], 0)

		clock.Add(lifetime + 15*time.Minute)
		since = clock.Now().Add(-15 * time.Minute)
		failed, err = s.FailedChallenges(t.Context(), since)
		want(t, err, nil)
		equal(t, "failed, later", len(failed), 0)
		logins, err = s.Logins(t.Context(), since)
		want(t, err, nil)
		equal(t, "logins, later", len(logins), 0)
	})
}
