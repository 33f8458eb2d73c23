package storagetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

func leaseAlerts(t *testing.T, s *storage.Store, clock *Clock) []grants.Alert {
	t.Helper()
	got, err := s.LeaseAlerts(t.Context(), clock.Now(), 10, clock.Now().Add(time.Minute))
	want(t, err, nil)
	return got
}

func testAlerts(t *testing.T, b *bench) {
	t.Helper()
	t.Run("of many that raise a cause at once, one is told", func(t *testing.T) {
		s, clock := b.open(t)
		var outcomes tally
		together(20, func(i int) {
			cause := grants.AlertIPBlocked
			if i%2 == 1 {
				cause = grants.AlertSpray
			}
			outcomes.add(s.RaiseAlert(t.Context(), cause, "detail"), nil)
		})
		outcomes.want(t, map[string]int{"ok": 20})
		got := leaseAlerts(t, s, clock)
		equal(t, "alerts", len(got), 2)
		for _, a := range got {
			equal(t, "times of "+a.Cause, a.Times, 10)
			equal(t, "detail", a.Detail, "detail")
			equal(t, "told before", a.Before.IsZero(), true)
			equal(t, "at", a.At, clock.Now())
		}
	})
	t.Run("the next hour is told how often it was since", func(t *testing.T) {
		s, clock := b.open(t)
		first := clock.Now()
		for range 3 {
			want(t, s.RaiseAlert(t.Context(), grants.AlertSpray, "one"), nil)
		}
		got := leaseAlerts(t, s, clock)
		equal(t, "alerts", len(got), 1)
		equal(t, "times", got[0].Times, 3)
		want(t, s.RecordAlert(t.Context(), got[0].ID, []string{"ops@example.com"}, grants.Outcome{Status: grants.OutcomeSent, At: clock.Now()}), nil)
		clock.Add(grants.AlertPeriod - time.Second)
		want(t, s.RaiseAlert(t.Context(), grants.AlertSpray, "two"), nil)
		equal(t, "alerts within the hour", len(leaseAlerts(t, s, clock)), 0)
		clock.Add(time.Second)
		want(t, s.RaiseAlert(t.Context(), grants.AlertSpray, "three"), nil)
		got = leaseAlerts(t, s, clock)
		equal(t, "alerts after it", len(got), 1)
		equal(t, "detail", got[0].Detail, "three")
		equal(t, "times since", got[0].Times, 1+3)
		equal(t, "told before", got[0].Before, first)
	})
	t.Run("an alert is tried again until somebody has it, by one at a time", func(t *testing.T) {
		s, clock := b.open(t)
		want(t, s.RaiseAlert(t.Context(), grants.AlertSMSCap, "DE"), nil)
		equal(t, "alerts", len(leaseAlerts(t, s, clock)), 1)
		equal(t, "alerts leased by another", len(leaseAlerts(t, s, clock)), 0)
		clock.Add(time.Minute) // whoever leased it died
		got := leaseAlerts(t, s, clock)
		equal(t, "alerts of the dead", len(got), 1)
		next := clock.Now().Add(2 * time.Minute)
		retry := grants.Outcome{Status: grants.OutcomeRetry, Answer: "421 later", NextAttemptAt: next}
		want(t, s.RecordAlert(t.Context(), got[0].ID, []string{"one@example.com"}, retry), nil)
		equal(t, "alerts before the next try", len(leaseAlerts(t, s, clock)), 0)
		clock.Add(2 * time.Minute)
		got = leaseAlerts(t, s, clock)
		equal(t, "alerts for the next try", len(got), 1)
		equal(t, "tries", got[0].Attempts, 1)
		equal(t, "told", len(got[0].Told), 1)
		want(t, s.RecordAlert(t.Context(), got[0].ID, nil, grants.Outcome{Status: grants.OutcomeSent}), nil)
		want(t, s.RecordAlert(t.Context(), got[0].ID, nil, grants.Outcome{Status: grants.OutcomeSent}), storage.ErrNotFound)
		clock.Add(time.Hour)
		equal(t, "alerts when told", len(leaseAlerts(t, s, clock)), 0)
	})
	t.Run("a clock that is set back silences nobody for longer than an hour", func(t *testing.T) {
		s, clock := b.open(t)
		want(t, s.RaiseAlert(t.Context(), grants.AlertSpray, "of tomorrow"), nil)
		clock.Add(-24 * time.Hour)
		for range 3 {
			want(t, s.RaiseAlert(t.Context(), grants.AlertSpray, "of today"), nil)
		}
		got := leaseAlerts(t, s, clock)
		equal(t, "alerts", len(got), 1)
		equal(t, "detail", got[0].Detail, "of today")
		equal(t, "times", got[0].Times, 3)
	})
	testNetworks(t, b)
}

