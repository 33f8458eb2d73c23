package rig

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Texts is a server that takes SMS as Twilio does, and forgets them.
type Texts struct {
	URL    string
	server *http.Server
}

// ReceiveTexts starts a server on loopback. It believes every account.
func ReceiveTexts(ctx context.Context) (*Texts, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for texts: %w", err)
	}
	t := &Texts{URL: "http://" + listener.Addr().String()}
	t.server = &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"sid":"SM00000000000000000000000000000000","status":"queued"}`)
	})}
	go func() { _ = t.server.Serve(listener) }() // ends with the server
	return t, nil
}

// Stop ends the server.
func (t *Texts) Stop() { _ = t.server.Close() }
