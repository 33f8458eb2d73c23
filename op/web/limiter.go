package web

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"
	"golang.org/x/time/rate"

	"sallyport/grants"
)

// maxSources bounds the limiter's memory: the sources seen longest ago are forgotten first.
const maxSources = 50_000

// Limiter is a grants.Limiter in memory: so many at once, then evenly over the period. It guards load, not accounts:
// every process has its own.
type Limiter struct {
	now func() time.Time

	mu      sync.Mutex
	buckets *expirable.LRU[string, *rate.Limiter]
}

// NewLimiter makes a limiter on a clock.
func NewLimiter(now func() time.Time) *Limiter {
	return &Limiter{now: now, buckets: expirable.NewLRU[string, *rate.Limiter](maxSources, nil, 24*time.Hour)}
}

// Take implements grants.Limiter.
func (l *Limiter) Take(kind, key string, limit grants.Limit) grants.Budget {
	if limit.Off() {
		return grants.Budget{}
	}
	now, bucket := l.now(), l.bucket(kind+" "+key, limit)
	reservation := bucket.ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if wait > 0 {
		reservation.CancelAt(now)
	}
	left := max(0, bucket.TokensAt(now))
	return grants.Budget{
		Limit: limit, Left: int(left), Wait: wait, Resets: time.Duration((float64(limit.N) - left) * float64(limit.Per) / float64(limit.N)),
	}
}

// Left is how many draws are possible now, without drawing.
func (l *Limiter) Left(kind, key string, limit grants.Limit) int {
	if limit.Off() {
		return limit.N
	}
	return int(max(0, l.bucket(kind+" "+key, limit).TokensAt(l.now())))
}

func (l *Limiter) bucket(key string, limit grants.Limit) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.buckets.Get(key)
	if !ok {
		b = rate.NewLimiter(rate.Every(limit.Per/time.Duration(limit.N)), limit.N)
		l.buckets.Add(key, b)
	}
	return b
}
