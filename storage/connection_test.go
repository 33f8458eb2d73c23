package storage_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
	"sallyport/storage/storagetest"
)

func wired(t *testing.T) (*storage.Store, *storagetest.Wire) {
	t.Helper()
	wire, url := storagetest.NewWire(t, storagetest.PostgresURL(t))
	return storagetest.Open(t, storage.Options{URL: url, MaxConns: 8}), wire
}

func events(t *testing.T, s *storage.Store) int {
	t.Helper()
	events, err := s.Events(t.Context(), storage.EventFilter{})
	if err != nil {
		t.Fatal(err)
	}
	return len(events)
}

// together runs one after the other or, with a number over one, at once.
func together(n int, do func()) {
	var all sync.WaitGroup
	for range n {
		all.Go(do)
	}
	all.Wait()
}

// Postgres restarts, or something between hangs up: whatever had not begun to commit begins again, and nobody notices.
func TestConnectionsThatWereLostAreReplacedUnnoticed(t *testing.T) {
	s, wire := wired(t)
	use := func() {
		if err := s.Tx(t.Context(), func(ctx context.Context) error { return s.Append(ctx, grants.Event{Type: "a"}) }); err != nil {
			t.Errorf("a transaction: %v", err)
		}
		if _, err := s.Clients(t.Context()); err != nil {
			t.Errorf("a read: %v", err)
		}
	}
	together(8, use)
	for range 3 {
		wire.Cut()
		together(8, use)
	}
	if n := events(t, s); n != 32 {
		t.Errorf("%d events", n)
	}
}

func TestTransactionThatLosesItsConnectionBeginsAgain(t *testing.T) {
	s, wire := wired(t)
	runs := 0
	err := s.Tx(t.Context(), func(ctx context.Context) error {
		runs++
		if err := s.Append(ctx, grants.Event{Type: "a"}); err != nil {
			return err
		}
		if runs == 1 {
			wire.Cut()
		}
		_, err := s.Clients(ctx)
		return err
	})
	if err != nil || runs != 2 {
		t.Fatalf("%d runs, %v", runs, err)
	}
	if n := events(t, s); n != 1 {
		t.Errorf("%d events", n)
	}
}

// A commit whose answer is lost has happened or not: nobody may be told that it has, and it is not repeated.
func TestCommitWhoseAnswerIsLostIsNotRepeated(t *testing.T) {
	s, wire := wired(t)
	runs := 0
	err := s.Tx(t.Context(), func(ctx context.Context) error {
		runs++
		wire.CutAfter("commit\x00")
		return s.Append(ctx, grants.Event{Type: "a"})
	})
	wantUnavailable(t, err)
	if n := events(t, s); n != 1 || runs != 1 {
		t.Errorf("%d events after %d runs", n, runs)
	}
	wire.CutAfter("once-only")
	wantUnavailable(t, s.Append(t.Context(), grants.Event{Type: "once-only"})) // likewise for a statement that commits by itself
	if n := events(t, s); n != 2 {
		t.Errorf("%d events", n)
	}
}

// A database that does not answer keeps nobody longer than their deadline, and works again when it is back.
func TestDatabaseThatHangsKeepsNobody(t *testing.T) {
	s, wire := wired(t)
	together(8, func() { _ = s.Ping(t.Context()) })
	wire.Stall()
	together(20, func() { // more than there are connections
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, err := s.Clients(ctx)
		wantUnavailable(t, err)
		ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		wantUnavailable(t, s.Append(ctx, grants.Event{Type: "a"}))
		wantUnavailable(t, s.Tx(ctx, func(ctx context.Context) error { return s.Append(ctx, grants.Event{Type: "a"}) }))
	})
	wire.Flow()
	if err := s.Tx(t.Context(), func(ctx context.Context) error { return s.Append(ctx, grants.Event{Type: "b"}) }); err != nil {
		t.Fatal(err)
	}
}

func TestPostgresBoundsWhatAStoppedProcessHolds(t *testing.T) {
	url := storagetest.PostgresURL(t)
	s := storagetest.Open(t, storage.Options{URL: url})
	custom := storagetest.Open(t, storage.Options{URL: url + "&lock_timeout=1234"})
	for _, name := range []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"} {
		if got, err := s.Setting(t.Context(), name); err != nil || got == "0" {
			t.Errorf("%s is %q, %v", name, got, err)
		}
	}
	if got, err := custom.Setting(t.Context(), "lock_timeout"); err != nil || got != "1234ms" {
		t.Errorf("the URL's lock_timeout is %q, %v", got, err)
	}
}

// What the primary acknowledged is on the standby, and the same URL leads there.
func TestFailoverToASynchronousStandby(t *testing.T) {
	storagetest.PostgresURL(t) // skips, or fails, once and for all
	pair, err := storagetest.StartPair("fsync=off")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := pair.Close(); err != nil {
			t.Log(err) // the killed one has no good end
		}
	}()
	url, err := pair.CreateDatabase("failover")
	if err != nil {
		t.Fatal(err)
	}
	s := storagetest.Open(t, storage.Options{URL: url, MaxConns: 8})
	write := func(kind string) error {
		return s.Tx(t.Context(), func(ctx context.Context) error { return s.Append(ctx, grants.Event{Type: kind}) })
	}
	together(8, func() {
		if err := write("before"); err != nil {
			t.Error(err)
		}
	})
	if err := pair.KillPrimary(); err != nil {
		t.Fatal(err)
	}
	wantUnavailable(t, write("between"))
	if err := pair.Promote(); err != nil {
		t.Fatal(err)
	}
	if err := write("after"); err != nil {
		t.Fatalf("the first write after the promotion: %v", err)
	}
	if n := events(t, s); n != 9 {
		t.Errorf("%d events", n)
	}
}

// A primary that was demoted without being stopped refuses writes over connections that look healthy.
func TestServerThatOnlyReadsIsLeft(t *testing.T) {
	storagetest.PostgresURL(t) // skips, or fails, once and for all
	pair, err := storagetest.StartPair("fsync=off")
	if err != nil {
		t.Fatal(err)
	}
	defer pair.Close()
	url, err := pair.CreateDatabase("demoted")
	if err != nil {
		t.Fatal(err)
	}
	s := storagetest.Open(t, storage.Options{URL: url, MaxConns: 4})
	together(4, func() { _ = s.Ping(t.Context()) })
	if err := pair.Promote(); err != nil {
		t.Fatal(err)
	}
	if err := pair.Demote(); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if err := s.Tx(t.Context(), func(ctx context.Context) error { return s.Append(ctx, grants.Event{Type: "a"}) }); err != nil {
			t.Fatal(err)
		}
		if err := s.Append(t.Context(), grants.Event{Type: "a"}); err != nil {
			t.Fatal(err)
		}
	}
}
