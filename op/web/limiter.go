package web

import (
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"sallyport/grants"
)

const (
	// maxSources bounds the limiter's memory, at about 20 MB: the sources seen longest ago are forgotten first.
	maxSources = 100_000
	// siteShare is how many times the limit of an IPv6 /64 its /48 has: who owns one has 65,536 of those.
	siteShare = 8
	// unshared is the part of a limit, one in so many, that a process keeps to itself.
	unshared = 10
)

// Limiter is a grants.Limiter in memory: so many at once, then evenly over the period, by the generic cell rate algorithm. It
// guards load, not accounts, so nothing waits for the database here: processes tell each other of what was drawn behind the
// requests, see [Limiter.Run], and without that each goes on by what it knows.
type Limiter struct {
	now func() time.Time

	mu      sync.Mutex
	buckets *simplelru.LRU[bucketKey, *bucket]
	due     map[bucketKey]bool          // have drawn so much that the others should know
	again   map[bucketKey]bool          // are to be asked for in the next round
	refused map[bucketKey]time.Duration // have begun to refuse, which is to be noted once in so long
}

// bucketKey is what is limited, and of whom.
type bucketKey struct{ kind, of string }

// bucket is what was drawn on a limit: it is full at the theoretical arrival time less the period.
type bucket struct {
	limit   grants.Limit
	arrival time.Time // theoretical, of the next draw
	own     int       // draws that the other processes have not been told of
	since   time.Time // the first of those
	ask     bool      // in the next round for what the others have told since
	noted   time.Time // when it was last noted that it refuses
}

func (b *bucket) interval() time.Duration { return b.limit.Per / time.Duration(b.limit.N) }

// behind is how long it takes until all is back.
func (b *bucket) behind(now time.Time) time.Duration { return max(0, b.arrival.Sub(now)) }

// left is how many draws are possible at once.
func (b *bucket) left(now time.Time) int {
	return int((b.limit.Per - b.behind(now)) / b.interval())
}

// wait is how long it is until there is something to draw.
func (b *bucket) wait(now time.Time) time.Duration {
	return max(0, b.behind(now)+b.interval()-b.limit.Per)
}

// NewLimiter makes a limiter on a clock.
func NewLimiter(now func() time.Time) *Limiter {
	l := &Limiter{now: now, due: map[bucketKey]bool{}, again: map[bucketKey]bool{}, refused: map[bucketKey]time.Duration{}}
	l.buckets, _ = simplelru.NewLRU(maxSources, l.forget) // fails for sizes below 1 only
	return l
}

// forget drops what was to be told of a bucket that is gone.
func (l *Limiter) forget(key bucketKey, _ *bucket) {
	delete(l.due, key)
	delete(l.again, key)
}

// Take implements grants.Limiter. An IPv6 network as key is counted with the site that it belongs to as well.
func (l *Limiter) Take(kind, key string, limit grants.Limit) grants.Budget {
	if limit.Off() {
		return grants.Budget{}
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	shares := sharesOf(kind, key, limit)
	buckets := make([]*bucket, len(shares))
	var wait time.Duration
	for i, s := range shares {
		buckets[i] = l.bucket(s.of, s.limit, now)
		if w := buckets[i].wait(now); w > 0 {
			wait = max(wait, w)
			l.note(s.of, buckets[i], now)
		}
	}
	if wait == 0 {
		for i, s := range shares {
			l.draw(s.of, buckets[i], now)
		}
	}
	own := buckets[0]
	return grants.Budget{Limit: limit, Left: own.left(now), Wait: wait, Resets: own.behind(now)}
}

// Left is how many draws are possible now, without drawing: what the site has left, where that is less.
func (l *Limiter) Left(kind, key string, limit grants.Limit) int {
	if limit.Off() {
		return limit.N
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now, left := l.now(), limit.N
	for _, s := range sharesOf(kind, key, limit) {
		if b, ok := l.buckets.Peek(s.of); ok {
			left = min(left, b.left(now))
		}
	}
	return left
}

// share is one of the buckets that a draw is taken from.
type share struct {
	of    bucketKey
	limit grants.Limit
}

// sharesOf are the buckets of a key: its own, and for an IPv6 network that of its site.
func sharesOf(kind, key string, limit grants.Limit) []share {
	shares := []share{{bucketKey{kind, key}, limit}}
	if site := siteOf(key); site != "" {
		shares = append(shares, share{bucketKey{kind, site}, grants.Limit{N: limit.N * siteShare, Per: limit.Per}})
	}
	return shares
}

// siteOf is the /48 of an IPv6 network, empty for every other source.
func siteOf(source string) string {
	p, err := netip.ParsePrefix(source)
	if err != nil || !p.Addr().Is6() || p.Bits() <= 48 {
		return ""
	}
	return netip.PrefixFrom(p.Addr(), 48).Masked().String()
}

// bucket is what was drawn on a limit, which is never more than all of it, whatever other processes or a wrong clock have said.
func (l *Limiter) bucket(key bucketKey, limit grants.Limit, now time.Time) *bucket {
	b, ok := l.buckets.Get(key)
	if !ok {
		b = &bucket{limit: limit, arrival: now, since: now}
		l.buckets.Add(key, b)
	}
	if full := now.Add(limit.Per); b.arrival.After(full) {
		b.arrival = full
	}
	return b
}

func (l *Limiter) draw(key bucketKey, b *bucket, now time.Time) {
	b.arrival = now.Add(b.behind(now) + b.interval())
	if now.Sub(b.since) >= b.limit.Per { // all of it is back
		b.own, b.since = 0, now
	}
	if b.own++; b.own*unshared >= b.limit.N {
		l.due[key] = true
	}
}

// note remembers, once in a period, that a bucket has begun to refuse.
func (l *Limiter) note(key bucketKey, b *bucket, now time.Time) {
	if !b.noted.IsZero() && now.Sub(b.noted) < b.limit.Per || len(l.refused) >= maxNotes {
		return
	}
	b.noted = now
	l.refused[key] = b.limit.Per
}
