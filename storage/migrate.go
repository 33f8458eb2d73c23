package storage

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"
)

// Migrations are numbered from 1, forward only, and never edited once landed. The code of the release before a
// migration runs after it too, so that processes can be replaced one by one.
//
//go:embed migrations/*.sql
var migrations embed.FS

// migrateTimeout is the longest that all missing migrations together may take.
const migrateTimeout = 10 * time.Minute

// Migrate brings the schema up to date. Any number of processes may call it at once: one works, the others wait and
// find nothing left to do. All of it is one transaction.
func (s *Store) Migrate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), migrateTimeout)
	defer cancel()
	db := s.writer.WithContext(ctx)
	if err := again(ctx, func() error { return s.bookkeeping(db) }); err != nil {
		return fmt.Errorf("preparing migrations: %w", err)
	}
	return again(ctx, func() error {
		return failed("migrating", db.Transaction(s.migrateLocked))
	})
}

// bookkeeping makes the tables that migrating itself needs. Postgres lets two processes collide over it even with IF
// NOT EXISTS; the one that lost tries again and finds them.
func (s *Store) bookkeeping(db *gorm.DB) error {
	for _, statement := range []string{
		"CREATE TABLE IF NOT EXISTS schema_lock (id BIGINT NOT NULL PRIMARY KEY)",
		"CREATE TABLE IF NOT EXISTS schema_migrations (id BIGINT NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL)",
		"INSERT INTO schema_lock (id) VALUES (1) ON CONFLICT (id) DO NOTHING",
	} {
		err := db.Exec(statement).Error
		if clash(err) {
			return fmt.Errorf("%w: %w", errAgain, err)
		}
		if err != nil {
			return failed("making a table", err)
		}
	}
	return nil
}

// migrateLocked applies what is missing. The lock row makes processes on Postgres wait for each other, the immediate
// transaction those on SQLite.
func (s *Store) migrateLocked(tx *gorm.DB) error {
	if !s.sqlite { // what serves has bounds that do not fit here
		if err := tx.Exec("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0").Error; err != nil {
			return err
		}
	}
	// A write, so that at SERIALIZABLE whoever waited for it begins again and sees what the other has done.
	if err := tx.Exec("UPDATE schema_lock SET id = 1 WHERE id = 1").Error; err != nil {
		return err
	}
	have, err := version(tx)
	if err != nil {
		return err
	}
	want, err := latest()
	if err != nil {
		return err
	}
	for n := have + 1; n <= want; n++ {
		if err := s.apply(tx, n); err != nil {
			return fmt.Errorf("migration %d: %w", n, err)
		}
	}
	return nil
}

func (s *Store) apply(tx *gorm.DB, n int) error {
	text, err := migrations.ReadFile(fmt.Sprintf("migrations/%04d.sql", n))
	if err != nil {
		return err
	}
	for statement := range strings.SplitSeq(string(text), ";\n") {
		if statement = s.dialect(statement); statement == "" {
			continue
		}
		if err := tx.Exec(statement).Error; err != nil {
			return err
		}
	}
	return tx.Exec("INSERT INTO schema_migrations (id, applied_at) VALUES (?, ?)", n, micros(s.now())).Error
}

// dialect strips comments and turns the migrations' SQL, which is Postgres's, into SQLite's where that is needed.
func (s *Store) dialect(statement string) string {
	var lines []string
	for line := range strings.Lines(statement) {
		if !strings.HasPrefix(line, "--") {
			lines = append(lines, line)
		}
	}
	statement = strings.TrimSpace(strings.Join(lines, ""))
	if !s.sqlite {
		return statement
	}
	if strings.Contains(statement, " ALTER COLUMN ") {
		return "" // its types are loose and its text compares byte by byte
	}
	statement = strings.ReplaceAll(statement, "BYTEA", "BLOB")
	if strings.HasPrefix(statement, "CREATE TABLE") {
		statement += " WITHOUT ROWID" // the primary key is the table, not a second tree beside it
	}
	return statement
}

// SchemaVersion is the number of the newest migration that the database has, and the one that this program wants.
// More than it wants is fine, see [Store.Migrate].
func (s *Store) SchemaVersion(ctx context.Context) (have, want int, err error) {
	if want, err = latest(); err != nil {
		return 0, 0, err
	}
	if err := s.Ping(ctx); err != nil {
		return 0, 0, err
	}
	if !s.query(ctx).Migrator().HasTable("schema_migrations") {
		return 0, want, nil
	}
	have, err = version(s.query(ctx))
	return have, want, failed("reading schema version", err)
}

func version(db *gorm.DB) (int, error) {
	var n int
	err := db.Raw("SELECT COALESCE(MAX(id), 0) FROM schema_migrations").Scan(&n).Error
	return n, err
}

// latest is the number of the newest migration.
func latest() (int, error) {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return 0, fmt.Errorf("reading migrations: %w", err)
	}
	for i, f := range files {
		if f.Name() != fmt.Sprintf("%04d.sql", i+1) {
			return 0, errors.New("migrations are not numbered one by one")
		}
	}
	return len(files), nil
}
