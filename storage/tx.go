package storage

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"gorm.io/gorm"
)

const (
	// txTimeout is the longest that a transaction may take, its tries and the wait for a connection included.
	txTimeout = 10 * time.Second
	// maxTries bounds how often a transaction is tried that others overtake.
	maxTries = 12
	// maxPause bounds the time between two tries.
	maxPause = 250 * time.Millisecond
)

type txKey struct{}

// transaction is one that runs, carried by the context of what belongs to it.
type transaction struct {
	store *Store
	db    *gorm.DB
	after []func(context.Context) error
}

// Tx runs fn in a transaction that fn's context carries: whatever this Store does with that context belongs to it. An
// error of fn rolls it back and is returned as it is; without one, all is durable when Tx returns. Inside another
// transaction of the context it joins that one.
//
// A caller that hangs up does not cancel it; it has at most ten seconds, and no more than the caller's deadline leaves.
// Where the database asks for it, and where the connection is lost before the commit, fn runs again from its start, so it
// must set what it sets outside anew each time. A commit whose answer is lost is [ErrUnavailable], and may have happened.
func (s *Store) Tx(ctx context.Context, fn func(context.Context) error) error {
	if s.joined(ctx) != nil {
		return fn(ctx)
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	var after []func(context.Context) error
	err := again(ctx, func() error {
		t := &transaction{store: s}
		err := t.run(ctx, fn)
		after = t.after
		return err
	})
	for _, f := range after {
		if failure := s.Tx(context.WithoutCancel(ctx), f); failure != nil {
			return failure // the caller must not be told what is not written
		}
	}
	return err
}

// bounded is the time that a write has, also when its caller hangs up.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	within := txTimeout
	if end, ok := ctx.Deadline(); ok {
		within = min(within, time.Until(end))
	}
	return context.WithTimeout(context.WithoutCancel(ctx), within)
}

func (t *transaction) run(ctx context.Context, fn func(context.Context) error) error {
	var own error
	committing := false
	err := t.store.writer.WithContext(ctx).Transaction(func(db *gorm.DB) error {
		t.db = db
		own = fn(context.WithValue(ctx, txKey{}, t))
		committing = own == nil
		return own
	})
	if own == nil {
		own = failed("running transaction", err)
	}
	if !committing && t.store.lost(own) {
		return fmt.Errorf("%w: %w", errAgain, own)
	}
	return own
}

// lost tells whether a failure is that of the connection, so that what was not committed can be tried on another one.
func (s *Store) lost(err error) bool { return !s.sqlite && lost(err) }

// joined is the transaction of this Store that a context carries, or nil.
func (s *Store) joined(ctx context.Context) *transaction {
	if t, ok := ctx.Value(txKey{}).(*transaction); ok && t.store == s {
		return t
	}
	return nil
}

// afterwards runs fn in a transaction of its own once the context's has ended, even when that one is rolled back: for
// what must be written although the caller is told an error. Inside a transaction only.
func (s *Store) afterwards(ctx context.Context, fn func(context.Context) error) {
	t := s.joined(ctx)
	t.after = append(t.after, fn)
}

// query is where a read goes: to the transaction that the context carries, which sees its own writes, else to any
// connection, under the caller's own deadline.
func (s *Store) query(ctx context.Context) *gorm.DB {
	if t := s.joined(ctx); t != nil {
		return t.db
	}
	return s.reader.WithContext(ctx)
}

// exec runs one writing statement, in the context's transaction or as one of its own, and gives the number of rows.
func (s *Store) exec(ctx context.Context, doing, statement string, args ...any) (int64, error) {
	if t := s.joined(ctx); t != nil {
		res := t.db.Exec(statement, args...)
		return res.RowsAffected, refused(doing, res.Error)
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	var rows int64
	err := again(ctx, func() error {
		res := s.writer.WithContext(ctx).Exec(statement, args...)
		rows = res.RowsAffected
		if demoted(res.Error) {
			return fmt.Errorf("%s: %w: %w", doing, errAgain, res.Error)
		}
		return refused(doing, res.Error)
	})
	return rows, err
}

// refused is failed for a write, where text that cannot be stored is the caller's fault.
func refused(doing string, err error) error {
	if errors.Is(err, errText) {
		return fmt.Errorf("%s: %w", doing, ErrInvalid)
	}
	return failed(doing, err)
}

// again tries what others overtook a bounded number of times, with a growing, jittered pause between.
func again(ctx context.Context, try func() error) error {
	for n := 1; ; n++ {
		err := try()
		overtaken := errors.Is(err, errAgain) || serialization(err)
		if !overtaken || n == maxTries {
			return err
		}
		pause := min(time.Duration(1<<n)*time.Millisecond, maxPause)
		timer := time.NewTimer(pause/2 + rand.N(pause)) //nolint:gosec // spreads load, guards nothing
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
	}
}

// forUpdate ends a SELECT whose rows must not change until the transaction ends. SQLite has one writer at a time.
func (s *Store) forUpdate() string {
	if s.sqlite {
		return ""
	}
	return " FOR UPDATE"
}
