package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sallyport/storage/storagetest"
)

// onBoth runs a drill on a new SQLite file and then on a new Postgres, both as durable as they come, or on one of them. Each
// has a folder of its own.
func onBoth(only string, g ground, do func(name string, g ground) error) error {
	for _, name := range []string{"SQLite", "Postgres"} {
		if only != "" && !strings.EqualFold(only, name) {
			continue
		}
		own := g
		own.dir = filepath.Join(g.dir, strings.ToLower(name))
		if err := os.Mkdir(own.dir, 0o700); err != nil {
			return fmt.Errorf("making a folder: %w", err)
		}
		done := func() {}
		own.database = "sqlite:" + filepath.Join(own.dir, "drill.db")
		if name == "Postgres" {
			base, server, err := storagetest.StartPostgres(durable()...)
			if err != nil {
				return fmt.Errorf("postgres: %w", err)
			}
			own.database, done = base, func() { _ = server.Close() }
		}
		err := do(name, own)
		done()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// durable are the settings of a Postgres that loses nothing it has acknowledged.
func durable() []string {
	return []string{"fsync=on", "synchronous_commit=on", "full_page_writes=on", "shared_buffers=128MB"}
}
