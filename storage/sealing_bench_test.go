package storage_test

import (
	"context"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
	"sallyport/storage/storagetest"
)

// BenchmarkAudit is what an event costs: writing it, by itself and with the seals running behind, and sealing it.
func BenchmarkAudit(b *testing.B) {
	open := func(b *testing.B) (*storage.Store, *storagetest.Clock) {
		b.Helper()
		clock := storagetest.NewClock()
		return storagetest.Open(b, storage.Options{Now: clock.Now}), clock
	}
	write := func(b *testing.B, s *storage.Store, clock *storagetest.Clock, n int) {
		b.Helper()
		for range n {
			clock.Add(time.Millisecond)
			if err := s.Append(b.Context(), grants.Event{Type: "login.succeeded", UserID: "email|0123456789abcdef01234567", IP: "192.0.2.1"}); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("append", func(b *testing.B) {
		s, clock := open(b)
		b.ResetTimer()
		write(b, s, clock, b.N)
	})
	b.Run("append sealed", func(b *testing.B) {
		s, clock := open(b)
		b.ResetTimer()
		for left := b.N; left > 0; left -= 1000 {
			write(b, s, clock, min(left, 1000))
			clock.Add(2 * time.Minute)
			if _, _, err := s.SealEvents(b.Context(), clock.Now(), 5000); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("seal", func(b *testing.B) {
		s, clock := open(b)
		err := s.Tx(b.Context(), func(ctx context.Context) error {
			for range b.N {
				clock.Add(time.Millisecond)
				if err := s.Append(ctx, grants.Event{Type: "login.succeeded", UserID: "email|0123456789abcdef01234567", IP: "192.0.2.1"}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		clock.Add(2 * time.Minute)
		b.ResetTimer()
		if _, _, err := s.SealEvents(b.Context(), clock.Now(), 5000); err != nil {
			b.Fatal(err)
		}
	})
}
