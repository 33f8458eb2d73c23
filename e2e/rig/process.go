package rig

import (
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
	"syscall"
	"time"
)

const (
	startDeadline = 30 * time.Second
	stopDeadline  = 60 * time.Second
)

// Process is the real program, serving. Not for concurrent use, but for its URL.
type Process struct {
	URL    string // where it listens
	binary string
	args   []string
	env    []string
	log    string
	cmd    *exec.Cmd
	ended  chan error
}

// NewProcess is a process that serves a configuration file at an address, not started yet. Its log is appended to a
// file beside the configuration, named after the address.
func NewProcess(binary, config, address string) *Process {
	return &Process{
		URL: "http://" + address, binary: binary, args: []string{"serve", "--config", config},
		env: []string{"SALLYPORT_LISTEN=" + address}, log: config + "." + address + ".log",
	}
}

// FreeAddress is a loopback address on which nobody listened a moment ago.
func FreeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("finding an address: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}

// Start starts the process and gives the time to its first good answer. It may have been killed or stopped before.
func (p *Process) Start(ctx context.Context) (time.Duration, error) {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return 0, fmt.Errorf("opening the log: %w", err)
	}
	defer func() { _ = log.Close() }()                    // the process has its own copy
	p.cmd = exec.CommandContext(ctx, p.binary, p.args...) //nolint:gosec // the binary that we built
	p.cmd.Env = slices.Concat(os.Environ(), p.env)
	p.cmd.Dir = filepath.Dir(p.log)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt of ours is not one of the process's
	begin, cmd, ended := Now(), p.cmd, make(chan error, 1)
	if err := p.cmd.Start(); err != nil {
		return 0, fmt.Errorf("starting: %w", err)
	}
	p.ended = ended
	go func() { ended <- cmd.Wait() }()
	for time.Since(begin) < startDeadline && ctx.Err() == nil {
		if p.answers(ctx) {
			return time.Since(begin), nil
		}
		select {
		case err := <-ended:
			ended <- err
			return 0, fmt.Errorf("it ended at once: %w: %s", err, p.tail())
		case <-time.After(time.Millisecond):
		}
	}
	return 0, errors.Join(errors.New("it did not start: "+p.tail()), p.Kill())
}

// fresh asks each time over a new connection.
var fresh = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: startDeadline}

func (p *Process) answers(ctx context.Context) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/.well-known/openid-configuration", nil)
	if err != nil {
		return false
	}
	resp, err := fresh.Do(r)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// Kill is kill -9. It returns when the process is gone; one that had ended by itself is an error.
func (p *Process) Kill() error {
	if err := p.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("killing: %w: %s", err, p.tail())
	}
	<-p.ended //nolint:errcheck // "signal: killed"
	return nil
}

// Stop is SIGTERM. The process must end in peace.
func (p *Process) Stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stopping: %w: %s", err, p.tail())
	}
	select {
	case err := <-p.ended:
		if err != nil {
			return fmt.Errorf("after SIGTERM: %w: %s", err, p.tail())
		}
		return nil
	case <-time.After(stopDeadline):
		return errors.Join(errors.New("it does not stop: "+p.tail()), p.Kill())
	}
}

// Pid is the running process's id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// tail is the end of the log.
func (p *Process) tail() string {
	const last = 4 << 10
	said, _ := os.ReadFile(p.log)
	return string(said[max(0, len(said)-last):])
}
