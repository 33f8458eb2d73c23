package main

import (
	"errors"
	"fmt"
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
	// crowded is how many are open when those on which nothing happens give way to new ones.
	crowded = maxConns * 3 / 4
	// maxStreams is how many requests of one HTTP/2 connection are under way at once.
	maxStreams = 50
)

// newServer bounds time and memory of whoever connects.
func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerConnection: 128 << 10, MaxReceiveBufferPerStream: 64 << 10},
		ConnState:         (&conns{crowded: crowded, idle: map[net.Conn]struct{}{}}).follow,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// conns counts connections. Once there are many, each new one ends one on which no request is under way, so that people
// who have left their browsers open do not keep others out.
type conns struct {
	crowded int

	mu   sync.Mutex
	open int
	idle map[net.Conn]struct{}
}

func (c *conns) follow(conn net.Conn, state http.ConnState) {
	if leaver := c.note(conn, state); leaver != nil {
		_ = leaver.Close() // on the other side it looks like any idle connection that ends
	}
}

func (c *conns) note(conn net.Conn, state http.ConnState) (leaver net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		if c.open++; c.open > c.crowded {
			for leaver = range c.idle {
				delete(c.idle, leaver)
				break
			}
		}
	case http.StateIdle:
		c.idle[conn] = struct{}{}
	case http.StateActive:
		delete(c.idle, conn)
	case http.StateClosed, http.StateHijacked:
		delete(c.idle, conn)
		c.open--
	}
	return leaver
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
