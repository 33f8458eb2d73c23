package op

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

// refusalInterval is how often a client that is refused can write an event.
const refusalInterval = time.Minute

// refusals counts who could not prove to be a client, by client, so that somebody who tries secrets writes one event a minute and
// not one a try. Ids that no client has are counted as one; all else is as bounded as the clients are.
type refusals struct {
	mu sync.Mutex
	of map[string]refused
}

type refused struct {
	n          int
	first      time.Time
	lastOrigin grants.Origin
}

func (r *refusals) count(ctx context.Context, clientID string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of = map[string]refused{}
	}
	one, there := r.of[clientID]
	if !there {
		one.first = now
	}
	one.n++
	one.lastOrigin = grants.OriginOf(ctx)
	r.of[clientID] = one
}

// write puts what was counted into the audit log, and begins anew. What cannot be written is logged instead.
func (r *refusals) write(ctx context.Context, store *storage.Store, log *slog.Logger) {
	r.mu.Lock()
	of := r.of
	r.of = nil
	r.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(of)) {
		one := of[id]
		err := store.Append(ctx, grants.Event{
			Type: storage.EventClientRefused, ClientID: id, IP: one.lastOrigin.IP, RequestID: one.lastOrigin.RequestID,
			Detail: fmt.Sprintf("%d since %s; the last one's address and request", one.n, one.first.UTC().Format(time.RFC3339)),
		})
		if err != nil {
			log.ErrorContext(ctx, "refused clients could not be written to the audit log", slog.String("client_id", id), slog.Int("times", one.n), slog.Any("error", err))
		}
	}
}
