package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"sallyport/cmd/sallyport/auth0users"
	"sallyport/storage"
)

// importBatch is how many users, and identities, one transaction brings in. Those who are there already are updated one by one:
// fewer of them fit into the time of a transaction, also where the database is far away.
const importBatch, updateBatch, identitiesBatch = 1000, 50, 2000

func (c *cli) importAuth0() *cobra.Command {
	var options importOptions
	cmd := &cobra.Command{
		Use: "auth0 FILE", Short: "Bring in the users of an Auth0 tenant from its bulk export", Args: cobra.ExactArgs(1),
		Long: `Bring in users from Auth0's bulk export: JSON lines or one JSON array, also compressed with gzip; - reads from standard input.

Users keep their user_id as sub, their profile, metadata and block, and their e-mail and SMS identities. Other identities
are not kept, and users who have no e-mail or SMS identity are refused, unless --by-verified-email takes them in by their
verified e-mail address. Users who are there already are left as they are; --update makes their profile, metadata and block
what the file says, never their addresses.

What is refused, and why, is in the report; all others come in. Running the command again changes nothing, so an import
that was interrupted goes on by running it again. It fails only when the file cannot be read, no line of it is a user, or
the database fails.`,
		Example: `  sallyport import auth0 users.ndjson --dry-run
  sallyport import auth0 users.ndjson.gz --report refused.ndjson`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(d *deployment) error {
				if !options.dryRun {
					if err := c.note(cmd, args, d); err != nil {
						return err
					}
				}
				return c.importFile(cmd.Context(), d.store, args[0], options)
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&options.dryRun, "dry-run", false, "say what would happen, and write nothing")
	f.BoolVar(&options.update, "update", false, "change users who are there already")
	f.BoolVar(&options.byVerifiedEmail, "by-verified-email", false, "take in users of other providers by their verified e-mail address")
	f.StringVar(&options.report, "report", "", "write what was refused, kept or dropped, and why, to this file as JSON lines")
	return cmd
}

type importOptions struct {
	dryRun, update, byVerifiedEmail bool
	report                          string
}

// batch is how many users go into one transaction.
func (o importOptions) batch() int {
	if o.update {
		return updateBatch
	}
	return importBatch
}

// importFile runs an import and prints its summary, whatever its end.
func (c *cli) importFile(ctx context.Context, store *storage.Store, name string, o importOptions) (err error) {
	in, file, err := c.openInput(name)
	if err != nil {
		return err
	}
	defer in.Close()
	report, err := newImportReport(o, file, c.stderr)
	if err != nil {
		return err
	}
	var size int64
	if file != nil {
		size = file.Size()
	}
	progress := newImportProgress(c.stderr, size)
	err = c.runImport(ctx, store, progress.reader(in), importSink{o: o, report: report, progress: progress, seen: newSeen()})
	progress.finish()
	if failure := report.close(); err == nil {
		err = failure
	}
	summary := report.summary
	if err == nil && summary.Read > 0 && summary.Unreadable == summary.Read {
		err = errors.New("no line of it can come in")
	}
	if err == nil && summary.Read == 0 {
		err = errors.New("it is empty")
	}
	if failure := c.print(summary, summary.text); err == nil {
		err = failure
	}
	if err != nil {
		return fmt.Errorf("importing %s: %w", name, err)
	}
	return nil
}

// openInput opens a file, and tells of it where it is a regular one.
func (c *cli) openInput(name string) (in io.ReadCloser, file os.FileInfo, err error) {
	var f *os.File
	if name == "-" {
		in = io.NopCloser(c.stdin)
		f, _ = c.stdin.(*os.File)
	} else {
		if f, err = os.Open(name); err != nil { //nolint:gosec // the operator names the file
			return nil, nil, fmt.Errorf("opening the export: %w", err)
		}
		in = f
	}
	if f != nil {
		if file, err = f.Stat(); err != nil || !file.Mode().IsRegular() {
			return in, nil, nil //nolint:nilerr // only what can be said of a regular file is wanted
		}
	}
	return in, file, nil
}

// candidate is a line that has become an account.
type candidate struct {
	line    int
	account storage.Account
	dropped []string
}

// runImport reads and parses beside the database's work: two stages with a short queue between.
func (c *cli) runImport(ctx context.Context, store *storage.Store, in io.Reader, sink importSink) error {
	batches := make(chan []candidate, 2)
	var unread error // does not stop the other stage: what was read comes in
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(batches)
		unread = readExport(ctx, in, auth0users.Options{ByVerifiedEmail: sink.o.byVerifiedEmail, Now: c.now()}, sink, batches)
		return nil
	})
	g.Go(func() error {
		for batch := range batches {
			if ctx.Err() != nil {
				return errInterrupted
			}
			if err := sink.take(ctx, store, batch); err != nil {
				return err
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return err //nolint:wrapcheck // says what it did
	}
	return unread
}

var errInterrupted = errors.New("interrupted; run it again to go on")

// readExport sends the users of an export on in batches, and reports those who cannot come in.
func readExport(ctx context.Context, in io.Reader, o auth0users.Options, sink importSink, batches chan<- []candidate) error {
	r, err := auth0users.NewReader(in)
	if err != nil {
		return err //nolint:wrapcheck // says what it did
	}
	var batch []candidate
	identities, most := 0, sink.o.batch()
	send := func() error {
		if len(batch) == 0 {
			return nil
		}
		select {
		case batches <- batch:
			batch, identities = nil, 0
			return nil
		case <-ctx.Done():
			return errInterrupted
		}
	}
	for {
		line, err := r.Next()
		if bad, ok := errors.AsType[*auth0users.LineError](err); ok {
			sink.report.unreadable(bad.Number, "", bad.Reason)
			continue
		}
		if errors.Is(err, io.EOF) {
			return send()
		}
		if err != nil {
			return errors.Join(err, send())
		}
		a, dropped, err := o.Account(line.JSON)
		if err != nil {
			sink.report.unreadable(line.Number, a.ID, err.Error())
			continue
		}
		batch = append(batch, candidate{line.Number, a, dropped})
		if identities += len(a.Identities); len(batch) == most || identities >= identitiesBatch {
			if err := send(); err != nil {
				return err
			}
		}
	}
}

// importSink is what becomes of batches.
type importSink struct {
	o        importOptions
	report   *importReport
	progress *importProgress
	seen     *seen
}

// errDryRun rolls a transaction back.
var errDryRun = errors.New("dry run")

// take brings a batch in, or only asks what would become of it.
func (s importSink) take(ctx context.Context, store *storage.Store, batch []candidate) error {
	accounts := make([]storage.Account, len(batch))
	for i, b := range batch {
		accounts[i] = b.account
	}
	var results []storage.ImportResult
	err := store.Tx(ctx, func(ctx context.Context) error {
		var err error
		if results, err = store.ImportAccounts(ctx, accounts, s.o.update); err == nil && s.o.dryRun {
			err = errDryRun
		}
		return err
	})
	if err != nil && !errors.Is(err, errDryRun) {
		return fmt.Errorf("after %d users: %w", s.report.users(), err)
	}
	for i, b := range batch {
		if s.o.dryRun {
			results[i] = s.seen.judge(b.account, results[i])
		}
		s.report.result(b, results[i])
	}
	s.progress.users(s.report.users())
	return nil
}
