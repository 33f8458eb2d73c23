package grants

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	// watchEvery is how often a [Watch] looks by itself, and watchAtMost how often when wrong codes come in numbers.
	watchEvery, watchAtMost = 10 * time.Second, time.Second
	// calm is by how much of a threshold the numbers must have fallen before a raised risk falls: to a half.
	calm = 2
)

// UsualLogins is how many logins there are at least, in calm times, for one challenge that saw wrong codes only. People mistype and
// give up at a few in a hundred; one to four is far above that.
const UsualLogins = 4

// WatchConfig says what a [Watch] works with. All is needed but a limit that is off.
type WatchConfig struct {
	Store interface {
		// FailedChallenges counts, per client, the challenges that saw wrong codes and no right one, and have ended since then
		// or are open. It may stop at a number that is far above every threshold.
		FailedChallenges(ctx context.Context, since time.Time) (map[string]int, error)
		// Logins counts the completed logins per client since then. It may estimate.
		Logins(ctx context.Context, since time.Time) (map[string]int, error)
	}
	Spraying          Limit // failed challenges of a client, where logins are fewer than usual for them
	FailuresPerClient Limit // likewise, however many logins there are
	Alerts            Alerts
	Now               func() time.Time
	Log               *slog.Logger
}

// Watch notices when codes are guessed at many accounts, each too seldom for its own budget: far more challenges than usual then
// end without a login. It asks the store behind the requests. Processes come to the same end by themselves, from the same rows.
//
// Only challenges that were guessed at count, so nobody hides their guesses among starts. Who hides them among logins of their own
// is noticed by FailuresPerClient.
type Watch struct {
	cfg    WatchConfig
	risk   atomic.Pointer[risk]
	failed atomic.Int64 // wrong codes here since the last look
	woken  chan struct{}
}

// risk is what a Watch found: the clients through which codes are being guessed, and whether they are through all others together.
type risk struct {
	clients map[string]bool
	others  bool
}

// NewWatch makes a watch that has seen nothing yet.
func NewWatch(cfg WatchConfig) *Watch {
	w := &Watch{cfg: cfg, woken: make(chan struct{}, 1)}
	w.risk.Store(&risk{})
	return w
}

// Risk is for [Config].Risk.
func (w *Watch) Risk(clientID string) bool {
	r := w.risk.Load()
	return r.others || r.clients[clientID]
}

// Failed is for [Config].Failed: when wrong codes come in numbers, the next look is not waited for.
func (w *Watch) Failed() {
	if w.failed.Add(1) < int64(max(w.cfg.Spraying.N, 1)) {
		return
	}
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// Run looks until ctx ends. While the store cannot be read, what was found last holds.
func (w *Watch) Run(ctx context.Context) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		if err := w.Look(ctx); err != nil && ctx.Err() == nil {
			w.cfg.Log.WarnContext(ctx, "guessing could not be watched", slog.Any("error", err))
		}
		rest := time.NewTimer(watchAtMost)
		select {
		case <-ctx.Done():
			rest.Stop()
			return nil
		case <-rest.C:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-w.woken:
		}
	}
}

// Look is one look.
func (w *Watch) Look(ctx context.Context) error {
	w.failed.Store(0)
	sprayed, err := w.count(ctx, w.cfg.Spraying)
	if err != nil {
		return err
	}
	many, err := w.count(ctx, w.cfg.FailuresPerClient)
	if err != nil {
		return err
	}
	before := w.risk.Load()
	after := &risk{clients: map[string]bool{}}
	var rest counted
	for client := range union(sprayed, many) {
		if sprayed[client].above(w.cfg.Spraying, UsualLogins, before.clients[client]) || many[client].above(w.cfg.FailuresPerClient, 0, before.clients[client]) {
			after.clients[client] = true
			continue
		}
		rest.failed += sprayed[client].failed
		rest.logins += sprayed[client].logins
	}
	after.others = rest.above(w.cfg.Spraying, UsualLogins, before.others)
	w.risk.Store(after)
	w.tell(ctx, before, after)
	return nil
}

// counted is what happened at a client.
type counted struct{ failed, logins int }

// above tells whether the numbers raise the risk, or keep it up.
func (c counted) above(limit Limit, logins int, raised bool) bool {
	failed := c.failed
	if raised {
		failed *= calm
	}
	return !limit.Off() && failed >= limit.N && failed*logins >= c.logins*min(logins, 1)
}

// count asks for what a limit is about. Logins are asked for only where there is something to hold against them.
func (w *Watch) count(ctx context.Context, limit Limit) (map[string]counted, error) {
	if limit.Off() {
		return nil, nil
	}
	since := w.cfg.Now().Add(-limit.Per)
	failed, err := w.cfg.Store.FailedChallenges(ctx, since)
	if err != nil {
		return nil, fmt.Errorf("counting failed challenges: %w", err)
	}
	out, total := map[string]counted{}, 0
	for client, n := range failed {
		out[client] = counted{failed: n}
		total += n
	}
	if total*calm < limit.N {
		return out, nil
	}
	logins, err := w.cfg.Store.Logins(ctx, since)
	if err != nil {
		return nil, fmt.Errorf("counting logins: %w", err)
	}
	for client, n := range logins {
		out[client] = counted{failed[client], n}
	}
	return out, nil
}

func union(a, b map[string]counted) map[string]bool {
	all := map[string]bool{}
	for client := range a {
		all[client] = true
	}
	for client := range b {
		all[client] = true
	}
	return all
}

// tell logs what has changed, and tells the owner of what was raised.
func (w *Watch) tell(ctx context.Context, before, after *risk) {
	for client := range after.clients {
		if !before.clients[client] {
			w.raised(ctx, "the app "+client)
		}
	}
	if after.others && !before.others {
		w.raised(ctx, "many apps")
	}
	if (len(before.clients) > 0 || before.others) && len(after.clients) == 0 && !after.others {
		w.cfg.Log.InfoContext(ctx, "codes are not guessed at many accounts any more")
	}
}

func (w *Watch) raised(ctx context.Context, through string) {
	w.cfg.Log.WarnContext(ctx, "codes are guessed at many accounts", slog.String("through", through))
	w.cfg.Alerts.Raise(ctx, AlertSpray, "through "+through)
}
