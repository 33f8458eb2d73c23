package storage_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"sallyport/storage"
	"sallyport/storage/storagetest"
)

func TestContractOnSQLite(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) string { t.Helper(); return storagetest.SQLiteURL(t) })
}

func TestContractOnPostgres(t *testing.T) {
	storagetest.PostgresURL(t) // skips, or fails, once and for all
	storagetest.Run(t, func(t *testing.T) string { t.Helper(); return storagetest.PostgresURL(t) })
}

// Engines that speak like Postgres but are spread over many machines know only this isolation, or begin with it.
func TestContractOnPostgresSerializable(t *testing.T) {
	storagetest.PostgresURL(t) // skips, or fails, once and for all
	storagetest.Run(t, func(t *testing.T) string {
		t.Helper()
		u, err := url.Parse(storagetest.PostgresURL(t))
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		q.Set("default_transaction_isolation", "serializable")
		u.RawQuery = q.Encode()
		return u.String()
	})
}

// columns lists "table.column type" of a migrated database, types in the words of Postgres.
func columns(t *testing.T, driver, source, query string) []string {
	t.Helper()
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var table, column, kind string
		var null bool
		if err := rows.Scan(&table, &column, &kind, &null); err != nil {
			t.Fatal(err)
		}
		if kind = strings.ToLower(kind); kind == "blob" {
			kind = "bytea"
		}
		out = append(out, fmt.Sprintf("%s.%s %s null=%t", table, column, kind, null))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func TestBothDatabasesHaveTheSameColumns(t *testing.T) {
	file, server := storagetest.SQLiteURL(t), storagetest.PostgresURL(t)
	storagetest.Open(t, storage.Options{URL: file})
	storagetest.Open(t, storage.Options{URL: server})
	onSQLite := columns(t, "sqlite", strings.TrimPrefix(file, "sqlite:"),
		`SELECT m.name, p.name, p.type, p."notnull" = 0 FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table'`)
	onPostgres := columns(t, "pgx", server,
		`SELECT table_name, column_name, data_type, is_nullable = 'YES' FROM information_schema.columns WHERE table_schema = 'public'`)
	if len(onSQLite) < 100 || !slices.Equal(onSQLite, onPostgres) {
		t.Fatalf("SQLite has\n%s\nPostgres has\n%s", strings.Join(onSQLite, "\n"), strings.Join(onPostgres, "\n"))
	}
}

func TestSQLiteFileIsForItsOwnerOnly(t *testing.T) {
	url := storagetest.SQLiteURL(t)
	storagetest.Open(t, storage.Options{URL: url})
	path := strings.TrimPrefix(url, "sqlite:")
	for _, file := range []string{path, path + "-wal"} {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", filepath.Base(file), info.Mode())
		}
	}
}

func TestSQLiteFileMayHaveAnyName(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"with space.db", "per%20cent.db", "quest?ion#.db", "ümlaut.db", "and&=.db"} {
		path := filepath.Join(dir, name)
		storagetest.Open(t, storage.Options{URL: "sqlite:" + path})
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			t.Errorf("%q was not written: %v", name, err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.Contains(e.Name(), ".db") {
			t.Errorf("unexpected file %q", e.Name())
		}
	}
}

func TestOpenRefusesWhatIsNoDatabase(t *testing.T) {
	for _, url := range []string{"", "mysql://x", "sqlite:", "sqlite::memory:", "sallyport.db", "postgres://user:hunter2@%zz"} {
		s, err := storage.Open(t.Context(), storage.Options{URL: url, Ring: storagetest.Ring(t), Now: storagetest.NewClock().Now})
		if err == nil {
			_ = s.Close()
			t.Errorf("%q was opened", url)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}

func TestOpenWithoutAServerIsUnavailable(t *testing.T) {
	for _, url := range []string{"postgres://nobody@127.0.0.1:1/none?connect_timeout=2", "sqlite:" + filepath.Join(t.TempDir(), "none", "x.db")} {
		_, err := storage.Open(context.Background(), storage.Options{URL: url, Ring: storagetest.Ring(t), Now: storagetest.NewClock().Now})
		wantUnavailable(t, err)
	}
}

func wantUnavailable(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("error is %v", err)
	}
}

func TestClosedSQLiteLeavesOneFile(t *testing.T) {
	url := storagetest.SQLiteURL(t)
	s := storagetest.Open(t, storage.Options{URL: url})
	if err := s.AddClient(t.Context(), storage.Client{ID: "c"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Dir(strings.TrimPrefix(url, "sqlite:")))
	if err != nil || len(entries) != 1 {
		t.Fatalf("left are %v, %v", entries, err)
	}
}
