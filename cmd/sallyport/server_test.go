package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestHundredsOfSlowConnectionsDoNotStopOthers(t *testing.T) {
	t.Parallel()
	addr, _, stop := serveForTest(t)
	for i := range 600 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		switch i % 3 { // the third says nothing at all
		case 0:
			fmt.Fprintf(conn, "GET /authorize?client_id=x HTTP/1.1\r\nHost: %s\r\nX-Slow: ", addr)
		case 1:
			fmt.Fprintf(conn, "POST /oauth/token HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\ngrant", addr)
		}
	}
	for path, want := range map[string]int{"/readyz": http.StatusOK, "/userinfo": http.StatusUnauthorized, "/authorize": http.StatusBadRequest} {
		resp, err := http.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
	resp, err := http.Post("http://"+addr+"/oauth/token", "application/x-www-form-urlencoded", strings.NewReader("grant_type=client_credentials&client_id=nobody&client_secret=x"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("token: %d", resp.StatusCode)
	}
	http.DefaultClient.CloseIdleConnections()
	if code := stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestIdleConnectionsGiveWayWhenThereAreMany(t *testing.T) {
	c := newConns(3)
	open := func() net.Conn {
		conn, other := net.Pipe()
		t.Cleanup(func() { conn.Close(); other.Close() })
		return conn
	}
	idle, busy, fresh := open(), open(), open()
	for _, conn := range []net.Conn{idle, busy, fresh} {
		if got := c.note(conn, http.StateNew); got != nil {
			t.Fatal("one gives way while there is room")
		}
	}
	for _, conn := range []net.Conn{idle, busy} {
		c.note(conn, http.StateActive)
		c.note(conn, http.StateIdle)
	}
	for _, conn := range []net.Conn{busy, fresh} {
		c.note(conn, http.StateActive)
		c.received(conn)
	}
	slow := open()
	if got := c.note(slow, http.StateNew); got != idle {
		t.Errorf("%v gives way, not the idle one", got)
	}
	c.note(idle, http.StateClosed)
	c.note(slow, http.StateActive)
	next := open()
	if got := c.note(next, http.StateNew); got != slow {
		t.Errorf("%v gives way, not the one that sends for longest", got)
	}
	c.note(slow, http.StateClosed)
	c.received(next)
	if got := c.note(open(), http.StateNew); got != nil {
		t.Error("a busy one gives way")
	}
	if c.open != 4 || len(c.known) != 4 || c.quiet.Len() != 1 {
		t.Errorf("%d open, %d known, %d quiet", c.open, len(c.known), c.quiet.Len())
	}
}

// TestSlowSendersGiveWayWhenThereAreMany: as many as may be open send half a request and wait; whoever sends a whole one is answered.
func TestSlowSendersGiveWayWhenThereAreMany(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: headerTimeout, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })}
	const most = 20
	newConns(most / 2).watch(server)
	served := make(chan error, 1)
	go func() { served <- server.Serve(newBounded(listener, most)) }()
	for range 3 * most {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nh")
	}
	client := &http.Client{Timeout: 10 * time.Second} // the others never end
	for range 3 {
		resp, err := client.Post("http://"+listener.Addr().String(), "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		client.CloseIdleConnections()
	}
	_ = server.Close()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

// TestHTTP2ConnectionsGiveWayWhenThereAreMany: as many as may be open hold one request back and have had another one answered.
func TestHTTP2ConnectionsGiveWayWhenThereAreMany(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	const most = 20
	newConns(most / 2).watch(server.Config)
	server.EnableHTTP2 = true
	server.Listener = newBounded(server.Listener, most)
	server.StartTLS()
	defer server.Close()
	get := func(client *http.Client) {
		resp, err := client.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.ProtoMajor != 2 {
			t.Fatal(resp.Proto)
		}
	}
	for range most + 1 { // the last one is somebody else
		transport, ok := server.Client().Transport.(*http.Transport)
		if !ok {
			t.Fatalf("%T", server.Client().Transport)
		}
		client := &http.Client{Transport: transport.Clone(), Timeout: 10 * time.Second}
		body, unsent := io.Pipe()
		defer unsent.Close()
		go func() {
			if resp, err := client.Post(server.URL, "text/plain", body); err == nil {
				resp.Body.Close()
			}
		}()
		fmt.Fprint(unsent, "h")
		get(client)
	}
}

func TestTooLargeHeadersAre431(t *testing.T) {
	t.Parallel()
	addr, _, stop := serveForTest(t)
	for n, want := range map[int]int{20 << 10: http.StatusOK, 1 << 20: http.StatusRequestHeaderFieldsTooLarge, 64 << 10: http.StatusRequestHeaderFieldsTooLarge} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/healthz", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Large", strings.Repeat("x", n))
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Errorf("%d bytes of headers: the answer cannot be read: %v", n, err)
		}
		if resp.StatusCode != want {
			t.Errorf("%d bytes of headers: %d, want %d", n, resp.StatusCode, want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if code := stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
