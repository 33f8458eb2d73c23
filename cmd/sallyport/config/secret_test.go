package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sallyport/cmd/sallyport/config"
)

func TestSecretFileIsMadeOnceForItsOwner(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	c, problems := parse(t, "secret_file: "+file)
	if problems != "" {
		t.Fatal(problems)
	}
	ids := make([]string, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			if err := c.MakeSecretFile(); err != nil {
				t.Error(err)
				return
			}
			ring, err := c.Ring()
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = ring.KeyID()
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id == "" || id != ids[0] {
			t.Fatalf("eight starts at once made several secrets: %v", ids)
		}
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	rest, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(rest) != 1 {
		t.Errorf("files left over: %v, error %v", rest, err)
	}
}

func TestSecretFileHoldsARing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(strings.Repeat("a", 32)+"\n"+strings.Repeat("b", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _ := parse(t, "secret_file: "+file+"\ndatabase: {url: 'postgres://localhost/x'}")
	ring, err := c.Ring()
	if err != nil || len(ring.KeyIDs()) != 2 {
		t.Errorf("ring %v, error %v", ring, err)
	}
}

func TestPostgresNeedsASecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	c, _ := parse(t, "database: {url: 'postgres://localhost/x'}\nsecret_file: "+file)
	if _, err := c.Ring(); !errors.Is(err, config.ErrNoSecretFile) {
		t.Errorf("error %v", err)
	}
	if got := c.CheckStart().Error(); !strings.Contains(got, "sallyport.yaml:1: secret: Postgres needs a master secret") {
		t.Errorf("got %s", got)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Error("a secret was made for Postgres")
	}
}

func TestEmptySecretFileIsNotReplaced(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _ := parse(t, "secret_file: "+file)
	if _, err := c.Ring(); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("error %v", err)
	}
}
