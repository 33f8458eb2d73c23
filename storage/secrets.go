package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sallyport/grants"
)

const (
	// sealingInterval is how often at most a process writes that it seals with a secret.
	sealingInterval = 5 * time.Minute
	// sealingGrace is how long after such a word its process may still seal, and what it seals be on its way.
	sealingGrace = sealingInterval + 2*time.Minute
	// retireGrace is how long after a secret was retired a process may not have looked, and what it has made with it be on its way.
	retireGrace = time.Minute
)

// Secret is what the database knows of a master secret, of which it has only the name.
type Secret struct {
	ID        string
	Since     time.Time // when a process first sealed with it, or, before, had it; zero for the first ones: before everything
	SealedAt  time.Time // when a process last said so; zero: never
	RetiredAt time.Time // zero unless somebody else knows it, see [Store.RetireSecret]
}

// Sealing tells whether some process may be sealing with the secret now: also one that has not heard yet that it was retired.
func (s Secret) Sealing(now time.Time) bool {
	return !s.SealedAt.IsZero() && now.Before(s.SealedUntil())
}

// SealedUntil is when what the secret has sealed had all been sealed, as far as processes have said by now.
func (s Secret) SealedUntil() time.Time {
	end := s.SealedAt.Add(sealingGrace)
	if over := s.RetiredAt.Add(retireGrace); !s.RetiredAt.IsZero() && over.Before(end) {
		return over
	}
	return end
}

type secretRow struct {
	ID                         string
	Since, SealedAt, RetiredAt int64
}

func (r *secretRow) fields() []any { return []any{&r.ID, &r.Since, &r.SealedAt, &r.RetiredAt} }

func (r *secretRow) secret() Secret {
	return Secret{ID: r.ID, Since: moment(r.Since), SealedAt: moment(r.SealedAt), RetiredAt: moment(r.RetiredAt)}
}

// Secrets are all master secrets that ever sealed, or that a process said it has, oldest first.
func (s *Store) Secrets(ctx context.Context) ([]Secret, error) {
	rows, err := read[secretRow](s.query(ctx).Raw("SELECT id, since, sealed_at, retired_at FROM secrets ORDER BY since, id"))
	if err != nil {
		return nil, failed("reading secrets", err)
	}
	all := make([]Secret, len(rows))
	for i, r := range rows {
		all[i] = r.secret()
	}
	return all, nil
}

// FollowSecrets reads the master secrets and retires in the ring those that were retired anywhere, after it has sealed anew
// what one of them has sealed until now. [ErrRetiredSecret] when no other would be left.
func (s *Store) FollowSecrets(ctx context.Context) ([]Secret, error) {
	all, err := s.Secrets(ctx)
	if err != nil {
		return nil, err
	}
	var resealing error
	for _, k := range all {
		if !k.RetiredAt.IsZero() && s.ring.Demote(k.ID) {
			_, resealing = s.Reseal(ctx)
		}
	}
	if err := RetireKnown(s.ring, all); err != nil {
		return nil, err
	}
	if errors.Is(resealing, ErrWrongSecret) {
		resealing = nil // what was changed by others is for those who look for it: the start's check, audit verify
	}
	return all, resealing
}

// RetireKnown retires in a ring the secrets that were retired. [ErrRetiredSecret] when no other would be left.
func RetireKnown(ring *grants.Ring, known []Secret) error {
	var gone []string
	for _, k := range known {
		if !k.RetiredAt.IsZero() {
			gone = append(gone, k.ID)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	if err := ring.Retire(gone...); err != nil {
		return fmt.Errorf("%w: %w", ErrRetiredSecret, err)
	}
	return nil
}

// NoteSealing writes that this process seals with a ring's first secret, where that was not written lately. It comes before
// the first seal. Known is what [Store.Secrets] has given.
func (s *Store) NoteSealing(ctx context.Context, ring *grants.Ring, known []Secret) error {
	now, id := s.now(), ring.KeyID()
	for _, k := range known {
		if k.ID == id && now.Sub(k.SealedAt).Abs() < sealingInterval {
			return nil
		}
	}
	if len(known) > 0 {
		return s.noteSealing(ctx, id, now, now)
	}
	// Any secret of the first ring that is seen may have sealed what there is already.
	var errs []error
	for _, id := range ring.KeyIDs() {
		errs = append(errs, s.noteSealing(ctx, id, time.Time{}, now))
	}
	return errors.Join(errs...)
}

func (s *Store) noteSealing(ctx context.Context, id string, since, now time.Time) error {
	_, err := s.exec(ctx, "writing secret", `INSERT INTO secrets (id, since, sealed_at, retired_at) VALUES (?, ?, ?, 0)
		ON CONFLICT (id) DO UPDATE SET sealed_at = excluded.sealed_at,
			since = CASE WHEN secrets.sealed_at = 0 THEN excluded.since ELSE secrets.since END
		WHERE secrets.sealed_at < excluded.sealed_at AND secrets.retired_at = 0`,
		id, micros(since), micros(now))
	return err
}

// NoteKnown writes that a process has secrets with which it may not seal, so that one of them can be the first of a later start.
func (s *Store) NoteKnown(ctx context.Context, ids ...string) error {
	var errs []error
	for _, id := range ids {
		_, err := s.exec(ctx, "writing secret", `INSERT INTO secrets (id, since, sealed_at, retired_at) VALUES (?, ?, 0, 0)
			ON CONFLICT (id) DO NOTHING`, id, micros(s.now()))
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// MoveSecret puts a fresh hash of a client's secret in place of another, where that still stands, and tells whether it did.
func (s *Store) MoveSecret(ctx context.Context, clientID, old, fresh string) (bool, error) {
	moved := false
	err := s.Tx(ctx, func(ctx context.Context) error {
		moved = false
		c, err := s.Client(ctx, clientID)
		if err != nil {
			return err
		}
		next := make(list, len(c.Secrets))
		for i, entry := range c.Secrets {
			next[i] = entry
			if entry == old {
				next[i], moved = fresh, true
			}
		}
		if !moved {
			return nil
		}
		n, err := s.exec(ctx, "moving client secret", "UPDATE clients SET secrets = ? WHERE id = ? AND secrets = ?", next, clientID, list(c.Secrets))
		moved = n == 1
		return err
	})
	return moved, err
}
