package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"sallyport/e2e/rig"
	"sallyport/storage/storagetest"
)

// failover kills a Postgres primary under load and promotes its synchronous standby. Processes know both by one URL.
type failover struct {
	perSecond float64
	steady    time.Duration // before and after
	noticed   time.Duration // between the primary's end and the promotion, as long as somebody needs to notice
	processes int
}

// maxComeback is the goal: from the promotion until each process has written something.
const maxComeback = 10 * time.Second

func failoverDrill(flags *flag.FlagSet) func(context.Context, ground, io.Writer) error {
	rate := flags.Float64("rate", 50, "logins a second")
	steady := flags.Duration("steady", 20*time.Second, "load before and after")
	return func(ctx context.Context, g ground, stdout io.Writer) error {
		t := &table{title: "The Postgres primary is killed"}
		err := failover{perSecond: *rate, steady: *steady, noticed: 2 * time.Second, processes: 3}.run(ctx, g, t)
		t.print(stdout)
		return err
	}
}

// run makes its own databases.
func (f failover) run(ctx context.Context, g ground, t *table) (err error) {
	pair, err := storagetest.StartPair("fsync=on", "synchronous_commit=on", "full_page_writes=on", "shared_buffers=128MB")
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	defer func() { err = errors.Join(err, pair.Close()) }()
	if g.database, err = pair.CreateDatabase("drill"); err != nil {
		return err
	}
	d, err := g.deploy(ctx, f.processes, "")
	if err != nil {
		return err
	}
	end := d.logins(ctx, f.perSecond)
	pause(ctx, f.steady)
	if err := pair.KillPrimary(); err != nil {
		return fmt.Errorf("killing the primary: %w", err)
	}
	pause(ctx, f.noticed)
	if err := pair.Promote(); err != nil {
		return fmt.Errorf("promoting: %w", err)
	}
	back := d.comeback(ctx)
	_, _ = fmt.Fprintf(g.progress, "promoted; processes wrote again after %s\n", back)
	pause(ctx, f.steady)
	if err := end(); err != nil {
		return fmt.Errorf("signing in: %w", err)
	}
	if err := d.reckon(ctx); err != nil {
		return fmt.Errorf("reckoning: %w", err)
	}
	if err := d.stop(); err != nil {
		return err
	}
	t.row("", "")
	t.row("processes", fmt.Sprint(f.processes))
	t.row("logins a second offered", fmt.Sprintf("%.0f", f.perSecond))
	for i, took := range back {
		t.row(fmt.Sprintf("process %d: from the promotion to its first write", i+1), took.Round(time.Millisecond).String())
		if took > maxComeback {
			t.notes = append(t.notes, fmt.Sprintf("process %d missed the goal of %s", i+1, maxComeback))
		}
	}
	d.ledger.print(t)
	if !d.ledger.intact() {
		return errBroken
	}
	return nil
}

// comeback asks every process for a login, again and again without waiting for answers, and gives the times from now to each
// one's first good answer.
func (d *deployment) comeback(ctx context.Context) []time.Duration {
	const every = 50 * time.Millisecond
	begin, back := rig.Now(), make([]time.Duration, len(d.fleet.processes))
	var wg sync.WaitGroup
	for i, p := range d.fleet.processes {
		v := newFleet(d.fleet.issuer, []*rig.Process{p}).app()
		wg.Go(func() {
			asking, enough := context.WithTimeout(ctx, 2*time.Minute)
			defer enough()
			first := make(chan time.Duration, 1)
			for n := 0; ; n++ {
				go func() {
					address := fmt.Sprintf("probe.%d.%d@example.com", i, n)
					if a, err := v.do(asking, startEmail(address)); err == nil && a.status == http.StatusOK {
						select {
						case first <- time.Since(begin):
						default: // somebody was faster
						}
					}
				}()
				select {
				case back[i] = <-first:
					return
				case <-asking.Done():
					back[i] = time.Since(begin)
					return
				case <-time.After(every):
				}
			}
		})
	}
	wg.Wait()
	return back
}
