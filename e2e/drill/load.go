package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"sallyport/e2e/rig"
)

// arrivals calls do at a rate, as people come: each on its own, whatever became of those before, at random intervals. It
// ends with the first context; wait then returns when all have gone.
func arrivals(until context.Context, perSecond float64, do func(n int, due time.Time)) (wait func()) {
	var wg sync.WaitGroup
	wg.Go(func() {
		due := rig.Now()
		for n := 0; until.Err() == nil; n++ {
			due = due.Add(time.Duration(rand.ExpFloat64() / perSecond * float64(time.Second))) //nolint:gosec // people, not secrets
			if early := time.Until(due); early > 0 {
				pause(until, early)
			}
			if until.Err() == nil {
				at := due
				wg.Go(func() { do(n, at) })
			}
		}
	})
	return wg.Wait
}

// logins keeps people signing in at a rate, one in four by the hosted pages. end stops newcomers and waits for those who
// are there. Its error is that of the first who had to give up.
func (d *deployment) logins(ctx context.Context, perSecond float64) (end func() error) {
	until, stop := context.WithCancel(ctx)
	var mu sync.Mutex
	var first error
	wait := arrivals(until, perSecond, func(n int, _ time.Time) {
		login := d.apiLogin
		if n%4 == 1 {
			login = d.hostedLogin
		}
		if err := login(ctx, n); err != nil {
			mu.Lock()
			first = errors.Join(first, err)
			mu.Unlock()
			stop()
		}
	})
	return func() error {
		stop()
		wait()
		return first
	}
}
