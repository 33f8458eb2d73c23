package web

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"time"

	"sallyport/grants"
)

const (
	// shareEvery is how often processes tell each other of what was drawn.
	shareEvery = 2 * time.Second
	// maxShared bounds the rows of one statement, and maxBatches how many statements there are at once.
	maxShared, maxBatches = 500, 4
	// maxNotes bounds how many sources are noted as refused at once.
	maxNotes = 500
)

// Rates is where limiters of several processes meet.
type Rates interface {
	// SpendRates moves the theoretical arrival time of each key by what was spent, from now on where it is over, and gives the
	// keys with their arrival times.
	SpendRates(ctx context.Context, now time.Time, spent []grants.Rate) ([]grants.Rate, error)
	// AppendOnce writes an event, but for the first time in a period only.
	AppendOnce(ctx context.Context, key string, per time.Duration, e grants.Event) (bool, error)
}

// Run tells the other processes, every two seconds until ctx ends, what was drawn here, and learns what they have. A process keeps
// up to a tenth of each limit to itself. It also writes down who was refused, once per source and period. What cannot be written is
// tried again with the next round.
func (l *Limiter) Run(ctx context.Context, rates Rates, log *slog.Logger) error {
	tick := time.NewTicker(shareEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := l.share(ctx, rates); err != nil && ctx.Err() == nil {
				log.WarnContext(ctx, "rates could not be shared with other processes", slog.Any("error", err))
			}
		}
	}
}

// share is one round.
func (l *Limiter) share(ctx context.Context, rates Rates) error {
	l.asked()
	for range maxBatches {
		spent := l.spent()
		if len(spent) == 0 {
			break
		}
		all, err := rates.SpendRates(ctx, l.now(), spent)
		if err != nil {
			l.unspend(spent)
			return err
		}
		l.learn(all)
	}
	for key, per := range l.notes() {
		e := grants.Event{Type: grants.EventLimited, Time: l.now(), Detail: key.kind}
		switch {
		case isSource(key.of):
			e.IP = key.of
		case key.kind == grants.RatePerClient:
			e.ClientID = key.of
		}
		if _, err := rates.AppendOnce(ctx, "limited:"+key.kind+":"+key.of, per, e); err != nil {
			return err
		}
	}
	return nil
}

func isSource(s string) bool {
	_, err := netip.ParseAddr(s)
	_, noPrefix := netip.ParsePrefix(s)
	return err == nil || noPrefix == nil
}

// asked makes due what the last round left to be asked for again.
func (l *Limiter) asked() {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.Copy(l.due, l.again)
	clear(l.again)
}

// spent takes what the others have not been told of, for a bounded number of keys.
func (l *Limiter) spent() []grants.Rate {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []grants.Rate
	for key := range l.due {
		if len(out) == maxShared {
			break
		}
		delete(l.due, key)
		if b, ok := l.buckets.Peek(key); ok && (b.own > 0 || b.ask) {
			out = append(out, grants.Rate{Kind: key.kind, Of: key.of, Per: b.limit.Per, Spent: time.Duration(b.own) * b.interval()})
			b.own, b.ask = 0, b.own > 0
		}
	}
	return out
}

// unspend gives back what could not be told.
func (l *Limiter) unspend(spent []grants.Rate) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range spent {
		key := bucketKey{r.Kind, r.Of}
		if b, ok := l.buckets.Peek(key); ok {
			b.own += int(r.Spent / b.interval())
			l.due[key] = true
		}
	}
}

// learn moves the arrival times to what all processes have drawn together. Whoever told of their draws first knows least: what is
// half used up is asked for once more.
func (l *Limiter) learn(all []grants.Rate) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range all {
		key := bucketKey{r.Kind, r.Of}
		b, ok := l.buckets.Peek(key)
		if !ok {
			continue
		}
		if at := r.Arrival.Add(time.Duration(b.own) * b.interval()); at.After(b.arrival) {
			b.arrival = at
		}
		if b.ask = b.ask && b.behind(now) >= b.limit.Per/2; b.ask {
			l.again[key] = true
		}
	}
}

// notes takes who was refused since the last round.
func (l *Limiter) notes() map[bucketKey]time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.refused
	l.refused = map[bucketKey]time.Duration{}
	return out
}
