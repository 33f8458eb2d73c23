package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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

// draw is what one counter says of a draw on it.
type draw struct {
	counter  grants.Counter
	n        int64 // this draw included
	resetsAt time.Time
}

// wait is how long it is until the counter has something left, where it had not as much as was drawn; else zero.
func (d draw) wait(now time.Time) time.Duration {
	if most := int64(d.counter.Limit.N); d.n < most || d.n == most && d.counter.Add > 0 {
		return 0
	}
	return max(d.resetsAt.Sub(now), time.Microsecond)
}

// last tells whether nothing was left after the draw, for the first time.
func (d draw) last() bool {
	limit := int64(d.counter.Limit.N)
	return d.n >= limit && d.n-int64(d.counter.Add) < limit
}

// periodOver is the condition, on now, under which a counter starts anew: its period has ended, or its end is further away
// than any clock may be wrong, because one was wrong and has been set right.
var periodOver = fmt.Sprintf("(counters.resets_at <= ? OR counters.resets_at > excluded.resets_at + %d)", maxAhead.Microseconds())

// drawEach adds to counters, all in one statement, and starts those anew whose period is over. Where one has less
// left than that, the caller rolls back, so that nothing is drawn. Adding 0 looks and holds
// the row: the counters' rows order everything that concerns one address until the transaction ends.
func (s *Store) drawEach(ctx context.Context, now time.Time, counters []grants.Counter) ([]draw, error) {
	if len(counters) == 0 {
		return nil, nil
	}
	sorted := slices.SortedFunc(slices.Values(counters), func(a, b grants.Counter) int { return cmp.Compare(a.Key, b.Key) })
	args := make([]any, 0, 3*len(sorted)+2)
	for _, c := range sorted {
		args = append(args, c.Key, c.Add, micros(now.Add(c.Limit.Per)))
	}
	args = append(args, micros(now), micros(now))
	rows, err := read[counterRow](s.query(ctx).Raw(`INSERT INTO counters (key, n, resets_at) VALUES `+repeated("(?, ?, ?)", len(sorted))+`
		ON CONFLICT (key) DO UPDATE SET
		n = CASE WHEN `+periodOver+` THEN excluded.n ELSE counters.n + excluded.n END,
		resets_at = CASE WHEN `+periodOver+` THEN excluded.resets_at ELSE counters.resets_at END
		RETURNING key, n, resets_at`, args...))
	if err != nil {
		return nil, failed("drawing on counters", err)
	}
	var draws []draw
	for _, c := range sorted {
		i := slices.IndexFunc(rows, func(r counterRow) bool { return r.Key == c.Key })
		if i >= 0 {
			draws = append(draws, draw{c, rows[i].N, moment(rows[i].ResetsAt)})
		}
	}
	return draws, nil
}

// draw is drawEach, and gives the longest wait.
func (s *Store) draw(ctx context.Context, now time.Time, counters []grants.Counter) (wait time.Duration, err error) {
	draws, err := s.drawEach(ctx, now, counters)
	for _, d := range draws {
		wait = max(wait, d.wait(now))
	}
	return wait, err
}

// errRefused rolls back a draw.
var errRefused = errors.New("a counter has not as much left")

// Draw draws on all of the counters in one transaction, or on none of them. It gives those that have not as much left.
func (s *Store) Draw(ctx context.Context, now time.Time, counters []grants.Counter) (refused []grants.Counter, err error) {
	err = s.Tx(ctx, func(ctx context.Context) error {
		refused = nil
		draws, err := s.drawEach(ctx, now, counters)
		for _, d := range draws {
			if d.wait(now) > 0 {
				refused, err = append(refused, d.counter), errRefused
			}
		}
		return err
	})
	if errors.Is(err, errRefused) {
		return refused, nil
	}
	return nil, err
}

// Tally adds to a counter, whatever its limit, and gives what it has counted in its period.
func (s *Store) Tally(ctx context.Context, now time.Time, c grants.Counter) (n int, err error) {
	err = s.Tx(ctx, func(ctx context.Context) error {
		draws, err := s.drawEach(ctx, now, []grants.Counter{c})
		for _, d := range draws {
			n = int(d.n)
		}
		return err
	})
	return n, err
}

// hold is draw, but only looks where nothing is added and nobody else can write.
func (s *Store) hold(ctx context.Context, now time.Time, counters []grants.Counter) (wait time.Duration, err error) {
	if s.sqlite && !slices.ContainsFunc(counters, func(c grants.Counter) bool { return c.Add > 0 }) {
		waits, err := s.Waits(ctx, now, counters)
		return slices.Max(append(waits, 0)), err
	}
	return s.draw(ctx, now, counters)
}

// giveBack takes back what was drawn on counters.
func (s *Store) giveBack(ctx context.Context, now time.Time, drawn int, keys []string) error {
	if drawn < 1 || len(keys) == 0 {
		return nil
	}
	_, err := s.exec(ctx, "giving back", "UPDATE counters SET n = CASE WHEN n > ? THEN n - ? ELSE 0 END WHERE resets_at > ? AND key IN ?",
		drawn, drawn, micros(now), keys)
	return err
}

// full tells whether one of the counters is at its limit, without drawing or holding it.
func (s *Store) full(ctx context.Context, now time.Time, counters []grants.Counter) (bool, error) {
	full, err := s.CountersFull(ctx, now, counters)
	return slices.Contains(full, true), err
}

// CountersFull tells of each counter whether it is at its limit, without drawing or holding it.
func (s *Store) CountersFull(ctx context.Context, now time.Time, counters []grants.Counter) ([]bool, error) {
	waits, err := s.Waits(ctx, now, counters)
	full := make([]bool, len(waits))
	for i, wait := range waits {
		full[i] = wait > 0
	}
	return full, err
}

// Waits implements grants.Store.
func (s *Store) Waits(ctx context.Context, now time.Time, counters []grants.Counter) ([]time.Duration, error) {
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
	waits := make([]time.Duration, len(counters))
	for i, c := range counters {
		at := slices.IndexFunc(rows, func(r counterRow) bool {
			return r.Key == c.Key && r.N >= int64(c.Limit.N) && r.ResetsAt <= micros(now.Add(c.Limit.Per+maxAhead))
		})
		if at >= 0 {
			waits[i] = max(moment(rows[at].ResetsAt).Sub(now), time.Microsecond)
		}
	}
	return waits, nil
}

// ResetCounters empties budgets, by their keys, and tells whether any had been drawn on. Where none had, no event is written.
func (s *Store) ResetCounters(ctx context.Context, keys []string, e grants.Event) (drawn bool, err error) {
	if len(keys) == 0 {
		return false, nil
	}
	err = s.Tx(ctx, func(ctx context.Context) error {
		n, err := s.exec(ctx, "emptying counters", "DELETE FROM counters WHERE key IN ?", keys)
		if drawn = n > 0; err != nil || !drawn {
			return err
		}
		return s.Append(ctx, e)
	})
	return drawn && err == nil, err
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

// AppendOnce writes an event, unless it was asked to for the key less than a period ago. It tells whether it did.
func (s *Store) AppendOnce(ctx context.Context, key string, per time.Duration, e grants.Event) (first bool, err error) {
	err = s.Tx(ctx, func(ctx context.Context) error {
		if first, err = s.OncePer(ctx, key, per, e.Time); err != nil || !first {
			return err
		}
		return s.Append(ctx, e)
	})
	return first && err == nil, err
}

func repeated(part string, n int) string {
	return strings.TrimSuffix(strings.Repeat(part+", ", n), ", ")
}
