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
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	startDeadline = 20 * time.Second
	idleFor       = 2 * time.Second
	loadFor       = 4 * time.Second // of each kind of login
	loadConns     = 32
)

// daemon is the real program, serving, with SQLite and a mail server.
type daemon struct {
	target
	cmd *exec.Cmd
}

const daemonConfig = `
issuer: http://%[1]s
listen: %[1]s
database: {url: "sqlite:%[2]s/binary.db"}
secret_file: "%[2]s/binary.secret"
limits: {all: "0"}
mail: {transport: smtp, smtp: {addr: "%[3]s", tls: none}}
clients:
  - id: ` + webClient + `
    name: Web App
    type: web
    secrets: [` + webSecret + `]
    redirect_uris: ["` + webRedirect + `"]
    grant_types: [authorization_code, refresh_token, passwordless]
    connections: [email]
`

// startDaemon starts the program and gives the time to its first answer.
func startDaemon(ctx context.Context, path, dir string, mails *mailServer) (time.Duration, *daemon, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return 0, nil, err
	}
	config := filepath.Join(dir, "sallyport.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, daemonConfig, address, dir, mails.address), 0o600); err != nil {
		return 0, nil, err
	}
	d := &daemon{target: target{url: "http://" + address, codes: mails.codes}}
	d.cmd = exec.CommandContext(ctx, path, "serve", "--config", config)                                   //nolint:gosec // the binary that we built
	log, err := os.OpenFile(filepath.Join(dir, "binary.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600) //nolint:gosec // a folder of our own
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
	said, _ := os.ReadFile(log.Name())
	return 0, nil, errors.Join(fmt.Errorf("the binary did not start: %s", said), d.stop())
}

// freeAddress is one that nobody listened on a moment ago.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
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

// memory is what the process holds when it has had nothing to do for a while, and right after many logins at once.
func (d *daemon) memory(ctx context.Context) (idle, afterLoad int64, err error) {
	time.Sleep(idleFor)
	if idle, err = resident(d.cmd.Process.Pid); err != nil {
		return 0, 0, err
	}
	for _, o := range []operation{{name: "passwordless login", ready: passwordless(true)}, {name: "code flow", ready: codeFlow}} {
		runs, done, err := connect(ctx, d.target, o, loadConns)
		if err != nil {
			return 0, 0, fmt.Errorf("preparing %s: %w", o.name, err)
		}
		all := load(ctx, runs, loadFor, make([]int, loadConns))
		done()
		if all.failure != nil {
			return 0, 0, fmt.Errorf("%s: %w", o.name, all.failure)
		}
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
