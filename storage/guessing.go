package storage

import (
	"context"
	"time"

	"sallyport/grants"
)

const (
	// maxFailed is where counting failed challenges stops.
	maxFailed = 50_000
	// maxSample is how many of the newest events tell how many logins there were.
	maxSample = 20_000
)

// clientCount is a number of rows of one client.
type clientCount struct {
	clientID string
	n        int64
	all      int64 // of any kind
	oldest   int64
}

func (r *clientCount) fields() []any { return []any{&r.clientID, &r.n, &r.all, &r.oldest} }

// FailedChallenges counts, per client, the challenges that saw wrong codes and no right one, and have ended since a moment or are
// open. It reads an index that only wrong codes write, and stops at fifty thousand.
func (s *Store) FailedChallenges(ctx context.Context, since time.Time) (map[string]int, error) {
	rows, err := read[clientCount](s.query(ctx).Raw(`SELECT client_id, COUNT(*), 0, 0 FROM (SELECT client_id FROM challenges
		WHERE attempts > 0 AND spent_at = 0 AND expires_at > ? ORDER BY expires_at DESC LIMIT ?) AS newest GROUP BY client_id`, micros(since), maxFailed))
	out := map[string]int{}
	for _, r := range rows {
		out[r.clientID] = int(r.n)
	}
	return out, failed("counting failed challenges", err)
}

// Logins tells how many logins clients have had since a moment: by the newest twenty thousand events of the audit log, and where
// there were more, at the rate of those.
func (s *Store) Logins(ctx context.Context, since time.Time) (map[string]int, error) {
	rows, err := read[clientCount](s.query(ctx).Raw(`SELECT client_id, SUM(CASE WHEN type = ? THEN 1 ELSE 0 END), COUNT(*), MIN(time) FROM (SELECT client_id, type, time
		FROM events WHERE id > ? ORDER BY id DESC LIMIT ?) AS newest GROUP BY client_id`, grants.EventSucceeded, eventPrefix(since), maxSample))
	if err != nil {
		return nil, failed("counting logins", err)
	}
	seen, now := int64(0), micros(s.now())
	oldest := now
	for _, r := range rows {
		seen += r.all
		oldest = min(oldest, r.oldest)
	}
	factor := 1.0
	if seen == maxSample && oldest < now {
		factor = max(1, float64(now-micros(since))/float64(now-oldest))
	}
	out := map[string]int{}
	for _, r := range rows {
		out[r.clientID] = int(float64(r.n) * factor)
	}
	return out, nil
}
