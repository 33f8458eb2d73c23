package web

import (
	"container/list"
	"context"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"time"
)

// Gate bounds how many requests are worked on at once, so that under overload those that are let in are answered soon
// instead of all of them late. The others wait, a bounded number for a bounded time, and the newest goes first: whoever
// asked long ago has mostly gone. When too many wait, the one that waits longest is refused. Once somebody was refused, and
// until nobody waits any more, patience is short while others still come. So of a burst that stops as many are answered as fit into
// the room and the time, while under lasting overload nobody waits for long, be it before they are let in or refused.
//
// A request's body is read before it is let in, so that slow senders take nobody's place. All bodies together have a bounded room.
type Gate struct {
	cfg    GateConfig
	bodies bodies

	mu      sync.Mutex
	places  int
	waiting *list.List // of *waiter, the newest in front
	came    uint64     // how many have had to wait so far
	crowded bool       // somebody was refused since anybody began to wait
}

// GateConfig sizes a [Gate]. Zero fields mean the defaults.
type GateConfig struct {
	Places  int           // requests worked on at once; 16 a processor and at least 32
	Waiting int           // requests that wait, at most; 16 for each place
	Wait    time.Duration // how long one waits, at most; 2 s, and an eighth of that once others were refused and while more come
	Work    time.Duration // how long one is worked on, at most: then its context ends; 10 s
	Bodies  int           // bytes of bodies in memory, with what their requests take, at most; 64 MiB
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
	if cfg.Bodies <= 0 {
		cfg.Bodies = 64 << 20
	}
	return &Gate{cfg: cfg, bodies: bodies{room: cfg.Bodies, sending: list.New()}, places: cfg.Places, waiting: list.New()}
}

// Handler lets requests through the gate. Those that are refused go to busy, and those that are free, which must not
// wait for anything themselves, past it.
func (g *Gate) Handler(next, busy http.Handler, free func(*http.Request) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if free(r) {
			next.ServeHTTP(w, r)
			return
		}
		done, err := g.bodies.receive(w, r)
		if err != nil {
			busy.ServeHTTP(w, r)
			return
		}
		defer done()
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

const (
	// looks is how often one who waits looks around, at most.
	looks = 16
	// shortPatience is after how many looks one gives up in a crowd to which more came since the last.
	shortPatience = looks / 8
)

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
	came uint64 // how many had had to wait when it looked last
}

// enter waits for a place and tells whether there was one.
func (g *Gate) enter(ctx context.Context) bool {
	g.mu.Lock()
	if g.places > 0 {
		g.places--
		g.mu.Unlock()
		return true
	}
	g.came++
	me := &waiter{told: make(chan bool, 1), came: g.came}
	element := g.waiting.PushFront(me)
	if g.waiting.Len() > g.cfg.Waiting {
		g.crowded = true
		g.tell(g.waiting.Back(), false)
	}
	g.mu.Unlock()

	ticker := time.NewTicker(g.cfg.Wait / looks)
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
		if g.gives(element, n, gone) {
			return <-me.told
		}
	}
}

// gives has a waiter give up at its n-th look who has gone, has waited for as long as anybody may, or for long enough in a crowd that
// still grows. It tells whether the waiter has its answer now.
func (g *Gate) gives(e *list.Element, n int, gone bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	w, _ := e.Value.(*waiter)
	tired, grows := n == looks, w.came != g.came
	w.came = g.came
	if len(w.told) == 0 && (gone || tired || g.crowded && grows && n >= shortPatience) {
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

// Overloaded is what a client is told whom a [Gate] refused. The time to wait differs, lest all come again at once.
func Overloaded() *Fault {
	return &Fault{
		Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", RetryAfter: time.Second + rand.N(2*time.Second), //nolint:gosec // spreads load, guards nothing
		Description: "The service is busy. Try again in a few seconds.", Page: "busy", Quiet: true,
	}
}
