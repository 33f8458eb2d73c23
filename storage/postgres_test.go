package storage_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
	"sallyport/storage/storagetest"
)

// Two transactions hold a row each and want the other's. Postgres ends one of them, which then runs again.
func TestDeadlockOnPostgresIsTriedAgain(t *testing.T) {
	s := storagetest.Open(t, storage.Options{URL: storagetest.PostgresURL(t)})
	ids := [2]string{"a", "b"}
	for _, id := range ids {
		if err := s.AddClient(t.Context(), storage.Client{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	change := func(c *storage.Client) error { c.Secrets = append(c.Secrets, "s"); return nil }
	var held, done sync.WaitGroup
	held.Add(2)
	ended := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	var runs atomic.Int32
	for i := range 2 {
		done.Go(func() {
			defer close(ended[i])
			first := true
			err := s.Tx(t.Context(), func(ctx context.Context) error {
				runs.Add(1)
				if !first {
					<-ended[1-i] // else it could overtake the other, and meet it again
				}
				if err := s.UpdateClient(ctx, ids[i], change); err != nil {
					return err
				}
				if first {
					first = false
					held.Done()
					held.Wait()
				}
				return s.UpdateClient(ctx, ids[1-i], change)
			})
			if err != nil {
				t.Errorf("transaction %d: %v", i, err)
			}
		})
	}
	done.Wait()
	if runs.Load() != 3 {
		t.Errorf("%d runs, want three: there was no deadlock", runs.Load())
	}
	for _, id := range ids {
		c, err := s.Client(t.Context(), id)
		if err != nil || len(c.Secrets) != 2 {
			t.Errorf("client %s has secrets %v, %v", id, c.Secrets, err)
		}
	}
}

// A redemption spends the challenge after a start has read it and before the start writes. SQLite does not let that
// happen; on Postgres the start must not keep a spent challenge, but begin again and find none.
func TestStartThatLosesItsChallengeOnPostgresBeginsAgain(t *testing.T) {
	s := storagetest.Open(t, storage.Options{URL: storagetest.PostgresURL(t)})
	now := storagetest.Start()
	fresh := func(id string) grants.Challenge {
		return grants.Challenge{
			ID: id, Seed: []byte("0123456789abcdef"), ClientID: "c", Connection: "email", Address: grants.Address{Channel: grants.Email, Value: "ada@example.com"},
			CodeLength: 6, MaxAttempts: 5, CreatedAt: now, ExpiresAt: now.Add(time.Minute),
		}
	}
	start := func(id string, choose func(*grants.Challenge) grants.Challenge) (grants.Challenge, error) {
		return s.Open(t.Context(), grants.Opening{
			Now: now, Slot: "slot", Message: grants.Message{ID: id, CreatedAt: now},
			Choose: func(current *grants.Challenge, _ bool) grants.Challenge { return choose(current) },
		})
	}
	first, err := start("first", func(*grants.Challenge) grants.Challenge { return fresh("first") })
	if err != nil {
		t.Fatal(err)
	}
	redeem := sync.OnceValue(func() error {
		_, err := s.Redeem(t.Context(), grants.Redemption{
			Guess: grants.Guess{Now: now, ChallengeID: first.ID}, Address: first.Address, Signup: true, NewUserID: "email|1",
		}, func(context.Context, grants.User) error { return nil })
		return err
	})
	second, err := start("second", func(current *grants.Challenge) grants.Challenge {
		if err := redeem(); err != nil {
			t.Errorf("redeeming: %v", err)
		}
		if current != nil {
			return *current
		}
		return fresh("second")
	})
	if err != nil || second.ID != "second" {
		t.Fatalf("the start gave challenge %q, %v", second.ID, err)
	}
}
