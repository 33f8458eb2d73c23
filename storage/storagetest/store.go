package storagetest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

// want fails the test unless an error is, or wraps, the one that is wanted; nil wants none.
func want(t *testing.T, err, wanted error) {
	t.Helper()
	if !errors.Is(err, wanted) {
		t.Fatalf("error is %v, want %v", err, wanted)
	}
}

func equal[T comparable](t *testing.T, what string, got, wanted T) {
	t.Helper()
	if got != wanted {
		t.Fatalf("%s is %v, want %v", what, got, wanted)
	}
}

// at fails the test unless two times are the same moment, and the one that was read is in UTC.
func at(t *testing.T, what string, got, wanted time.Time) {
	t.Helper()
	if !got.Equal(wanted) || got.Location() != time.UTC {
		t.Fatalf("%s is %v, want %v", what, got, wanted)
	}
}

// together runs fn n times at once, each with its number, and waits for all.
func together(n int, fn func(i int)) {
	var ready, done sync.WaitGroup
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			fn(i)
		})
	}
	done.Wait()
}

// tally counts outcomes of what runs together.
type tally struct {
	mu sync.Mutex
	n  map[string]int
}

// add counts an outcome by the first of the named errors that it is; any other error is counted as it reads.
func (y *tally) add(err error, named map[string]error) {
	name := "ok"
	if err != nil {
		name = err.Error()
		for k, e := range named {
			if errors.Is(err, e) {
				name = k
			}
		}
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.n == nil {
		y.n = map[string]int{}
	}
	y.n[name]++
}

func (y *tally) want(t *testing.T, wanted map[string]int) {
	t.Helper()
	for name, n := range wanted {
		if y.n[name] != n {
			t.Fatalf("%d times %q, want %d; all outcomes: %v", y.n[name], name, n, y.n)
		}
	}
	sum := 0
	for _, n := range wanted {
		sum += n
	}
	for _, n := range y.n {
		sum -= n
	}
	if sum != 0 {
		t.Fatalf("outcomes are %v, want only %v", y.n, wanted)
	}
}

func testStore(t *testing.T, b *bench) {
	t.Helper()
	t.Run("a migrated database answers and is up to date", func(t *testing.T) {
		s, clock := b.open(t)
		want(t, s.Ping(t.Context()), nil)
		have, latest, err := s.SchemaVersion(t.Context())
		want(t, err, nil)
		if have != latest || latest < 1 {
			t.Fatalf("schema version is %d of %d", have, latest)
		}
		now, err := s.DatabaseTime(t.Context())
		want(t, err, nil)
		if now.IsZero() || now.Before(clock.Now().AddDate(-1, 0, 0)) {
			t.Fatalf("database time is %v", now)
		}
	})
	t.Run("an empty database has version 0", func(t *testing.T) {
		s, err := storage.Open(t.Context(), storage.Options{URL: b.fresh(t), Ring: Ring(t), Now: NewClock().Now})
		want(t, err, nil)
		defer s.Close()
		have, _, err := s.SchemaVersion(t.Context())
		want(t, err, nil)
		equal(t, "version", have, 0)
	})
	t.Run("statements are counted", func(t *testing.T) {
		s, _ := b.open(t)
		before := s.Statements()
		want(t, s.Ping(t.Context()), nil)
		equal(t, "statements of a ping", s.Statements()-before, 1)
	})
	t.Run("only the ring that the database was made with is accepted", func(t *testing.T) {
		url := b.fresh(t)
		want(t, Open(t, storage.Options{URL: url, Ring: Ring(t, "one")}).CheckSecret(t.Context()), nil)
		want(t, Open(t, storage.Options{URL: url, Ring: Ring(t, "one")}).CheckSecret(t.Context()), nil)
		want(t, Open(t, storage.Options{URL: url, Ring: Ring(t, "two", "one")}).CheckSecret(t.Context()), nil)
		err := Open(t, storage.Options{URL: url, Ring: Ring(t, "two")}).CheckSecret(t.Context())
		want(t, err, storage.ErrWrongSecret)
		if needed := "it needs " + Ring(t, "one").KeyID(); !strings.Contains(err.Error(), needed) {
			t.Errorf("it does not say that %s: %v", needed, err)
		}
	})
	t.Run("text that no row can hold is found nowhere and written nowhere", func(t *testing.T) {
		s, clock := b.open(t)
		for _, text := range []string{"\x00", "a\x00b", "\xff", "a\xc3"} {
			err := s.Tx(t.Context(), func(ctx context.Context) error {
				_, err := s.Client(ctx, text)
				want(t, err, storage.ErrNotFound)
				_, err = s.AuthRequest(ctx, text)
				want(t, err, storage.ErrNotFound)
				_, err = s.Session(ctx, text)
				want(t, err, storage.ErrNotFound)
				_, err = s.UserByAddress(ctx, email(text))
				want(t, err, storage.ErrNotFound)
				_, _, err = s.AuthorizationWithUser(ctx, text)
				want(t, err, storage.ErrNotFound)
				_, err = s.Live(ctx, "a", text)
				want(t, err, storage.ErrNotFound)
				_, err = s.Challenge(ctx, text)
				want(t, err, grants.ErrNoChallenge)
				_, _, err = s.Message(ctx, text)
				want(t, err, grants.ErrNoChallenge)
				want(t, s.SaveAuthRequest(ctx, storage.AuthRequest{ID: "r", State: text}), storage.ErrInvalid)
				return s.Append(ctx, grants.Event{Type: "after", Time: clock.Now()}) // the transaction goes on
			})
			want(t, err, nil)
		}
		equal(t, "events", countEvents(t, s, "after"), 4)
	})
	t.Run("rows outlive the store", func(t *testing.T) {
		url := b.fresh(t)
		first := Open(t, storage.Options{URL: url})
		want(t, first.AddClient(t.Context(), storage.Client{ID: "c"}), nil)
		want(t, first.Close(), nil)
		_, err := Open(t, storage.Options{URL: url}).Client(t.Context(), "c")
		want(t, err, nil)
	})
}

func testTransactions(t *testing.T, b *bench) {
	t.Helper()
	failure := errors.New("on purpose")
	event := func(name string) grants.Event { return grants.Event{Type: name, Time: Start()} }
	count := func(t *testing.T, s *storage.Store) int {
		t.Helper()
		events, err := s.Events(t.Context(), storage.EventFilter{})
		want(t, err, nil)
		return len(events)
	}
	t.Run("an error rolls everything back and comes out as it is", func(t *testing.T) {
		s, _ := b.open(t)
		err := s.Tx(t.Context(), func(ctx context.Context) error {
			want(t, s.Append(ctx, event("a")), nil)
			return failure
		})
		if err != failure { //nolint:errorlint // exactly this one
			t.Fatalf("error is %v", err)
		}
		equal(t, "events", count(t, s), 0)
	})
	t.Run("an inner transaction belongs to the outer one", func(t *testing.T) {
		s, _ := b.open(t)
		err := s.Tx(t.Context(), func(ctx context.Context) error {
			want(t, s.Tx(ctx, func(ctx context.Context) error { return s.Append(ctx, event("a")) }), nil)
			return failure
		})
		want(t, err, failure)
		equal(t, "events", count(t, s), 0)
	})
	t.Run("a read inside sees what was written before, one outside does not", func(t *testing.T) {
		s, _ := b.open(t)
		err := s.Tx(t.Context(), func(ctx context.Context) error {
			want(t, s.AddClient(ctx, storage.Client{ID: "c"}), nil)
			_, err := s.Client(ctx, "c")
			want(t, err, nil)
			_, err = s.Client(t.Context(), "c")
			want(t, err, storage.ErrNotFound)
			return nil
		})
		want(t, err, nil)
	})
	t.Run("a caller that hangs up does not cancel a write", func(t *testing.T) {
		s, _ := b.open(t)
		ctx, cancel := context.WithCancel(t.Context())
		err := s.Tx(ctx, func(ctx context.Context) error {
			cancel()
			return s.Append(ctx, event("a"))
		})
		want(t, err, nil)
		want(t, s.Append(ctx, event("b")), nil)
		equal(t, "events", count(t, s), 2)
	})
	t.Run("a read ends with its caller", func(t *testing.T) {
		s, _ := b.open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.Clients(ctx)
		want(t, err, context.Canceled)
	})
	t.Run("a panic rolls back and frees the connection", func(t *testing.T) {
		s, _ := b.open(t)
		func() {
			defer func() { _ = recover() }()
			_ = s.Tx(t.Context(), func(ctx context.Context) error {
				want(t, s.Append(ctx, event("a")), nil)
				panic("on purpose")
			})
		}()
		want(t, s.Append(t.Context(), event("b")), nil)
		equal(t, "events", count(t, s), 1)
	})
	t.Run("32 writers queue and none fails", func(t *testing.T) {
		s, _ := b.open(t)
		var outcomes tally
		together(32, func(int) {
			for range 10 {
				outcomes.add(s.Tx(t.Context(), func(ctx context.Context) error {
					if _, err := s.Clients(ctx); err != nil {
						return err
					}
					return s.Append(ctx, event("a"))
				}), nil)
			}
		})
		outcomes.want(t, map[string]int{"ok": 320})
	})
}

func testMigrations(t *testing.T, b *bench) {
	t.Helper()
	t.Run("eight stores migrate one empty database at once", func(t *testing.T) {
		url := b.fresh(t)
		var outcomes tally
		together(8, func(int) {
			s, err := storage.Open(t.Context(), storage.Options{URL: url, Ring: Ring(t), Now: NewClock().Now})
			if err == nil {
				err = errors.Join(s.Migrate(t.Context()), s.CheckSecret(t.Context()), s.Close())
			}
			outcomes.add(err, nil)
		})
		outcomes.want(t, map[string]int{"ok": 8})
	})
	t.Run("migrating again changes nothing", func(t *testing.T) {
		s, _ := b.open(t)
		want(t, s.AddClient(t.Context(), storage.Client{ID: "c"}), nil)
		want(t, s.Migrate(t.Context()), nil)
		_, err := s.Client(t.Context(), "c")
		want(t, err, nil)
	})
}
