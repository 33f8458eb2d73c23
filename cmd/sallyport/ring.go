package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"sallyport/cmd/sallyport/config"
	"sallyport/grants"
	"sallyport/storage"
)

// nextRing is the ring of a configuration that was read anew while the service runs. It is refused where the old one has to
// stay: where other processes could not open what the new one seals, or something depends on a secret that is gone.
func (s *service) nextRing(ctx context.Context, cfg *config.Config) (*grants.Ring, error) {
	next, err := cfg.Ring()
	if err != nil {
		return nil, err
	}
	uses, err := s.store.SecretUses(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking what depends on the master secrets: %w", err)
	}
	known := make([]storage.Secret, len(uses))
	for i, u := range uses {
		known[i] = u.Secret
	}
	if err := storage.RetireKnown(next, known); err != nil {
		return nil, fmt.Errorf("reading the master secret: %w", err)
	}
	if first := next.KeyID(); !s.ring.Has(first) || isNew(first, known, s.now()) {
		return nil, fmt.Errorf("the first master secret, %s, %s", first, newHere)
	}
	for _, u := range uses {
		if held := u.Holds(s.now()); len(held) > 0 && s.ring.Has(u.ID) && !next.Has(u.ID) {
			return nil, fmt.Errorf("the master secret %s is still needed (%s); put it back at the end, and see: sallyport key list", u.ID, strings.Join(held, ", "))
		}
	}
	if err := s.store.NoteKnown(ctx, next.KeyIDs()...); err != nil {
		return nil, fmt.Errorf("writing which master secrets are known: %w", err)
	}
	// Others are to know that this process seals with it before it does.
	if err := s.store.NoteSealing(ctx, next, known); err != nil {
		return nil, fmt.Errorf("writing that %s seals: %w", next.KeyID(), err)
	}
	return next, nil
}

const newHere = "is new here: other processes may not know it yet; add it at the end, reload every process, then move it to the front"

// isNew tells whether no process has said that it has a secret, while some seal with others: what it sealed, they might not open.
func isNew(id string, known []storage.Secret, now time.Time) bool {
	return !slices.ContainsFunc(known, func(k storage.Secret) bool { return k.ID == id }) &&
		slices.ContainsFunc(known, func(k storage.Secret) bool { return k.Sealing(now) })
}

// sealKnown has an older secret of the ring seal for as long as the first one is new: a start knows no step before, and must not
// skip one.
func sealKnown(ring *grants.Ring, known []storage.Secret, now time.Time) {
	for range ring.KeyIDs() {
		if first := ring.KeyID(); !isNew(first, known, now) || !ring.Demote(first) {
			return
		}
	}
}

// noteSecrets tells at the start whether the first secret of the configuration waits, and other processes which ones this one has.
// One that waits is not among them: another start alone is no step.
func (s *service) noteSecrets(ctx context.Context) error {
	others := s.ring.KeyIDs()[1:]
	if slices.Contains(others, s.first) {
		s.log.WarnContext(ctx, "another master secret seals than the first one, which "+newHere, slog.String("first", s.first), slog.String("seals", s.ring.KeyID()))
		others = slices.DeleteFunc(others, func(id string) bool { return id == s.first })
	}
	if err := s.store.NoteKnown(ctx, others...); err != nil {
		return fmt.Errorf("writing which master secrets are known: %w", err)
	}
	return nil
}

// warnOfMissingSecrets tells at the start which master secrets are still needed and not there. The start goes on: what
// depends on them is lost, and the rest is not.
func (s *service) warnOfMissingSecrets(ctx context.Context) {
	uses, err := s.store.SecretUses(ctx)
	if err != nil {
		s.log.WarnContext(ctx, "what depends on the master secrets is not known", slog.Any("error", err))
	}
	for _, u := range uses {
		if held := u.Holds(s.now()); len(held) > 0 && !s.ring.Has(u.ID) {
			s.log.WarnContext(ctx, "a master secret is missing that something depends on; put it back at the end of the list, if it is not lost",
				slog.String("secret", u.ID), slog.String("lost", strings.Join(held, ", ")))
		}
	}
}
