package op

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

// secrets follows the master secrets of the deployment: which ones other processes seal with, and which were thrown out.
type secrets struct {
	store   *storage.Store
	ring    *grants.Ring
	now     func() time.Time
	log     *slog.Logger
	sealing atomic.Pointer[map[string]bool] // whether some process may seal with it now, of those that ever did
	moved   atomic.Value                    // the secret to which everything sealed was moved last, a string
}

// follow retires in the ring what was retired anywhere, says that this process seals, and moves the signing keys and the check
// value from a secret with which nobody seals any more. What is many, the seals of the audit log, moves behind that: see auditLog.
// A process that has no secret left but retired ones must not go on: storage.ErrRetiredSecret.
func (s *secrets) follow(ctx context.Context) error {
	had := s.ring.KeyIDs()
	known, err := s.store.FollowSecrets(ctx)
	if err != nil {
		return fmt.Errorf("following master secrets: %w", err)
	}
	for _, id := range had {
		if !slices.Contains(s.ring.KeyIDs(), id) {
			s.log.WarnContext(ctx, "a master secret was retired as compromised, and is used no more", slog.String("secret", id), slog.String("seals", s.ring.KeyID()))
		}
	}
	if err := s.store.NoteSealing(ctx, s.ring, known); err != nil {
		return fmt.Errorf("following master secrets: %w", err)
	}
	sealing := map[string]bool{}
	for _, k := range known {
		sealing[k.ID] = k.Sealing(s.now())
	}
	s.sealing.Store(&sealing)
	if !s.settled() {
		s.moved.Store("") // whoever seals with another one now may leave something of it
		return nil
	}
	first := s.ring.KeyID()
	if s.moved.Load() == first {
		return nil
	}
	if _, err := s.store.Reseal(ctx); err != nil {
		return fmt.Errorf("sealing anew: %w", err)
	}
	s.moved.Store(first)
	return nil
}

// settled tells whether nobody seals with another secret than this process: they would seal anew with theirs.
func (s *secrets) settled() bool {
	sealing := *s.sealing.Load()
	for id, is := range sealing {
		if is && id != s.ring.KeyID() {
			return false
		}
	}
	return true
}

// Reloaded takes up another ring: the clients at hand may still have hashes of a secret that is gone, and what is sealed may have to
// move. It fails when all of this process's master secrets were thrown out.
func (p *Provider) Reloaded(ctx context.Context) error {
	p.clients.byID.Purge()
	return p.readKeys(ctx)
}

// moveSecret hashes a client's secret, which it has just proven, with the first master secret, once nobody seals with the one
// that it was hashed with. Clients of the configuration file are hashed anew whenever the file is read.
func (p *Provider) moveSecret(ctx context.Context, c *client, entry, secret string) {
	by := grants.HashedBy(entry)
	if by == "" || c.FromFile || by == p.cfg.Ring.KeyID() || (*p.secrets.sealing.Load())[by] {
		return
	}
	moved, err := p.cfg.Store.MoveSecret(ctx, c.ID, entry, p.cfg.Ring.HashSecret(secret))
	if err != nil {
		p.cfg.Log.WarnContext(ctx, "the hash of a client secret could not be moved", slog.String("client", c.ID), slog.Any("error", err))
		return
	}
	if moved {
		p.clients.byID.Remove(c.ID)
	}
}
