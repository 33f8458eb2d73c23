package op

import (
	"bytes"
	"context"
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
)

// auditLog seals the audit log behind the logins. Every process does so, and one of them at a time succeeds.
type auditLog struct {
	store *storage.Store
	log   *slog.Logger
	last  storage.Seal // the newest that this process has seen
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
	a.last = newest
}
