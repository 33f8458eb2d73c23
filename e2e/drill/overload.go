package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/e2e/rig"
)

// overload finds out how many logins a second a process can do, and then offers a multiple of that, as people come: whether or
// not those before were served.
type overload struct {
	find   time.Duration // how long the capacity is looked for
	factor float64
	last   time.Duration // of the overload
}

const (
	maxAccepted = time.Second     // the goal for the 99th percentile of what is accepted
	maxRecovery = 5 * time.Second // the goal from the last of too many until all is normal
	finders     = 32
	probeEvery  = 100 * time.Millisecond
	calmProbes  = 10 // in a row are normal again
)

func overloadDrill(flags *flag.FlagSet) func(context.Context, ground, io.Writer) error {
	find := flags.Duration("find", 10*time.Second, "how long the capacity is looked for")
	factor := flags.Float64("factor", 10, "how many times the capacity is offered")
	last := flags.Duration("last", time.Minute, "for how long")
	only := flags.String("database", "", "sqlite or postgres; both when empty")
	return func(ctx context.Context, g ground, stdout io.Writer) error {
		return onBoth(*only, g, func(name string, g ground) error {
			t := &table{title: "Overload, " + name}
			err := overload{*find, *factor, *last}.run(ctx, g, t)
			t.print(stdout)
			return err
		})
	}
}

// patient is an app that keeps its connections for as long as the server lets it.
func (f *fleet) patient() *visitor {
	v := f.app()
	v.replays = true
	return v
}

// crowd is what came of many requests.
type crowd struct {
	d *deployment

	mu       sync.Mutex
	accepted []time.Duration // each from its sending to its answer
	late     []time.Duration // how much later than planned each was sent, which is this program's fault
	refused  int
	open     []usedCode // codes of accepted challenges that are not redeemed yet
	mailing  sync.WaitGroup
}

// ask makes a request once, and tells whether it was done. Whoever is not served must be told when to come again.
func (c *crowd) ask(ctx context.Context, v *visitor, r request) bool {
	sent := rig.Now()
	a, err := v.do(ctx, r)
	took := time.Since(sent)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case ctx.Err() != nil:
	case err != nil:
		c.d.ledger.breaks(answersSane, "%s: %v", r.path, err)
	case a.status == http.StatusOK:
		c.accepted = append(c.accepted, took)
		return true
	case (a.status == http.StatusServiceUnavailable || a.status == http.StatusTooManyRequests) && a.retryAfter != "":
		c.refused++
	default:
		c.d.ledger.breaks(answersSane, "%s: %d, Retry-After %q: %.200s", r.path, a.status, a.retryAfter, a.body)
	}
	return false
}

