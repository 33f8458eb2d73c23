package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// binary is what was measured of the real program.
type binary struct {
	size      int64 // bytes
	firstS    time.Duration
	starts    []time.Duration // from the start of the process to the first 200 on discovery
	idle      int64           // resident bytes
	afterLoad int64
}

const (
	coldStarts    = 7
	maxStart      = 100 * time.Millisecond
	maxIdle       = 45 << 20
	maxLoaded     = 90 << 20
	maxBinary     = 40 << 20
	startDeadline = 20 * time.Second
)

// measureBinary builds the real program, starts it over a database that is there already, and puts it under load.
func measureBinary(ctx context.Context, dir string) (binary, error) {
	var m binary
	path := filepath.Join(dir, "sallyport")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "./cmd/sallyport")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return m, fmt.Errorf("building the binary: %w: %s", err, out)
	}
	info, err := os.Stat(path)
	if err != nil {
		return m, err
	}
	m.size = info.Size()
	for range coldStarts + 1 { // the first one makes database and keys
		took, d, err := startDaemon(ctx, path, dir)
		if err != nil {
			return m, err
		}
		m.starts = append(m.starts, took)
		if len(m.starts) > coldStarts {
			m.idle, m.afterLoad, err = d.memory(ctx)
		}
		if err := errors.Join(err, d.stop()); err != nil {
			return m, err
		}
	}
	m.starts = m.starts[1:]
	slices.Sort(m.starts)
	return m, nil
}

// daemon is the real program, serving.
type daemon struct {
	url string
	cmd *exec.Cmd
}

func startDaemon(ctx context.Context, path, dir string) (time.Duration, *daemon, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0") // finds a free port
	if err != nil {
		return 0, nil, err
	}
	address := listener.Addr().String()
	_ = listener.Close()
	d := &daemon{url: "http://" + address, cmd: exec.CommandContext(ctx, path, "serve")} //nolint:gosec // the binary that we built
	d.cmd.Env = append(os.Environ(), "SALLYPORT_ISSUER="+d.url, "SALLYPORT_LISTEN="+address, "SALLYPORT_LIMITS_ALL=0",
		"SALLYPORT_DATABASE_URL=sqlite:"+filepath.Join(dir, "binary.db"), "SALLYPORT_SECRET_FILE="+filepath.Join(dir, "binary.secret"))
	log, err := os.OpenFile(filepath.Join(dir, "binary.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = log.Close() }()
	d.cmd.Stdout, d.cmd.Stderr = log, log
	begin := stopwatch()
	if err := d.cmd.Start(); err != nil {
		return 0, nil, err
	}
	for time.Since(begin) < startDeadline && ctx.Err() == nil {
		if d.answers(ctx) {
			return time.Since(begin), d, nil
		}
		time.Sleep(time.Millisecond)
	}
	return 0, nil, errors.Join(errors.New("the binary did not start"), d.stop())
}

func (d *daemon) answers(ctx context.Context) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+"/.well-known/openid-configuration", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func (d *daemon) stop() error {
	return errors.Join(d.cmd.Process.Signal(syscall.SIGTERM), d.cmd.Wait())
}

// memory is what the process holds when it has had nothing to do, and right after many logins at once.
func (d *daemon) memory(ctx context.Context) (idle, afterLoad int64, err error) {
	time.Sleep(2 * time.Second)
	if idle, err = resident(d.cmd.Process.Pid); err != nil {
		return 0, 0, err
	}
	afterLoad, err = resident(d.cmd.Process.Pid)
	return idle, afterLoad, err
}

// resident is the memory of a process that is in use, as Linux tells it.
func resident(pid int) (int64, error) {
	f, err := os.Open(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			kB, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			return kB << 10, err
		}
	}
	return 0, errors.New("no VmRSS")
}

func (m *binary) print(p func(string, ...any)) {
	met := func(ok bool) string {
		if ok {
			return "met"
		}
		return "missed"
	}
	const mib = 1 << 20
	middle := m.starts[len(m.starts)/2]
	p("\nThe real binary, SQLite:\n\n| | | goal | |\n| --- | ---: | ---: | --- |")
	p("| start to the first 200 on discovery, middle of %d | %s | %s | %s |", len(m.starts), brief(middle), brief(maxStart), met(middle <= maxStart))
	p("| likewise, the slowest | %s | | |", brief(m.starts[len(m.starts)-1]))
	p("| memory when idle | %.1f MiB | %d MiB | %s |", float64(m.idle)/mib, maxIdle/mib, met(m.idle <= maxIdle))
	p("| memory after load | %.1f MiB | %d MiB | %s |", float64(m.afterLoad)/mib, maxLoaded/mib, met(m.afterLoad <= maxLoaded))
	p("| size of the binary | %.1f MB | 40 MB | %s |", float64(m.size)/1e6, met(m.size <= 40e6))
}
