package storage

import (
	"log/slog"
	"time"

	"sallyport/grants"
)

// Options says which database to open and how.
type Options struct {
	URL      string           // "sqlite:path" or "postgres://..."
	Ring     *grants.Ring     // seals signing keys and the check value
	Now      func() time.Time // the clock
	MaxConns int              // 0: on Postgres 4 a processor and at least 16; on SQLite 4 readers beside the one writer
	Log      *slog.Logger     // nil: slog.Default()
}

// Store is the database. It is safe for concurrent use, in any number of processes over one Postgres.
type Store struct {
}
