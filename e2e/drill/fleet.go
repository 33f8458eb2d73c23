package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"sallyport/e2e/rig"
)

// fleet is the processes of one deployment, behind the smallest possible load balancer: each request goes to the next.
type fleet struct {
	issuer    string
	processes []*rig.Process
	turn      atomic.Uint64
	transport *http.Transport
}

func newFleet(issuer string, processes []*rig.Process) *fleet {
	return &fleet{issuer: issuer, processes: processes, transport: &http.Transport{
		MaxIdleConns: maxIdle, MaxIdleConnsPerHost: maxIdle, DisableCompression: true,
	}}
}

const (
	maxIdle        = 10_000
	requestTimeout = 40 * time.Second // longer than any that the server allows itself
	patience       = 2 * time.Minute
	formType       = "application/x-www-form-urlencoded"
)

// visitor is an app, or a browser where it keeps cookies.
type visitor struct {
	fleet *fleet
	http  *http.Client

	// replays has a request made again that met a connection which the server was just closing for being idle, as a server with
	// too many does. Where processes are killed nobody could tell that from a request that was cut off.
	replays bool
}

func (f *fleet) app() *visitor {
	return &visitor{fleet: f, http: &http.Client{
		Transport: f.transport, Timeout: requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (f *fleet) browser() *visitor {
	v := f.app()
	v.http.Jar, _ = cookiejar.New(nil) // never fails
	return v
}

// request is one that can be made again.
type request struct {
	path string // or an address that begins with the issuer
	kind string // of the body; empty for a GET
	body string

	bearer string
}

func get(path string) request { return request{path: path} }

func post(path string, form url.Values) request {
	return request{path: path, kind: formType, body: form.Encode()}
}

// answer is what a process said.
type answer struct {
	status     int
	location   string
	retryAfter string
	body       []byte
}

// refused tells whether a code or a token was said to be none.
func (a answer) refused() bool {
	return (a.status == http.StatusBadRequest || a.status == http.StatusForbidden) && bytes.Contains(a.body, []byte(`"invalid_grant"`))
}

// errUnsent is a request that reached nobody: nothing was done.
var errUnsent = errors.New("nobody listens")

// errRefused is a request to which the answer stays "not now".
var errRefused = errors.New("refused")

// errElsewhere is a request that is not for this deployment. It is no use to make it again.
var errElsewhere = errors.New("not an address of ours")

// do makes a request of the next process. Errors other than errUnsent are those of requests of which nobody knows what
// became.
func (v *visitor) do(ctx context.Context, r request) (answer, error) {
	next := v.fleet.turn.Add(1) % uint64(len(v.fleet.processes))
	method := http.MethodGet
	if r.kind != "" {
		method = http.MethodPost
	}
	path := strings.TrimPrefix(r.path, v.fleet.issuer)
	if !strings.HasPrefix(path, "/") {
		return answer{}, fmt.Errorf("%w: %s", errElsewhere, path)
	}
	req, err := http.NewRequestWithContext(ctx, method, v.fleet.processes[next].URL+path, strings.NewReader(r.body))
	if err != nil {
		return answer{}, err
	}
	if r.kind != "" {
		req.Header.Set("Content-Type", r.kind)
	}
	if v.replays {
		req.Header["X-Idempotency-Key"] = nil // net/http knows it as its leave to do so, and does not send it
	}
	if r.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+r.bearer)
	}
	resp, err := v.http.Do(req)
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
			return answer{}, errUnsent
		}
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	return answer{resp.StatusCode, resp.Header.Get("Location"), resp.Header.Get("Retry-After"), body}, nil
}

// insist makes a request until somebody answers it with something else than "not now". Whether an earlier try ended
// without an answer, or with a server's failure, is told as unsure: what it asked for may have been done. The error is
// the context's, or errElsewhere, and one of its own when nobody has answered for longer than any drill takes them away.
func (v *visitor) insist(ctx context.Context, r request) (a answer, unsure bool, err error) {
	for begin := rig.Now(); time.Since(begin) < patience; {
		a, err = v.do(ctx, r)
		switch {
		case ctx.Err() != nil:
			return answer{}, unsure, ctx.Err()
		case errors.Is(err, errElsewhere):
			return answer{}, unsure, err
		case errors.Is(err, errUnsent):
		case err != nil, a.status >= http.StatusInternalServerError:
			unsure = true
		case a.status != http.StatusTooManyRequests:
			return a, unsure, nil
		}
		pause(ctx, 20*time.Millisecond+rand.N(80*time.Millisecond)) //nolint:gosec // spreads load, guards nothing
	}
	return a, unsure, fmt.Errorf("%s: nothing but %d, %w for %s", r.path, a.status, cmp.Or(err, errRefused), patience)
}

// pause waits, unless the context ends before.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
