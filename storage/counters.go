package storage

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"sallyport/grants"
)

type counterRow struct {
	Key      string
	N        int64
	ResetsAt int64
}

func (r *counterRow) fields() []any { return []any{&r.Key, &r.N, &r.ResetsAt} }

// draw adds to counters, all in one statement, and starts those anew whose period is over. It gives how long to wait
// where one was at its limit before: the caller then rolls back, so that nothing is drawn. Adding 0 looks and holds
// the row: the counters' rows order everything that concerns one address until the transaction ends.
func (s *Store) draw(ctx context.Context, now time.Time, counters []grants.Counter) (wait time.Duration, err error) {
	if len(counters) == 0 {
		return 0, nil
	}
	sorted := slices.SortedFunc(slices.Values(counters), func(a, b grants.Counter) int { return cmp.Compare(a.Key, b.Key) })
	args := make([]any, 0, 3*len(sorted)+2)
	for _, c := range sorted {
		args = append(args, c.Key, c.Add, micros(now.Add(c.Limit.Per)))
	}
	args = append(args, micros(now), micros(now))
	rows, err := read[counterRow](s.query(ctx).Raw(`INSERT INTO counters (key, n, resets_at) VALUES `+repeated("(?, ?, ?)", len(sorted))+`
		ON CONFLICT (key) DO UPDATE SET
		n = CASE WHEN counters.resets_at <= ? THEN excluded.n ELSE counters.n + excluded.n END,
		resets_at = CASE WHEN counters.resets_at <= ? THEN excluded.resets_at ELSE counters.resets_at END
		RETURNING key, n, resets_at`, args...))
	if err != nil {
		return 0, failed("drawing on counters", err)
	}
	for _, c := range sorted {
		i := slices.IndexFunc(rows, func(r counterRow) bool { return r.Key == c.Key })
		if i >= 0 && rows[i].N-int64(c.Add) >= int64(c.Limit.N) {
			wait = max(wait, moment(rows[i].ResetsAt).Sub(now), time.Microsecond)
		}
	}
	return wait, nil
}

// full tells whether one of the counters is at its limit, without drawing or holding it.
func (s *Store) full(ctx context.Context, now time.Time, counters []grants.Counter) (bool, error) {
	full, err := s.CountersFull(ctx, now, counters)
	return slices.Contains(full, true), err
}

// CountersFull tells of each counter whether it is at its limit, without drawing or holding it.
func (s *Store) CountersFull(ctx context.Context, now time.Time, counters []grants.Counter) ([]bool, error) {
	if len(counters) == 0 {
		return nil, nil
	}
	args := make([]any, 0, len(counters)+1)
	for _, c := range counters {
		args = append(args, c.Key)
	}
	args = append(args, micros(now))
	rows, err := read[counterRow](s.query(ctx).Raw("SELECT key, n, resets_at FROM counters WHERE key IN ("+repeated("?", len(counters))+") AND resets_at > ?",
		args...))
	if err != nil {
		return nil, failed("reading counters", err)
	}
	full := make([]bool, len(counters))
	for i, c := range counters {
		full[i] = slices.ContainsFunc(rows, func(r counterRow) bool { return r.Key == c.Key && r.N >= int64(c.Limit.N) })
	}
	return full, nil
}

// ResetCounters empties budgets, by their keys. Where none had been drawn on, no event is written.
func (s *Store) ResetCounters(ctx context.Context, keys []string, e grants.Event) error {
	if len(keys) == 0 {
		return nil
	}
	return s.Tx(ctx, func(ctx context.Context) error {
		n, err := s.exec(ctx, "emptying counters", "DELETE FROM counters WHERE key IN ?", keys)
		if err != nil || n == 0 {
			return err
		}
		return s.Append(ctx, e)
	})
}

// OncePer tells whether this is the first time in a period that it is asked for the key ("one mail a day"). The next
// period begins with the first question after this one.
func (s *Store) OncePer(ctx context.Context, key string, per time.Duration, now time.Time) (bool, error) {
	first := false
	err := s.Tx(ctx, func(ctx context.Context) error {
		wait, err := s.draw(ctx, now, []grants.Counter{{Key: "once:" + key, Limit: grants.Limit{N: 1, Per: per}, Add: 1}})
		first = wait == 0
		return err
	})
	return first && err == nil, err
}

func repeated(part string, n int) string {
	return strings.TrimSuffix(strings.Repeat(part+", ", n), ", ")
}
