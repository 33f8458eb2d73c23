package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// crowd asks a gate for places and notes in which order who was let in or refused.
type crowd struct {
	gate *Gate
	mu   sync.Mutex
	said []string
}

func (c *crowd) say(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said = append(c.said, fmt.Sprintf(format, args...))
}

// arrive has a number of askers come one after the other. Whoever gets in stays.
func (c *crowd) arrive(ctx context.Context, from, to int) {
	for i := from; i <= to; i++ {
		go func() {
			if c.gate.enter(ctx) {
				c.say("%d in", i)
			} else {
				c.say("%d refused", i)
			}
		}()
		synctest.Wait()
	}
}

func (c *crowd) leave() {
	c.gate.leave()
	synctest.Wait()
}

func (c *crowd) want(t *testing.T, said ...string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Equal(c.said, said) {
		t.Fatalf("it went\n%v, want\n%v", c.said, said)
	}
}

func TestGateLetsTheNewestInAndRefusesTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{gate: NewGate(GateConfig{Places: 2, Waiting: 3, Wait: time.Second})}
		c.arrive(t.Context(), 1, 6) // 3, 4 and 5 wait until 6 comes
		c.want(t, "1 in", "2 in", "3 refused")
		c.leave()
		c.leave()
		c.want(t, "1 in", "2 in", "3 refused", "6 in", "5 in")
		time.Sleep(time.Second)
		synctest.Wait()
		c.want(t, "1 in", "2 in", "3 refused", "6 in", "5 in", "4 refused")
		c.leave()
		c.arrive(t.Context(), 7, 7)
		c.want(t, "1 in", "2 in", "3 refused", "6 in", "5 in", "4 refused", "7 in")
		c.leave()
		c.leave()
		if c.gate.places != 2 || c.gate.waiting.Len() != 0 {
			t.Errorf("%d places, %d waiting", c.gate.places, c.gate.waiting.Len())
		}
	})
}

func TestGateIsImpatientOnlyUnderLastingOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{gate: NewGate(GateConfig{Places: 1, Waiting: 2, Wait: 8 * time.Second})}
		pass := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		c.arrive(t.Context(), 1, 4) // 2 is refused: it is too much
		c.leave()
		c.want(t, "1 in", "2 refused", "4 in")
		pass(600 * time.Millisecond)
		c.arrive(t.Context(), 5, 5) // still more
		pass(400 * time.Millisecond)
		c.want(t, "1 in", "2 refused", "4 in", "3 refused")
		pass(6 * time.Second) // and no more
		c.leave()
		c.want(t, "1 in", "2 refused", "4 in", "3 refused", "5 in")
		c.arrive(t.Context(), 6, 6)
		pass(2 * time.Second)
		c.leave() // nobody waits any more
		c.leave()
		c.want(t, "1 in", "2 refused", "4 in", "3 refused", "5 in", "6 in")
	})
}

func TestGateForgetsWhoHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{gate: NewGate(GateConfig{Places: 1, Waiting: 3})}
		c.arrive(t.Context(), 1, 1)
		ctx, hangUp := context.WithCancel(t.Context())
		c.arrive(ctx, 2, 2)
		hangUp()
		synctest.Wait()
		c.leave()
		c.want(t, "1 in", "2 refused")
		if c.gate.places != 1 {
			t.Errorf("%d places", c.gate.places)
		}
	})
}

// A burst on an idle service is answered as far as there is room, however slowly it is worked off within the time that one waits.
func TestGateAnswersABurstWhole(t *testing.T) {
	for name, test := range map[string]struct {
		cfg           GateConfig
		work          time.Duration
		come, refused int
	}{
		"of many":                    {GateConfig{}, 10 * time.Millisecond, 500, 0},
		"that takes nearly too long": {GateConfig{Places: 4, Waiting: 64}, 110 * time.Millisecond, 68, 0},
		"that is too large":          {GateConfig{Places: 4, Waiting: 64}, 110 * time.Millisecond, 100, 32},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gate := NewGate(test.cfg)
				refused := make(chan struct{}, test.come)
				h := gate.Handler(
					http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(test.work) }),
					http.HandlerFunc(func(http.ResponseWriter, *http.Request) { refused <- struct{}{} }),
					func(*http.Request) bool { return false },
				)
				var all sync.WaitGroup
				for range test.come {
					all.Go(func() {
						h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", http.NoBody))
					})
				}
				all.Wait()
				if len(refused) != test.refused {
					t.Errorf("%d refused, want %d", len(refused), test.refused)
				}
			})
		})
	}
}

