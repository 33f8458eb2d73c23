package storage_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"sallyport/grants"
	"sallyport/storage"
	"sallyport/storage/storagetest"
)

// A command works on the file while the daemon does.
func TestTwoStoresOfOneSQLiteFileQueueForIt(t *testing.T) {
	url := storagetest.SQLiteURL(t)
	var done sync.WaitGroup
	errs := make(chan error, 2*50)
	for i := range 2 {
		s := storagetest.Open(t, storage.Options{URL: url})
		done.Go(func() {
			for n := range 50 {
				errs <- s.Tx(t.Context(), func(ctx context.Context) error {
					if _, err := s.Clients(ctx); err != nil { // reads first: its writes must not find the file changed
						return err
					}
					if err := s.Append(ctx, grants.Event{Type: "x"}); err != nil {
						return err
					}
					return s.AddClient(ctx, storage.Client{ID: fmt.Sprintf("%d-%d", i, n)})
				})
			}
		})
	}
	done.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	clients, err := storagetest.Open(t, storage.Options{URL: url}).Clients(t.Context())
	if err != nil || len(clients) != 100 {
		t.Fatalf("%d clients, %v", len(clients), err)
	}
}
