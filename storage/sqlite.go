package storage

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"

	gormsqlite "gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// openSQLite opens a file twice: one connection that writes, so that writers queue in this process and not at the
// file's lock, and some that only read, which the write-ahead log lets run beside it.
func (s *Store) openSQLite(o Options, path string) error {
	if path == "" || path == ":memory:" {
		return errors.New("sqlite: needs the path of a file")
	}
	// The file is made here so that nobody else may read it; its log files take over its mode.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator names the file
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	s.sqlite = true
	s.writer, err = s.sqlitePool(o, path, 1, "_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=journal_size_limit(67108864)")
	if err != nil {
		return err
	}
	readers := o.MaxConns
	if readers <= 0 {
		readers = max(4, processors())
	}
	s.reader, err = s.sqlitePool(o, path, readers, "_pragma=query_only(1)")
	return err
}

func (s *Store) sqlitePool(o Options, path string, conns int, params string) (*gorm.DB, error) {
	dsn := (&url.URL{Scheme: "file", Opaque: url.PathEscape(path)}).String() +
		"?_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)&" + params
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, failed("opening file", err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return s.gormOf(o, db, func(p *pool) gorm.Dialector {
		return sqliteDialect{gormsqlite.Dialector{Conn: p}}
	})
}

// sqliteDialect is GORM's, made to know the errors of the driver that we use.
type sqliteDialect struct {
	gormsqlite.Dialector
}

// Translate implements gorm.ErrorTranslator.
func (sqliteDialect) Translate(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) {
		switch e.Code() {
		case sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE:
			return gorm.ErrDuplicatedKey
		case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
			return gorm.ErrForeignKeyViolated
		}
	}
	return err
}
