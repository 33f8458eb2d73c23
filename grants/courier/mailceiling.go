package courier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"sallyport/grants"
)

const (
	mailKey    = "mails"
	tallyEvery = 5 * time.Second
)

// mailTally counts the mails of all processes, approximately: each adds its own to a shared counter every five seconds, and
// learns the others' by that. No mail writes a row for it.
type mailTally struct {
	mu     sync.Mutex
	fresh  int // sent by this process since the shared counter was asked
	shared int // what it said
}

func (t *mailTally) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.shared + t.fresh
}

func (t *mailTally) sent() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fresh++
}

// overMails tells whether one mail more would be too many, and says so.
func (c *Courier) overMails(ctx context.Context, d grants.Delivery) error {
	limit := c.cfg.Guard.Mails
	share, who := percent(d)
	if limit.Off() || d.Challenge.Device != "" || c.mails.count() < max(limit.N*share/100, 1) {
		return nil
	}
	why := reached{
		key: fmt.Sprint(share), per: limit.Per, event: EventMailCeiling, cause: grants.AlertMailCeiling,
		words: fmt.Sprintf("the ceiling of mails is reached for %s: %d %% of %s", who, share, limit),
	}
	c.tell(ctx, why)
	return &overError{why.words}
}

// tallyMails brings the shared counter up to date until ctx ends, and once more then.
func (c *Courier) tallyMails(ctx context.Context) {
	tally := func(ctx context.Context) {
		if err := c.tallyOnce(ctx); err != nil && !errors.Is(err, context.Canceled) {
			c.cfg.Log.WarnContext(ctx, "counting mails failed", slog.Any("error", err))
		}
	}
	every(ctx, tallyEvery, func() { tally(ctx) })
	tally(context.WithoutCancel(ctx))
}

func (c *Courier) tallyOnce(ctx context.Context) error {
	c.mails.mu.Lock()
	fresh, shared := c.mails.fresh, c.mails.shared
	c.mails.mu.Unlock()
	if fresh == 0 && shared*2 < c.cfg.Guard.Mails.N {
		return nil // nothing to tell, and far from anything worth hearing
	}
	within, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	n, err := c.cfg.Guard.Ledger.Tally(within, c.cfg.Now(), grants.Counter{Key: mailKey, Limit: c.cfg.Guard.Mails, Add: fresh})
	if err != nil {
		return fmt.Errorf("counting mails: %w", err)
	}
	c.mails.mu.Lock()
	defer c.mails.mu.Unlock()
	c.mails.fresh -= fresh
	c.mails.shared = n
	return nil
}
