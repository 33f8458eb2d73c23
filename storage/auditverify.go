package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// What [Store.VerifyAudit] can find wrong.
const (
	FaultEventChanged = "event_changed" // it is not what was sealed
	FaultEventMissing = "event_missing" // it was sealed and is gone
	FaultEventAdded   = "event_added"   // it was not there when its time was sealed: slipped in, or it came late
	FaultSealChanged  = "seal_changed"
	FaultSealMissing  = "seal_missing"
	FaultSealKey      = "seal_key"     // its master secret is retired or has left the ring, so nobody can tell
	FaultNoBeginning  = "no_beginning" // the oldest events were not deleted by the retention
	FaultHeadMissing  = "head_missing" // the chain has no seal with the hash that was written down
	FaultEventAhead   = "event_ahead"  // its id is of a time that has not come: nothing can seal it before
	FaultUnsealed     = "unsealed"     // its time has come, and still no seal covers it
	maxFaults         = 100            // more say nothing more
)

const (
	// aheadTime is how far a moment in the audit log may lie ahead of the database's clock: more than clocks differ of processes that
	// are ready.
	aheadTime = time.Minute
	// overdueTime is how old no event gets unsealed while anybody seals: it settles, a round is due, and the round takes its time.
	overdueTime = 5 * time.Minute
)

// AuditFault is one thing that is wrong with the audit log.
type AuditFault struct {
	Kind  string `json:"kind"`
	Seal  int64  `json:"seal,omitempty"`
	Event string `json:"event,omitempty"` // its id; of missing ones that of the event before them
	Count int    `json:"count,omitempty"` // of events or seals; the first is named
}

// AuditReport is what [Store.VerifyAudit] has seen. The log is whole where there are no Faults.
type AuditReport struct {
	Seals, Events int // that were looked at
	Purged        int64
	Newest        Seal // the zero Seal where nothing is sealed
	Unsealed      int  // events that are younger than the newest seal
	UnsealedSince time.Time
	Faults        []AuditFault // at most 100
}

// verification is one walk along the chain.
type verification struct {
	store  *Store
	report AuditReport
	at     tip
	broken bool // the seal at which it stands is not what it was: what follows cannot be held against it
	head   []byte
}

// VerifyAudit walks the whole chain of seals, from where the retention has left it, and holds every event against it. With the hash
// of a seal, head, which somebody has kept, that seal must be in the chain. It changes nothing and may run at any time. now is the
// database's clock, see [Store.DatabaseTime].
func (s *Store) VerifyAudit(ctx context.Context, now time.Time, head []byte) (AuditReport, error) {
	for {
		report, err := s.verifyAudit(ctx, now, head)
		if !errors.Is(err, errAgain) {
			return report, err
		}
	}
}

func (s *Store) verifyAudit(ctx context.Context, now time.Time, head []byte) (AuditReport, error) {
	v := verification{store: s, head: head}
	// First, because the walk takes its time, in which that of others comes.
	if err := v.among(ctx, FaultEventAhead, "id > ?", eventPrefix(now.Add(aheadTime))); err != nil {
		return AuditReport{}, err
	}
	anchor, err := s.auditAnchor(ctx)
	if errors.Is(err, ErrWrongSecret) {
		v.fault(AuditFault{Kind: FaultNoBeginning})
	} else if err != nil {
		return AuditReport{}, err
	}
	v.at, v.report.Purged = anchor, anchor.N
	v.saw(anchor.Hash)
	for {
		seals, err := s.seals(ctx, "n > ?", maxSealsRead, v.at.N)
		if err != nil {
			return AuditReport{}, err
		}
		if len(seals) == 0 {
			break
		}
		for _, l := range seals {
			if err := v.seal(ctx, l); err != nil {
				return AuditReport{}, err
			}
			v.at, v.report.Newest = l.tip(), l
		}
	}
	if v.head != nil {
		v.fault(AuditFault{Kind: FaultHeadMissing})
	}
	if err := v.unsealed(ctx); err != nil {
		return AuditReport{}, err
	}
	if err := v.among(ctx, FaultUnsealed, "(id > ? OR id = '') AND id < ?", v.at.LastID, eventPrefix(now.Add(-overdueTime))); err != nil {
		return AuditReport{}, err
	}
	return v.report, v.forgetPurged(ctx)
}

func (v *verification) fault(f AuditFault) {
	if len(v.report.Faults) < maxFaults {
		v.report.Faults = append(v.report.Faults, f)
	}
}

// saw ends the search for the head where it is this hash.
func (v *verification) saw(hash []byte) {
	if v.head != nil && bytes.Equal(v.head, hash) {
		v.head = nil
	}
}

