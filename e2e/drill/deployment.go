package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"sallyport/e2e/rig"
)

// deployment is the real binary in one or more processes, with a mail server, under the eyes of a ledger.
type deployment struct {
	fleet  *fleet
	mails  *rig.Mails
	ledger *ledger
}

const masterSecret = "a-master-secret-of-32-bytes-for-drills-only"

// config is what all drills serve. Limits are off, since all comes from one address and in the name of one client; the
// attempts at a code are no limit and stay. An answer that got lost may be asked for again for a minute instead of ten seconds,
// so that a slow machine does not end logins that nobody attacked.
const config = `
issuer: %[1]s
listen: %[2]s
database: {url: %[3]q}
secret: ` + masterSecret + `
limits: {all: "0"}
passwordless: {lifetime: 10m}
mail: {transport: smtp, smtp: {addr: %[4]q, tls: none}}
clients:
  - id: ` + client + `
    name: Web App
    type: web
    secrets: [` + clientSecret + `]
    redirect_uris: ["` + redirect + `"]
    grant_types: [authorization_code, refresh_token, passwordless]
    refresh: {leeway: 1m}
%[5]s`

// ground is what a drill takes place on.
type ground struct {
	binary   string // the program
	dir      string // for configuration and logs, of this drill's own
	database string // a URL
	progress io.Writer
}

// deploy starts so many processes, with more lines of configuration.
func (g ground) deploy(ctx context.Context, processes int, more string) (*deployment, error) {
	mails, err := rig.ReceiveMails(ctx)
	if err != nil {
		return nil, err
	}
	addresses := make([]string, processes)
	for i := range addresses {
		if addresses[i], err = rig.FreeAddress(ctx); err != nil {
			return nil, err
		}
	}
	issuer := "http://" + addresses[0]
	path := filepath.Join(g.dir, "sallyport.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, config, issuer, addresses[0], g.database, mails.Address, more), 0o600); err != nil {
		return nil, err
	}
	started := make([]*rig.Process, processes)
	for i, address := range addresses {
		started[i] = rig.NewProcess(g.binary, path, address)
		if _, err := started[i].Start(ctx); err != nil {
			return nil, errors.Join(err, stopAll(started[:i]))
		}
	}
	return &deployment{fleet: newFleet(issuer, started), mails: mails, ledger: newLedger()}, nil
}

// stop ends all processes in peace.
func (d *deployment) stop() error {
	defer d.mails.Stop()
	return stopAll(d.fleet.processes)
}

func stopAll(processes []*rig.Process) error {
	var errs []error
	for _, p := range processes {
		errs = append(errs, p.Stop())
	}
	return errors.Join(errs...)
}

// table is a drill's result, in Markdown.
type table struct {
	title string
	rows  [][]string
	notes []string
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) print(w io.Writer) {
	_, _ = fmt.Fprintf(w, "\n%s:\n\n", t.title)
	for i, r := range t.rows {
		_, _ = fmt.Fprintf(w, "| %s |\n", strings.Join(r, " | "))
		if i == 0 {
			_, _ = fmt.Fprintln(w, "| ---"+strings.Repeat(" | ---:", len(r)-1)+" |")
		}
	}
	if len(t.notes) > 0 {
		_, _ = fmt.Fprintf(w, "\n- %s\n", strings.Join(t.notes, "\n- "))
	}
}
