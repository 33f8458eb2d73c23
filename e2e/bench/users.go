package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"sallyport/e2e/rig"
)

const (
	maxImport = 5 * time.Minute // for a million users
	maxMemory = 300 << 20
	maxRatio  = 1.2
	fullConns = 32
)

// imported is what was measured of one import, and of logins before and after it.
type imported struct {
	database     string
	took, again  time.Duration
	memory       int64 // the most that was resident, in bytes
	empty, after []result
}

// runUsers has the real binary import a made-up tenant into a database, and compares logins over it, empty and full.
func (b *bench) runUsers(ctx context.Context, name, databaseURL string) error {
	path, err := rig.Build(ctx, b.dir)
	if err != nil {
		return err
	}
	export, err := b.export()
	if err != nil {
		return err
	}
	m := imported{database: name}
	if m.empty, err = b.logins(ctx, databaseURL, result{database: name + ", empty", conns: fullConns}, 0); err != nil {
		return err
	}
	if m.took, m.memory, err = b.importUsers(ctx, path, export, databaseURL); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(b.progress, "%-8s     %d users imported in %s with %d MiB\n", name, b.users, m.took.Round(time.Millisecond), m.memory>>20)
	if m.again, _, err = b.importUsers(ctx, path, export, databaseURL); err != nil {
		return err
	}
	if m.after, err = b.logins(ctx, databaseURL, result{database: name + ", full", conns: fullConns}, b.users); err != nil {
		return err
	}
	b.imports = append(b.imports, m)
	return nil
}

// logins measures both kinds of login, of people from all over the import where there was one.
func (b *bench) logins(ctx context.Context, databaseURL string, row result, users int) (rows []result, err error) {
	p, err := startProcess(ctx, databaseURL, b.dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	p.users = users
	for _, o := range operations()[:3] {
		if !strings.Contains(o.name, b.only) {
			continue
		}
		r, err := b.measure(ctx, p, o, row)
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
		b.results = append(b.results, r)
		_, _ = fmt.Fprintf(b.progress, "%-16s %-40s %8.0f/s  %5.2f S\n", r.database, r.name, r.perSecond(), r.inS)
	}
	return rows, nil
}

// importUsers runs the command and gives its time and the most memory that it had.
func (b *bench) importUsers(ctx context.Context, path, export, databaseURL string) (time.Duration, int64, error) {
	cmd := exec.CommandContext(ctx, path, "import", "auth0", export) //nolint:gosec // the binary that we built
	cmd.Env = append(os.Environ(), "SALLYPORT_DATABASE_URL="+databaseURL, "SALLYPORT_SECRET="+benchSecret())
	cmd.Dir = b.dir
	begin := rig.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, 0, fmt.Errorf("importing: %w: %s", err, out)
	}
	took := time.Since(begin)
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, 0, errors.New("importing: nobody knows what memory it had")
	}
	return took, usage.Maxrss << 10, nil
}

// export writes the bulk export of a tenant, once for all databases: four in five users have an e-mail address, ids
// are like those that Auth0 gives, in the order in which they were made, and addresses in none.
func (b *bench) export() (string, error) {
	path := filepath.Join(b.dir, "users.ndjson")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	f, err := os.Create(path) //nolint:gosec // a folder of our own
	if err != nil {
		return "", err
	}
	w := bufio.NewWriter(f)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same users each time
	made := time.Date(2020, time.January, 1, 0, 0, 0, 0, time.UTC)
	for n := range b.users {
		made = made.Add(time.Duration(random.IntN(300)) * time.Second)
		id := fmt.Sprintf("%08x%010x%06x", made.Unix(), 0xc33c6c004b+uint64(random.IntN(8)), random.IntN(1<<24)) //nolint:gosec // after 1970
		who := fmt.Sprintf(`"user_id":"email|%[1]s","email":"%[2]s","email_verified":true,"name":"%[2]s","identities":[{"user_id":"%[1]s","provider":"email","connection":"email","isSocial":false}]`,
			id, tenantAddress(n))
		if n%5 == 4 {
			who = fmt.Sprintf(`"user_id":"sms|%[1]s","phone_number":"%[2]s","phone_verified":true,"name":"%[2]s","identities":[{"user_id":"%[1]s","provider":"sms","connection":"sms","isSocial":false}]`,
				id, fmt.Sprintf("+1202%07d", 2_000_000+(n*7919)%7_900_000))
		}
		_, _ = fmt.Fprintf(w, `{%s,"nickname":"user%d","picture":"https://s.gravatar.com/avatar/%032x?s=480&r=pg&d=https%%3A%%2F%%2Fcdn.auth0.com%%2Favatars%%2Fus.png",`+
			`"user_metadata":{"theme":"dark","visits":%d},"app_metadata":{"plan":"pro","roles":["reader","writer"]},"created_at":"%s","updated_at":"2026-01-01T00:00:00.000Z",`+
			`"last_login":"2026-01-01T00:00:00.000Z","last_ip":"203.0.113.%d","logins_count":%d}`+"\n",
			who, n, random.Uint64(), n%90, made.Format("2006-01-02T15:04:05.000Z"), n%250, n%90)
	}
	return path, errors.Join(w.Flush(), f.Close()) // the writer keeps the first error
}

// tenantAddress is the n-th user's, in no order.
func tenantAddress(n int) string {
	return fmt.Sprintf("%06x.user%d@example%d.com", uint32(n)*2_654_435_761>>8, n, n%50) //nolint:gosec // scatters, guards nothing
}

// person is an imported one with an e-mail address, from anywhere in the tenant.
func (c *caller) person(n int) string {
	spread := uint64(n)*uint64(c.conns)*104_729 + uint64(c.number)*7_919 //nolint:gosec // neither is negative
	found := int(spread % uint64(c.users))                               //nolint:gosec // less than users
	return tenantAddress(found - found%5)
}

func (b *bench) printImports(p func(string, ...any)) {
	for _, m := range b.imports {
		p("\n%d users, %s:\n\n| | | goal | |\n| --- | ---: | ---: | --- |", b.users, m.database)
		goal := maxImport * time.Duration(b.users) / 1_000_000
		p("| import | %.1f s | %.1f s | %s |", m.took.Seconds(), goal.Seconds(), met(m.took <= goal))
		p("| the same again, which changes nothing | %.1f s | | |", m.again.Seconds())
		p("| the most memory of the import | %d MiB | %d MiB | %s |", m.memory>>20, maxMemory>>20, met(m.memory <= maxMemory))
		for i, full := range m.after {
			ratio := full.inS / m.empty[i].inS
			p("| %s: CPU in S over the empty database, over the full one, ratio | %.2f, %.2f, %.2f | %.1f | %s |", full.name, m.empty[i].inS, full.inS, ratio, maxRatio, met(ratio <= maxRatio))
		}
	}
}

func met(ok bool) string {
	if ok {
		return "met"
	}
	return "missed"
}
