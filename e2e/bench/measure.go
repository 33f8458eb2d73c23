package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"sallyport/e2e/rig"
)

const (
	warmUp     = 300 * time.Millisecond
	roundsEach = 4
	maxRuns    = 200_000 // of one operation in one round, whatever the time
)

// result is one row of the table.
type result struct {
	operation
	database string
	conns    int

	runs     int
	failures int
	failure  error // the first
	took     time.Duration
	p50, p99 time.Duration

	cpu       time.Duration // of the server, a run
	inS       float64       // the same in S
	allocs    float64       // a run, as all below
	kilobytes float64
	sql       float64
	commits   float64
}

// measure runs an operation on so many connections at once for a while.
func (b *bench) measure(ctx context.Context, p *process, o operation, r result) (result, error) {
	runs, done, err := connect(ctx, p.target, o, r.conns)
	if err != nil {
		return r, fmt.Errorf("preparing %s: %w", o.name, err)
	}
	defer done()
	warm := load(ctx, runs, warmUp, make([]int, r.conns))
	if err := p.settle(ctx); err != nil {
		return r, err
	}
	if err := p.profile(b.profiles, r.database, o.name, r.conns); err != nil {
		return r, err
	}
	first, err := p.order(order{})
	if err != nil {
		return r, err
	}
	all, inS, err := b.rounds(ctx, p, runs, warm)
	if err != nil {
		return r, err
	}
	last, err := p.order(order{Stop: b.profiles != ""})
	if err != nil {
		return r, err
	}
	r.operation, r.runs, r.failures, r.failure, r.took = o, len(all.times), all.failures, all.failure, all.took
	if r.runs == 0 {
		return r, errors.Join(fmt.Errorf("%s: nothing succeeded", o.name), r.failure)
	}
	slices.Sort(all.times)
	r.p50, r.p99 = all.times[r.runs/2], all.times[r.runs*99/100]
	n := float64(r.runs)
	r.cpu = time.Duration(float64(last.CPU-first.CPU) / n)
	r.inS = inS
	r.allocs, r.kilobytes = float64(last.Allocs-first.Allocs)/n, float64(last.Bytes-first.Bytes)/n/1024
	r.sql, r.commits = float64(last.Statements-first.Statements)/n, float64(last.Commits-first.Commits)/n
	return r, nil
}

// rounds measures in a few rounds, with a look at S before and after each: machines are fast in one moment and slow in
// the next, for what else they do. It gives the processor time of a run in S, in the middle of the rounds.
func (b *bench) rounds(ctx context.Context, p *process, runs []func(context.Context, int) error, all loaded) (loaded, float64, error) {
	var inS []float64
	before := signature(len(runs))
	all.times = nil
	all.took = 0
	for range roundsEach {
		first, err := p.order(order{})
		if err != nil {
			return all, 0, err
		}
		one := load(ctx, runs, b.duration()/roundsEach, all.next)
		if err := p.settle(ctx); err != nil {
			return all, 0, err
		}
		last, err := p.order(order{})
		if err != nil {
			return all, 0, err
		}
		after := signature(len(runs))
		b.signatures = append(b.signatures, after)
		inS = append(inS, 2*float64(last.CPU-first.CPU)/float64(max(len(one.times), 1))/float64(before+after))
		before = after
		all.times, all.next, all.took = append(all.times, one.times...), one.next, all.took+one.took
		all.failures, all.failure = all.failures+one.failures, cmp.Or(all.failure, one.failure)
	}
	slices.Sort(inS)
	return all, (inS[(roundsEach-1)/2] + inS[roundsEach/2]) / 2, nil
}

// profile has the server profile itself until the next order to stop, when there is a folder for it.
func (p *process) profile(folder, database, operation string, conns int) error {
	if folder == "" {
		return nil
	}
	name := fileName.ReplaceAllString(fmt.Sprintf("%s-%s-%d", database, operation, conns), "_") + ".pprof"
	_, err := p.order(order{Profile: filepath.Join(folder, name)})
	return err
}

var fileName = regexp.MustCompile(`[^A-Za-z0-9]+`)

// connect makes the connections ready, all at once.
func connect(ctx context.Context, t target, o operation, conns int) (runs []func(context.Context, int) error, done func(), err error) {
	callers, runs, failed := make([]*caller, conns), make([]func(context.Context, int) error, conns), make([]error, conns)
	var wg sync.WaitGroup
	for i := range conns {
		callers[i] = newCaller(t, i, conns)
		wg.Go(func() { runs[i], failed[i] = o.ready(ctx, callers[i]) })
	}
	wg.Wait()
	return runs, func() {
		for _, c := range callers {
			c.close()
		}
	}, errors.Join(failed...)
}

// loaded is what came of a load.
type loaded struct {
	times    []time.Duration // of the runs that succeeded
	next     []int           // each connection's next run
	failures int
	failure  error // the first
	took     time.Duration
}

// load has each connection do one run after another until the time is over, and finish the last one.
func load(ctx context.Context, runs []func(context.Context, int) error, d time.Duration, first []int) loaded {
	out := loaded{next: slices.Clone(first)}
	var mu sync.Mutex
	var wg sync.WaitGroup
	begin := rig.Now()
	for i, run := range runs {
		wg.Go(func() {
			var times []time.Duration
			var failure error
			failures := 0
			for n := 0; n < maxRuns/len(runs) && time.Since(begin) < d && ctx.Err() == nil; n++ {
				at := rig.Now()
				err := run(ctx, out.next[i])
				out.next[i]++
				if err == nil {
					times = append(times, time.Since(at))
				} else {
					failures++
					failure = cmp.Or(failure, err)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			out.times, out.failures = append(out.times, times...), out.failures+failures
			if out.failure == nil {
				out.failure = failure
			}
		})
	}
	wg.Wait()
	out.took = time.Since(begin)
	return out
}

// settle returns when the server writes nothing more: deliveries are recorded after their mails have arrived.
func (p *process) settle(ctx context.Context) error {
	var before report
	for range 100 {
		now, err := p.order(order{})
		if err != nil || before.URL != "" && now.Statements == before.Statements {
			return err
		}
		before = now
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(30 * time.Millisecond):
		}
	}
	return nil
}
