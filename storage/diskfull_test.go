package storage_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"sallyport/grants"
	"sallyport/storage"
	"sallyport/storage/storagetest"
)

// On a full disk nothing is granted that is not stored, and with room again all goes on by itself.
func TestFullDiskGrantsNothingAndHeals(t *testing.T) {
	url := storagetest.SQLiteURL(t)
	s := storagetest.Open(t, storage.Options{URL: url})
	pragma := func(name, want string) {
		t.Helper()
		if got, err := s.Pragma(t.Context(), name); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", name, got, err, want)
		}
	}
	pragma("synchronous", "2") // FULL: an answer is durable
	pragma("journal_mode", "wal")
	if err := s.Pages(t.Context(), 1); err != nil { // no fewer than there are
		t.Fatal(err)
	}
	stored, full := 0, false
	for n := 0; n < 1000 && !full; n++ {
		err := s.Tx(t.Context(), func(ctx context.Context) error {
			return s.Append(ctx, grants.Event{Type: "granted", Detail: fmt.Sprintf("%d %0500d", n, n)})
		})
		switch {
		case err == nil:
			stored++
		case errors.Is(err, storage.ErrUnavailable):
			full = true
		default:
			t.Fatal(err)
		}
	}
	if !full {
		t.Fatal("the disk was never full")
	}
	for range 3 { // it is clean every time
		wantUnavailable(t, s.AddClient(t.Context(), storage.Client{ID: "c", Name: fmt.Sprintf("%09000d", 1)}))
	}
	if n := all(t, s); n != stored { // reading goes on
		t.Errorf("%d events, %d were granted", n, stored)
	}
	if err := s.Pages(t.Context(), 1<<30); err != nil {
		t.Fatal(err)
	}
	if err := s.AddClient(t.Context(), storage.Client{ID: "c"}); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	pragma("integrity_check", "ok")
	again := storagetest.Open(t, storage.Options{URL: url})
	if n := all(t, again); n != stored {
		t.Errorf("%d events after reopening, %d were granted", n, stored)
	}
}

func all(t *testing.T, s *storage.Store) int {
	t.Helper()
	events, err := s.Events(t.Context(), storage.EventFilter{Limit: 2000})
	if err != nil {
		t.Fatal(err)
	}
	return len(events)
}
