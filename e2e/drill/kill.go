package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"sallyport/e2e/rig"
)

// kill kills random processes under load, again and again.
type kill struct {
	times     int
	perSecond float64
	processes int
}

func killDrill(flags *flag.FlagSet) func(context.Context, ground, io.Writer) error {
	times := flags.Int("times", 100, "how often a process is killed, on each database")
	rate := flags.Float64("rate", 50, "logins a second")
	only := flags.String("database", "", "sqlite or postgres; both when empty")
	return func(ctx context.Context, g ground, stdout io.Writer) error {
		return onBoth(*only, g, func(name string, g ground) error {
			k := kill{times: *times, perSecond: *rate, processes: 1}
			if name == "Postgres" {
				k.processes = 3
			}
			t := &table{title: "kill -9, " + name}
			err := k.run(ctx, g, t)
			t.print(stdout)
			return err
		})
	}
}

// run kills, reckons, and writes into the table what came of it.
func (k kill) run(ctx context.Context, g ground, t *table) error {
	d, err := g.deploy(ctx, k.processes, "")
	if err != nil {
		return err
	}
	begin := rig.Now()
	end := d.logins(ctx, k.perSecond)
	var down []time.Duration
	for n := range k.times {
		pause(ctx, 200*time.Millisecond+rand.N(time.Second)) //nolint:gosec // chance, not a secret
		p := d.fleet.processes[rand.IntN(k.processes)]       //nolint:gosec // likewise
		if err := p.Kill(); err != nil {
			return err
		}
		took, err := p.Start(ctx)
		if err != nil {
			return fmt.Errorf("starting again after kill %d: %w", n+1, err)
		}
		down = append(down, took)
		_, _ = fmt.Fprintf(g.progress, "killed %d of %d, served again after %s\n", n+1, k.times, took.Round(time.Millisecond))
	}
	load := time.Since(begin)
	if err := end(); err != nil {
		return fmt.Errorf("signing in: %w", err)
	}
	_, _ = fmt.Fprintln(g.progress, "reckoning")
	if err := d.reckon(ctx); err != nil {
		return fmt.Errorf("reckoning: %w", err)
	}
	if err := d.stop(); err != nil {
		return err
	}
	slices.Sort(down)
	t.row("", "")
	t.row("kill -9", fmt.Sprint(k.times))
	t.row("processes", fmt.Sprint(k.processes))
	t.row("logins a second offered, over", fmt.Sprintf("%.0f, %s", k.perSecond, load.Round(time.Second)))
	if len(down) > 0 {
		t.row("from the start of a killed process to its first answer, middle / slowest", fmt.Sprintf("%s / %s",
			down[len(down)/2].Round(time.Millisecond), down[len(down)-1].Round(time.Millisecond)))
	}
	t.row("mails received", fmt.Sprint(d.mails.Codes.Messages()))
	d.ledger.print(t)
	if !d.ledger.intact() {
		return errBroken
	}
	return nil
}
