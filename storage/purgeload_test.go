package storage_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
	"sallyport/storage/storagetest"
)

// Strangers have left many expired rows: cleaning up takes many short transactions, between which logins come through.
func TestPurgeOfManyRowsLetsWritersThrough(t *testing.T) {
	for name, url := range map[string]func(testing.TB) string{"sqlite": storagetest.SQLiteURL, "postgres": storagetest.PostgresURL} {
		t.Run(name, func(t *testing.T) {
			clock := storagetest.NewClock()
			s := storagetest.Open(t, storage.Options{URL: url(t), Now: clock.Now})
			const rows, batch = 20_000, 500
			for from := 0; from < rows; from += batch {
				err := s.Tx(t.Context(), func(ctx context.Context) error {
					for i := range batch {
						if err := s.SaveAuthRequest(ctx, storage.AuthRequest{ID: fmt.Sprint(from + i), ExpiresAt: clock.Now()}); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			clock.Add(time.Hour)
			purged := make(chan int, 1)
			go func() {
				n, err := s.Purge(t.Context(), clock.Now(), batch)
				if err != nil {
					t.Error(err)
				}
				purged <- n
			}()
			through := 0
			for {
				select {
				case n := <-purged:
					if n < rows || through == 0 {
						t.Errorf("%d rows were purged, %d writes came through meanwhile", n, through)
					}
					return
				default:
				}
				if err := s.Append(t.Context(), grants.Event{Type: "login", Time: clock.Now()}); err != nil {
					t.Fatal(err)
				}
				through++
			}
		})
	}
}
