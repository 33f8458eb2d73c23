package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/netutil"
)

const (
	headerTimeout  = 5 * time.Second
	requestTimeout = 15 * time.Second
	answerTimeout  = 30 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 32 << 10

	// maxConns bounds what strangers' connections take: 100 kB each at worst. More wait to be accepted.
	maxConns = 4096
	// crowded is how many are open when those on which nothing happens, and then those that take longest to send, give way to new ones.
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
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	newConns(crowded).watch(server)
	return server
}

// conns counts connections. Once there are many, each new one ends one on which no request is under way, so that people who have left
// their browsers open do not keep others out. Where there is none, it ends the one that has been sending its request for longest: it
// is somebody slow, or somebody who means to keep others out.
type conns struct {
	crowded int

	mu      sync.Mutex
	open    int
	idle    map[net.Conn]struct{}
	sending map[net.Conn]uint64 // the order in which they began
	began   uint64
}

func newConns(crowded int) *conns {
	return &conns{crowded: crowded, idle: map[net.Conn]struct{}{}, sending: map[net.Conn]uint64{}}
}

type connKey struct{}

// watch has a server tell of its connections, and of each request when it was received.
func (c *conns) watch(server *http.Server) {
	server.ConnState = c.follow
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, conn)
	}
	next := server.Handler
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _ := r.Context().Value(connKey{}).(net.Conn)
		if r.Body == nil || r.Body == http.NoBody {
			c.received(conn)
		} else {
			r.Body = &watchedBody{r.Body, func() { c.received(conn) }}
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
		if c.open++; c.open > c.crowded {
			leaver = c.leaver()
		}
		c.sends(conn)
	case http.StateIdle:
		delete(c.sending, conn)
		c.idle[conn] = struct{}{}
	case http.StateActive:
		delete(c.idle, conn)
		c.sends(conn)
	case http.StateClosed, http.StateHijacked:
		delete(c.idle, conn)
		delete(c.sending, conn)
		c.open--
	}
	return leaver
}

// leaver takes the connection that gives way off its list. None does on which a request is being answered.
func (c *conns) leaver() (first net.Conn) {
	for conn := range c.idle {
		delete(c.idle, conn)
		return conn
	}
	for conn, began := range c.sending {
		if first == nil || began < c.sending[first] {
			first = conn
		}
	}
	delete(c.sending, first)
	return first
}

func (c *conns) sends(conn net.Conn) {
	if c.sending[conn] == 0 {
		c.began++
		c.sending[conn] = c.began
	}
}

func (c *conns) received(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sending, conn)
}

func (s *service) serveHTTP(server *http.Server) error {
	var err error
	listener := netutil.LimitListener(s.listener, maxConns)
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
