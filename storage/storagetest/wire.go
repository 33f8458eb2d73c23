package storagetest

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Wire is what lies between a store and its Postgres, in the hands of a test.
type Wire struct {
	network, address string // of Postgres

	mu      sync.Mutex
	open    map[net.Conn]struct{}
	stalled chan struct{} // nil while bytes flow; closed when they flow again
	last    []byte        // what is heard, but never answered
}

// NewWire gives a wire to the Postgres of a URL, and the URL that goes over it.
func NewWire(tb testing.TB, to string) (*Wire, string) {
	tb.Helper()
	config, err := pgx.ParseConfig(to)
	if err != nil {
		tb.Fatal(err)
	}
	w := &Wire{open: map[net.Conn]struct{}{}}
	w.network, w.address = pgconn.NetworkAddress(config.Host, config.Port)
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { w.carry(conn) })
		}
	})
	tb.Cleanup(func() {
		_ = listener.Close()
		w.Flow()
		w.Cut()
		serving.Wait()
	})
	u := url.URL{Scheme: "postgres", User: url.UserPassword(config.User, config.Password), Host: listener.Addr().String(), Path: "/" + config.Database, RawQuery: "sslmode=disable"}
	return w, u.String()
}

// Cut ends all connections.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.open {
		_ = c.Close()
	}
}

// CutAfter has the server hear the next message with some text, and cuts its connection before the answer.
func (w *Wire) CutAfter(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = []byte(text)
}

// Stall lets nothing through in either direction, and cuts nothing, until [Wire.Flow].
func (w *Wire) Stall() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stalled = make(chan struct{})
}

// Flow ends a [Wire.Stall].
func (w *Wire) Flow() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stalled != nil {
		close(w.stalled)
		w.stalled = nil
	}
}

func (w *Wire) carry(client net.Conn) {
	defer client.Close()
	server, err := (&net.Dialer{}).DialContext(context.Background(), w.network, w.address)
	if err != nil {
		return
	}
	defer server.Close()
	w.mu.Lock()
	w.open[client] = struct{}{}
	w.mu.Unlock()
	muted := make(chan struct{})
	mute := sync.OnceFunc(func() { close(muted) })
	var both sync.WaitGroup
	both.Go(func() { w.copy(server, client, mute, nil); _ = server.Close() })
	both.Go(func() { w.copy(client, server, nil, muted); _ = client.Close() })
	both.Wait()
	w.mu.Lock()
	delete(w.open, client)
	w.mu.Unlock()
}

// copy carries bytes one way. Before it hands on the message that is not to be answered it calls mute; when it was
// muted, the first bytes that it would have to carry end it.
func (w *Wire) copy(to io.Writer, from io.Reader, mute func(), muted <-chan struct{}) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		w.mu.Lock()
		stalled := w.stalled
		if mute != nil && w.last != nil && bytes.Contains(buf[:n], w.last) {
			w.last = nil
			mute()
		}
		w.mu.Unlock()
		if stalled != nil {
			<-stalled
		}
		select {
		case <-muted:
			return
		default:
		}
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}
