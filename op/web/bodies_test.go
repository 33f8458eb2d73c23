package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// TestBodiesHaveBoundedRoom: one client over HTTP/2 begins many bodies and ends none. They give way to each other, and to others.
func TestBodiesHaveBoundedRoom(t *testing.T) {
	const room, begun = 128 << 10, 20
	gate := NewGate(GateConfig{Bodies: room})
	refused := make(chan struct{}, begun)
	busy := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refused <- struct{}{}
		Overloaded().WriteJSON(w)
	})
	handle := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	bounded := http.MaxBytesHandler(gate.Handler(handle, busy, func(*http.Request) bool { return false }), MaxBodyBytes)
	var handling sync.WaitGroup
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handling.Add(1)
		defer handling.Done()
		bounded.ServeHTTP(w, r)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	post := func(body io.Reader) int {
		resp, err := server.Client().Post(server.URL, "text/plain", body)
		if err != nil {
			return 0
		}
		defer resp.Body.Close()
		if resp.ProtoMajor != 2 {
			t.Errorf("HTTP/%d", resp.ProtoMajor)
		}
		return resp.StatusCode
	}
	var all sync.WaitGroup
	var senders []*io.PipeWriter
	for range begun {
		body, sender := io.Pipe()
		senders = append(senders, sender)
		all.Go(func() { post(body) })
		all.Go(func() { _, _ = sender.Write(make([]byte, 20<<10)) })
	}
	for range begun - room/(requestCost+32<<10) { // what 20 kB of a body take
		<-refused
	}
	gate.bodies.mu.Lock()
	if gate.bodies.room < 0 {
		t.Errorf("the room is passed by %d", -gate.bodies.room)
	}
	gate.bodies.mu.Unlock()
	for range 3 {
		if code := post(strings.NewReader(strings.Repeat("x", 20<<10))); code != http.StatusOK {
			t.Fatalf("a whole body: %d", code)
		}
	}
	for _, s := range senders {
		_ = s.Close()
	}
	all.Wait()
	server.Close()
	handling.Wait() // which the server does for HTTP/1 alone
	if gate.bodies.room != room || gate.bodies.sending.Len() != 0 {
		t.Errorf("%d of %d are free, %d sending", gate.bodies.room, room, gate.bodies.sending.Len())
	}
}
