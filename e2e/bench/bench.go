package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"sallyport/storage/storagetest"
)

// bench is one run of this program.
type bench struct {
	options
	dir           string
	out, progress io.Writer

	limits     []limit
	results    []result
	signatures []time.Duration // S, whenever it was looked at
	real       *binary
	imports    []imported
}

var errFailures = errors.New("operations failed; see the column \"errors\"")

func (b *bench) run(ctx context.Context) error {
	b.limits = []limit{
		{"RS256 signatures (2048 bits), one processor", float64(time.Second) / float64(sign(rsaKey(), 2*signFor))},
		{"ES256 signatures, one processor", float64(time.Second) / float64(sign(ecdsaKey(), 2*signFor))},
	}
	for _, d := range []struct {
		name string
		open func() (url string, done func(), err error)
	}{{"SQLite", b.sqlite}, {"Postgres", postgres}} {
		if b.database != "" && !strings.EqualFold(b.database, d.name) {
			continue
		}
		databaseURL, done, err := d.open()
		if err == nil {
			if b.users > 0 {
				err = b.runUsers(ctx, d.name, databaseURL)
			} else {
				err = b.runDatabase(ctx, d.name, databaseURL)
			}
			done()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
	}
	if b.binary && b.users == 0 {
		real, err := measureBinary(ctx, b.dir)
		if err != nil {
			return err
		}
		b.real = &real
	}
	b.print()
	for _, r := range b.results {
		if r.failures > 0 {
			return errFailures
		}
	}
	return nil
}

func (b *bench) sqlite() (string, func(), error) {
	return "sqlite:" + filepath.Join(b.dir, "bench.db"), func() {}, nil
}

// postgres starts a server that is as durable as it comes, and makes a database in it.
func postgres() (string, func(), error) {
	base, server, err := storagetest.StartPostgres("fsync=on", "synchronous_commit=on", "full_page_writes=on", "shared_buffers=128MB")
	if err != nil {
		return "", nil, err
	}
	ctx := context.Background()
	db, err := pgx.Connect(ctx, base)
	if err == nil {
		_, err = db.Exec(ctx, "CREATE DATABASE bench")
		err = errors.Join(err, db.Close(ctx))
	}
	u, wrong := url.Parse(base)
	if err := errors.Join(err, wrong); err != nil {
		return "", nil, errors.Join(err, server.Close())
	}
	u.Path = "/bench"
	return u.String(), func() { _ = server.Close() }, nil
}

// runDatabase measures everything over one database, each number of connections in a server of its own.
func (b *bench) runDatabase(ctx context.Context, name, databaseURL string) error {
	for _, conns := range []int{1, 32} {
		if b.conns != 0 && b.conns != conns {
			continue
		}
		perSecond, err := commits(ctx, databaseURL, conns, time.Second)
		if err != nil {
			return fmt.Errorf("counting commits: %w", err)
		}
		b.limits = append(b.limits, limit{fmt.Sprintf("durable one-row commits, %s, %s", name, connections(conns)), perSecond})
		if err := b.runConnections(ctx, databaseURL, result{database: name, conns: conns}); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) runConnections(ctx context.Context, databaseURL string, row result) (err error) {
	p, err := startProcess(ctx, databaseURL, b.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	for _, o := range operations() {
		if !strings.Contains(o.name, b.only) {
			continue
		}
		r, err := b.measure(ctx, p, o, row)
		if err != nil {
			return err
		}
		b.results = append(b.results, r)
		_, _ = fmt.Fprintf(b.progress, "%-8s %2d  %-40s %8.0f/s  %5.2f S %s\n", r.database, r.conns, r.name, r.perSecond(), r.inS, r.verdict())
		if r.failure != nil {
			_, _ = fmt.Fprintln(b.progress, "         ", r.failure)
		}
	}
	return nil
}
