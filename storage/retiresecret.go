package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"sallyport/grants"
)

const (
	// EventSecretRetired is the audit event of a master secret that somebody else knows.
	EventSecretRetired = "secret.retired"

	// settingEnded is the row, with the id of a retired secret behind it, that says that all which the secret made has ended.
	settingEnded = "ended with secret "
)

// Ended is what was ended together with a master secret.
type Ended struct {
	Sessions, Authorizations, Challenges int
}

// RetireSecret throws out a master secret that somebody else knows, from the moment at which it is written: every process follows
// within its next look at the secrets, [Store.FollowSecrets], and what the secret made is for [Store.EndRetired]. Hashes of client
// secrets stay, see [grants.Ring.Retire]. Again it changes nothing. [ErrRetiredSecret] when the ring has no other secret;
// [ErrNotFound] when neither ring nor database know it.
func (s *Store) RetireSecret(ctx context.Context, id string) error {
	known, err := s.Secrets(ctx)
	if err != nil {
		return err
	}
	if !s.ring.Has(id) && !slices.ContainsFunc(known, func(k Secret) bool { return k.ID == id }) {
		return fmt.Errorf("retiring secret %s: %w", id, ErrNotFound)
	}
	if slices.Equal(s.ring.KeyIDs(), []string{id}) {
		return fmt.Errorf("retiring secret %s: %w", id, ErrRetiredSecret)
	}
	return s.Tx(ctx, func(ctx context.Context) error {
		now := micros(s.now())
		n, err := s.exec(ctx, "retiring secret", `INSERT INTO secrets (id, since, sealed_at, retired_at) VALUES (?, ?, 0, ?)
			ON CONFLICT (id) DO UPDATE SET retired_at = excluded.retired_at WHERE secrets.retired_at = 0`, id, now, now)
		if err != nil || n == 0 {
			return err
		}
		if err := s.RaiseAlert(ctx, grants.AlertSecretCompromised, "master secret "+id); err != nil {
			return err
		}
		return s.Append(ctx, grants.Event{Type: EventSecretRetired, Detail: id})
	})
}

// EndRetired ends what retired secrets have made: sessions, tokens and open challenges of the time in which each of them sealed, until a
// minute after its retirement. It goes along the tables in batches of rows, each a transaction of its own, so that nobody waits for
// it, and may stop anywhere and begin again. Once all of that time is over and its end is written, a secret costs no more.
func (s *Store) EndRetired(ctx context.Context, batch int) (Ended, error) {
	var total Ended
	now := s.now()
	rows, err := read[secretRow](s.query(ctx).Raw(`SELECT id, since, sealed_at, retired_at FROM secrets k WHERE retired_at <> 0
		AND NOT EXISTS (SELECT 1 FROM settings WHERE name = CAST(? AS TEXT) || k.id)`, settingEnded))
	if err != nil {
		return total, failed("reading retired secrets", err)
	}
	for _, r := range rows {
		k := r.secret()
		if err := s.endMadeBy(ctx, k, batch, &total); err != nil {
			return total, err
		}
		if !now.After(k.RetiredAt.Add(retireGrace)) {
			continue // some process may not have heard of it
		}
		if _, err := s.exec(ctx, "writing what has ended", "INSERT INTO settings (name, n) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", settingEnded+k.ID, micros(now)); err != nil {
			return total, err
		}
	}
	return total, nil
}

// endMadeBy ends what one secret has made, and adds it to a total.
func (s *Store) endMadeBy(ctx context.Context, k Secret, batch int, total *Ended) error {
	now, from, to := micros(s.now()), micros(k.Since), micros(k.SealedUntil())
	for _, e := range []struct {
		n                 *int
		table, set, where string
		args              []any
		byTime            bool
	}{
		{&total.Challenges, "challenges", "ended_at", "key_id = ? AND spent_at = 0 AND ended_at = 0 AND expires_at > ?", []any{k.ID, now}, false},
		{&total.Sessions, "sessions", "ended_at", "ended_at = 0 AND expires_at > ? AND idle_expires_at > ? AND auth_time BETWEEN ? AND ?", []any{now, now, from, to}, true},
		{
			&total.Authorizations, "authorizations", "revoked_at",
			"revoked_at = 0 AND expires_at > ? AND (created_at BETWEEN ? AND ? OR " + refreshMinted + " BETWEEN ? AND ?)",
			[]any{now, from, to, from, to},
			true,
		},
	} {
		if e.byTime && k.SealedAt.IsZero() {
			continue // it never sealed
		}
		statement := fmt.Sprintf("UPDATE %s SET %s = ? WHERE id > ? AND id <= ? AND %s", e.table, e.set, e.where)
		err := s.along(ctx, e.table, batch, func(after, upTo string) error {
			n, err := s.exec(ctx, "ending "+e.table, statement, append([]any{now, after, upTo}, e.args...)...)
			*e.n += int(n)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// along goes along a table by its ids, in steps of a number of rows: whatever is done to a step looks at no more than those.
func (s *Store) along(ctx context.Context, table string, rows int, step func(after, upTo string) error) error {
	for after := ""; ; {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("going along %s: %w", table, err)
		}
		last, err := readOne[text](s.query(ctx).Raw(fmt.Sprintf(
			"SELECT id FROM (SELECT id FROM %s WHERE id > ? ORDER BY id LIMIT ?) AS step ORDER BY id DESC LIMIT 1", table), after, rows))
		if errors.Is(err, gorm.ErrRecordNotFound) {
			return nil
		}
		if err != nil {
			return failed("going along "+table, err)
		}
		if err := step(after, last.is); err != nil {
			return err
		}
		after = last.is
	}
}
