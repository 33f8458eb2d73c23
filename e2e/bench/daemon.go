package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sallyport/e2e/rig"
)

const (
	idleFor   = 2 * time.Second
	loadFor   = 4 * time.Second // of each kind of login
	loadConns = 32
)

// daemon is the real program, serving, with SQLite and a mail server.
type daemon struct {
	target
	process *rig.Process
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
func startDaemon(ctx context.Context, path, dir string, mails *rig.Mails) (time.Duration, *daemon, error) {
	address, err := rig.FreeAddress(ctx)
	if err != nil {
		return 0, nil, err
	}
	config := filepath.Join(dir, "sallyport.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, daemonConfig, address, dir, mails.Address), 0o600); err != nil {
		return 0, nil, err
	}
	d := &daemon{target: target{url: "http://" + address, codes: mails.Codes}, process: rig.NewProcess(path, config, address)}
	took, err := d.process.Start(ctx)
	return took, d, err
}

// memory is what the process holds when it has had nothing to do for a while, and right after many logins at once.
func (d *daemon) memory(ctx context.Context) (idle, afterLoad int64, err error) {
	time.Sleep(idleFor)
	if idle, err = rig.Resident(d.process.Pid()); err != nil {
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
	afterLoad, err = rig.Resident(d.process.Pid())
	return idle, afterLoad, err
}
