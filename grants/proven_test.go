package grants_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"sallyport/grants"
)

// refusedStart starts and wants a refusal.
func (w *world) refusedStart(r grants.StartRequest) *grants.LimitError {
	w.t.Helper()
	_, err := w.engine.Start(w.t.Context(), r)
	limit, ok := errors.AsType[*grants.LimitError](err)
	if !ok {
		w.t.Fatalf("error is %v, want a limit", err)
	}
	return limit
}

func TestProofOfWorkStandsInForStartsButNotForMessages(t *testing.T) {
	w := newWorld(t, func(c *grants.Config) { c.Limits.MessagesPerAddress = grants.Limit{N: 10, Per: 24 * time.Hour} })
	for range 5 {
		w.start(browser(ada, "mine"))
	}
	if limit := w.refusedStart(browser(ada, "mine")); !limit.Provable {
		t.Error("the sixth start: a proof of work would help")
	}
	proven := browser(ada, "mine")
	proven.Proven = true
	for range 3 {
		w.start(proven)
	}
	if limit := w.refusedStart(proven); limit.Provable || limit.RetryAfter != 24*time.Hour {
		t.Errorf("the ninth message: %+v", limit)
	}
	if len(w.sent) != 8 {
		t.Errorf("sent %d", len(w.sent))
	}
}

func TestProofOfWorkStandsInForTheSource(t *testing.T) {
	w := newWorld(t, func(c *grants.Config) {
		c.Limiter = sources{}
		c.Limits = grants.Limits{StartPerIP: grants.Limit{N: 1, Per: time.Hour}, FailuresPerIP: grants.Limit{N: 1, Per: time.Hour}}
	})
	r := browser(ada, "mine")
	r.Source = "192.0.2.1"
	c := w.start(r)
	if limit := w.refusedStart(r); !limit.Provable {
		t.Error("the second start: a proof of work would help")
	}
	r.Proven = true
	w.start(r)

	guess := func(code string, proven bool) error {
		_, err := w.engine.Redeem(t.Context(), grants.Proof{Challenge: c, Code: code, Source: "192.0.2.1", Proven: proven}, func(context.Context, grants.User) error { return nil })
		return err
	}
	if err := guess(wrongCodeFor(w.code(c)), false); !errors.Is(err, grants.ErrWrongCode) {
		t.Fatal(err)
	}
	if err := guess(w.code(c), false); !errors.Is(err, grants.ErrTooManyFailures) {
		t.Errorf("a source whose wrong codes are used up: %v", err)
	}
	if err := guess(w.code(c), true); err != nil {
		t.Errorf("with a proof of work: %v", err)
	}
}

func TestUnderRiskStrangersGetLongCodesForAProofOfWork(t *testing.T) {
	risk := false
	w := newWorld(t, func(c *grants.Config) { c.Risk = func(clientID string) bool { return risk && clientID == "app" } })
	before := w.start(browser(ada, "mine"))
	risk = true

	if limit := w.refusedStart(browser(ada, "mine")); !limit.Provable {
		t.Error("a stranger without a proof of work: it would help")
	}
	proven := browser(ada, "mine")
	proven.Proven = true
	if c := w.start(proven); c.CodeLength != grants.LongCodeLength || c.ID == before.ID {
		t.Errorf("a stranger gets %d digits", c.CodeLength)
	}
	if c := w.start(api(ada)); c.CodeLength != grants.LongCodeLength {
		t.Errorf("the API gives %d digits", c.CodeLength)
	}
	known := browser(ada, "home")
	known.Device = "laptop"
	if c := w.start(known); c.CodeLength != 6 {
		t.Errorf("a known device gets %d digits", c.CodeLength)
	}
	elsewhere := browser(eve, "hers")
	elsewhere.ClientID = "other"
	if c := w.start(elsewhere); c.CodeLength != 6 {
		t.Errorf("at another client there are %d digits", c.CodeLength)
	}
	risk = false
	if c := w.start(browser(eve, "hers")); c.CodeLength != 6 {
		t.Errorf("afterwards there are %d digits", c.CodeLength)
	}
}
