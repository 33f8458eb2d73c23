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
func waited(t *testing.T, w *Wait, after time.Duration, o grants.Outcome) (time.Duration, *grants.ProviderRefusal) {
	t.Helper()
	told := make(chan grants.Outcome, 1)
	if after > 0 {
		time.AfterFunc(after, func() { told <- o })
	}
	began := time.Now()
	no := w.first(t.Context(), told)
	return time.Since(began), no
}

func sent() grants.Outcome       { return grants.Outcome{Status: grants.OutcomeSent} }
func suppressed() grants.Outcome { return grants.Outcome{Status: grants.OutcomeSuppressed} }

func TestWithheldMessagesWaitLikeThoseThatWereSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWait(bound, time.Now)
		want := func(name string, after time.Duration, o grants.Outcome, wanted time.Duration) {
			t.Helper()
			if took, no := waited(t, w, after, o); took != wanted || no != nil {
				t.Errorf("%s: %s, want %s (%v)", name, took, wanted, no)
			}
		}
		want("withheld, before any was sent", time.Millisecond, suppressed(), bound)
		want("the first one sent", 300*time.Millisecond, sent(), bound)
		want("withheld", time.Millisecond, suppressed(), 300*time.Millisecond)
		want("sent", 300*time.Millisecond, sent(), 300*time.Millisecond)
		want("too late", time.Millisecond, grants.Outcome{Status: grants.OutcomeTooLate}, 300*time.Millisecond)
		want("to be tried again", 300*time.Millisecond, grants.Outcome{Status: grants.OutcomeRetry}, 300*time.Millisecond)
		want("told by nobody", 0, sent(), bound)
		for range 64 {
			want("slow", bound+time.Second, sent(), bound)
		}
		want("withheld, among slow ones", time.Millisecond, suppressed(), bound)
		want("sent, among slow ones", 10*time.Millisecond, sent(), 10*time.Millisecond)
	})
}

func TestRefusalIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWait(bound, time.Now)
		refusal := &grants.ProviderRefusal{Code: 21211, Words: "no"}
		if took, no := waited(t, w, 200*time.Millisecond, grants.Outcome{Status: grants.OutcomeFailed, Refusal: refusal}); took != 200*time.Millisecond || no != refusal {
			t.Errorf("%s %v", took, no)
		}
		if took, _ := waited(t, w, time.Millisecond, suppressed()); took != bound { // a refusal is not what one that is sent takes
			t.Errorf("%s", took)
		}
	})
}

func TestWaitEndsWithTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		began := time.Now()
		NewWait(bound, time.Now).first(ctx, make(chan grants.Outcome))
		if took := time.Since(began); took != 50*time.Millisecond {
			t.Errorf("%s", took)
		}
	})
	off := NewWait(0, time.Now)
	if off.For(grants.SMS) || NewWait(bound, time.Now).For(grants.Email) || !NewWait(bound, time.Now).For(grants.SMS) || off.first(t.Context(), nil) != nil {
		t.Error("waits where nobody asked for it")
	}
}
