package courier

import (
	"context"
	"log/slog"
	"time"

	"sallyport/grants"
)

// Ledger is the database as far as it bounds what is sent.
type Ledger interface {
	// Draw draws on all of the counters, or on none of them, and gives those that have not as much left.
	Draw(ctx context.Context, now time.Time, counters []grants.Counter) (refused []grants.Counter, err error)

	// Tally adds to a counter, whatever its limit, and gives what it has counted in its period.
	Tally(ctx context.Context, now time.Time, c grants.Counter) (n int, err error)

	// AppendOnce writes an event of the audit log to the first caller for a key in each period, and tells whether it did.
	AppendOnce(ctx context.Context, key string, per time.Duration, e grants.Event) (first bool, err error)

	// SMSPrefixes tells of the newest SMS to numbers without account, up to a limit, how many codes were used, by prefix. Unused
	// ones count from settled on; prefixes with less than least are left out.
	SMSPrefixes(ctx context.Context, since, settled time.Time, limit, least int) ([]grants.PrefixUse, error)
}

// Guard bounds what the deployment sends. The zero Guard bounds nothing; one that bounds something needs a Ledger.
type Guard struct {
	Ledger      Ledger
	Alerts      grants.Alerts // nil tells nobody
	Prices      Prices
	Cap         Cap
	SMS         grants.Limit // of all SMS, but those to known devices
	SMSPerRange grants.Limit // of SMS to the numbers without account that differ in their last three digits only
	Mails       grants.Limit // of all mails, but those to known devices; approximate
	Breaker     bool         // texts no number without account whose prefix uses too few of its codes
	DryRun      bool         // decides all of that, and sends no SMS
}

// bounds tells whether there is anything to ask a ledger for.
func (g Guard) bounds() bool {
	return g.Cap.Daily > 0 || len(g.Cap.Countries) > 0 || !g.SMS.Off() || !g.SMSPerRange.Off() || !g.Mails.Off() || g.Breaker
}

// Types of events that the courier writes.
const (
	EventSMSCap      = "sms.cap_reached"
	EventSMSCeiling  = "sms.ceiling_reached"
	EventSMSRange    = "sms.range_limited"
	EventSMSBreaker  = "sms.breaker_opened"
	EventMailCeiling = "mail.ceiling_reached"
)

// percent is how much of what bounds everybody a message may use up. Whoever has many addresses asked cannot take from those
// who have an account, and whoever knows many accounts cannot from those whose browser is known.
func percent(d grants.Delivery) (share int, of string) {
	switch {
	case d.Challenge.Device != "":
		return 100, "all"
	case d.HasAccount:
		return 90, "unknown browsers and apps"
	}
	return 75, "addresses without account"
}

// reached is told once a period: an event of the audit log, and an alert where it has a cause.
type reached struct {
	key   string
	per   time.Duration
	event string
	cause string // of an alert, or empty
	words string
	to    grants.Address // whom it happened at; zero where it is about all
}

const (
	toldAtOnce = 1000        // that a process remembers
	toldFor    = time.Minute // before it asks the database again
)

// tell never fails: nobody waits for it. While a flood lasts, a process asks the database once a minute at most.
func (c *Courier) tell(ctx context.Context, r reached) {
	key, now := r.event+":"+r.key, c.cfg.Now()
	if until, known := c.told.Get(key); known && now.Before(until) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	e := grants.Event{Type: r.event, Time: now, Detail: r.words}
	if r.to.Value != "" {
		e.Address = r.to.Masked()
	}
	first, err := c.cfg.Guard.Ledger.AppendOnce(ctx, key, r.per, e)
	if err != nil {
		c.cfg.Log.WarnContext(ctx, "writing an event failed", slog.String("type", r.event), slog.Any("error", err))
		return
	}
	c.told.Add(key, now.Add(toldFor))
	if !first {
		return
	}
	c.cfg.Log.WarnContext(ctx, "sending is limited", slog.String("type", r.event), slog.String("detail", r.words))
	if r.cause != "" && c.cfg.Guard.Alerts != nil {
		c.cfg.Guard.Alerts.Raise(ctx, r.cause, r.words)
	}
}
