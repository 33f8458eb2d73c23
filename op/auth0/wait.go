package auth0

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"sallyport/grants"
)

// Wait is how long starts by SMS wait for the provider's first answer, so that the app hears of a number that it refuses.
//
// Nothing may be read from the time: a message that is withheld, from a blocked user for example, waits as long as one of
// those that were sent lately. While nothing was sent yet, all wait for the whole bound. It is safe for concurrent use; its
// lock is never held while it waits.
type Wait struct {
	bound time.Duration
	now   func() time.Time

	mu     sync.Mutex
	recent [64]time.Duration // how long the last real ones took, at most the bound
	count  int               // of real ones
}

// NewWait makes a Wait of at most bound; zero waits for nothing.
func NewWait(bound time.Duration, now func() time.Time) *Wait { return &Wait{bound: bound, now: now} }

// For tells whether a start by a channel waits.
func (w *Wait) For(c grants.Channel) bool { return c == grants.SMS && w.bound > 0 }

// first waits for the first outcome of a message and gives the refusal, where it is one. A nil channel is not waited for.
func (w *Wait) first(ctx context.Context, told <-chan grants.Outcome) *grants.ProviderRefusal {
	if told == nil {
		return nil
	}
	like, cold := w.draw()
	began := w.now()
	timer := time.NewTimer(w.bound)
	defer timer.Stop()
	var o grants.Outcome
	select {
	case <-ctx.Done():
		return nil
	case <-timer.C:
		w.add(w.bound)
		return nil
	case o = <-told:
	}
	if o.Refusal != nil {
		return o.Refusal
	}
	took := w.now().Sub(began)
	if o.Status == grants.OutcomeSent || o.Status == grants.OutcomeRetry {
		w.add(took)
		if !cold {
			return nil
		}
	}
	rest := time.NewTimer(like - took)
	defer rest.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-rest.C:
	}
	return nil
}

// draw is how long one of the last real ones took, the bound while there is none.
func (w *Wait) draw() (like time.Duration, cold bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.count == 0 {
		return w.bound, true
	}
	return w.recent[rand.N(min(w.count, len(w.recent)))], false //nolint:gosec // hides among the others, guards nothing by being unknown
}

func (w *Wait) add(took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.recent[w.count%len(w.recent)] = min(took, w.bound)
	w.count++
}
