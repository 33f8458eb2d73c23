package grants_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/grants"
)

// tallies are what a Watch is told.
type tallies struct {
	failed, logins map[string]int
	err            error
}

// FailedChallenges counts them.
func (c *tallies) FailedChallenges(context.Context, time.Time) (map[string]int, error) {
	return maps.Clone(c.failed), c.err
}

// Logins counts them.
func (c *tallies) Logins(context.Context, time.Time) (map[string]int, error) {
	return maps.Clone(c.logins), c.err
}

type raised []string

// Raise implements grants.Alerts.
func (r *raised) Raise(_ context.Context, cause, detail string) { *r = append(*r, cause+": "+detail) }

func newWatch(c *tallies, change ...func(*grants.WatchConfig)) (*grants.Watch, *raised) {
	limits, alerts := grants.DefaultLimits(), &raised{}
	cfg := grants.WatchConfig{
		Store: c, Spraying: limits.Spraying, FailuresPerClient: limits.FailuresPerClient, Alerts: alerts,
		Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&cfg)
	}
	return grants.NewWatch(cfg), alerts
}

func TestWatchRaisesTheRiskWhereFarMoreFailThanUsual(t *testing.T) {
	app := func(n int) map[string]int { return map[string]int{"app": n} }
	for name, c := range map[string]struct {
		failed, logins map[string]int
		app, other     bool
	}{
		"calm":                               {app(3), app(100), false, false},
		"nobody there":                       {nil, nil, false, false},
		"a few, without any login":           {app(49), nil, false, false},
		"many, without any login":            {app(50), nil, true, false},
		"many, but four logins for each":     {app(50), app(201), false, false},
		"many, and not four logins for each": {app(50), app(199), true, false},
		"a large deployment on a usual day":  {app(4000), app(100_000), false, false},
		"hidden among logins of one's own":   {app(5000), app(100_000), true, false},
		"spread over apps":                   {map[string]int{"app": 20, "b": 20, "c": 20}, app(10), true, true},
		"one app is attacked, others are calm": {
			map[string]int{"app": 900, "b": 5}, map[string]int{"b": 20}, true, false,
		},
	} {
		w, alerts := newWatch(&tallies{failed: c.failed, logins: c.logins})
		if err := w.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if w.Risk("app") != c.app || w.Risk("other") != c.other {
			t.Errorf("%s: the app %v, another %v", name, w.Risk("app"), w.Risk("other"))
		}
		if (len(*alerts) > 0) != c.app {
			t.Errorf("%s: alerts %v", name, *alerts)
		}
		if c.app && !slices.Contains(*alerts, grants.AlertSpray+": through the app app") && !slices.Contains(*alerts, grants.AlertSpray+": through many apps") {
			t.Errorf("%s: alerts %v", name, *alerts)
		}
	}
}

func TestRiskStaysUntilTheNumbersHaveFallenByHalfAndWhileTheyAreUnknown(t *testing.T) {
	c := &tallies{failed: map[string]int{"app": 60}}
	w, alerts := newWatch(c)
	look := func(n int, err error, wanted bool) {
		t.Helper()
		c.failed["app"], c.err = n, err
		if got := w.Look(t.Context()); !errors.Is(got, err) {
			t.Fatal(got)
		}
		if w.Risk("app") != wanted {
			t.Errorf("at %d, %v: %v", n, err, !wanted)
		}
	}
	down := errors.New("no database")
	look(60, nil, true)
	look(0, down, true)
	look(49, nil, true)
	look(25, nil, true)
	look(24, nil, false)
	look(49, nil, false)
	if len(*alerts) != 1 {
		t.Errorf("alerts %v", *alerts)
	}
}

// looks counts how often it is asked, and tells of an attack from the second time on.
type looks struct{ n atomic.Int64 }

// FailedChallenges counts them.
func (l *looks) FailedChallenges(context.Context, time.Time) (map[string]int, error) {
	if l.n.Add(1) == 1 {
		return nil, nil
	}
	return map[string]int{"app": 60}, nil
}

// Logins counts them.
func (*looks) Logins(context.Context, time.Time) (map[string]int, error) { return nil, nil }

func TestWatchLooksEveryTenSecondsAndSoonAfterManyWrongCodes(t *testing.T) {
	for name, c := range map[string]struct {
		wrong int
		after time.Duration
		looks int64
	}{
		"calm":                     {49, 10*time.Second - time.Millisecond, 1},
		"after ten seconds":        {0, 10*time.Second + time.Millisecond, 2},
		"fifty wrong codes":        {50, time.Second + time.Millisecond, 2},
		"an attack that goes on":   {100_000, 3*time.Second + time.Millisecond, 2},
		"never more than a second": {100_000, time.Second - time.Millisecond, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, limits := &looks{}, grants.DefaultLimits()
				w := grants.NewWatch(grants.WatchConfig{
					Store: l, Spraying: limits.Spraying, Alerts: &raised{}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
				})
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() { ended <- w.Run(ctx) }()
				synctest.Wait()
				for range c.wrong {
					w.Failed()
				}
				time.Sleep(c.after)
				synctest.Wait()
				if n := l.n.Load(); n != c.looks || w.Risk("app") != (n > 1) {
					t.Errorf("looked %d times, risk %v", n, w.Risk("app"))
				}
				stop()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestWatchThatIsOffSeesNothing(t *testing.T) {
	w, _ := newWatch(&tallies{failed: map[string]int{"app": 1_000_000}}, func(c *grants.WatchConfig) {
		c.Spraying, c.FailuresPerClient = grants.Limit{}, grants.Limit{}
	})
	if err := w.Look(t.Context()); err != nil || w.Risk("app") {
		t.Errorf("%v, %v", w.Risk("app"), err)
	}
}

// Codes that were asked for before the risk was up would be a stock to guess at when it is.
func TestUnderRiskShortCodesOfStrangersAreNotLookedAt(t *testing.T) {
	risk, failed := false, 0
	w := newWorld(t, func(c *grants.Config) {
		c.Risk, c.Failed = func(string) bool { return risk }, func() { failed++ }
	})
	known := browser(ada, "home")
	known.Device = "laptop"
	stranger, mine := w.start(browser(ada, "new")), w.start(known)
	w.guessWrong(stranger, 1)
	if failed != 1 {
		t.Errorf("told of %d wrong codes", failed)
	}
	risk = true
	w.wantError(stranger, w.code(stranger), grants.ErrTooManyAttempts)
	w.wantError(stranger, wrongCodeFor(w.code(stranger)), grants.ErrTooManyAttempts)
	if got := w.again(stranger); got.Attempts != 1 || failed != 1 {
		t.Errorf("%d attempts, told of %d", got.Attempts, failed)
	}
	w.mustRedeem(mine, w.code(mine))

	risk = false
	link := w.start(browser(eve, "hers"))
	risk = true
	token, _ := w.ring.LinkToken(link)
	if _, err := w.engine.Redeem(t.Context(), grants.Proof{Challenge: link, LinkToken: token}, func(context.Context, grants.User) error { return nil }); err != nil {
		t.Errorf("a link: %v", err)
	}
	proven := browser(ada, "new")
	proven.Proven = true
	long := w.start(proven)
	w.mustRedeem(long, w.code(long))
}
