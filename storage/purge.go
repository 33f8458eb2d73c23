package storage

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"sallyport/grants"
)

const (
	// keepEvents is how long the audit log goes back.
	keepEvents = 90 * 24 * time.Hour
	// keepEnded is how long challenges, messages, sessions and device codes stay after their end, so that a late answer can be
	// told what happened, and an operator too.
	keepEnded = 24 * time.Hour
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
		{"sessions", "id", "idle_expires_at <= ?", micros(now.Add(-keepEnded))},
		{"authorizations", "id", "expires_at <> 0 AND expires_at <= ?", micros(now)},
		{"tickets", "id", "expires_at <= ?", micros(now)},
		{"device_codes", "id", "expires_at <= ?", micros(now.Add(-keepEnded))},
		{"revoked_tokens", "jti", "expires_at <= ?", micros(now)},
		{"alerts", "id", "created_at <= ?", micros(now.Add(-keepEvents))},
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
	n, err := batches(ctx, batch, func() (int, error) { return s.purgeEvents(ctx, now.Add(-keepEvents), batch) })
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

type purgedEvent struct {
	id, kind, userID, ip string
	time                 int64
}

func (r *purgedEvent) fields() []any { return []any{&r.id, &r.kind, &r.userID, &r.ip, &r.time} }

// purgeEvents deletes a batch of the audit log, and keeps with their users how many logins there were and the last.
func (s *Store) purgeEvents(ctx context.Context, before time.Time, batch int) (int, error) {
	n := 0
	err := s.Tx(ctx, func(ctx context.Context) error {
		events, err := read[purgedEvent](s.query(ctx).Raw(`DELETE FROM events WHERE id IN (SELECT id FROM events WHERE id < ? ORDER BY id LIMIT ?)
			RETURNING id, type, user_id, ip, time`, eventPrefix(before), batch))
		if err != nil {
			return failed("purging events", err)
		}
		n = len(events)
		return s.keepLogins(ctx, events)
	})
	return n, err
}

func (s *Store) keepLogins(ctx context.Context, events []purgedEvent) error {
	logins := map[string]loginsRow{}
	for _, e := range events {
		if e.kind != grants.EventSucceeded || e.userID == "" {
			continue
		}
		l := logins[e.userID]
		if l.n++; e.time >= l.last {
			l.last, l.ip = e.time, e.ip
		}
		logins[e.userID] = l
	}
	if len(logins) == 0 {
		return nil
	}
	var args []any
	for _, id := range slices.Sorted(maps.Keys(logins)) {
		args = append(args, id, logins[id].n, logins[id].last, logins[id].ip)
	}
	_, err := s.exec(ctx, "keeping logins", `UPDATE users SET logins_count = logins_count + v.column2,
		last_ip = CASE WHEN v.column3 > last_login THEN v.column4 ELSE last_ip END,
		last_login = CASE WHEN v.column3 > last_login THEN v.column3 ELSE last_login END
		FROM (VALUES `+repeated("(?, CAST(? AS BIGINT), CAST(? AS BIGINT), ?)", len(logins))+") AS v WHERE users.id = v.column1", args...)
	return err
}
