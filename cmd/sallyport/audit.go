package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"sallyport/storage"
)

func (c *cli) auditCommand() *cobra.Command {
	return group("audit", "Verify and export the audit log", c.auditVerify(), c.auditExport())
}

// auditView is what audit verify shows.
type auditView struct {
	Whole         bool                 `json:"whole"`
	Seals         int                  `json:"seals"`
	Events        int                  `json:"events"`
	PurgedSeals   int64                `json:"purged_seals"`
	Head          string               `json:"head"`
	HeadSeal      int64                `json:"head_seal"`
	SealedAt      *time.Time           `json:"sealed_at"`
	Unsealed      int                  `json:"unsealed"`
	UnsealedSince *time.Time           `json:"unsealed_since"`
	Faults        []storage.AuditFault `json:"faults"` // at most 100
}

var errNotWhole = errors.New("the audit log is not as it was written")

func (c *cli) auditVerify() *cobra.Command {
	var head, at string
	cmd := &cobra.Command{
		Use: "verify", Short: "Hold every event against the seals of the audit log", Args: cobra.NoArgs,
		Long: `Walk the whole chain of seals and hold every event of the audit log against it. Whatever was changed, deleted, slipped in or put
into another order is named, and the command fails.

That the end of the log was cut off can only be seen by somebody who has kept a head: the log line "audit log sealed" has one, and so
does this command. With --head, a seal with that head must be in the chain.

Events older than five minutes are to be sealed. Where nobody has served since, as on a copy, --at is the moment to count from.`,
		Example: `  sallyport audit verify --head 6f0c...                 # 64 digits: cut off nowhere before that?
  sallyport audit verify --at 2026-03-04T05:00:00Z      # a copy that was made then`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			want, err := headFlag(head)
			if err != nil {
				return err
			}
			now, err := momentFlag("--at", at)
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), func(d *deployment) error { return c.verifyAudit(cmd.Context(), d.store, now, want) })
		},
	}
	cmd.Flags().StringVar(&head, "head", "", "a head that was kept: its seal must be in the chain")
	cmd.Flags().StringVar(&at, "at", "", "the moment of the copy that is verified: 2026-01-31T12:00:00Z (default: now)")
	return cmd
}

// verifyAudit verifies the log as of a moment, the zero time standing for now.
func (c *cli) verifyAudit(ctx context.Context, store *storage.Store, at time.Time, head []byte) error {
	if at.IsZero() {
		var err error
		if at, err = store.DatabaseTime(ctx); err != nil {
			return fmt.Errorf("reading the database's clock: %w", err)
		}
	}
	r, err := store.VerifyAudit(ctx, at, head)
	if err != nil {
		return fmt.Errorf("verifying the audit log: %w", err)
	}
	v := auditView{
		Whole: len(r.Faults) == 0, Seals: r.Seals, Events: r.Events, PurgedSeals: r.Purged, Head: r.Newest.Head(), HeadSeal: r.Newest.N,
		SealedAt: moment(r.Newest.SealedAt), Unsealed: r.Unsealed, UnsealedSince: moment(r.UnsealedSince), Faults: r.Faults,
	}
	if v.Faults == nil {
		v.Faults = []storage.AuditFault{}
	}
	if err := c.print(v, func(w io.Writer) { printAudit(w, v) }); err != nil {
		return err
	}
	if !v.Whole {
		return errNotWhole
	}
	return nil
}

// headFlag reads a head, nil where there is none.
func headFlag(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	head, err := hex.DecodeString(s)
	if err != nil || len(head) != 32 {
		return nil, fmt.Errorf("--head %q is not a head: 64 hexadecimal digits, as the log line \"audit log sealed\" has them", s)
	}
	return head, nil
}

func printAudit(w io.Writer, v auditView) {
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	for _, f := range v.Faults {
		line("%s", faultText(f))
	}
	if v.Whole {
		line("All %d sealed events are as they were written.", v.Events)
	}
	line("Seals: %d, after %d that the retention has taken.", v.Seals, v.PurgedSeals)
	if v.HeadSeal > 0 {
		line("Head: %s, of seal %d, made at %s.", v.Head, v.HeadSeal, stampOf(v.SealedAt))
	}
	if v.Unsealed > 0 {
		line("Not sealed yet: %d events, the first of %s.", v.Unsealed, stampOf(v.UnsealedSince))
	}
}

