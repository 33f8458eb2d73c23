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

// wait is how long it is until there is something to draw.
func (b *bucket) wait(now time.Time) time.Duration {
	return max(0, b.behind(now)+b.interval()-b.limit.Per)
}

// NewLimiter makes a limiter on a clock.
func NewLimiter(now func() time.Time) *Limiter {
	buckets, _ := simplelru.NewLRU[bucketKey, *bucket](maxSources, nil) // fails for sizes below 1 only
	return &Limiter{now: now, buckets: buckets, due: map[bucketKey]bool{}, again: map[bucketKey]bool{}, refused: map[bucketKey]time.Duration{}}
}

// Take implements grants.Limiter. An IPv6 network as key is counted with the site that it belongs to as well.
func (l *Limiter) Take(kind, key string, limit grants.Limit) grants.Budget {
	if limit.Off() {
		return grants.Budget{}
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	keys := []bucketKey{{kind, key}}
	buckets := []*bucket{l.bucket(keys[0], limit, now)}
	if site := siteOf(key); site != "" {
		keys = append(keys, bucketKey{kind, site})
		buckets = append(buckets, l.bucket(keys[1], grants.Limit{N: limit.N * siteShare, Per: limit.Per}, now))
	}
	var wait time.Duration
	for i, b := range buckets {
		if w := b.wait(now); w > 0 {
			wait = max(wait, w)
			l.note(keys[i], b, now)
		}
	}
	if wait == 0 {
		for i, b := range buckets {
			l.draw(keys[i], b, now)
		}
	}
	own := buckets[0]
	return grants.Budget{Limit: limit, Left: int((limit.Per - own.behind(now)) / own.interval()), Wait: wait, Resets: own.behind(now)}
}

// Left is how many draws are possible now, without drawing.
func (l *Limiter) Left(kind, key string, limit grants.Limit) int {
	if limit.Off() {
		return limit.N
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.buckets.Peek(bucketKey{kind, key})
	if !ok {
		return limit.N
	}
	return int((limit.Per - b.behind(l.now())) / b.interval())
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
