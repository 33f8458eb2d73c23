package op

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

// Audit events of the signing keys. The detail is algorithm and kid.
const (
	EventKeyRotated = "key.rotated"
	EventKeyRetired = "key.retired" // as compromised
)

// ErrKeyGone says that a key is not there any more.
var ErrKeyGone = errors.New("it is gone already")

// RotateKeys publishes a new key of an algorithm. It signs after the lead time; the others stay published until all
// that they signed is over. The times are by the database's clock, which all processes share.
func RotateKeys(ctx context.Context, store *storage.Store, alg string) (storage.SigningKey, error) {
	fresh, err := rotate(ctx, store, alg, time.Time{})
	return fresh, err
}

// errNotDue says that another process has rotated already.
var errNotDue = errors.New("the newest key is young enough")

// rotate is RotateKeys, if no key of the algorithm was published after a moment; the zero time for in any case.
func rotate(ctx context.Context, store *storage.Store, alg string, ifBefore time.Time) (storage.SigningKey, error) {
	now, err := store.DatabaseTime(ctx)
	if err != nil {
		return storage.SigningKey{}, err
	}
	fresh, err := NewSigningKey(alg, now) // outside of the transaction: RSA takes its time
	if err != nil {
		return storage.SigningKey{}, err
	}
	return fresh, store.WithKeyLock(ctx, func(ctx context.Context) error {
		keys, err := store.SigningKeys(ctx)
		if err != nil {
			return err
		}
		if !ifBefore.IsZero() && slices.ContainsFunc(keys, func(k storage.SigningKey) bool { return k.Alg == alg && k.PublishAt.After(ifBefore) }) {
			return errNotDue
		}
		if err := store.AddSigningKey(ctx, fresh); err != nil {
			return err
		}
		if err := store.RetireSigningKeys(ctx, alg, fresh.ID, fresh.SignFrom.Add(keyTail)); err != nil {
			return err
		}
		return store.Append(ctx, grants.Event{Type: EventKeyRotated, Detail: alg + " " + fresh.ID})
	})
}

// DropKey takes a key away that somebody else has, and makes sure that another of its algorithm signs from now on: one that
// waits, or else a new one. The owner of the deployment is told. [ErrKeyGone].
func DropKey(ctx context.Context, store *storage.Store, gone storage.SigningKey) error {
	now, err := store.DatabaseTime(ctx)
	if err != nil {
		return err
	}
	fresh, err := NewSigningKey(gone.Alg, now)
	if err != nil {
		return err
	}
	fresh.SignFrom = now
	return store.WithKeyLock(ctx, func(ctx context.Context) error {
		keys, err := store.SigningKeys(ctx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(keys, func(k storage.SigningKey) bool { return k.ID == gone.ID }) {
			return ErrKeyGone
		}
		others := slices.DeleteFunc(keys, func(k storage.SigningKey) bool {
			return k.ID == gone.ID || k.Alg != gone.Alg || !k.VerifyUntil.IsZero()
		})
		waiting := slices.IndexFunc(others, func(k storage.SigningKey) bool { return now.Before(k.SignFrom) })
		switch {
		case slices.ContainsFunc(others, func(k storage.SigningKey) bool { return !now.Before(k.SignFrom) }):
		case waiting >= 0:
			err = store.StartSigningKey(ctx, others[waiting].ID, now)
		default:
			err = store.AddSigningKey(ctx, fresh)
		}
		if err != nil {
			return err
		}
		if err := store.DeleteSigningKey(ctx, gone.ID); err != nil {
			return err
		}
		if err := store.RaiseAlert(ctx, grants.AlertSecretCompromised, "signing key "+gone.Alg+" "+gone.ID); err != nil {
			return err
		}
		return store.Append(ctx, grants.Event{Type: EventKeyRetired, Detail: gone.Alg + " " + gone.ID})
	})
}

// rotateByAge publishes new keys in place of those that are due. One process does, whichever takes the lock first.
func (p *Provider) rotateByAge(ctx context.Context) {
	set := p.keys.set.Load()
	if p.cfg.RotateKeys <= 0 || set == nil {
		return
	}
	due := set.at.Add(-p.cfg.RotateKeys)
	for _, alg := range Algorithms() {
		if slices.ContainsFunc(set.keys, func(k key) bool { return k.Alg == alg && k.PublishAt.After(due) }) {
			continue
		}
		fresh, err := rotate(ctx, p.cfg.Store, alg, due)
		switch {
		case err == nil:
			p.cfg.Log.InfoContext(ctx, "signing key rotated", slog.String("alg", alg), slog.String("kid", fresh.ID))
		case !errors.Is(err, errNotDue):
			p.cfg.Log.ErrorContext(ctx, "signing key could not be rotated", slog.Any("error", fmt.Errorf("rotating %s: %w", alg, err)))
		}
	}
}