// login is one that does not insist: whoever is not served goes away. The code of an accepted challenge is kept where its
// redemption was not served.
func (c *crowd) login(ctx context.Context, v *visitor, address string) bool {
	arrives := c.d.mails.Codes.Expect(address)
	if !c.ask(ctx, v, startEmail(address)) {
		return false
	}
	c.d.ledger.count(accepted)
	code, err := c.d.mailed(ctx, arrives, address)
	if err != nil || code == "" {
		return false
	}
	if c.ask(ctx, v, otp(address, code)) {
		c.d.ledger.count(redeemed)
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = append(c.open, usedCode{address, code})
	return false
}

// capacity is how many logins a second are done when there is always somebody waiting, but not many.
func (d *deployment) capacity(ctx context.Context, while time.Duration) (float64, *crowd) {
	c := &crowd{d: d}
	begin := rig.Now()
	var done atomic.Int64
	var wg sync.WaitGroup
	for i := range finders {
		v := d.fleet.patient()
		wg.Go(func() {
			for n := 0; time.Since(begin) < while && ctx.Err() == nil; n++ {
				if c.login(ctx, v, fmt.Sprintf("capacity.%d.%d@example.com", i, n)) {
					done.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return float64(done.Load()) / time.Since(begin).Seconds(), c
}

// offered offers logins at a rate for a while. Those that it began may go on afterwards: mailing waits for them.
func (d *deployment) offered(ctx context.Context, name string, perSecond float64, last time.Duration) *crowd {
	c := &crowd{d: d}
	until, stop := context.WithTimeout(ctx, last)
	defer stop()
	v := d.fleet.patient()
	wait := arrivals(until, perSecond, func(n int, due time.Time) {
		late := time.Since(due)
		c.mu.Lock()
		c.late = append(c.late, late)
		c.mu.Unlock()
		c.login(ctx, v, fmt.Sprintf("%s.%d@example.com", name, n))
	})
	<-until.Done()
	c.mailing.Go(wait)
	return c
}

// recovery is how long after now a probe is the first of a row that are answered as fast as ever.
func (d *deployment) recovery(ctx context.Context, normal time.Duration) time.Duration {
	c, v, begin := &crowd{d: d}, d.fleet.patient(), rig.Now()
	since, row := time.Duration(0), 0
	for n := 0; row < calmProbes && ctx.Err() == nil && time.Since(begin) < time.Minute; n++ {
		at := time.Since(begin)
		ok := c.ask(ctx, v, startEmail(fmt.Sprintf("recovery.%d@example.com", n)))
		if took := time.Since(begin) - at; !ok || took > normal {
			row = 0
		} else if row++; row == 1 {
			since = at
		}
		pause(ctx, probeEvery)
	}
	if row < calmProbes {
		return time.Since(begin)
	}
	return since
}

// redeemLate redeems what was accepted under load and could not be redeemed then.
func (c *crowd) redeemLate(ctx context.Context) error {
	c.mailing.Wait()
	return each(ctx, c.open, func(ctx context.Context, u usedCode) error {
		a, _, err := c.d.insist(ctx, c.d.fleet.app(), otp(u.address, u.code))
		if err != nil {
			return err
		}
		if _, ok := granted(a); !ok {
			c.d.ledger.breaks(challengesStay, "redeemed after the overload: %d %s", a.status, a.body)
			return nil
		}
		c.d.ledger.count(redeemed)
		return nil
	})
}

func (o overload) run(ctx context.Context, g ground, t *table) error {
	d, err := g.deploy(ctx, 1, "")
	if err != nil {
		return err
	}
	pid := d.fleet.processes[0].Pid()
	perSecond, _ := d.capacity(ctx, o.find)
	calm := d.offered(ctx, "calm", perSecond/4, o.find)
	calm.mailing.Wait()
	before, err := rig.Peak(pid)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(g.progress, "%.0f logins a second; now %.0f times as many for %s\n", perSecond, o.factor, o.last)
	hot := d.offered(ctx, "hot", perSecond*o.factor, o.last)
	recovered := d.recovery(ctx, max(100*time.Millisecond, 2*percentile(calm.accepted, 99)))
	after, err := rig.Peak(pid)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(g.progress, "redeeming what was left over")
	if err := hot.redeemLate(ctx); err != nil {
		return fmt.Errorf("redeeming: %w", err)
	}
	if err := d.stop(); err != nil {
		return err
	}
	o.report(t, perSecond, calm, hot)
	const mib = 1 << 20
	t.row("memory at most, calm / under overload", fmt.Sprintf("%d / %d MiB", before/mib, after/mib))
	t.row("from the last of too many to normal", recovered.Round(time.Millisecond).String()+missed(recovered, maxRecovery))
	t.row("**"+string(challengesStay)+"**", fmt.Sprint(d.ledger.broken[challengesStay]))
	t.row("**answers that are neither success nor 429/503 with Retry-After**", fmt.Sprint(d.ledger.broken[answersSane]))
	t.notes = append(t.notes, d.ledger.first...)
	if !d.ledger.intact() {
		return errBroken
	}
	return nil
}

func (o overload) report(t *table, perSecond float64, calm, hot *crowd) {
	t.row("", "")
	t.row("capacity, logins a second", fmt.Sprintf("%.0f", perSecond))
	t.row("offered, logins a second, for", fmt.Sprintf("%.0f, %s", float64(len(hot.late))/o.last.Seconds(), o.last))
	t.row("requests accepted", fmt.Sprint(len(hot.accepted)))
	t.row("requests refused, 429 or 503 with Retry-After", fmt.Sprint(hot.refused))
	t.row("calm: p50 / p99 of what is accepted", brief(calm.accepted, 50)+" / "+brief(calm.accepted, 99))
	p99 := percentile(hot.accepted, 99)
	t.row("overload: p50 / p99 of what is accepted", brief(hot.accepted, 50)+" / "+brief(hot.accepted, 99)+missed(p99, maxAccepted))
	t.row("the load itself was late by, p50 / p99", brief(hot.late, 50)+" / "+brief(hot.late, 99))
}

func missed(got, goal time.Duration) string {
	if got > goal {
		return fmt.Sprintf(" (goal %s: missed)", goal)
	}
	return fmt.Sprintf(" (goal %s: met)", goal)
}

func brief(all []time.Duration, p int) string {
	return percentile(all, p).Round(100 * time.Microsecond).String()
}

// percentile sorts what it is given.
func percentile(all []time.Duration, p int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(len(all)-1, len(all)*p/100)]
}
