package storage

import (
	"context"
	"fmt"
	"time"
)

const (
	// keepEnded is how long challenges, messages, sessions and device codes stay after their end, so that a late answer can be
	// told what happened, and an operator too.
	keepEnded = 24 * time.Hour
	// keepAlerts is how long it can be read what the owner of the deployment was told.
	keepAlerts = 90 * 24 * time.Hour
)

// Purge deletes what has expired from every table and gives the number of rows. It works in batches of the given
// size, each a transaction of its own, and stops between them when ctx ends.
func (s *Store) Purge(ctx context.Context, now time.Time, batch int) (int, error) {
	total := 0
	for _, p := range []struct {
		table, key, over string
		limit            any
	}{
		{"auth_requests", "id", "expires_at <= ?", micros(now)},
		{"challenges", "id", "expires_at <= ?", micros(now.Add(-keepEnded))},
		{"messages", "id", "created_at <= ?", micros(now.Add(-keepEnded))},
		{"counters", "key", "resets_at <= ?", micros(now)},
		{"rates", "key", "tat <= ?", micros(now)},
		{"sessions", "id", "idle_expires_at <= ?", micros(now.Add(-keepEnded))},
		{"authorizations", "id", "expires_at <> 0 AND expires_at <= ?", micros(now)},
		{"tickets", "id", "expires_at <= ?", micros(now)},
		{"device_codes", "id", "expires_at <= ?", micros(now.Add(-keepEnded))},
		{"revoked_tokens", "jti", "expires_at <= ?", micros(now)},
		{"alerts", "id", "created_at <= ?", micros(now.Add(-keepAlerts))},
		{"signing_keys", "id", "verify_until <> 0 AND verify_until <= ?", micros(now)},
	} {
		// The condition stands there twice for rows that come to life again in between, as counters do.
		statement := fmt.Sprintf("DELETE FROM %[1]s WHERE %[2]s IN (SELECT %[2]s FROM %[1]s WHERE %[3]s LIMIT ?) AND %[3]s", p.table, p.key, p.over)
		n, err := batches(ctx, batch, func() (int, error) {
			n, err := s.exec(ctx, "purging "+p.table, statement, p.limit, batch, p.limit)
			return int(n), err
		})
		total += n
		if err != nil {
			return total, err
		}
	}
	n, err := s.purgeAuditLog(ctx, now, batch)
	return total + n, err
}

// batches deletes until less than a batch is left, and gives how many there were.
func batches(ctx context.Context, size int, one func() (int, error)) (total int, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return total, fmt.Errorf("purging: %w", err)
		}
		n, err := one()
		total += n
		if err != nil || n < size {
			return total, err
		}
	}
}
