package main

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
)

const reckoners = 16 // at once

// reckon holds the whole ledger against the deployment, once all is calm again. Current refresh tokens are used, some
// older ones come back, and every code.
func (d *deployment) reckon(ctx context.Context) error {
	l := d.ledger
	if err := each(ctx, l.codes, d.reckonCode); err != nil {
		return err
	}
	if err := each(ctx, l.chains, d.reckonChain); err != nil {
		return err
	}
	return each(ctx, l.sessions, d.reckonSession)
}

// each does something with all of a list, a few at once. It stops at the first error.
func each[T any](ctx context.Context, all []T, do func(context.Context, T) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	queue := make(chan T)
	var wg sync.WaitGroup
	for range reckoners {
		wg.Go(func() {
			for one := range queue {
				if err := do(ctx, one); err != nil {
					stop(err)
				}
			}
		})
	}
	for _, one := range all {
		queue <- one
	}
	close(queue)
	wg.Wait()
	return context.Cause(ctx)
}

func (d *deployment) reckonCode(ctx context.Context, c usedCode) error {
	a, _, err := d.insist(ctx, d.fleet.app(), otp(c.address, c.code))
	if err == nil && !a.refused() {
		d.ledger.breaks(codesOnce, "at the end: %d %s", a.status, a.body)
	}
	return err
}

func (d *deployment) reckonChain(ctx context.Context, c *chain) error {
	v := d.fleet.app()
	ask := func(token string) (tokens, bool, error) {
		a, _, err := d.insist(ctx, v, refresh(token))
		t, ok := granted(a)
		return t, ok, err
	}
	t, ok, err := ask(c.tokens[len(c.tokens)-1])
	switch {
	case err != nil:
		return err
	case c.over && ok:
		d.ledger.breaks(endsStay, "at the end")
	case !c.over && !ok:
		d.ledger.breaks(refreshStays, "at the end, after %d refreshes", len(c.tokens)-1)
	}
	if c.over || !ok || len(c.tokens) == 1 {
		return nil // the one before the current is good for the leeway
	}
	if _, ok, err = ask(c.tokens[0]); err != nil {
		return err
	}
	if ok {
		d.ledger.breaks(refreshOnce, "at the end, after %d refreshes", len(c.tokens))
	}
	if _, ok, err = ask(t.Refresh); err != nil {
		return err
	}
	if ok {
		d.ledger.breaks(endsStay, "the login goes on after an older refresh token came back")
	}
	return nil
}

func (d *deployment) reckonSession(ctx context.Context, s *session) error {
	a, _, err := d.insist(ctx, s.browser, get(authorize(rand.Text()+rand.Text(), "none")))
	if err != nil {
		return err
	}
	alive, dead := authorizationCode(a) != "", strings.Contains(a.location, "error=login_required")
	switch {
	case alive && s.over:
		d.ledger.breaks(sessionEndsStay, "at the end")
	case dead && !s.over:
		d.ledger.breaks(sessionsStay, "at the end")
	case alive == dead:
		d.ledger.breaks(answersSane, "prompt=none: %d %s", a.status, a.location)
	}
	return nil
}
