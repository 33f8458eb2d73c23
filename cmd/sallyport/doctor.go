package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/cmd/sallyport/config"
	"sallyport/grants"
	"sallyport/op"
	"sallyport/storage"
)

// verdict is what one check found.
type verdict string

const (
	ok   verdict = "ok"
	warn verdict = "warn"
	fail verdict = "fail"
)

// finding is one line of the doctor: what was looked at, what was seen, and what to do about it.
type finding struct {
	Check   string  `json:"check"`
	Verdict verdict `json:"verdict"`
	Text    string  `json:"text"`
	Remedy  string  `json:"remedy,omitempty"`
}

// errUnwell makes the exit code 1; the findings are printed already.
var errUnwell = errors.New("something is wrong; see the lines with fail")

// doctorTimeout bounds each check that waits for somebody else.
const doctorTimeout = 15 * time.Second

func (c *cli) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Check configuration, database, keys, clock, issuer, mail server and SMS account", Args: cobra.NoArgs,
		Long: `Check configuration, database, keys, clock, issuer, mail server and SMS account. Nothing is sent and no database is
changed. It exits with 1 when something fails; warnings do not count.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings := c.examine(cmd.Context())
			if err := c.print(findings, func(w io.Writer) { printFindings(w, findings) }); err != nil {
				return err
			}
			for _, f := range findings {
				if f.Verdict == fail {
					return errUnwell
				}
			}
			return nil
		},
	}
}

func printFindings(w io.Writer, findings []finding) {
	for _, f := range findings {
		_, _ = fmt.Fprintf(w, "%-4s  %-14s  %s\n", f.Verdict, f.Check, plain(f.Text))
		if f.Remedy != "" {
			_, _ = fmt.Fprintf(w, "%22s-> %s\n", "", plain(f.Remedy))
		}
	}
}

// examine runs every check that can run: a bad configuration leaves nothing to look at, a bad database only the rest.
func (c *cli) examine(ctx context.Context) []finding {
	cfg, err := c.loadToStart(ctx)
	var problems config.Problems
	switch {
	case errors.As(err, &problems):
		var out []finding
		for _, p := range problems {
			out = append(out, finding{"configuration", fail, p.String(), "correct it; sallyport config check says whether it is good"})
		}
		return out
	case err != nil:
		return []finding{{"configuration", fail, err.Error(), "see that the files it names can be read: the one of --config, the secret, the database"}}
	}
	out := []finding{c.checkConfig(cfg)}
	for _, w := range cfg.Warnings() {
		out = append(out, finding{"configuration", warn, w.String(), ""})
	}
	out = append(out, checkSecretFile(cfg)...)
	found, read := c.checkDatabase(ctx, cfg)
	out = append(out, found...)
	out = append(out, c.checkTLS(cfg)...)
	out = append(out, checkIssuer(ctx, cfg, read.kids))
	out = append(out, checkMail(ctx, cfg), checkSMS(ctx, cfg))
	out = append(out, checkGuessing(cfg, read.digits)...)
	out = append(out, checkSending(cfg)...)
	return out
}

func (c *cli) checkConfig(cfg *config.Config) finding {
	file := c.configFile()
	if file == "" {
		file = "no file, defaults and environment"
	}
	return finding{"configuration", ok, fmt.Sprintf("%s, %d clients, %d APIs", file, len(cfg.Clients), len(cfg.APIs)), ""}
}

// fromDatabase is what other checks need of the database, or take where there is none yet.
type fromDatabase struct {
	kids   []string // of the signing keys
	digits int      // of the shortest codes
}

// checkDatabase looks at the database without changing it: no file is made, nothing is migrated.
func (c *cli) checkDatabase(ctx context.Context, cfg *config.Config) (out []finding, read fromDatabase) {
	read.digits = cfg.Passwordless.Code.Length
	if missing, is := missingFile(cfg.SQLitePath()); is {
		return []finding{{"database", warn, missing + " does not exist yet", "it is made at the first start: sallyport serve"}}, read
	}
	ring, err := cfg.Ring()
	if err != nil {
		return []finding{{"secret", fail, err.Error(), "place the secret that the database was made with"}}, read
	}
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	store, err := storage.Open(ctx, storage.Options{URL: cfg.Database.URL, Ring: ring, Now: c.now, Log: newLog(io.Discard, cfg)})
	if err == nil {
		defer store.Close()
		err = store.Ping(ctx)
	}
	if err != nil {
		return []finding{{"database", fail, err.Error(), databaseRemedy(cfg)}}, read
	}
	schema, current := checkSchema(ctx, store)
	out = []finding{{"database", ok, "it answers", ""}, schema}
	if !current {
		return out, read
	}
	keys, kids := c.checkKeys(ctx, store)
	read.kids = kids
	out = append(out, checkWrite(ctx, store), c.checkClock(ctx, store))
	out = append(append(out, c.checkRing(ctx, store, ring)...), keys)
	if read.digits, err = shortestCode(ctx, store, cfg); err != nil {
		out = append(out, finding{"connections", fail, err.Error(), "see that the user of database.url may read its tables"})
		read.digits = cfg.Passwordless.Code.Length
	}
	return out, read
}

func checkSchema(ctx context.Context, store *storage.Store) (finding, bool) {
	have, want, err := store.SchemaVersion(ctx)
	switch {
	case err != nil:
		return finding{"schema", fail, err.Error(), "see that the user of database.url may read its tables"}, false
	case have < want:
		return finding{"schema", warn, fmt.Sprintf("the database is at version %d, this program needs %d", have, want), "serve does it at the start, or run: sallyport migrate"}, false
	case have > want:
		return finding{"schema", warn, fmt.Sprintf("the database is at version %d, this program knows %d", have, want), "it was made by a newer program: update this one"}, true
	}
	return finding{"schema", ok, fmt.Sprintf("version %d", have), ""}, true
}

// checkWrite writes and takes it back.
func checkWrite(ctx context.Context, store *storage.Store) finding {
	undo := errors.New("undo")
	err := store.Tx(ctx, func(ctx context.Context) error {
		if err := store.Append(ctx, grants.Event{Type: "doctor"}); err != nil {
			return err
		}
		return undo
	})
	if err != nil && !errors.Is(err, undo) {
		return finding{"writing", fail, err.Error(), "see that the disk has room and that the user of database.url may write"}
	}
	return finding{"writing", ok, "the database takes writes", ""}
}

// maxSkew is how far the clocks may differ; a process past it calls itself not ready.
const maxSkew = 2 * time.Second

func (c *cli) checkClock(ctx context.Context, store *storage.Store) finding {
	before := c.now()
	there, err := store.DatabaseTime(ctx)
	after := c.now()
	if err != nil {
		return finding{"clock", fail, err.Error(), "see that the database answers"}
	}
	skew := max(before.Sub(there), there.Sub(after), 0)
	if skew > maxSkew {
		return finding{"clock", fail, fmt.Sprintf("this machine and the database differ by %s", skew.Round(time.Millisecond)), "let both follow NTP"}
	}
	return finding{"clock", ok, "this machine and the database agree", ""}
}

// checkRing holds the master secrets of the configuration against those that the database was written with.
func (c *cli) checkRing(ctx context.Context, store *storage.Store, ring *grants.Ring) []finding {
	if err := store.CheckSecret(ctx); err != nil {
		return []finding{{"secret", fail, err.Error(), "set secret or secret_file to the one that the database was made with"}}
	}
	out := []finding{{"secret", ok, "it opens the database; in the ring: " + strings.Join(ring.KeyIDs(), ", "), ""}}
	uses, err := store.SecretUses(ctx)
	if err != nil {
		return append(out, finding{"secret", fail, err.Error(), "see that the user of database.url may read its tables"})
	}
	for _, u := range uses {
		held := strings.Join(u.Holds(c.now()), ", ")
		switch configured := ring.Has(u.ID); {
		case configured && !u.RetiredAt.IsZero() && held == "":
			out = append(out, finding{"secret", warn, u.ID + " was retired as compromised, and nothing needs it any more", "take it out of the configuration, and reload every process"})
		case !configured && held != "":
			out = append(out, finding{"secret", warn, u.ID + " is not in the ring, and is needed for: " + held, "put it back at the end of the list, if it is not lost"})
		}
	}
	return out
}

func (c *cli) checkKeys(ctx context.Context, store *storage.Store) (finding, []string) {
	keys, err := store.SigningKeys(ctx)
	if err != nil {
		return finding{"signing keys", fail, err.Error(), "set secret or secret_file to a list that has the one they were sealed with"}, nil
	}
	var signing, kids []string
	for _, k := range keys {
		kids = append(kids, k.ID)
		if keyState(keys, k, c.now()) == "signing" {
			signing = append(signing, k.Alg)
		}
	}
	if len(keys) == 0 {
		return finding{"signing keys", warn, "there are none yet", "they are made at the first start: sallyport serve"}, nil
	}
	if len(signing) < len(op.Algorithms()) {
		return finding{"signing keys", warn, fmt.Sprintf("%d published, only these sign: %s", len(keys), strings.Join(signing, ", ")), "see: sallyport key list"}, kids
	}
	return finding{"signing keys", ok, fmt.Sprintf("%d published, signing: %s", len(keys), strings.Join(signing, ", ")), ""}, kids
}
