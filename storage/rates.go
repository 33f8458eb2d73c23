package storage

import (
	"cmp"
	"context"
	"slices"
	"time"

	"sallyport/grants"
)

type rateRow struct {
	key string
	tat int64
}

func (r *rateRow) fields() []any { return []any{&r.key, &r.tat} }

// SpendRates moves the theoretical arrival time of each rate by what was spent on it, all in one statement, and gives where they
// are now. One that is over begins at now, as does one that is so far ahead that a clock must have been wrong.
func (s *Store) SpendRates(ctx context.Context, now time.Time, spent []grants.Rate) ([]grants.Rate, error) {
	if len(spent) == 0 {
		return nil, nil
	}
	// In one order, so that processes do not wait for each other in a circle.
	sorted := slices.SortedFunc(slices.Values(spent), func(a, b grants.Rate) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Of, b.Of))
	})
	args := make([]any, 0, 2*len(sorted)+3)
	byKey := make(map[string]grants.Rate, len(sorted))
	var longest time.Duration
	for _, r := range sorted {
		key := r.Kind + " " + r.Of
		byKey[key] = r
		args = append(args, key, micros(now.Add(r.Spent)))
		longest = max(longest, r.Per)
	}
	args = append(args, micros(now), micros(now.Add(longest+maxAhead)), micros(now))
	var out []grants.Rate
	err := s.Tx(ctx, func(ctx context.Context) error {
		rows, err := read[rateRow](s.query(ctx).Raw(`INSERT INTO rates (key, tat) VALUES `+repeated("(?, ?)", len(sorted))+`
			ON CONFLICT (key) DO UPDATE SET tat = CASE WHEN rates.tat > ? AND rates.tat <= ? THEN rates.tat + excluded.tat - ? ELSE excluded.tat END
			RETURNING key, tat`, args...))
		out = make([]grants.Rate, len(rows))
		for i, r := range rows {
			asked := byKey[r.key]
			out[i] = grants.Rate{Kind: asked.Kind, Of: asked.Of, Arrival: moment(r.tat)}
		}
		return failed("sharing rates", err)
	})
	return out, err
}
