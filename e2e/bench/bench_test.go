package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"sallyport/storage/storagetest"
)

// TestMain lets the test be the server too, as the program is.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == serverArgument {
		if err := serve(context.Background(), os.Stdin, os.Stdout); err != nil {
			_, _ = io.WriteString(os.Stderr, err.Error()+"\n")
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// What is promised of a login and of the machine endpoints without a stopwatch: with 32 connections at once on either
// database nothing fails, and nothing writes more often than it must.
func TestNothingFailsAndCommitsAreFew(t *testing.T) {
	for name, fresh := range map[string]func(testing.TB) string{"SQLite": storagetest.SQLiteURL, "Postgres": storagetest.PostgresURL} {
		t.Run(name, func(t *testing.T) {
			var progress strings.Builder
			b := &bench{options: options{seconds: 0.4}, dir: t.TempDir(), out: io.Discard, progress: &progress}
			if err := b.runConnections(t.Context(), fresh(t), result{database: name, conns: 32}); err != nil {
				t.Fatal(err)
			}
			if len(b.results) != len(operations()) {
				t.Fatalf("%d of %d operations were measured", len(b.results), len(operations()))
			}
			for _, r := range b.results {
				if r.failures > 0 {
					t.Errorf("%s: %d of %d failed, first: %v", r.name, r.failures, r.failures+r.runs, r.failure)
				}
				// The courier's look for orphans, once a second, counts too, and belongs to no operation.
				if most := float64(r.operation.commits) + 0.5; r.commits > most {
					t.Errorf("%s: %.2f commits, at most %d are promised", r.name, r.commits, r.operation.commits)
				}
			}
		})
	}
}

func TestAFailingOperationIsCounted(t *testing.T) {
	broken := errors.New("broken")
	all := load(t.Context(), []func(context.Context, int) error{
		func(_ context.Context, n int) error {
			if n%2 == 1 {
				return broken
			}
			return nil
		},
	}, warmUp, []int{0})
	if len(all.times) == 0 || all.failures == 0 || !errors.Is(all.failure, broken) {
		t.Fatalf("%d succeeded, %d failed: %v", len(all.times), all.failures, all.failure)
	}
}
