package grants_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/grants"
)

func (w *world) verify(c grants.Challenge, code, by string) (string, error) {
	w.t.Helper()
	return w.engine.Verify(w.t.Context(), grants.Proof{Challenge: c, Code: code}, by)
}

// again reads a challenge as it is now.
func (w *world) again(c grants.Challenge) grants.Challenge {
	w.t.Helper()
	c, err := w.engine.Challenge(w.t.Context(), c.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func TestVerifyingCostsNothingWhenRightAndAnAttemptWhenWrong(t *testing.T) {
	w := newWorld(t)
	c := w.start(api(ada))
	code := w.code(c)
	for range 7 {
		if _, err := w.verify(c, code, "me"); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.again(c); got.Attempts != 0 || got.Status(noon) != grants.Open {
		t.Errorf("%+v", got)
	}
	for range 5 {
		if token, err := w.verify(c, wrongCodeFor(code), "me"); !errors.Is(err, grants.ErrWrongCode) || token != "" {
			t.Fatalf("%q %v", token, err)
		}
	}
	for _, last := range []string{code, wrongCodeFor(code)} {
		if _, err := w.verify(c, last, "me"); !errors.Is(err, grants.ErrTooManyAttempts) {
			t.Errorf("after the attempts: %v", err)
		}
	}
	w.wantError(c, code, grants.ErrTooManyAttempts)
	if n := len(w.store.events(grants.EventVerified)); n != 1 { // a mark that is in force is no news
		t.Errorf("%d events", n)
	}
}

func TestWhatVerifyingGivesStandsForTheCodeOnce(t *testing.T) {
	w := newWorld(t)
	c, other := w.start(api(ada)), w.start(api(eve))
	token, err := w.verify(c, w.code(c), "me")
	if err != nil || len(token) != 43 {
		t.Fatalf("%q %v", token, err)
	}
	use := func(c grants.Challenge, token string) error {
		_, err := w.engine.Redeem(t.Context(), grants.Proof{Challenge: c, Verified: token}, func(context.Context, grants.User) error { return nil })
		return err
	}
	link, _ := w.ring.LinkToken(c)
	for name, wrong := range map[string]error{"another's": use(other, token), "cut": use(c, token[1:]), "the code": use(c, w.code(c)), "the link": use(c, link)} {
		if !errors.Is(wrong, grants.ErrWrongCode) {
			t.Errorf("%s: %v", name, wrong)
		}
	}
	if err := use(c, token); err != nil {
		t.Fatal(err)
	}
	if err := use(c, token); !errors.Is(err, grants.ErrUsed) {
		t.Errorf("again: %v", err)
	}
	w.wantError(c, w.code(c), grants.ErrUsed)
}

func TestVerifiedIsForgottenAfterHalfAMinuteAndByAnybodyElse(t *testing.T) {
	w := newWorld(t)
	c := w.start(api(ada))
	if w.engine.VerifiedBy(c, "") {
		t.Error("verified by nobody")
	}
	if _, err := w.verify(c, w.code(c), "me"); err != nil {
		t.Fatal(err)
	}
	c = w.again(c)
	if !w.engine.VerifiedBy(c, "me") || w.engine.VerifiedBy(c, "you") || w.engine.VerifiedBy(c, "") {
		t.Errorf("verified by %q", c.VerifiedBy)
	}
	w.pass(30*time.Second - time.Microsecond)
	if !w.engine.VerifiedBy(c, "me") {
		t.Error("forgotten too early")
	}
	w.pass(time.Microsecond)
	if w.engine.VerifiedBy(c, "me") {
		t.Error("not forgotten")
	}
}

func TestSourceOfTooManyWrongCodesIsToldNothing(t *testing.T) {
	w := newWorld(t, func(c *grants.Config) { c.Limits = grants.Limits{FailuresPerIP: grants.Limit{N: 3, Per: time.Hour}} })
	c, other := w.start(api(ada)), w.start(api(eve))
	from := func(source string, c grants.Challenge, code string) error {
		_, err := w.engine.Redeem(t.Context(), grants.Proof{Challenge: c, Code: code, Source: source}, func(context.Context, grants.User) error { return nil })
		return err
	}
	for range 3 {
		if err := from("203.0.113.9", c, wrongCodeFor(w.code(c))); !errors.Is(err, grants.ErrWrongCode) {
			t.Fatal(err)
		}
	}
	before := w.again(other)
	for name, err := range map[string]error{
		"wrong":    from("203.0.113.9", other, wrongCodeFor(w.code(other))),
		"right":    from("203.0.113.9", other, w.code(other)),
		"for none": from("203.0.113.9", grants.Challenge{}, "123456"),
		"verified": func() error {
			_, err := w.engine.Verify(t.Context(), grants.Proof{Challenge: other, Code: w.code(other), Source: "203.0.113.9"}, "me")
			return err
		}(),
	} {
		if !errors.Is(err, grants.ErrTooManyFailures) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := w.again(other); got.Attempts != before.Attempts || !got.SpentAt.IsZero() {
		t.Errorf("looked at: %+v", got)
	}
	if err := from("", grants.Challenge{}, "123456"); !errors.Is(err, grants.ErrNoChallenge) {
		t.Errorf("for none: %v", err)
	}
	for _, source := range []string{"198.51.100.1", ""} { // another one, and nobody
		if err := from(source, c, wrongCodeFor(w.code(c))); !errors.Is(err, grants.ErrWrongCode) {
			t.Errorf("%q: %v", source, err)
		}
	}
	w.pass(time.Hour)
	w.start(api(eve))
	if err := from("203.0.113.9", w.start(api(ada)), "1"); !errors.Is(err, grants.ErrWrongCode) {
		t.Errorf("after the hour: %v", err)
	}
}

// The first hundred wrong codes of a source may come at once, from which not one more guess may follow than the
// challenge has attempts.
func TestParallelVerificationsNeverPassTheAttempts(t *testing.T) {
	w := newWorld(t, func(c *grants.Config) { c.Limits = grants.Limits{FailuresPerIP: grants.Limit{N: 1, Per: time.Hour}} })
	c := w.start(api(ada))
	wrong := wrongCodeFor(w.code(c))
	var answered atomic.Int64
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if _, err := w.engine.Verify(t.Context(), grants.Proof{Challenge: c, Code: wrong, Source: "203.0.113.9"}, "me"); errors.Is(err, grants.ErrWrongCode) {
				answered.Add(1)
			}
		})
	}
	all.Wait()
	if n := answered.Load(); n < 1 || n > int64(c.MaxAttempts) || int64(w.again(c).Attempts) != n {
		t.Errorf("%d answered, %d counted, %d attempts", n, w.again(c).Attempts, c.MaxAttempts)
	}
}
