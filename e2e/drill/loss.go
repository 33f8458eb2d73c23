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

// loss takes Postgres away under load, and gives it back.
type loss struct {
	perSecond float64
	steady    time.Duration // load before and after
	processes int
}

// maxComeback is the goal: from the database's return until each process has written something.
const maxComeback = 10 * time.Second

func lossFlags(flags *flag.FlagSet) func() loss {
	rate := flags.Float64("rate", 50, "logins a second")
	steady := flags.Duration("steady", 20*time.Second, "load before and after")
	return func() loss { return loss{perSecond: *rate, steady: *steady, processes: 3} }
}

func failoverDrill(flags *flag.FlagSet) func(context.Context, ground, io.Writer) error {
	wanted := lossFlags(flags)
	return func(ctx context.Context, g ground, stdout io.Writer) error {
		t := &table{title: "The Postgres primary is killed"}
		err := wanted().failover(ctx, g, t, 2*time.Second)
		t.print(stdout)
		return err
	}
}

func restartDrill(flags *flag.FlagSet) func(context.Context, ground, io.Writer) error {
	wanted := lossFlags(flags)
	return func(ctx context.Context, g ground, stdout io.Writer) error {
		t := &table{title: "Postgres crashes and starts again"}
		err := wanted().restart(ctx, g, t)
		t.print(stdout)
		return err
	}
}

// failover kills a primary and promotes its synchronous standby, as late as somebody notices. Processes know both by one URL.
func (l loss) failover(ctx context.Context, g ground, t *table, noticed time.Duration) (err error) {
	pair, err := storagetest.StartPair(durable()...)
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	defer func() { err = errors.Join(err, pair.Close()) }()
	if g.database, err = pair.CreateDatabase("drill"); err != nil {
		return err
	}
	return l.run(ctx, g, t, func() error {
		if err := pair.KillPrimary(); err != nil {
			return fmt.Errorf("killing the primary: %w", err)
		}
		pause(ctx, noticed)
		return pair.Promote()
	})
}

// restart has the only server crash and start again.
func (l loss) restart(ctx context.Context, g ground, t *table) (err error) {
	base, server, err := storagetest.StartPostgres(durable()...)
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	g.database = base
	return l.run(ctx, g, t, server.Restart)
}

// run has people sign in while the database is away, and holds at the end what was acknowledged against what there is.
func (l loss) run(ctx context.Context, g ground, t *table, away func() error) error {
	d, err := g.deploy(ctx, l.processes, "")
	if err != nil {
		return err
	}
	end := d.logins(ctx, l.perSecond)
	pause(ctx, l.steady)
	if err := away(); err != nil {
		return fmt.Errorf("taking the database away: %w", err)
	}
	back := d.comeback(ctx)
	_, _ = fmt.Fprintf(g.progress, "the database is back; processes wrote again after %s\n", back)
	pause(ctx, l.steady)
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
	t.row("processes", fmt.Sprint(l.processes))
	t.row("logins a second offered", fmt.Sprintf("%.0f", l.perSecond))
	for i, took := range back {
		t.row(fmt.Sprintf("process %d: from the database's return to its first write", i+1), took.Round(time.Millisecond).String())
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
