package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"
)

// limit is something that this machine can do so many times in a second.
type limit struct {
	name      string
	perSecond float64
}

var rsaKey = sync.OnceValue(func() crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // only without a source of randomness
	}
	return key
})

var ecdsaKey = sync.OnceValue(func() crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // as above
	}
	return key
})

const (
	signFirst = 50 * time.Millisecond // not counted: short bursts are faster than work that goes on
	signFor   = 150 * time.Millisecond
)

// signature is S at this moment, with as many processors at work as that many connections keep: two that share a core
// are slower than one alone.
func signature(conns int) time.Duration {
	workers := min(conns, runtime.NumCPU())
	took := make([]time.Duration, workers)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			sign(rsaKey(), signFirst)
			took[i] = sign(rsaKey(), signFor)
		})
	}
	wg.Wait()
	var sum time.Duration
	for _, t := range took {
		sum += t
	}
	return sum / time.Duration(workers)
}

// sign is the processor time of one signature over a SHA-256 digest, as for a JWT, in the mean of a while.
func sign(key crypto.Signer, while time.Duration) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	digest := sha256.Sum256([]byte("a header and claims"))
	before, n := threadTime(), 0
	for ; threadTime()-before < while; n++ {
		_, _ = key.Sign(rand.Reader, digest[:], crypto.SHA256)
	}
	return (threadTime() - before) / time.Duration(n)
}

func threadTime() time.Duration {
	const thread = 1 // RUSAGE_THREAD of Linux
	var u syscall.Rusage
	_ = syscall.Getrusage(thread, &u) // of ourselves it never fails
	return spent(u)
}

// commits is how many one-row transactions a second a database makes durable for so many connections at once, with
// the same settings as Sallyport's.
func commits(ctx context.Context, databaseURL string, conns int, d time.Duration) (float64, error) {
	driver, dsn, insert := "pgx", databaseURL, "INSERT INTO bench_commits (v) VALUES ($1)"
	if path, ok := strings.CutPrefix(databaseURL, "sqlite:"); ok {
		driver, insert = "sqlite", "INSERT INTO bench_commits (v) VALUES (?)"
		dsn = "file:" + path + "?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return 0, fmt.Errorf("opening %s: %w", driver, err)
	}
	defer func() { _ = db.Close() }()
	most := conns
	if driver == "sqlite" {
		most = 1 // as in package storage: writers queue in the process
	}
	db.SetMaxOpenConns(most)
	db.SetMaxIdleConns(most)
	if _, err := db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS bench_commits (v TEXT)"); err != nil {
		return 0, fmt.Errorf("making a table: %w", err)
	}
	statement, err := db.PrepareContext(ctx, insert)
	if err != nil {
		return 0, fmt.Errorf("preparing: %w", err)
	}
	defer func() { _ = statement.Close() }()
	run := func(ctx context.Context, _ int) error {
		_, err := statement.ExecContext(ctx, strings.Repeat("x", 200))
		return err
	}
	runs := make([]func(context.Context, int) error, conns)
	for i := range runs {
		runs[i] = run
	}
	all := load(ctx, runs, d, make([]int, conns))
	return float64(len(all.times)) / all.took.Seconds(), all.failure
}
