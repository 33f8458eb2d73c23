package auth0

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/grants"
)

const bound = 2 * time.Second

// waited is how long a start waits whose message has an outcome after a while, 0 for none ever.
func waited(t *testing.T, after time.Duration, o grants.Outcome) (time.Duration, *grants.ProviderRefusal) {
	t.Helper()
	told := make(chan grants.Outcome, 1)
	if after > 0 {
		time.AfterFunc(after, func() { told <- o })
	}
	began := time.Now()
	no := Wait(bound).first(t.Context(), told)
	return time.Since(began), no
}

func TestEveryStartWaitsAlikeUnlessItIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			after time.Duration
			o     grants.Outcome
		}{
			"sent at once":       {time.Millisecond, grants.Outcome{Status: grants.OutcomeSent}},
			"sent":               {300 * time.Millisecond, grants.Outcome{Status: grants.OutcomeSent}},
			"sent late":          {bound + time.Second, grants.Outcome{Status: grants.OutcomeSent}},
			"withheld":           {time.Millisecond, grants.Outcome{Status: grants.OutcomeSuppressed}},
			"too late":           {time.Millisecond, grants.Outcome{Status: grants.OutcomeTooLate}},
			"to be tried again":  {300 * time.Millisecond, grants.Outcome{Status: grants.OutcomeRetry}},
			"no transport":       {time.Millisecond, grants.Outcome{Status: grants.OutcomeFailed}},
			"told by nobody":     {},
			"refused, but later": {bound + time.Second, grants.Outcome{Status: grants.OutcomeFailed, Refusal: &grants.ProviderRefusal{}}},
		} {
			if took, no := waited(t, c.after, c.o); took != bound || no != nil {
				t.Errorf("%s: %s (%v)", name, took, no)
			}
		}
	})
}

func TestRefusalIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refusal := &grants.ProviderRefusal{Code: 21211, Words: "no"}
		if took, no := waited(t, 200*time.Millisecond, grants.Outcome{Status: grants.OutcomeFailed, Refusal: refusal}); took != 200*time.Millisecond || no != refusal {
			t.Errorf("%s %v", took, no)
		}
	})
}

func TestWaitEndsWithTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		began := time.Now()
		Wait(bound).first(ctx, make(chan grants.Outcome))
		if took := time.Since(began); took != 50*time.Millisecond {
			t.Errorf("%s", took)
		}
	})
	off := Wait(0)
	if off.For(grants.SMS) || Wait(bound).For(grants.Email) || !Wait(bound).For(grants.SMS) || off.first(t.Context(), nil) != nil {
		t.Error("waits where nobody asked for it")
	}
}
