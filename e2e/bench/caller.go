package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	formType       = "application/x-www-form-urlencoded"
	requestTimeout = 30 * time.Second
)

// caller is one connection of the load, which it keeps: one request after another.
type caller struct {
	target
	number int // of the connection
	conns  int // of all
	bearer string
	http   *http.Client
}

func newCaller(t target, number, conns int) *caller {
	return &caller{target: t, number: number, conns: conns, http: &http.Client{
		Transport:     &http.Transport{MaxConnsPerHost: 1, MaxIdleConnsPerHost: 1, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       requestTimeout,
	}}
}

// close gives the connection back.
func (c *caller) close() { c.http.CloseIdleConnections() }

// answer is what the server said.
type answer struct {
	location string
	body     []byte
}

// do makes one request. An answer with another status than the one that is wanted is an error.
func (c *caller) do(ctx context.Context, method, path, contentType, body string, want int) (answer, error) {
	if strings.HasPrefix(path, "/") {
		path = c.url + path
	}
	r, err := http.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if c.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+c.bearer)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	if resp.StatusCode != want {
		return answer{}, fmt.Errorf("%s %s: status %d, want %d: %.200s", method, r.URL.Path, resp.StatusCode, want, got)
	}
	return answer{location: resp.Header.Get("Location"), body: got}, nil
}

// query reads parameters of an address.
func query(address string) url.Values {
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	return u.Query()
}