// gated serves a handler behind a gate of one place over real HTTP.
func gated(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	gate := NewGate(GateConfig{Places: 1, Waiting: 1, Wait: 50 * time.Millisecond, Work: 100 * time.Millisecond})
	busy := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { Overloaded().WriteJSON(w) })
	server := httptest.NewServer(http.MaxBytesHandler(gate.Handler(handle, busy, func(r *http.Request) bool { return r.URL.Path == "/free" }), 100))
	t.Cleanup(server.Close)
	return server.URL
}

func status(t *testing.T, url, body string) (int, http.Header) {
	t.Helper()
	resp, err := http.Post(url, "text/plain", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode, resp.Header
}

func TestGateRefusesWithRetryAfterAndLetsFreeRequestsPass(t *testing.T) {
	inside, done := make(chan struct{}), make(chan struct{})
	url := gated(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stay" {
			close(inside)
			<-done
		}
	})
	var staying sync.WaitGroup
	staying.Go(func() {
		if resp, err := http.Post(url+"/stay", "", nil); err == nil {
			resp.Body.Close()
		}
	})
	<-inside
	if code, header := status(t, url+"/x", ""); code != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || header.Get("Retry-After") == "0" {
		t.Errorf("status %d, Retry-After %q", code, header.Get("Retry-After"))
	}
	if code, _ := status(t, url+"/free", ""); code != http.StatusOK {
		t.Errorf("a free one: %d", code)
	}
	close(done)
	staying.Wait()
	if code, _ := status(t, url+"/x", ""); code != http.StatusOK {
		t.Errorf("afterwards: %d", code)
	}
}

func TestSlowBodiesTakeNobodysPlace(t *testing.T) {
	url := gated(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	for range 5 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhalf")
	}
	for range 3 {
		if code, _ := status(t, url, "whole"); code != http.StatusOK {
			t.Fatalf("status %d", code)
		}
	}
}

func TestGateHandsBodiesAndTheirErrorsOn(t *testing.T) {
	url := gated(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var large *http.MaxBytesError
		switch {
		case errors.As(err, &large):
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		case err != nil:
			w.WriteHeader(http.StatusBadRequest)
		case !bytes.Equal(body, []byte("hello")):
			w.WriteHeader(http.StatusTeapot)
		}
	})
	for body, want := range map[string]int{"hello": http.StatusOK, strings.Repeat("x", 101): http.StatusRequestEntityTooLarge, "": http.StatusTeapot} {
		if code, _ := status(t, url, body); code != want {
			t.Errorf("%d bytes: status %d, want %d", len(body), code, want)
		}
	}
}

func TestWorkBehindAGateHasADeadline(t *testing.T) {
	url := gated(t, func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		w.WriteHeader(http.StatusTeapot)
	})
	if code, _ := status(t, url, ""); code != http.StatusTeapot {
		t.Errorf("status %d", code)
	}
}

func TestWhoOnlyWaitsGivesTheirPlaceBack(t *testing.T) {
	resting, done := make(chan struct{}), make(chan struct{})
	url := gated(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/rest" {
			Rest(r.Context())
			Rest(r.Context()) // once is enough
			close(resting)
			<-done
		}
	})
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if resp, err := http.Post(url+"/rest", "", nil); err == nil {
			resp.Body.Close()
		}
	})
	<-resting
	if code, _ := status(t, url, ""); code != http.StatusOK {
		t.Errorf("status %d", code)
	}
	close(done)
	waiting.Wait()
}
