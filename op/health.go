package op

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"sallyport/op/web"
)

const (
	// maxSkew is how far this clock and the database's may differ.
	maxSkew = 2 * time.Second
	// lookTimeout is how long the database may take to answer a look at it.
	lookTimeout = 2 * time.Second
	// lookEvery is how old a look may be, so that probes cost nothing.
	lookEvery = time.Second
)

// readiness is what the last look found. However many ask, one looks at a time.
type readiness struct {
	stopping atomic.Bool
	last     atomic.Pointer[look]
	looks    singleflight.Group
}

type look struct {
	at   time.Time
	good bool
}

// Stop has the readiness probe say no from now on, while all else is still served, so that load balancers turn away before
// the process ends.
func (p *Provider) Stop() { p.readiness.stopping.Store(true) }

// serveHealth tells that the process lives.
func (p *Provider) serveHealth(w http.ResponseWriter, _ *http.Request) {
	web.WriteJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// serveReady tells whether the process can sign people in: database, schema, keys and clock are good.
func (p *Provider) serveReady(w http.ResponseWriter, r *http.Request) {
	if p.readiness.stopping.Load() || !p.ready(r.Context()) {
		w.Header().Set("Retry-After", "5")
		web.WriteJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "not ready"})
		return
	}
	web.WriteJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

func (p *Provider) ready(ctx context.Context) bool {
	if last := p.readiness.last.Load(); last != nil && p.cfg.Now().Sub(last.at).Abs() < lookEvery {
		return last.good
	}
	found, _, _ := p.readiness.looks.Do("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTimeout)
		defer cancel()
		good := p.look(ctx)
		p.readiness.last.Store(&look{at: p.cfg.Now(), good: good})
		return good, nil
	})
	good, _ := found.(bool)
	return good
}

func (p *Provider) look(ctx context.Context) bool {
	there, err := p.cfg.Store.DatabaseTime(ctx)
	if err != nil || p.cfg.Now().Sub(there).Abs() > maxSkew || !p.keys.fresh() {
		return false
	}
	have, want, err := p.cfg.Store.SchemaVersion(ctx)
	return err == nil && have >= want
}
