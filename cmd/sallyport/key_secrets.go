package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/storage"
)

// secretView is a master secret and what depends on it.
type secretView struct {
	ID            string     `json:"id"`
	Position      int        `json:"position"` // 1 seals; 0 is not in this ring
	Retired       bool       `json:"retired"`
	SealedAt      *time.Time `json:"sealed_at"` // when a process last said that it seals with it
	SigningKeys   int        `json:"signing_keys"`
	ClientSecrets int        `json:"client_secrets"`
	RefreshTokens int        `json:"refresh_tokens"`
	Codes         int        `json:"pending_codes"`
	AuditSeals    int        `json:"audit_seals"`
	Sessions      int        `json:"sessions_begun"`
	Held          []string   `json:"held_by"` // what would be lost without it; empty: it may go
}

// viewSecrets lists the secrets of the ring in its order, then the others that the database knows and that matter.
func (c *cli) viewSecrets(ctx context.Context, d *deployment) ([]secretView, error) {
	uses, err := d.store.SecretUses(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking what depends on the master secrets: %w", err)
	}
	order := d.ring.KeyIDs()
	for _, u := range uses {
		if !slices.Contains(order, u.ID) && (d.ring.Has(u.ID) || len(u.Holds(c.now())) > 0) {
			order = append(order, u.ID)
		}
	}
	views := make([]secretView, len(order))
	for i, id := range order {
		u := storage.SecretUse{Secret: storage.Secret{ID: id}}
		if at := slices.IndexFunc(uses, func(u storage.SecretUse) bool { return u.ID == id }); at >= 0 {
			u = uses[at]
		}
		views[i] = secretView{
			ID: id, Position: slices.Index(d.ring.KeyIDs(), id) + 1, Retired: !u.RetiredAt.IsZero(), SealedAt: moment(u.SealedAt),
			SigningKeys: u.SigningKeys, ClientSecrets: u.ClientSecrets, RefreshTokens: u.RefreshTokens, Codes: u.Challenges,
			AuditSeals: u.AuditSeals, Sessions: u.Sessions, Held: list(u.Holds(c.now())),
		}
	}
	return views, nil
}

func printSecrets(w io.Writer, views []secretView) {
	rows := [][]string{{"MASTER SECRET", "PLACE", "SIGNING KEYS", "CLIENT SECRETS", "REFRESH TOKENS", "CODES", "AUDIT SEALS", "SESSIONS", "MAY GO"}}
	for _, s := range views {
		place, may := strconv.Itoa(s.Position), "yes"
		switch {
		case s.Retired:
			place = "retired"
		case s.Position == 0:
			place = "gone"
		case s.Position == 1:
			place = "1, seals"
		}
		if len(s.Held) > 0 {
			may = "no"
		}
		if s.Position == 1 {
			may = "-"
		}
		rows = append(rows, []string{
			s.ID, place, strconv.Itoa(s.SigningKeys), strconv.Itoa(s.ClientSecrets), strconv.Itoa(s.RefreshTokens), strconv.Itoa(s.Codes),
			strconv.Itoa(s.AuditSeals), strconv.Itoa(s.Sessions), may,
		})
	}
	table(w, rows...)
	for _, s := range views {
		if s.Position != 1 && len(s.Held) > 0 {
			_, _ = fmt.Fprintf(w, "\n%s is needed for: %s.\n", s.ID, strings.Join(s.Held, ", "))
		}
	}
}

// reseal seals everything anew with the first master secret, once no process may seal with another one: those might not have the
// first one yet, and could not go on.
func (c *cli) reseal(cmd *cobra.Command, args []string) error {
	ctx := cmd.Context()
	return c.with(ctx, func(d *deployment) error {
		known, err := d.store.Secrets(ctx)
		if err != nil {
			return fmt.Errorf("reading the master secrets: %w", err)
		}
		for _, k := range known {
			if k.ID != d.configured[0] && k.Sealing(c.now()) {
				return fmt.Errorf("%s may still seal, by a process's word of %s, and that process may not know %s; where every process has that in front by now, try again after %s; else add it at the end, reload every process, then move it to the front: all is sealed anew some minutes later",
					k.ID, stamp(k.SealedAt), d.configured[0], stamp(k.SealedUntil()))
			}
		}
		if err := c.note(cmd, args, d); err != nil {
			return err
		}
		n, err := sealAnew(ctx, d)
		if err != nil {
			return err
		}
		return c.print(map[string]any{"sealed": n, "secret": d.ring.KeyID()}, func(w io.Writer) {
			_, _ = fmt.Fprintf(w, "Sealed %d values anew with %s.\n", n, d.ring.KeyID())
		})
	})
}

func sealAnew(ctx context.Context, d *deployment) (int, error) {
	n, err := d.store.Reseal(ctx)
	if err != nil {
		return n, fmt.Errorf("sealing anew: %w", err)
	}
	seals, err := d.store.ResealSeals(ctx, math.MaxInt)
	if err != nil {
		return n, fmt.Errorf("sealing the audit log anew: %w", err)
	}
	return n + seals, nil
}

// endBatch is how many rows are looked at in one transaction.
const endBatch = 500

// retireSecret throws out a master secret that somebody else knows, and then ends what it made.
func (c *cli) retireSecret(cmd *cobra.Command, args []string, d *deployment) error {
	ctx, id := cmd.Context(), args[0]
	err := c.atOnce(cmd, args, d, func() error { return d.store.RetireSecret(cmd.Context(), id) })
	if errors.Is(err, storage.ErrRetiredSecret) {
		return fmt.Errorf("%s is the only master secret here; add another one to the configuration and reload every process first", id)
	}
	if err != nil {
		return fmt.Errorf("retiring master secret %s: %w", id, err)
	}
	ended, err := endRetired(ctx, d)
	if err != nil {
		return fmt.Errorf("master secret %s is retired, but not all that it made has ended; the processes go on with it, or run this again: %w", id, err)
	}
	return c.print(map[string]any{
		"retired": id, "sessions": ended.Sessions, "authorizations": ended.Authorizations, "pending_codes": ended.Challenges,
	}, func(w io.Writer) {
		_, _ = fmt.Fprintf(w, `Retired %s. Every process drops it within a minute; one that has no other secret stops.
Ended: %d sessions, %d logins of apps with their tokens, %d pending codes. What is made until the last process drops it ends a minute later.
Remove it from the configuration when "sallyport key list" says that it may go.
If a copy of the database may be out too, retire its signing keys as well: sallyport key retire --compromised KID
`, id, ended.Sessions, ended.Authorizations, ended.Challenges)
	})
}

// endRetired does what every process does once a master secret was retired, at once.
func endRetired(ctx context.Context, d *deployment) (storage.Ended, error) {
	if _, err := d.store.FollowSecrets(ctx); err != nil {
		return storage.Ended{}, err
	}
	ended, err := d.store.EndRetired(ctx, endBatch)
	if err != nil {
		return ended, err
	}
	if _, err := d.store.ResealSeals(ctx, math.MaxInt); err != nil && !errors.Is(err, storage.ErrWrongSecret) { // an audit log that was changed stays as it is
		return ended, err
	}
	return ended, nil
}

// isSecretID tells whether an argument is the name of a master secret that this deployment knows, rather than a kid.
func isSecretID(ctx context.Context, d *deployment, id string) (bool, error) {
	if d.ring.Has(id) {
		return true, nil
	}
	known, err := d.store.Secrets(ctx)
	if err != nil {
		return false, fmt.Errorf("reading the master secrets: %w", err)
	}
	return slices.ContainsFunc(known, func(s storage.Secret) bool { return s.ID == id }), nil
}
