package courier

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"sallyport/grants"
)

const (
	smsKey   = "sms"
	rangeKey = "sms-range:"
)

// overError is why an SMS is withheld that would be one too many. Its words are for operators.
type overError struct{ words string }

// Error implements error.
func (e *overError) Error() string { return e.words }

// smsCounters are what an SMS draws on before it is sent.
func (c *Courier) smsCounters(d grants.Delivery, n grants.Number, now time.Time) []grants.Counter {
	g := c.cfg.Guard
	share, _ := percent(d)
	counters := g.Cap.counters(n.Country, g.Prices.Of(n.Country), now, share)
	if !g.SMS.Off() && d.Challenge.Device == "" {
		limit := grants.Limit{N: max(g.SMS.N*share/100, 1), Per: g.SMS.Per}
		counters = append(counters, grants.Counter{Key: smsKey, Limit: limit, Add: 1})
	}
	if !g.SMSPerRange.Off() && !d.HasAccount {
		counters = append(counters, grants.Counter{Key: rangeKey + n.Range, Limit: g.SMSPerRange, Add: 1})
	}
	return counters
}

// drawSMS draws what an SMS costs, strictly and over all processes. The error is an *overError where it would be too much, or
// the database's.
func (c *Courier) drawSMS(ctx context.Context, d grants.Delivery) (drawn []grants.Counter, err error) {
	now, n := c.cfg.Now(), grants.NumberOf(d.Challenge.Address)
	counters := c.smsCounters(d, n, now)
	if len(counters) == 0 {
		return nil, nil
	}
	within, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	refused, err := c.cfg.Guard.Ledger.Draw(within, now, counters)
	if err != nil {
		return nil, fmt.Errorf("drawing what an SMS costs: %w", err)
	}
	if len(refused) == 0 {
		return counters, nil
	}
	why := c.overSMS(d, n, refused[0])
	c.tell(ctx, why)
	return nil, &overError{why.words}
}

// overSMS says what is used up.
func (c *Courier) overSMS(d grants.Delivery, n grants.Number, full grants.Counter) reached {
	share, who := percent(d)
	switch {
	case strings.HasPrefix(full.Key, costKey+n.Country+":"):
		return reached{
			key: fmt.Sprint(full.Key, ":", share), per: full.Limit.Per, event: EventSMSCap, cause: grants.AlertSMSCap,
			words: fmt.Sprintf("the day's money for SMS to %s is used up for %s: %d %% of %s", n.Country, who, share, c.cfg.Guard.Cap.Countries[n.Country]),
		}
	case strings.HasPrefix(full.Key, costKey):
		return reached{
			key: fmt.Sprint(full.Key, ":", share), per: full.Limit.Per, event: EventSMSCap, cause: grants.AlertSMSCap,
			words: fmt.Sprintf("the day's money for SMS is used up for %s: %d %% of %s", who, share, c.cfg.Guard.Cap.Daily),
		}
	case full.Key == smsKey:
		return reached{
			key: fmt.Sprint(share), per: full.Limit.Per, event: EventSMSCeiling, cause: grants.AlertSMSCap,
			words: fmt.Sprintf("the ceiling of SMS is reached for %s: %d %% of %s", who, share, c.cfg.Guard.SMS),
		}
	}
	return reached{
		key: full.Key, per: full.Limit.Per, event: EventSMSRange, to: d.Challenge.Address,
		words: fmt.Sprintf("as many SMS as allowed went to numbers without account that are nearly the same: %s", full.Limit),
	}
}

// mayHaveTaken tells whether the provider may have taken a message although it did not say so.
func mayHaveTaken(err error) bool {
	p, ok := errors.AsType[*ProviderError](err)
	return !ok || p.Unsure
}
