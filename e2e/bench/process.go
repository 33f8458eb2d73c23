package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sallyport/e2e/rig"
)

// target is what the load needs to know of a server.
type target struct {
	url   string
	codes *rig.Codes
	users int // who were imported, 0 when nobody was
}

// process is a server of our own.
type process struct {
	target
	cmd    *exec.Cmd
	orders io.WriteCloser
	in     *json.Encoder
	out    *json.Decoder
}

// startProcess starts this program as a server and returns when it serves.
func startProcess(ctx context.Context, databaseURL, dir string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, serverArgument) //nolint:gosec // this program
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{write} // becomes codesFile
	orders, err1 := cmd.StdinPipe()
	reports, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start(), write.Close()); err != nil {
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	p := &process{
		target: target{codes: rig.NewCodes()},
		cmd:    cmd, orders: orders, in: json.NewEncoder(orders), out: json.NewDecoder(reports),
	}
	go readCodes(read, p.codes)
	r, err := p.order(order{Start: &startOrder{Database: databaseURL, Log: filepath.Join(dir, "server.log")}})
	if err != nil {
		return nil, errors.Join(err, p.stop())
	}
	p.url = r.URL
	return p, nil
}

// order has the server do something and tell what it has spent.
func (p *process) order(o order) (report, error) {
	var r report
	if err := p.in.Encode(o); err != nil {
		return r, fmt.Errorf("ordering the server: %w", err)
	}
	if err := p.out.Decode(&r); err != nil {
		return r, fmt.Errorf("asking the server: %w", err)
	}
	if r.Error != "" {
		return r, errors.New("server: " + r.Error)
	}
	return r, nil
}

// stop ends the server.
func (p *process) stop() error {
	return errors.Join(p.orders.Close(), p.cmd.Wait())
}

// readCodes tells of each line that the server writes into the pipe.
func readCodes(from io.ReadCloser, codes *rig.Codes) {
	defer func() { _ = from.Close() }()
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		address, code, _ := strings.Cut(lines.Text(), " ")
		codes.Arrived(address, code)
	}
}
