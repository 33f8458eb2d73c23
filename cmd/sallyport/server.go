package main

import (
	linked "container/list" // the package has a list of its own
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	headerTimeout  = 5 * time.Second
	requestTimeout = 15 * time.Second
	answerTimeout  = 30 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 32 << 10

	// maxConns bounds what strangers' connections take: 100 kB each at worst. More wait to be accepted.
	maxConns = 4096
	// crowded is how many are open when those on which nothing has been answered for longest give way to new ones.
	crowded = maxConns * 3 / 4
	// maxStreams is how many requests of one HTTP/2 connection are under way at once.
	maxStreams = 8
)

// newServer bounds time and memory of whoever connects.
func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerConnection: 128 << 10, MaxReceiveBufferPerStream: 64 << 10},
		// OPTIONS * is a path like others, which there is none of.
		DisableGeneralOptionsHandler: true,

		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	newConns(crowded).watch(server)
	return server
}

// conns counts connections. Once there are many, each new one ends another, so that people who have left their browsers open do not
// keep others out, nor does somebody slow, or somebody who means to. It ends the one that has been quiet for longest: that is since it
// was opened, since it began to send after a pause, or since an answer on it ended. None is quiet on which a request is being answered.
type conns struct {
	crowded int

	mu    sync.Mutex
	open  int
	known map[net.Conn]*connUse // but for those that were told to leave
	quiet *linked.List          // of net.Conn, the first for longest
}

type connUse struct {
	answering int             // requests received whole and not answered yet
	place     *linked.Element // among the quiet ones; nil while answering
}

func newConns(crowded int) *conns {
	return &conns{crowded: crowded, known: map[net.Conn]*connUse{}, quiet: linked.New()}
}

type connKey struct{}

// watch has a server tell of its connections, and of each request when it was received and when it was answered.
func (c *conns) watch(server *http.Server) {
	server.ConnState = c.follow
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, conn)
	}
	next := server.Handler
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _ := r.Context().Value(connKey{}).(net.Conn)
		defer c.answered(conn)
		if r.Body == nil || r.Body == http.NoBody {
			c.received(conn)
		} else {
			received := sync.OnceFunc(func() { c.received(conn) })
			defer received() // or no longer waited for
			r.Body = &watchedBody{r.Body, received}
		}
		next.ServeHTTP(w, r)
	})
}

// watchedBody tells when it has ended.
type watchedBody struct {
	io.ReadCloser
	ended func()
}

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.ended()
	}
	return n, err
}

func (c *conns) follow(conn net.Conn, state http.ConnState) {
	if leaver := c.note(conn, state); leaver != nil {
		go leaver.Close() // on the other side it looks like any idle connection that ends; by TLS it may take its time
	}
}

func (c *conns) note(conn net.Conn, state http.ConnState) (leaver net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		if c.open++; c.open > c.crowded && c.quiet.Len() > 0 {
			leaver, _ = c.quiet.Front().Value.(net.Conn)
			c.forget(leaver)
		}
		c.known[conn] = &connUse{place: c.quiet.PushBack(conn)}
	case http.StateActive:
		if use := c.known[conn]; use != nil && use.place != nil {
			c.quiet.MoveToBack(use.place)
		}
	case http.StateClosed, http.StateHijacked:
		c.forget(conn)
		c.open--
	case http.StateIdle: // as quiet as when its last answer ended
	}
	return leaver
}

func (c *conns) forget(conn net.Conn) {
	if use := c.known[conn]; use != nil && use.place != nil {
		c.quiet.Remove(use.place)
	}
	delete(c.known, conn)
}

func (c *conns) received(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	use := c.known[conn]
	if use == nil {
		return
	}
	if use.answering++; use.place != nil {
		c.quiet.Remove(use.place)
		use.place = nil
	}
}

func (c *conns) answered(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	use := c.known[conn]
	if use == nil {
		return
	}
	if use.answering--; use.answering == 0 {
		use.place = c.quiet.PushBack(conn)
	}
}

// bounded is a listener of which so many connections are open at once, at most. More wait to be accepted. That of golang.org/x/net
// hides CloseWrite, without which an answer to what was not read whole is lost, see [place.CloseWrite].
type bounded struct {
	net.Listener

	places chan struct{}
	ended  chan struct{}
	end    func()
}

func newBounded(l net.Listener, most int) *bounded {
	ended := make(chan struct{})
	return &bounded{Listener: l, places: make(chan struct{}, most), ended: ended, end: sync.OnceFunc(func() { close(ended) })}
}

// Accept implements net.Listener.
func (b *bounded) Accept() (net.Conn, error) {
	select {
	case b.places <- struct{}{}:
	case <-b.ended:
		return nil, net.ErrClosed
	}
	conn, err := b.Listener.Accept()
	if err != nil {
		<-b.places
		return nil, err //nolint:wrapcheck // the server looks at its kind
	}
	return &place{Conn: conn, leave: sync.OnceFunc(func() { <-b.places })}, nil
}

// Close implements net.Listener.
func (b *bounded) Close() error {
	b.end()
	return b.Listener.Close() //nolint:wrapcheck // the server looks at its kind
}

// place is a connection that leaves its place to another when it is closed.
type place struct {
	net.Conn

	leave func()
}

// Close implements net.Conn.
func (p *place) Close() error {
	defer p.leave()
	return p.Conn.Close() //nolint:wrapcheck // a connection like any other
}

// CloseWrite lets the server end an answer to what it has not read whole, so that the other side can read the answer.
func (p *place) CloseWrite() error {
	if half, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite() //nolint:wrapcheck // a connection like any other
	}
	return nil
}

func (s *service) serveHTTP(server *http.Server) error {
	var err error
	listener := newBounded(s.listener, maxConns)
	if s.cert != nil {
		server.TLSConfig = s.cert.config()
		err = server.ServeTLS(listener, "", "")
	} else {
		err = server.Serve(listener)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}