// seal checks one link and the events that it covers.
func (v *verification) seal(ctx context.Context, l Seal) error {
	v.report.Seals++
	before := v.broken
	v.broken = false
	switch {
	case l.N != v.at.N+1 && v.at.N == 0:
		v.fault(AuditFault{Kind: FaultNoBeginning, Seal: 1, Count: int(l.N - 1)})
	case l.N != v.at.N+1:
		v.fault(AuditFault{Kind: FaultSealMissing, Seal: v.at.N + 1, Count: int(l.N - v.at.N - 1)})
	case !before && !l.follows(v.at):
		v.broken = true
	}
	unknown := !slices.Contains(v.store.ring.KeyIDs(), l.KeyID)
	v.broken = v.broken || !unknown && !v.store.authentic(l) || !bytes.Equal(l.sum(), l.Hash) || len(l.digests) != l.Events*digestBytes
	switch {
	case v.broken:
		v.fault(AuditFault{Kind: FaultSealChanged, Seal: l.N})
		return nil // its digests say nothing
	case unknown:
		v.fault(AuditFault{Kind: FaultSealKey, Seal: l.N})
	}
	v.saw(l.Hash)
	rows, err := read[eventRow](v.store.query(ctx).Raw("SELECT "+eventColumns+" FROM events WHERE id > ? AND id <= ? ORDER BY id LIMIT ?",
		l.AfterID, l.LastID, l.Events+maxFaults))
	if err != nil {
		return failed("reading sealed events", err)
	}
	v.report.Events += len(rows)
	v.events(l, rows)
	return nil
}

// events holds events against the digests of their seal. Both are in the order of the ids, and a digest holds its event's id: what
// fits is in its place. Of what lies between two that fit, as many as can be were changed; the rest is missing, or too much.
func (v *verification) events(l Seal, rows []eventRow) {
	place := map[string]int{}
	for i := range l.Events {
		place[string(l.digests[i*digestBytes:(i+1)*digestBytes])] = i
	}
	next, before := 0, l.AfterID // the digest that comes next, and the last event that fitted
	var others []eventRow
	settle := func(missing int) {
		for i, r := range others {
			kind := FaultEventAdded
			if i < missing {
				kind = FaultEventChanged
			}
			v.fault(AuditFault{Kind: kind, Seal: l.N, Event: r.ID})
		}
		if gone := missing - len(others); gone > 0 {
			v.fault(AuditFault{Kind: FaultEventMissing, Seal: l.N, Event: before, Count: gone})
		}
		others = nil
	}
	for _, r := range rows {
		at, fits := place[string(r.digest())]
		if !fits {
			others = append(others, r)
			continue
		}
		settle(at - next)
		next, before = at+1, r.ID
	}
	settle(l.Events - next)
}

// among is one fault for all events that must not be: how many there are, and the first.
func (v *verification) among(ctx context.Context, kind, where string, args ...any) error {
	n, err := readOne[number](v.store.query(ctx).Raw("SELECT COUNT(*) FROM events WHERE "+where, args...))
	if err != nil || n.is == 0 {
		return failed("counting events", err)
	}
	first, err := readOne[eventRow](v.store.query(ctx).Raw("SELECT "+eventColumns+" FROM events WHERE "+where+" ORDER BY id LIMIT 1", args...))
	if err != nil {
		return failed("reading events", err)
	}
	v.fault(AuditFault{Kind: kind, Event: first.ID, Count: int(n.is)})
	return nil
}

// unsealed counts what the chain does not cover yet.
func (v *verification) unsealed(ctx context.Context) error {
	n, err := readOne[number](v.store.query(ctx).Raw("SELECT COUNT(*) FROM events WHERE id > ?", v.at.LastID))
	if err != nil {
		return failed("counting events", err)
	}
	v.report.Unsealed = int(n.is)
	if n.is == 0 {
		return nil
	}
	first, err := readOne[number](v.store.query(ctx).Raw("SELECT time FROM events WHERE id > ? ORDER BY id LIMIT 1", v.at.LastID))
	v.report.UnsealedSince = moment(first.is)
	return failed("reading events", err)
}

// forgetPurged drops faults of seals that the retention has taken while they were looked at. [errAgain] where those have kept others
// off a full list.
func (v *verification) forgetPurged(ctx context.Context) error {
	if len(v.report.Faults) == 0 {
		return nil
	}
	anchor, err := v.store.auditAnchor(ctx)
	if err != nil && !errors.Is(err, ErrWrongSecret) {
		return fmt.Errorf("looking for what was purged: %w", err)
	}
	full := len(v.report.Faults) == maxFaults
	kept := v.report.Faults[:0]
	for _, f := range v.report.Faults {
		if f.Seal == 0 || f.Seal > anchor.N {
			kept = append(kept, f)
		}
	}
	v.report.Faults = kept
	if full && len(kept) < maxFaults {
		return errAgain
	}
	return nil
}
