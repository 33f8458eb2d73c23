package courier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"sallyport/grants"
)

// The breaker: who earns by SMS to numbers of their own has codes sent and uses none. Where too few of a prefix are used, its
// numbers without account are texted no more until the share is well again. Its numbers with an account, and all other prefixes,
// go on: nobody can shut a country out.
const (
	breakerEvery   = 30 * time.Second
	breakerWindow  = time.Hour
	breakerSettled = 2 * time.Minute // that people have for a code before it counts as not used
	breakerNewest  = 20_000          // SMS that are looked at
	breakerLeast   = 20              // SMS in the window; a prefix with less tells nothing
	breakerShare   = 5               // one in so many codes must be used
)

// breaker is what this process knows of the prefixes that are not texted.
type breaker struct {
	open atomic.Pointer[map[string]bool]
}

// has tells whether a prefix is not texted now.
func (b *breaker) has(prefix string) bool {
	open := b.open.Load()
	return open != nil && (*open)[prefix]
}

// watchPrefixes looks at the share of used codes until ctx ends.
func (c *Courier) watchPrefixes(ctx context.Context) {
	every(ctx, breakerEvery, func() {
		if err := c.lookAtPrefixes(ctx); err != nil && !errors.Is(err, context.Canceled) {
			c.cfg.Log.WarnContext(ctx, "looking at the share of used codes failed", slog.Any("error", err))
		}
	})
}

func (c *Courier) lookAtPrefixes(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	now := c.cfg.Now()
	uses, err := c.cfg.Guard.Ledger.SMSPrefixes(within, now.Add(-breakerWindow), now.Add(-breakerSettled), breakerNewest, breakerLeast)
	if err != nil {
		return fmt.Errorf("reading prefixes: %w", err)
	}
	open := map[string]bool{}
	for _, u := range uses {
		if u.Used*breakerShare < u.Sent {
			open[u.Prefix] = true
		}
	}
	for _, u := range uses {
		if open[u.Prefix] && !c.breaker.has(u.Prefix) {
			c.tell(ctx, reached{
				key: u.Prefix, per: breakerWindow, event: EventSMSBreaker, cause: grants.AlertSMSBreaker,
				words: fmt.Sprintf("numbers without account that begin with %s are not texted: of %d codes that went there within %s %d were used",
					u.Prefix, u.Sent, breakerWindow, u.Used),
			})
		}
	}
	c.breaker.open.Store(&open)
	return nil
}

// every runs work at once and then again and again, until ctx ends.
func every(ctx context.Context, pause time.Duration, work func()) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		work()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
