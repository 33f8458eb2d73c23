// Command bench measures Sallyport: how fast it is, and what each operation costs the machine.
//
// The server runs in a process of its own, which is this very program started again (see server.go): what it spends is
// the server's alone, and not that of the load. It is made of the same parts as the real one, writes its log to a file,
// has its limits switched off and gives each mail to the load through a pipe in place of a mail server. This process
// is the load and the table.
//
// Processor time is given in S as well, the time of one RS256 signature (2048 bits), measured beside each row: it says
// how much work something is on any machine, a noisy one too.
//
// The exit code is 1 when an operation failed. Goals that are missed are marked in the table, and do not fail it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

// serverArgument makes this program the server.
const serverArgument = "server"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var err error
	if len(os.Args) == 2 && os.Args[1] == serverArgument {
		err = serve(ctx, os.Stdin, os.Stdout)
	} else {
		err = run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	}
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	seconds  float64
	only     string
	database string
	conns    int
	profiles string
	binary   bool
	users    int
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Float64Var(&o.seconds, "seconds", 3, "how long each operation is measured")
	flags.StringVar(&o.only, "only", "", "measure only operations whose name contains this")
	flags.StringVar(&o.database, "database", "", "sqlite or postgres; both when empty")
	flags.IntVar(&o.conns, "conns", 0, "connections; 1 and then 32 when 0")
	flags.StringVar(&o.profiles, "profiles", "", "folder for a processor profile of the server for each operation")
	flags.BoolVar(&o.binary, "binary", true, "measure start, memory and size of the real binary too")
	flags.IntVar(&o.users, "users", 0, "instead of all else: import so many users, and compare logins over the empty and the full database")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sallyport-bench-")
	if err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	return (&bench{options: o, dir: dir, out: stdout, progress: stderr}).run(ctx)
}

// duration is how long one operation is measured.
func (o options) duration() time.Duration { return time.Duration(o.seconds * float64(time.Second)) }
