package storage

import (
	"cmp"
	"context"
	"slices"
	"time"

	"sallyport/grants"
)

// BlockedSource is a network, or an address of one, whose wrong guesses are used up.
type BlockedSource struct {
	Source   string
	Failures int
	Until    time.Time
}

// BlockedSources are the sources that a limit of wrong guesses refuses now, those that are longest first, at most so many.
func (s *Store) BlockedSources(ctx context.Context, now time.Time, limit grants.Limit, most int) ([]BlockedSource, error) {
	rows, err := s.usedUp(ctx, now, grants.IPCounter(limit, ""), most)
	var out []BlockedSource
	for _, r := range rows {
		out = append(out, BlockedSource{Source: grants.CounterSource(r.Key), Failures: int(r.N), Until: moment(r.ResetsAt)})
	}
	return out, err
}

// ExhaustedBudget is a budget of an address that refuses unknown requesters.
type ExhaustedBudget struct {
	Address grants.Address
	Limit   string // its key in the configuration
	Until   time.Time
}

// ExhaustedBudgets are the budgets of addresses that are used up now, at most so many of each kind. Those of known devices are
// not among them.
func (s *Store) ExhaustedBudgets(ctx context.Context, now time.Time, limits grants.Limits, most int) ([]ExhaustedBudget, error) {
	var out []ExhaustedBudget
	for _, c := range limits.Guards(grants.Address{}) {
		rows, err := s.usedUp(ctx, now, grants.Counter{Key: grants.CounterKind(c.Key), Limit: c.Limit}, most)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			if a, known := grants.CounterAddress(r.Key); !known {
				out = append(out, ExhaustedBudget{Address: a, Limit: grants.CounterName(r.Key), Until: moment(r.ResetsAt)})
			}
		}
	}
	slices.SortFunc(out, func(a, b ExhaustedBudget) int {
		return cmp.Or(cmp.Compare(a.Address.Value, b.Address.Value), cmp.Compare(a.Limit, b.Limit))
	})
	return out, nil
}

// usedUp reads the counters whose key begins as that of a counter, and that are at its limit. It looks at all there are: it is
// for those who administer.
func (s *Store) usedUp(ctx context.Context, now time.Time, of grants.Counter, most int) ([]counterRow, error) {
	if of.Limit.Off() {
		return nil, nil
	}
	rows, err := read[counterRow](s.query(ctx).Raw(`SELECT key, n, resets_at FROM counters WHERE SUBSTR(key, 1, ?) = ? AND n >= ? AND resets_at > ?
		ORDER BY resets_at DESC, key LIMIT ?`, len(of.Key), of.Key, of.Limit.N, micros(now), most))
	return rows, failed("reading counters", err)
}

// LiftSource gives a source its wrong guesses back. The event's detail says by whom and gets the source.
func (s *Store) LiftSource(ctx context.Context, source string, e grants.Event) (bool, error) {
	e.Detail += ": " + source
	return s.ResetCounters(ctx, []string{grants.IPCounter(grants.Limit{}, source).Key}, e)
}

// BlockedUsers are at most so many blocked users, those blocked last first.
func (s *Store) BlockedUsers(ctx context.Context, most int) ([]User, error) {
	rows, err := read[userIdentityRow](s.query(ctx).Raw("SELECT "+userIdentityColumns+" FROM (SELECT "+userColumns+` FROM users u WHERE u.blocked_at <> 0
		ORDER BY u.blocked_at DESC, u.id LIMIT ?) u LEFT JOIN identities i ON i.user_id = u.id`+userIdentityOrder, most))
	return users(rows), failed("reading blocked users", err)
}
