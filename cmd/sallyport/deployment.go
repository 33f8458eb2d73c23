package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"sallyport/cmd/sallyport/config"
	"sallyport/grants"
	"sallyport/storage"
)

// deployment is what every command that touches data works on.
type deployment struct {
	cfg        *config.Config
	ring       *grants.Ring
	configured []string // the master secrets in the configuration's order; another one than the first may seal, see sealKnown
	store      *storage.Store
}

// open reads the configuration and opens its database, migrated and with the right secret.
func (c *cli) open(ctx context.Context) (*deployment, error) {
	cfg, err := c.load()
	if err != nil {
		return nil, err
	}
	return openDeployment(ctx, cfg, c.now, newLog(c.stderr, cfg))
}

// with opens the deployment for the time of one command.
func (c *cli) with(ctx context.Context, do func(*deployment) error) error {
	d, err := c.open(ctx)
	if err != nil {
		return err
	}
	if err := do(d); err != nil {
		_ = d.store.Close()
		return err
	}
	if err := d.store.Close(); err != nil {
		return fmt.Errorf("closing the database: %w", err)
	}
	return nil
}

func openDeployment(ctx context.Context, cfg *config.Config, now func() time.Time, log *slog.Logger) (*deployment, error) {
	ring, err := openRing(ctx, cfg, now)
	if err != nil {
		return nil, err
	}
	store, err := storage.Open(ctx, storage.Options{URL: cfg.Database.URL, Ring: ring, Now: now, Log: log, Retention: cfg.Audit.Retention})
	if err != nil {
		return nil, withRemedy(cfg, err)
	}
	d := &deployment{cfg: cfg, ring: ring, store: store}
	if err := d.prepare(ctx, now()); err != nil {
		_ = store.Close()
		return nil, withRemedy(cfg, err)
	}
	return d, nil
}

// withRemedy says on one line why a database cannot be used and what to do about it; a driver's words may have several lines.
func withRemedy(cfg *config.Config, err error) error {
	if !errors.Is(err, storage.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%s; %s", plain(err.Error()), databaseRemedy(cfg))
}

func databaseRemedy(cfg *config.Config) string {
	if file := cfg.SQLitePath(); file != "" {
		return fmt.Sprintf("see that the folder of %s is there and may be written, and that the file is whole; if it is not, put back its backup", file)
	}
	return "see that the server runs, and that host, port, database, user and password in database.url are right"
}

func (d *deployment) prepare(ctx context.Context, now time.Time) error {
	store := d.store
	if err := store.Migrate(ctx); err != nil {
		return fmt.Errorf("migrating the database: %w", err)
	}
	known, err := store.FollowSecrets(ctx)
	if err != nil {
		return fmt.Errorf("reading what is known of the master secrets: %w", err)
	}
	d.configured = d.ring.KeyIDs()
	sealKnown(d.ring, known, now)
	err = store.CheckSecret(ctx)
	if errors.Is(err, storage.ErrWrongSecret) {
		return fmt.Errorf("%w; put that one back: set secret or secret_file to it", err)
	}
	if err != nil {
		return fmt.Errorf("checking the secret: %w", err)
	}
	if err := store.LearnClock(ctx); err != nil {
		return fmt.Errorf("reading the database's clock: %w", err)
	}
	return nil
}

// apply brings the database to the APIs and clients of the configuration file.
func apply(ctx context.Context, d *deployment) error {
	apis := make([]storage.API, len(d.cfg.APIs))
	for i, a := range d.cfg.APIs {
		apis[i] = storedAPI(a)
	}
	clients := make([]storage.Client, len(d.cfg.Clients))
	for i, c := range d.cfg.Clients {
		clients[i] = storedClient(c, d.ring)
		clients[i].FromFile = true
	}
	err := d.store.Tx(ctx, func(ctx context.Context) error {
		if err := d.store.ApplyClients(ctx, d.cfg.ClientsRevision, clients); err != nil {
			return err
		}
		return d.store.ApplyAPIs(ctx, apis)
	})
	switch {
	case errors.Is(err, storage.ErrExists):
		return fmt.Errorf("applying the configuration file: %w; rename the file's, or remove the other with: sallyport client rm, or sallyport api rm", err)
	case err != nil:
		return fmt.Errorf("applying the configuration file: %w", err)
	}
	return nil
}

// newLog is the log that the configuration asks for.
func newLog(w io.Writer, cfg *config.Config) *slog.Logger {
	return slog.New(logHandler(w, cfg, slog.LevelDebug))
}

// logHandler writes what the configuration asks for, and is of a level of at least floor.
func logHandler(w io.Writer, cfg *config.Config, floor slog.Level) slog.Handler {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.Log.Level)) // one of its own names, by validation
	options := &slog.HandlerOptions{Level: max(level, floor)}
	if cfg.Log.Format == "json" {
		return slog.NewJSONHandler(w, options)
	}
	return slog.NewTextHandler(w, options)
}
