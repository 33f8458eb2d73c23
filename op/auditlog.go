package op

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"time"

	"sallyport/storage"
)

const (
	// sealTick is how often a process looks for events to seal, and learns the database's clock: see [storage.Store.SealEvents].
	sealTick = 15 * time.Second
	// sealTimeout bounds one round, so that a database that hangs does not keep it from trying again.
	sealTimeout = time.Minute
	// sealBatch is the most events of one seal.
	sealBatch = 5000
	// jumpSize is what the database's clock may gain or lose on the process's own between two looks.
	jumpSize = time.Minute
	// jumpTime is how long a clock that has jumped must stay where it is until it is believed.
	jumpTime = 5 * time.Minute
	// resealSlice is how many seals at most move to another master secret in one round.
	resealSlice = 2000
)

// auditLog seals the audit log behind the logins. Every process does so, and one of them at a time succeeds.
type auditLog struct {
	store *storage.Store
	now   func() time.Time
	log   *slog.Logger
	last  storage.Seal // the newest that this process has seen
	clock steadyClock

	secrets *secrets
	moved   string // the secret to which all seals were moved last
}

// steadyClock tells a clock that goes from one that was set. One mistaken moment would seal what is still being written, and lie
// ahead of all others until it comes.
type steadyClock struct {
	at  time.Time // what the clock said when it was last believed
	own time.Time // when that was, by time that nobody sets

	gained time.Duration // by how much it has been away from there
	since  time.Time     // since when by just that much, likewise; zero while it is believed
}

// believes tells whether a clock is where it should be, as the time passes that own measures, or has stayed away from there for long.
func (c *steadyClock) believes(at, own time.Time) bool {
	at = at.Round(0) // as it was set: without what else Go knows of it
	gained := at.Sub(c.at) - own.Sub(c.own)
	jumped := !c.at.IsZero() && gained.Abs() > jumpSize
	if jumped && (c.since.IsZero() || (gained-c.gained).Abs() > jumpSize) {
		c.since, c.gained = own, gained
	}
	if jumped && own.Sub(c.since) < jumpTime {
		return false
	}
	*c = steadyClock{at: at, own: own}
	return true
}

// look is one round: new seals, then a slice of those that move to another master secret.
func (a *auditLog) look(ctx context.Context) {
	a.seal(ctx)
	a.reseal(ctx)
}

// seal seals what has settled and logs every new head, so that cutting off the end of the log shows to whoever keeps these lines.
func (a *auditLog) seal(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, sealTimeout)
	defer cancel()
	now, err := a.store.DatabaseTime(ctx)
	if stopped(ctx) {
		return
	}
	if err != nil {
		a.log.ErrorContext(ctx, "audit log could not be sealed", slog.Any("error", err))
		return
	}
	if !a.clock.believes(now, a.now()) {
		a.log.ErrorContext(ctx, "audit log is not sealed: the database's clock was set, and is believed when it stays where it is", slog.Time("clock", now), slog.Duration("after", jumpTime))
		return
	}
	newest, made, err := a.store.SealEvents(ctx, now, sealBatch)
	for _, l := range made {
		a.log.InfoContext(ctx, "audit log sealed", slog.Int64("seal", l.N), slog.Int("events", l.Events), slog.String("last_event", l.LastID), slog.String("head", l.Head()))
	}
	if stopped(ctx) {
		return
	}
	if err != nil {
		a.log.ErrorContext(ctx, "audit log could not be sealed", slog.Any("error", err))
		return
	}
	if newest.N < a.last.N || newest.N == a.last.N && !bytes.Equal(newest.Hash, a.last.Hash) {
		a.log.ErrorContext(ctx, "audit log was set back: seals that were there are gone", slog.Int64("seal", a.last.N), slog.String("head", a.last.Head()),
			slog.Int64("newest", newest.N))
	}
	if newest.Ahead(now) {
		a.log.ErrorContext(ctx, "the newest seal of the audit log is of a time that has not come: a clock was ahead", slog.Int64("seal", newest.N),
			slog.Time("sealed_at", newest.SealedAt), slog.Time("clock", now))
	}
	a.last = newest
}

// reseal moves a slice of the seals to the first master secret, once nobody seals with another one.
func (a *auditLog) reseal(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, sealTimeout)
	defer cancel()
	if !a.secrets.settled() {
		a.moved = "" // whoever seals with another one now leaves seals of it
		return
	}
	first := a.secrets.ring.KeyID()
	if a.moved == first {
		return
	}
	n, err := a.store.ResealSeals(ctx, resealSlice)
	if stopped(ctx) {
		return
	}
	if n > 0 {
		a.log.InfoContext(ctx, "seals of the audit log moved to the first master secret", slog.Int("seals", n), slog.String("secret", first))
	}
	if err != nil {
		a.log.ErrorContext(ctx, "seals of the audit log could not be made anew with the first master secret", slog.Any("error", err))
	}
	if errors.Is(err, storage.ErrWrongSecret) || err == nil && n < resealSlice {
		a.moved = first // or as far as they go: a seal that was changed is for whoever looks into the log
	}
}
