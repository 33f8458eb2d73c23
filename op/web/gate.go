package web

import (
	"bytes"
	"container/list"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"time"
)

// Gate bounds how many requests are worked on at once, so that under overload those that are let in are answered soon
// instead of all of them late. The others wait, a bounded number for a bounded time, and the newest goes first: whoever
// asked long ago has mostly gone. When too many wait, the one that waits longest is refused. Once somebody was refused, and
// until nobody waits any more, patience is short. A burst that stops is so answered whole, while under lasting overload
// nobody waits for long, be it before they are let in or refused.
//
// A request's body is read before it is let in, so that slow senders take nobody's place.
type Gate struct {
	cfg GateConfig

	mu      sync.Mutex
	places  int
	waiting *list.List // of *waiter, the newest in front
	crowded bool       // somebody was refused since anybody began to wait
}

// GateConfig sizes a [Gate]. Zero fields mean the defaults.
type GateConfig struct {
	Places  int           // requests worked on at once; 16 a processor and at least 32
	Waiting int           // requests that wait, at most; 16 for each place
	Wait    time.Duration // how long one waits, at most; 2 s, and an eighth of that once others were refused
	Work    time.Duration // how long one is worked on, at most: then its context ends; 10 s
}

// NewGate makes a gate with all its places free.
func NewGate(cfg GateConfig) *Gate {
	if cfg.Places <= 0 {
		cfg.Places = max(32, 16*runtime.GOMAXPROCS(0))
	}
	if cfg.Waiting <= 0 {
		cfg.Waiting = 16 * cfg.Places
	}
	if cfg.Wait <= 0 {
		cfg.Wait = 2 * time.Second
	}
	if cfg.Work <= 0 {
		cfg.Work = 10 * time.Second
	}
	return &Gate{cfg: cfg, places: cfg.Places, waiting: list.New()}
}

// Handler lets requests through the gate. Those that are refused go to busy, and those that are free, which must not
// wait for anything themselves, past it.
func (g *Gate) Handler(next, busy http.Handler, free func(*http.Request) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if free(r) {
			next.ServeHTTP(w, r)
			return
		}
		receive(r)
		if !g.enter(r.Context()) {
			busy.ServeHTTP(w, r)
			return
		}
		leave := sync.OnceFunc(g.leave)
		defer leave()
		ctx, cancel := context.WithTimeout(r.Context(), g.cfg.Work)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, leaveKey{}, leave)))
	})
}

// patience is how many times as long one waits while nobody was refused.
const patience = 8

type leaveKey struct{}

// Rest gives back the request's place at the gate while what it has left to do is to wait. It gets none again.
func Rest(ctx context.Context) {
	if leave, ok := ctx.Value(leaveKey{}).(func()); ok {
		leave()
	}
}

// waiter is a request that waits. It is told whether it may go in exactly once, by whoever takes it off the list.
type waiter struct {
	told chan bool
}

// enter waits for a place and tells whether there was one.
func (g *Gate) enter(ctx context.Context) bool {
	g.mu.Lock()
	if g.places > 0 {
		g.places--
		g.mu.Unlock()
		return true
	}
	me := &waiter{told: make(chan bool, 1)}
	element := g.waiting.PushFront(me)
	if g.waiting.Len() > g.cfg.Waiting {
		g.crowded = true
		g.tell(g.waiting.Back(), false)
	}
	g.mu.Unlock()

	ticker := time.NewTicker(g.cfg.Wait / patience)
	defer ticker.Stop()
	for n := 1; ; n++ {
		gone := false
		select {
		case in := <-me.told:
			return in
		case <-ticker.C:
		case <-ctx.Done():
			gone = true
		}
		if g.gives(element, gone, n == patience) {
			return <-me.told
		}
	}
}

// gives has a waiter give up who has gone, has waited for as long as anybody may, or for long enough in a crowd. It tells
// whether the waiter has its answer now.
func (g *Gate) gives(e *list.Element, gone, tired bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	w, _ := e.Value.(*waiter)
	if len(w.told) == 0 && (gone || tired || g.crowded) {
		g.crowded = g.crowded || tired
		g.tell(e, false)
	}
	return len(w.told) == 1
}

// leave gives a place to the newest who waits, else back.
func (g *Gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if newest := g.waiting.Front(); newest != nil {
		g.tell(newest, true)
		return
	}
	g.crowded = false
	g.places++
}

func (g *Gate) tell(e *list.Element, in bool) {
	if w, ok := g.waiting.Remove(e).(*waiter); ok {
		w.told <- in
	}
}

// receive reads the body, which [Middleware] has bounded. What goes wrong with it is told to whoever reads it later.
func receive(r *http.Request) {
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	var body bytes.Buffer
	_, err := body.ReadFrom(r.Body)
	r.Body = &received{Reader: &body, Closer: r.Body, err: err}
}

// received is a body that was read, and the error that ended it.
type received struct {
	io.Reader
	io.Closer
	err error
}

// Read implements io.Reader.
func (b *received) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF && b.err != nil {
		err = b.err
	}
	return n, err
}

// Overloaded is what a client is told whom a [Gate] refused. The time to wait differs, lest all come again at once.
func Overloaded() *Fault {
	return &Fault{
		Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", RetryAfter: time.Second + rand.N(2*time.Second), //nolint:gosec // spreads load, guards nothing
		Description: "The service is busy. Try again in a few seconds.", Page: "busy", Quiet: true,
	}
}
