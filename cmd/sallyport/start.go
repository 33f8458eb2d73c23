package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"sallyport/cmd/sallyport/config"
	"sallyport/grants"
	"sallyport/storage"
	"sallyport/templates"
)

// loadToStart reads the configuration and finds all that serve would stumble over, before a database or a secret is
// made. It is the one check of serve, config check and doctor. What is wrong comes back as [config.Problems].
func (c *cli) loadToStart(ctx context.Context) (*config.Config, error) {
	cfg, err := c.load()
	if err != nil {
		return nil, err
	}
	return cfg, c.checkStart(ctx, cfg)
}

func (c *cli) checkStart(ctx context.Context, cfg *config.Config) error {
	problems := cfg.CheckStart()
	if _, err := newTemplates(cfg); err != nil {
		problems = append(problems, cfg.Problem("branding.logo", "%v; name an .svg, .png, .jpg or .webp file of at most 100 kB", err))
	}
	if len(problems) > 0 {
		return problems
	}
	return checkLostSecret(ctx, cfg, c.now)
}

func newTemplates(cfg *config.Config) (*templates.Set, error) {
	issuer, err := url.Parse(cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("reading the issuer: %w", err)
	}
	return templates.New(templates.Site{
		Name: cfg.Branding.Name, Logo: cfg.Branding.Logo, PrimaryColor: cfg.Branding.PrimaryColor, Host: issuer.Hostname(),
	})
}

// openRing reads the master secrets. A new database of SQLite gets a new secret; one that has a secret never does.
func openRing(ctx context.Context, cfg *config.Config, now func() time.Time) (*grants.Ring, error) {
	ring, err := cfg.Ring()
	if !errors.Is(err, config.ErrNoSecretFile) {
		return ring, err
	}
	if problems := cfg.CheckSecret(); len(problems) > 0 {
		return nil, problems
	}
	if err := checkLostSecret(ctx, cfg, now); err != nil {
		return nil, err
	}
	if err := cfg.MakeSecretFile(); err != nil {
		return nil, err
	}
	return cfg.Ring()
}

// checkLostSecret refuses a database of SQLite that has a secret when the secret file is gone.
func checkLostSecret(ctx context.Context, cfg *config.Config, now func() time.Time) error {
	if _, err := cfg.Ring(); !errors.Is(err, config.ErrNoSecretFile) {
		return err
	}
	if _, missing := missingFile(cfg.SQLitePath()); missing || cfg.SQLitePath() == "" {
		return nil
	}
	ring, err := grants.NewRing(newSecret()) // any will do for this question
	if err != nil {
		return fmt.Errorf("making a ring: %w", err)
	}
	store, err := storage.Open(ctx, storage.Options{URL: cfg.Database.URL, Ring: ring, Now: now, Log: newLog(io.Discard, cfg)})
	if err != nil {
		return withRemedy(cfg, err)
	}
	has, err := store.HasSecret(ctx)
	if err = errors.Join(err, store.Close()); err != nil {
		return fmt.Errorf("asking the database for its secret: %w", err)
	}
	if !has {
		return nil
	}
	// Another process may have made both meanwhile, the secret first.
	if _, err := cfg.Ring(); !errors.Is(err, config.ErrNoSecretFile) {
		return err
	}
	return config.Problems{cfg.Problem("secret_file",
		"the secret file %s is missing, and the database %s was made with it; put it back, or begin anew without both", cfg.SecretFile, cfg.SQLitePath())}
}
