package storage_test

import (
	"fmt"
	"sync"
	"testing"

	"sallyport/grants"
	"sallyport/storage"
	"sallyport/storage/storagetest"
)

// A pool smaller than the load only queues: nobody fails or times out for a connection.
func TestPoolSmallerThanTheLoadOnlyQueues(t *testing.T) {
	for name, url := range map[string]func(testing.TB) string{"sqlite": storagetest.SQLiteURL, "postgres": storagetest.PostgresURL} {
		t.Run(name, func(t *testing.T) {
			s := storagetest.Open(t, storage.Options{URL: url(t), MaxConns: 2})
			var wg sync.WaitGroup
			for i := range 32 {
				wg.Go(func() {
					for j := range 8 {
						event := grants.Event{Type: fmt.Sprintf("test.%d.%d", i, j), Time: storagetest.Start()}
						if err := s.Append(t.Context(), event); err != nil {
							t.Errorf("writing: %v", err)
							return
						}
						if _, err := s.Clients(t.Context()); err != nil {
							t.Errorf("reading: %v", err)
							return
						}
					}
				})
			}
			wg.Wait()
			events, err := s.Events(t.Context(), storage.EventFilter{Limit: 1000})
			if err != nil || len(events) != 32*8 {
				t.Errorf("%d events %v", len(events), err)
			}
		})
	}
}
