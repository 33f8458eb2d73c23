package storage

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"gorm.io/gorm"
)

// pool stands between GORM and database/sql. It counts statements, and where it is told to it keeps them prepared.
// GORM's own cache of prepared statements would prepare each anew in every transaction, where nearly all of ours run.
type pool struct {
	db       *sql.DB
	count    *atomic.Uint64
	commits  *atomic.Uint64
	losses   *atomic.Uint64
	prepared *statements // nil on Postgres, whose driver keeps its own
}

// PrepareContext implements gorm.ConnPool.
func (p *pool) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	return p.db.PrepareContext(ctx, query)
}

// ExecContext implements gorm.ConnPool.
func (p *pool) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := storable(args); err != nil {
		return nil, err
	}
	p.count.Add(1)
	p.commits.Add(1) // a transaction of its own

	st := p.prepared.forPool(ctx, p.db, query) //nolint:sqlclosecheck // kept for the next one
	if st != nil {
		return st.ExecContext(ctx, args...)
	}
	res, err := p.db.ExecContext(ctx, query, args...)
	p.notice(err)
	return res, err
}

// QueryContext implements gorm.ConnPool.
func (p *pool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := storable(args); err != nil {
		return nil, err
	}
	p.count.Add(1)
	st := p.prepared.forPool(ctx, p.db, query) //nolint:sqlclosecheck // kept for the next one
	if st != nil {
		return st.QueryContext(ctx, args...)
	}
	rows, err := p.db.QueryContext(ctx, query, args...)
	if p.notice(err) && strings.HasPrefix(query, "SELECT ") {
		return p.db.QueryContext(ctx, query, args...) // a read may be repeated, on a fresh connection
	}
	return rows, err
}

// QueryRowContext implements gorm.ConnPool.
func (p *pool) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	p.count.Add(1)
	return p.db.QueryRowContext(ctx, query, args...)
}

// BeginTx implements gorm.ConnPoolBeginner.
func (p *pool) BeginTx(ctx context.Context, opts *sql.TxOptions) (gorm.ConnPool, error) {
	p.prepared.prepareWanted(ctx, p.db)
	tx, err := p.db.BeginTx(ctx, opts)
	p.notice(err)
	if err != nil {
		return nil, err
	}
	return &txPool{tx: tx, pool: p}, nil
}

// notice remembers when the connection to Postgres was lost: then others are lost too, and none that is older is used
// again. It tells whether it was.
func (p *pool) notice(err error) bool {
	if p.prepared != nil || !lost(err) {
		return false
	}
	p.losses.Add(1)
	return true
}

// GetDBConn implements gorm.GetDBConnector.
func (p *pool) GetDBConn() (*sql.DB, error) { return p.db, nil }

// txPool is a pool's connection while a transaction runs on it.
type txPool struct {
	tx   *sql.Tx
	pool *pool
}

// PrepareContext implements gorm.ConnPool.
func (t *txPool) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	return t.tx.PrepareContext(ctx, query)
}

// ExecContext implements gorm.ConnPool.
func (t *txPool) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := storable(args); err != nil {
		return nil, err
	}
	t.pool.count.Add(1)
	ctx = t.patient(ctx)
	if st := t.pool.prepared.forTx(query); st != nil {
		return t.tx.StmtContext(ctx, st).ExecContext(ctx, args...) //nolint:sqlclosecheck // closed with the transaction
	}
	res, err := t.tx.ExecContext(ctx, query, args...)
	t.pool.notice(err)
	return res, err
}

// QueryContext implements gorm.ConnPool.
func (t *txPool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := storable(args); err != nil {
		return nil, err
	}
	t.pool.count.Add(1)
	ctx = t.patient(ctx)
	if st := t.pool.prepared.forTx(query); st != nil {
		return t.tx.StmtContext(ctx, st).QueryContext(ctx, args...) //nolint:sqlclosecheck // closed with the transaction
	}
	rows, err := t.tx.QueryContext(ctx, query, args...)
	t.pool.notice(err)
	return rows, err
}

// QueryRowContext implements gorm.ConnPool.
func (t *txPool) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	t.pool.count.Add(1)
	return t.tx.QueryRowContext(ctx, query, args...)
}

// patient takes the deadline off a statement's context on SQLite, whose driver would start a goroutine for each to
// watch it. Nothing there waits once the transaction has begun.
func (t *txPool) patient(ctx context.Context) context.Context {
	if t.pool.prepared == nil {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

// Commit implements gorm.TxCommitter.
func (t *txPool) Commit() error {
	t.pool.commits.Add(1)
	err := t.tx.Commit()
	t.pool.notice(err)
	return err
}

// Rollback implements gorm.TxCommitter.
func (t *txPool) Rollback() error { return t.tx.Rollback() }

// storable refuses, before a statement is sent, text that Postgres would refuse, so that no stranger's text ends a
// transaction or looks like a failing database, and both databases hold the same.
func storable(args []any) error {
	for _, a := range args {
		if s, ok := a.(string); ok && (strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s)) {
			return errText
		}
	}
	return nil
}

// maxStatements bounds what is kept prepared. All of this package's statements are fewer.
const maxStatements = 256

// statements are the prepared ones of a pool. A transaction holds its connection, so a statement that it runs for the
// first time is only noted, and prepared before the next transaction begins. A nil *statements prepares nothing.
type statements struct {
	mu     sync.RWMutex
	ready  map[string]*sql.Stmt
	wanted map[string]struct{}
}

func newStatements() *statements {
	return &statements{ready: map[string]*sql.Stmt{}, wanted: map[string]struct{}{}}
}

func (s *statements) forPool(ctx context.Context, db *sql.DB, query string) *sql.Stmt {
	if s == nil {
		return nil
	}
	st := s.get(query)
	if st != nil || !preparable(query) {
		return st
	}
	return s.prepare(ctx, db, query)
}

func (s *statements) forTx(query string) *sql.Stmt {
	if s == nil {
		return nil
	}
	st := s.get(query)
	if st == nil && preparable(query) {
		s.mu.Lock()
		if len(s.wanted) < maxStatements {
			s.wanted[query] = struct{}{}
		}
		s.mu.Unlock()
	}
	return st
}

func (s *statements) prepareWanted(ctx context.Context, db *sql.DB) {
	if s == nil {
		return
	}
	s.mu.RLock()
	none := len(s.wanted) == 0
	s.mu.RUnlock()
	if none {
		return
	}
	s.mu.Lock()
	wanted := s.wanted
	s.wanted = map[string]struct{}{}
	s.mu.Unlock()
	for query := range wanted {
		s.prepare(ctx, db, query)
	}
}

func (s *statements) get(query string) *sql.Stmt {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ready[query]
}

// prepare keeps the statement, or gives nil: it then runs unprepared and says itself what is wrong with it.
func (s *statements) prepare(ctx context.Context, db *sql.DB, query string) *sql.Stmt {
	s.mu.RLock()
	full := len(s.ready) >= maxStatements
	s.mu.RUnlock()
	if full {
		return nil
	}
	st, err := db.PrepareContext(ctx, query)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.ready[query]; other != nil {
		_ = st.Close() //nolint:sqlclosecheck // only this one; the others stay open
		return other
	}
	s.ready[query] = st
	return st
}

// preparable tells statements over rows from those that change the schema.
func preparable(query string) bool {
	verb, _, _ := strings.Cut(query, " ")
	switch verb {
	case "SELECT", "INSERT", "UPDATE", "DELETE":
		return true
	}
	return false
}
