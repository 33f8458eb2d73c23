package storage

import (
	"context"
	"fmt"
	"time"
)

const (
	// keepEvents is how long the audit log goes back.
	keepEvents = 90 * 24 * time.Hour
	// keepLogins is how long challenges, messages, sessions and device codes stay after their end, so that a late answer can be
	// told what happened, and an operator too.
	keepLogins = 24 * time.Hour
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
		{"challenges", "id", "expires_at <= ?", micros(now.Add(-keepLogins))},
		{"messages", "id", "created_at <= ?", micros(now.Add(-keepLogins))},
		{"counters", "key", "resets_at <= ?", micros(now)},
		{"sessions", "id", "idle_expires_at <= ?", micros(now.Add(-keepLogins))},
		{"authorizations", "id", "expires_at <> 0 AND expires_at <= ?", micros(now)},
		{"tickets", "id", "expires_at <= ?", micros(now)},
		{"device_codes", "id", "expires_at <= ?", micros(now.Add(-keepLogins))},
		{"revoked_tokens", "jti", "expires_at <= ?", micros(now)},
		{"signing_keys", "id", "verify_until <> 0 AND verify_until <= ?", micros(now)},
		{"events", "id", "id < ?", eventPrefix(now.Add(-keepEvents))},
	} {
		// The condition stands there twice for rows that come to life again in between, as counters do.
		statement := fmt.Sprintf("DELETE FROM %[1]s WHERE %[2]s IN (SELECT %[2]s FROM %[1]s WHERE %[3]s LIMIT ?) AND %[3]s", p.table, p.key, p.over)
		for {
			if err := ctx.Err(); err != nil {
				return total, fmt.Errorf("purging: %w", err)
			}
			n, err := s.exec(ctx, "purging "+p.table, statement, p.limit, batch, p.limit)
			total += int(n)
			if err != nil {
				return total, err
			}
			if n < int64(batch) {
				break
			}
		}
	}
	return total, nil
}