// testNetworks is about networks whose wrong guesses are used up.
func testNetworks(t *testing.T, b *bench) {
	t.Helper()
	t.Run("the wrong guess that is a source's last blocks it, once, and the owner is told", func(t *testing.T) {
		s, clock := b.open(t)
		fail := func(source string) error {
			g := guess(openNew(t, s, grants.NewID(), clock.Now()), clock.Now())
			g.Event.IP, g.Source = "203.0.113.9", counter(3, 1, source)
			return s.Fail(t.Context(), g)
		}
		for range 2 {
			want(t, fail("fail-ip:203.0.113.9"), nil)
		}
		equal(t, "blocked before the limit", countEvents(t, s, storage.EventIPBlocked), 0)
		equal(t, "alerts before the limit", len(leaseAlerts(t, s, clock)), 0)
		want(t, fail("fail-ip:203.0.113.9"), nil)
		for range 3 {
			if err := fail("fail-ip:203.0.113.9"); !errors.As(err, new(*grants.FailuresError)) {
				t.Errorf("after the limit: %v", err)
			}
		}
		blocked, err := s.Events(t.Context(), storage.EventFilter{Type: storage.EventIPBlocked})
		want(t, err, nil)
		equal(t, "blocked", len(blocked), 1)
		equal(t, "address", blocked[0].IP, "203.0.113.9")
		equal(t, "detail", blocked[0].Detail, "203.0.113.9 until "+clock.Now().Add(time.Hour).Format(time.RFC3339))
		for range 3 {
			want(t, fail("fail-ip:2001:db8::/64"), nil)
		}
		alerts := leaseAlerts(t, s, clock)
		equal(t, "alerts", len(alerts), 1)
		equal(t, "cause", alerts[0].Cause, grants.AlertIPBlocked)
		equal(t, "told of", alerts[0].Detail, "203.0.113.9")
		equal(t, "times", alerts[0].Times, 2)
	})
	t.Run("of many sources blocked at once every one is noted and one is told", func(t *testing.T) {
		s, clock := b.open(t)
		challenges := make([]grants.Challenge, 24)
		for i := range challenges {
			challenges[i] = openNew(t, s, fmt.Sprint(i), clock.Now())
		}
		var outcomes tally
		together(len(challenges), func(i int) {
			g := guess(challenges[i], clock.Now())
			g.Source = counter(1, 1, fmt.Sprintf("fail-ip:198.51.100.%d", i))
			outcomes.add(s.Fail(t.Context(), g), nil)
		})
		outcomes.want(t, map[string]int{"ok": len(challenges)})
		equal(t, "blocked", countEvents(t, s, storage.EventIPBlocked), len(challenges))
		alerts := leaseAlerts(t, s, clock)
		equal(t, "alerts", len(alerts), 1)
		equal(t, "times", alerts[0].Times, len(challenges))
	})
	t.Run("what is blocked is listed while it is, and lifted by whom is noted", func(t *testing.T) {
		s, clock := b.open(t)
		limits := grants.Limits{FailuresPerIP: grants.Limit{N: 2, Per: time.Hour}, FailuresPerAddress: grants.Limit{N: 1, Per: 2 * time.Hour}}
		ada := email("ada@example.com")
		draw := func(source, device string, times int) {
			for range times {
				g := guess(openNew(t, s, grants.NewID(), clock.Now()), clock.Now(), grants.Counter{Key: "fail:email:ada@example.com" + device, Limit: grants.Limit{N: 9, Per: 2 * time.Hour}, Add: 1})
				g.Source = []grants.Counter{grants.IPCounter(limits.FailuresPerIP, source)}
				want(t, s.Fail(t.Context(), g), nil)
			}
		}
		draw("203.0.113.9", ":a device", 2)
		draw("203.0.113.10", "", 1)
		clock.Add(time.Minute)
		draw("2001:db8::/64", "", 2)
		blocked, err := s.BlockedSources(t.Context(), clock.Now(), limits.FailuresPerIP, 10)
		want(t, err, nil)
		equal(t, "blocked", fmt.Sprint(blocked), fmt.Sprint([]storage.BlockedSource{
			{Source: "2001:db8::/64", Failures: 2, Until: clock.Now().Add(time.Hour)}, {Source: "203.0.113.9", Failures: 2, Until: clock.Now().Add(59 * time.Minute)},
		}))
		exhausted, err := s.ExhaustedBudgets(t.Context(), clock.Now(), limits, 10)
		want(t, err, nil)
		equal(t, "exhausted", fmt.Sprint(exhausted), fmt.Sprint([]storage.ExhaustedBudget{{Address: ada, Limit: "failures_per_address", Until: clock.Now().Add(119 * time.Minute)}}))
		for _, was := range []bool{true, false} {
			lifted, err := s.LiftSource(t.Context(), "203.0.113.9", grants.Event{Type: "lifted", Detail: "by somebody"})
			want(t, err, nil)
			equal(t, "lifted", lifted, was)
		}
		events, err := s.Events(t.Context(), storage.EventFilter{Type: "lifted"})
		want(t, err, nil)
		equal(t, "events", len(events), 1)
		equal(t, "detail", events[0].Detail, "by somebody: 203.0.113.9")
		blocked, err = s.BlockedSources(t.Context(), clock.Now(), limits.FailuresPerIP, 10)
		want(t, err, nil)
		equal(t, "blocked after lifting", len(blocked), 1)
		clock.Add(time.Hour)
		blocked, err = s.BlockedSources(t.Context(), clock.Now(), limits.FailuresPerIP, 10)
		want(t, err, nil)
		equal(t, "blocked after the period", len(blocked), 0)
		blocked, err = s.BlockedSources(t.Context(), clock.Now(), grants.Limit{}, 10)
		want(t, err, nil)
		equal(t, "blocked without a limit", len(blocked), 0)
	})
}
