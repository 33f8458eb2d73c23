package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sallyport/grants"
)

const (
	// EventSecretRetired is the audit event of a master secret that somebody else knows.
	EventSecretRetired = "secret.retired"

	retireBatch = 500
)

// Ended is what was ended together with a master secret.
type Ended struct {
	Sessions, Authorizations, Challenges int
}

// RetireSecret throws out a master secret that somebody else knows, with all that was made while it sealed: sessions, tokens
// and open challenges. Every process follows within its next look at the secrets. Signing keys and the check value are sealed
// anew by the first secret that is left; hashes of client secrets stay, see [grants.Ring.Retire]. It can be called again, to
// end what it had not come to. [ErrRetiredSecret] when the ring has no other secret; [ErrNotFound] when neither ring nor
// database know it.
func (s *Store) RetireSecret(ctx context.Context, id string) (Ended, error) {
	known, err := s.Secrets(ctx)
	if err != nil {
		return Ended{}, err
	}
	at := slices.IndexFunc(known, func(k Secret) bool { return k.ID == id })
	if at < 0 && !slices.Contains(s.ring.KeyIDs(), id) {
		return Ended{}, fmt.Errorf("retiring secret %s: %w", id, ErrNotFound)
	}
	if slices.Equal(s.ring.KeyIDs(), []string{id}) {
		return Ended{}, fmt.Errorf("retiring secret %s: %w", id, ErrRetiredSecret)
	}
	s.ring.Demote(id)
	if _, err := s.Reseal(ctx); err != nil && !errors.Is(err, ErrWrongSecret) { // an audit log that was changed stays as it is
		return Ended{}, err
	}
	var ended Ended
	err = s.WithKeyLock(ctx, func(ctx context.Context) error {
		now := micros(s.now())
		n, err := s.exec(ctx, "retiring secret", `INSERT INTO secrets (id, since, sealed_at, retired_at) VALUES (?, ?, 0, ?)
			ON CONFLICT (id) DO UPDATE SET retired_at = excluded.retired_at WHERE secrets.retired_at = 0`, id, now, now)
		if err != nil {
			return err
		}
		challenges, err := s.exec(ctx, "ending challenges", "UPDATE challenges SET ended_at = ? WHERE key_id = ? AND spent_at = 0 AND ended_at = 0", now, id)
		if err != nil {
			return err
		}
		ended.Challenges = int(challenges)
		if n == 0 { // by an earlier call
			return nil
		}
		if err := s.RaiseAlert(ctx, grants.AlertSecretCompromised, "master secret "+id); err != nil {
			return err
		}
		return s.Append(ctx, grants.Event{Type: EventSecretRetired, Detail: id})
	})
	if err != nil || at < 0 || known[at].SealedAt.IsZero() {
		return ended, err
	}
	from, to, now := micros(known[at].Since), micros(known[at].end()), micros(s.now())
	ended.Sessions, err = batches(ctx, retireBatch, func() (int, error) {
		n, err := s.exec(ctx, "ending sessions", `UPDATE sessions SET ended_at = ? WHERE id IN (SELECT s.id FROM sessions s
			WHERE `+liveSession+` AND s.auth_time BETWEEN ? AND ? LIMIT ?)`, now, now, now, from, to, retireBatch)
		return int(n), err
	})
	if err != nil {
		return ended, err
	}
	ended.Authorizations, err = batches(ctx, retireBatch, func() (int, error) {
		n, err := s.exec(ctx, "revoking authorizations", `UPDATE authorizations SET revoked_at = ? WHERE id IN (SELECT id FROM authorizations
			WHERE revoked_at = 0 AND expires_at > ? AND (created_at BETWEEN ? AND ? OR `+refreshMinted+` BETWEEN ? AND ?) LIMIT ?)`,
			now, now, from, to, from, to, retireBatch)
		return int(n), err
	})
	return ended, err
}
