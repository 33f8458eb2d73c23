// Command drill takes away from Sallyport what it stands on, under load, and looks whether it keeps its promises: it kills
// processes (kill), kills the Postgres primary (failover) or has it crash (restart), offers ten times what the machine can do
// (overload), and measures whether the time of an answer tells what its words do not (timing).
//
// What is drilled is the real binary, in processes of its own, with a real mail server and a real Postgres. Every fact that
// a process acknowledged is kept in a ledger and held against the deployment at the end. Where an answer was cut off, either
// is right: that it was done and that it was not.
//
// The exit code is 1 when a promise was broken. Goals of speed that are missed are marked in the table, and do not fail it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"sallyport/e2e/rig"
)

// errBroken is the end of a drill in which a promise was broken. The table says which.
var errBroken = errors.New("a promise was broken; see the table")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprintln(os.Stderr, "drill:", err)
		os.Exit(1)
	}
}

// drill is one kind of them: its flags, and how it runs on them.
type drill func(flags *flag.FlagSet) func(ctx context.Context, g ground, stdout io.Writer) error

func run(ctx context.Context, args []string, stdout, progress io.Writer) error {
	drills := map[string]drill{"kill": killDrill, "failover": failoverDrill, "restart": restartDrill, "overload": overloadDrill, "timing": timingDrill}
	if len(args) == 0 || drills[args[0]] == nil {
		return errors.New("which drill: kill, failover, restart, overload or timing?")
	}
	flags := flag.NewFlagSet("drill "+args[0], flag.ContinueOnError)
	flags.SetOutput(progress)
	start := drills[args[0]](flags)
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sallyport-drill-")
	if err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	binary, err := rig.Build(ctx, dir)
	if err != nil {
		return err
	}
	if err := start(ctx, ground{binary: binary, dir: dir, progress: progress}, stdout); err != nil {
		return fmt.Errorf("%w (the logs are in %s)", err, dir)
	}
	return os.RemoveAll(dir)
}
