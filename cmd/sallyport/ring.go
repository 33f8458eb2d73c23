package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

// takeRing reads the master secrets of a configuration that was read anew while the service runs. They are refused where the old ones
// have to stay: where this process itself has not known the first one, or something depends on a secret that is gone.
func (s *service) takeRing(ctx context.Context, next *deployment) error {
	ring, err := next.cfg.Ring()
	if err != nil {
		return err
	}
	uses, err := s.store.SecretUses(ctx)
	if err != nil {
		return fmt.Errorf("asking what depends on the master secrets: %w", err)
	}
	known := make([]storage.Secret, len(uses))
	for i, u := range uses {
		known[i] = u.Secret
	}
	if err := storage.RetireKnown(ring, known); err != nil {
		return fmt.Errorf("reading the master secret: %w", err)
	}
	next.ring, next.configured = ring, ring.KeyIDs()
	if first := ring.KeyID(); !s.ring.Has(first) {
		return fmt.Errorf("the first master secret, %s, %s", first, newHere)
	}
	sealKnown(ring, known, s.now())
	for _, u := range uses {
		if held := u.Holds(s.now()); len(held) > 0 && s.ring.Has(u.ID) && !ring.Has(u.ID) {
			return fmt.Errorf("the master secret %s is still needed (%s); put it back at the end, and see: sallyport key list", u.ID, strings.Join(held, ", "))
		}
	}
	// Others are to know that this process seals with it before it does.
	if err := s.store.NoteSealing(ctx, ring, known); err != nil {
		return fmt.Errorf("writing that %s seals: %w", ring.KeyID(), err)
	}
	return nil
}

const newHere = "is new here: other processes may not know it yet; add it at the end, reload or restart every process, then move it to the front"

// isNew tells whether no process has said that it has a secret, while some seal with others: what it sealed, they might not open.
func isNew(id string, known []storage.Secret, now time.Time) bool {
	return !slices.ContainsFunc(known, func(k storage.Secret) bool { return k.ID == id }) &&
		slices.ContainsFunc(known, func(k storage.Secret) bool { return k.Sealing(now) })
}

// sealKnown has an older secret of the ring seal for as long as the first one is new: who starts, or reads what a start has let pass,
// must not skip a step.
func sealKnown(ring *grants.Ring, known []storage.Secret, now time.Time) {
	for range ring.KeyIDs() {
		if first := ring.KeyID(); !isNew(first, known, now) || !ring.Demote(first) {
			return
		}
	}
}

// noteSecrets tells whether the first secrets of the configuration wait, and other processes which ones this one has behind that which
// seals. Those that wait are not among them: this process alone is no step.
func (d *deployment) noteSecrets(ctx context.Context, log *slog.Logger) error {
	seals := d.ring.KeyID()
	if first := d.configured[0]; first != seals {
		log.WarnContext(ctx, "another master secret seals than the first one, which "+newHere, slog.String("first", first), slog.String("seals", seals))
	}
	if err := d.store.NoteKnown(ctx, d.configured[slices.Index(d.configured, seals)+1:]...); err != nil {
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
