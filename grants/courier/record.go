package courier

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"sallyport/grants"
)

const (
	firstRetry = 2 * time.Second
	lastRetry  = 30 * time.Second

	firstRecordRetry = 50 * time.Millisecond
)

// backoff is how long to wait after so many tries and one more: about 2 s, 4 s, 8 s and so on, at most 30 s, each
// shortened by up to a quarter at random, so that what failed together does not come back together.
func backoff(attempts int) time.Duration {
	wait := lastRetry
	if attempts < 4 {
		wait = firstRetry << max(attempts, 0)
	}
	return wait - rand.N(wait/4) //nolint:gosec // spreads load, guards nothing
}

// record writes an outcome. It tries for as long as the lease covers; a yes that could not be written by then is kept,
// so that this process at least never sends the message again.
func (c *Courier) record(ctx context.Context, log *slog.Logger, j job, o grants.Outcome) {
	err := c.tryRecording(ctx, j.message.ID, o)
	switch {
	case err == nil, errors.Is(err, grants.ErrNoChallenge):
		c.owed.settle(j.message.ID)
	case o.Status == grants.OutcomeSent:
		c.owed.add(j.message.ID, o)
		log.ErrorContext(ctx, "message sent, but recording it failed", slog.Any("error", err))
	default:
		log.WarnContext(ctx, "recording a message's outcome failed", slog.Any("error", err))
	}
}

func (c *Courier) tryRecording(ctx context.Context, id string, o grants.Outcome) error {
	ctx, cancel := context.WithTimeout(ctx, recordTime)
	defer cancel()
	for wait := firstRecordRetry; ; wait *= 2 {
		err := c.cfg.Store.RecordDelivery(ctx, id, o)
		if err == nil || errors.Is(err, grants.ErrNoChallenge) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// owed are the outcomes of sent messages that the store does not have yet, by message.
type owed struct {
	mu       sync.Mutex
	outcomes map[string]grants.Outcome
}

func (o *owed) outcome(id string) (grants.Outcome, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	outcome, ok := o.outcomes[id]
	return outcome, ok
}

// add keeps an outcome, and drops those whose challenges are over for certain.
func (o *owed) add(id string, outcome grants.Outcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for old, was := range o.outcomes {
		if outcome.At.Sub(was.At) > grants.MaxChallengeAge {
			delete(o.outcomes, old)
		}
	}
	o.outcomes[id] = outcome
}

func (o *owed) settle(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.outcomes, id)
}