func faultText(f storage.AuditFault) string {
	switch f.Kind {
	case storage.FaultEventChanged:
		return fmt.Sprintf("Event %s was changed (seal %d).", f.Event, f.Seal)
	case storage.FaultEventMissing:
		after := f.Event
		if after == "" {
			after = "the beginning"
		}
		return fmt.Sprintf("Events are missing (seal %d): %d after %s.", f.Seal, f.Count, after)
	case storage.FaultEventAdded:
		return fmt.Sprintf("Event %s was slipped in, or came when its time was sealed already (seal %d).", f.Event, f.Seal)
	case storage.FaultSealChanged:
		return fmt.Sprintf("Seal %d was changed, or is not where it belongs. Its events were not looked at.", f.Seal)
	case storage.FaultSealMissing:
		return fmt.Sprintf("Seals are missing: %d from number %d on.", f.Count, f.Seal)
	case storage.FaultSealKey:
		return fmt.Sprintf("Seal %d was made with a master secret that is not in the ring, so anybody may have made it.", f.Seal)
	case storage.FaultNoBeginning:
		return "The beginning is missing, and it is not the retention that has taken it."
	case storage.FaultEventAhead:
		return fmt.Sprintf("Events are of a time that has not come: %d, the first %s. A clock is or was ahead, or they were slipped in.", f.Count, f.Event)
	case storage.FaultUnsealed:
		return fmt.Sprintf("Events are not sealed although their time has come: %d, the first %s. No process has served for minutes (for a copy, give its moment with --at), or sealing fails and its log says why.", f.Count, f.Event)
	case storage.FaultHeadMissing:
		return "No seal has the head that was kept: the end was cut off, the log was made anew, or the retention has taken it since."
	}
	return f.Kind
}

// exportedEvent is one line of audit export. Its members keep their names, and the codes their meaning: docs/audit-log.md.
type exportedEvent struct {
	ID          string    `json:"id"`
	Time        time.Time `json:"time"`
	Code        string    `json:"code"`
	ClientID    string    `json:"client_id,omitempty"`
	UserID      string    `json:"user_id,omitempty"`
	Address     string    `json:"address,omitempty"` // masked
	ChallengeID string    `json:"challenge_id,omitempty"`
	IP          string    `json:"ip,omitempty"`
	RequestID   string    `json:"request_id,omitempty"`
	Detail      string    `json:"detail,omitempty"`
}

func (c *cli) auditExport() *cobra.Command {
	var since, until string
	var follow bool
	cmd := &cobra.Command{
		Use: "export", Short: "Print the audit log as JSON lines, the oldest event first", Args: cobra.NoArgs,
		Long: `Print the audit log as JSON lines, the oldest event first.

With --follow it goes on until it is stopped, a minute behind: events are printed when no older one can come any more, each once. To go
on where it was stopped, give the time of the last line to --since and drop the lines whose id is known. While the database cannot be
reached it says so on standard error, and goes on when it can.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := storage.LogQuery{After: "0", Limit: exportPage}
			var err error
			if q.Since, err = momentFlag("--since", since); err != nil {
				return err
			}
			if q.Until, err = momentFlag("--until", until); err != nil {
				return err
			}
			return c.with(cmd.Context(), func(d *deployment) error {
				if follow {
					next := time.NewTicker(followInterval)
					defer next.Stop()
					return c.followEvents(cmd.Context(), d.store, q, next.C)
				}
				_, err := c.exportEvents(cmd.Context(), d.store, q)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "from this moment on: 2026-01-31 or 2026-01-31T12:00:00Z")
	cmd.Flags().StringVar(&until, "until", "", "up to this moment, which is past the end")
	cmd.Flags().BoolVar(&follow, "follow", false, "go on with what comes, until stopped")
	cmd.MarkFlagsMutuallyExclusive("until", "follow")
	return cmd
}

// momentFlag reads a moment, a day standing for its beginning in UTC. Empty is the zero time.
func momentFlag(name, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(form, s); err == nil && t.Unix() >= 0 {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%s %q is not a moment; write 2026-01-31 or 2026-01-31T12:00:00Z", name, s)
}

// exportEvents prints all events of a query, and gives the query of those that come after them.
func (c *cli) exportEvents(ctx context.Context, store *storage.Store, q storage.LogQuery) (storage.LogQuery, error) {
	for {
		page, _, err := store.Log(ctx, q)
		if err != nil {
			return q, fmt.Errorf("reading the audit log: %w", err)
		}
		for _, e := range page {
			err := c.jsonLine(exportedEvent{
				ID: e.ID, Time: e.Time, Code: e.Type, ClientID: e.ClientID, UserID: e.UserID, Address: e.Address, ChallengeID: e.ChallengeID,
				IP: e.IP, RequestID: e.RequestID, Detail: e.Detail,
			})
			if err != nil {
				return q, err
			}
			q.After = e.ID
		}
		if len(page) < q.Limit {
			return q, nil
		}
	}
}

const followInterval = 5 * time.Second

// followEvents prints what has settled, now and at each tick. A database that is away is waited for: it loses nothing, and prints nothing twice.
func (c *cli) followEvents(ctx context.Context, store *storage.Store, q storage.LogQuery, ticks <-chan time.Time) error {
	for {
		var err error
		q, err = c.exportSettled(ctx, store, q)
		if err != nil && ctx.Err() == nil {
			if !errors.Is(err, storage.ErrUnavailable) {
				return err
			}
			_, _ = fmt.Fprintf(c.stderr, "sallyport: %v; trying again\n", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticks:
		}
	}
}

func (c *cli) exportSettled(ctx context.Context, store *storage.Store, q storage.LogQuery) (storage.LogQuery, error) {
	now, err := store.DatabaseTime(ctx)
	if err != nil {
		return q, fmt.Errorf("reading the database's clock: %w", err)
	}
	q.Until = now.Add(-storage.SettleTime)
	return c.exportEvents(ctx, store, q)
}
