package config

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sallyport/grants"
)

// ErrNoSecretFile says that secret_file is not there.
var ErrNoSecretFile = errors.New("the secret file is missing")

// Ring makes the ring of master secrets: those of the key secret, else the lines of secret_file. [ErrNoSecretFile] where
// neither exists.
func (c *Config) Ring() (*grants.Ring, error) {
	secrets := []string(c.Secret)
	if len(secrets) == 0 {
		var err error
		if secrets, err = c.readSecretFile(); err != nil {
			return nil, err
		}
	}
	ring, err := grants.NewRing(secrets...)
	if err != nil {
		return nil, fmt.Errorf("reading the master secret: %w", err)
	}
	return ring, nil
}

func (c *Config) readSecretFile() ([]string, error) {
	text, err := os.ReadFile(c.SecretFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s", ErrNoSecretFile, c.SecretFile)
	case err != nil:
		return nil, fmt.Errorf("reading secret_file: %w", err)
	}
	var secrets []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" {
			secrets = append(secrets, line)
		}
	}
	if len(secrets) == 0 {
		return nil, fmt.Errorf("secret_file %s is empty", c.SecretFile)
	}
	return secrets, nil
}

// MakeSecretFile writes a new secret, readable by its owner alone, for a SQLite database that has none yet. The file
// appears whole or not at all, and never replaces another: of two processes that start at once both use the secret of
// the one that was first. Postgres gets none: processes that share a database must share the secret, so somebody has to
// place it.
func (c *Config) MakeSecretFile() error {
	raw := make([]byte, grants.MinSecretBytes)
	_, _ = rand.Read(raw) // never fails (crypto/rand)
	secret := base64.RawURLEncoding.EncodeToString(raw)
	dir := filepath.Dir(c.SecretFile)
	f, err := os.CreateTemp(dir, ".sallyport-secret-*") // mode 0600
	if err != nil {
		return fmt.Errorf("making secret_file: %w", err)
	}
	defer os.Remove(f.Name()) // a second name of the file, or a useless rest
	_, err = f.WriteString(secret + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("making secret_file: %w", err)
	}
	if err := os.Link(f.Name(), c.SecretFile); errors.Is(err, fs.ErrExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("making secret_file: %w", err)
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the folder of a file that the operator names
	if err != nil {
		return fmt.Errorf("making secret_file: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("making secret_file: %w", err)
	}
	return nil
}
