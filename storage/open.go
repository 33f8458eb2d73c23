package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"gorm.io/gorm"

	"sallyport/grants"
)

// Options says which database to open and how.
type Options struct {
	URL      string           // "sqlite:path" or "postgres://..."
	Ring     *grants.Ring     // seals signing keys and the check value
	Now      func() time.Time // the clock
	MaxConns int              // 0: on Postgres 4 a processor and at least 16; on SQLite 4 readers beside the one writer
	Log      *slog.Logger     // nil: slog.Default()
	// Retention is how long the audit log goes back; 0 keeps it for ever.
	Retention time.Duration
}

// Store is the database. It is safe for concurrent use, in any number of processes over one Postgres.
type Store struct {
	ring    *grants.Ring
	clock   func() time.Time
	writer  *gorm.DB
	reader  *gorm.DB // the writer itself on Postgres
	pools   []*sql.DB
	count   atomic.Uint64
	commits atomic.Uint64
	losses  atomic.Uint64 // of connections: those that are older than the last one are not used again
	sqlite  bool

	retention  time.Duration // of the audit log
	eventFloor atomic.Int64  // no event is written with an id before it
}

var _ grants.Store = (*Store)(nil)

// Open opens a database and makes sure that it answers. It does not touch the schema: see [Store.Migrate].
// Errors are about the options, or [ErrUnavailable].
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Ring == nil || o.Now == nil {
		return nil, errors.New("storage: Ring and Now are needed")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	s := &Store{ring: o.Ring, clock: o.Now, retention: o.Retention}
	var err error
	switch scheme, rest, _ := strings.Cut(o.URL, ":"); scheme {
	case "sqlite":
		err = s.openSQLite(o, rest)
	case "postgres", "postgresql":
		err = s.openPostgres(o)
	default:
		err = fmt.Errorf("%q is not a database: write sqlite:path or postgres://", scheme)
	}
	if err == nil {
		err = s.Ping(ctx)
	}
	if err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("opening database: %w", err)
	}
	return s, nil
}

// Close closes the database. Transactions that run are finished first.
func (s *Store) Close() error {
	var errs []error
	for _, p := range slices.Backward(s.pools) { // SQLite's writer last, which then empties the log
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

// Ping asks the database for a sign of life. [ErrUnavailable].
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return failed("asking for a sign of life", s.query(ctx).Raw("SELECT 1").Scan(&one).Error)
}

// DatabaseTime is what the database's own clock says. SQLite has none: it is the process's clock there.
func (s *Store) DatabaseTime(ctx context.Context) (time.Time, error) {
	if s.sqlite {
		return s.now(), s.Ping(ctx)
	}
	var at time.Time
	err := s.query(ctx).Raw("SELECT clock_timestamp()").Scan(&at).Error
	return at.UTC(), failed("reading the database's clock", err)
}

// Statements is how many SQL statements this Store has run so far.
func (s *Store) Statements() uint64 { return s.count.Load() }

// Commits is how many transactions this Store has committed so far, statements that write by themselves among them.
func (s *Store) Commits() uint64 { return s.commits.Load() }

func (s *Store) now() time.Time { return s.clock().UTC() }

// gormOf lets GORM speak a dialect over a pool of connections, which the Store closes from now on.
func (s *Store) gormOf(o Options, db *sql.DB, dialect func(*pool) gorm.Dialector) (*gorm.DB, error) {
	s.pools = append(s.pools, db)
	p := &pool{db: db, count: &s.count, commits: &s.commits, losses: &s.losses}
	if s.sqlite {
		p.prepared = newStatements()
	}
	g, err := gorm.Open(dialect(p), &gorm.Config{
		SkipDefaultTransaction: true, // ours are explicit
		TranslateError:         true,
		QueryFields:            true, // columns are listed, so that a later migration may add some
		DisableAutomaticPing:   true,
		NowFunc:                s.now,
		Logger:                 slowLog{o.Log},
	})
	return g, failed("connecting", err)
}

func processors() int { return runtime.GOMAXPROCS(0) }
