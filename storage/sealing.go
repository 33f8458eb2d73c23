package storage

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// SettleTime is how old events are before they are sealed. A process gives no event an id that is older than what it last
	// learnt of the database's clock, in [Store.SealEvents], and no transaction lasts longer than [txTimeout]: as long as both
	// together stay well below, nothing is written into what is sealed already, however wrong the process's own clock is.
	SettleTime = time.Minute
	// sealInterval is the least time between two rounds of seals, so that a calm deployment has few small ones.
	sealInterval = time.Minute
)

// SealEvents seals what has settled in the audit log, in batches of the given size, each chained to the one before. Any number
// of processes may do so at once, and all should every few seconds: the number of a seal is its primary key, so one of them makes
// it and the others find it made. It gives the newest seal, whoever made it, and those that it made itself.
//
// now is the database's clock, see [Store.DatabaseTime]: from now on this Store writes no event with an older id.
func (s *Store) SealEvents(ctx context.Context, now time.Time, batch int) (newest Seal, made []Seal, err error) {
	last, err := s.auditTip(ctx)
	if err != nil {
		return Seal{}, nil, err
	}
	newest = Seal{N: last.N, LastID: last.LastID, Hash: last.Hash, SealedAt: moment(last.SealedAt)}
	s.noEventsBefore(last.floor(now))
	if !newest.Ahead(now) && micros(now) < last.SealedAt+sealInterval.Microseconds() {
		return newest, nil, nil
	}
	for ctx.Err() == nil {
		rows, err := read[eventRow](s.query(ctx).Raw("SELECT "+eventColumns+" FROM events WHERE id > ? AND id < ? ORDER BY id LIMIT ?",
			newest.LastID, eventPrefix(now.Add(-SettleTime)), batch))
		if err != nil {
			return newest, made, failed("reading events to seal", err)
		}
		if len(rows) == 0 {
			break
		}
		next, err := s.seal(ctx, newest.tip(), rows, now)
		if errors.Is(err, ErrExists) {
			break // another process was faster, and goes on
		}
		if err != nil {
			return newest, made, err
		}
		newest, made = next, append(made, next)
		if len(rows) < batch {
			break
		}
	}
	return newest, made, nil
}

// seal writes the next seal over events. [ErrExists] when there is one by now.
func (s *Store) seal(ctx context.Context, before tip, rows []eventRow, now time.Time) (Seal, error) {
	digests := make([]byte, 0, len(rows)*digestBytes)
	for _, r := range rows {
		digests = append(digests, r.digest()...)
	}
	l := chained(before, rows[len(rows)-1].ID, digests, now)
	if err := s.sign(&l); err != nil {
		return Seal{}, err
	}
	_, err := s.exec(ctx, "writing seal", "INSERT INTO audit_seals ("+sealColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		l.N, l.AfterID, l.LastID, l.Events, l.digests, nonNil(l.Previous), l.Hash, l.mac, l.KeyID, micros(l.SealedAt))
	return l, err
}

// sign makes a seal's MAC with the ring's first secret.
func (s *Store) sign(l *Seal) error {
	id := s.ring.KeyID()
	mac, known := s.ring.MAC(id, sealLabel, l.Hash)
	if !known {
		return fmt.Errorf("signing seal %d: %w", l.N, ErrWrongSecret) // the ring was replaced just now
	}
	l.KeyID, l.mac = id, mac
	return nil
}

func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// LearnClock makes sure that this Store, whatever its own clock says, writes no event into what is sealed already. Whoever does not call
// [Store.SealEvents] every few seconds calls it before the first event.
func (s *Store) LearnClock(ctx context.Context) error {
	now, err := s.DatabaseTime(ctx)
	if err != nil {
		return err
	}
	last, err := s.newestSeal(ctx)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	s.noEventsBefore(last.floor(now))
	return nil
}

// floor is what no event may be older than that is written once the chain ends here. A seal from a time that has not come was made
// by a clock that was ahead: only what it covers counts.
func (t tip) floor(now time.Time) int64 {
	sealed := t.SealedAt
	if ahead(sealed, now) {
		sealed = idMicros(t.LastID)
	}
	return max(micros(now), sealed)
}

// Ahead tells whether a seal was made at a time that has not come yet, by a clock that was ahead.
func (l Seal) Ahead(now time.Time) bool { return ahead(micros(l.SealedAt), now) }

func ahead(at int64, now time.Time) bool { return at > micros(now.Add(aheadTime)) }

// noEventsBefore moves the floor of the ids of events, never back.
func (s *Store) noEventsBefore(at int64) {
	for {
		floor := s.eventFloor.Load()
		if at <= floor || s.eventFloor.CompareAndSwap(floor, at) {
			return
		}
	}
}

// eventMicros is the moment that an event's id carries: its own, or, where that is before the floor, one right above it, so that
// the events of a process whose clock went back stay in their order.
func (s *Store) eventMicros(at time.Time) int64 {
	if n := micros(at); n > s.eventFloor.Load() {
		return n
	}
	return s.eventFloor.Add(1)
}

// seals reads seals by a condition, the oldest first.
func (s *Store) seals(ctx context.Context, where string, limit int, args ...any) ([]Seal, error) {
	rows, err := read[sealRow](s.query(ctx).Raw("SELECT "+sealColumns+" FROM audit_seals WHERE "+where+" ORDER BY n LIMIT ?", append(args, limit)...))
	if err != nil {
		return nil, failed("reading seals", err)
	}
	out := make([]Seal, len(rows))
	for i, r := range rows {
		out[i] = r.Seal
		out[i].SealedAt = moment(r.sealedAt)
	}
	return out, nil
}
