package storage

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"sallyport/grants"
)

// purgeAuditLog deletes the events of the seals that are older than the retention, never others. The anchor moves first, in one
// transaction with the seals: from then on their events are known to be gone, so that a purge may stop anywhere.
func (s *Store) purgeAuditLog(ctx context.Context, now time.Time, batch int) (int, error) {
	if s.retention > 0 {
		seals := min(batch, maxSealsRead)
		_, err := batches(ctx, seals, func() (int, error) { return s.purgeSeals(ctx, now.Add(-s.retention), seals) })
		if err != nil {
			return 0, err
		}
	}
	anchor, err := s.auditAnchor(ctx)
	if err != nil || anchor.N == 0 {
		return 0, err
	}
	return batches(ctx, batch, func() (int, error) { return s.purgeEvents(ctx, anchor.LastID, batch) })
}

// purgeSeals deletes a batch of the seals whose events are all of before a moment, and makes the last of them the anchor, from
// which the chain is verified. Seals that do not verify, and what comes after them, are evidence and stay.
func (s *Store) purgeSeals(ctx context.Context, before time.Time, batch int) (int, error) {
	oldest, err := read[tip](s.query(ctx).Raw("SELECT n, last_id, hash, sealed_at FROM audit_seals ORDER BY n LIMIT 1"))
	if err != nil || len(oldest) == 0 || oldest[0].LastID >= eventPrefix(before) {
		return 0, failed("reading the oldest seal", err) // nearly always, and without a lock
	}
	n := 0
	err = s.Tx(ctx, func(ctx context.Context) error {
		n = 0
		if _, err := s.lock(ctx, settingAnchor); err != nil {
			return err
		}
		anchor, err := s.auditAnchor(ctx)
		if err != nil {
			return err
		}
		rows, err := s.seals(ctx, "n > ?", batch, anchor.N)
		if err != nil {
			return err
		}
		if anchor, n, err = s.over(anchor, rows, before); err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		if err := s.writeAnchor(ctx, anchor); err != nil {
			return err
		}
		_, err = s.exec(ctx, "purging seals", "DELETE FROM audit_seals WHERE n <= ?", anchor.N)
		return err
	})
	return n, err
}

// over goes along seals, from the anchor, as far as all their events are of before a moment. It gives the last of them and their number.
func (s *Store) over(anchor tip, rows []Seal, before time.Time) (last tip, n int, err error) {
	for _, l := range rows {
		if l.LastID >= eventPrefix(before) {
			break
		}
		if !l.follows(anchor) || !s.authentic(l) {
			return anchor, 0, fmt.Errorf("purging the audit log: seal %d does not verify, so it stays: see audit verify", l.N)
		}
		anchor = l.tip()
		n++
	}
	return anchor, n, nil
}

type purgedEvent struct {
	id, kind, userID, ip string
	time                 int64
}

func (r *purgedEvent) fields() []any { return []any{&r.id, &r.kind, &r.userID, &r.ip, &r.time} }

// purgeEvents deletes a batch of the audit log up to an id, and keeps with their users how many logins there were and the last.
func (s *Store) purgeEvents(ctx context.Context, upTo string, batch int) (int, error) {
	n := 0
	err := s.Tx(ctx, func(ctx context.Context) error {
		events, err := read[purgedEvent](s.query(ctx).Raw(`DELETE FROM events WHERE id IN (SELECT id FROM events WHERE id <= ? ORDER BY id LIMIT ?)
			RETURNING id, type, user_id, ip, time`, upTo, batch))
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
