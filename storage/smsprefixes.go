package storage

import (
	"context"
	"time"

	"sallyport/grants"
)

type prefixRow struct {
	prefix     string
	sent, used int64
}

func (r *prefixRow) fields() []any { return []any{&r.prefix, &r.sent, &r.used} }

// SMSPrefixes tells of each prefix of numbers without account how many SMS went there since a moment, and how many of their
// codes were used. One that is not used counts only if it was asked for before settled: it has had its time. It looks at the
// newest SMS up to a limit and leaves out prefixes with less than least.
func (s *Store) SMSPrefixes(ctx context.Context, since, settled time.Time, limit, least int) ([]grants.PrefixUse, error) {
	rows, err := read[prefixRow](s.query(ctx).Raw(`SELECT sms_prefix, COUNT(*), SUM(used) FROM
		(SELECT m.sms_prefix, CASE WHEN c.spent_at <> 0 THEN 1 ELSE 0 END AS used FROM messages m JOIN challenges c ON c.id = m.challenge_id
			WHERE m.sms_prefix <> '' AND m.created_at > ? AND (c.spent_at <> 0 OR m.created_at <= ?) ORDER BY m.created_at DESC LIMIT ?) AS newest
		GROUP BY sms_prefix HAVING COUNT(*) >= ? ORDER BY sms_prefix`, micros(since), micros(settled), limit, least))
	if err != nil {
		return nil, failed("reading prefixes", err)
	}
	uses := make([]grants.PrefixUse, len(rows))
	for i, r := range rows {
		uses[i] = grants.PrefixUse{Prefix: r.prefix, Sent: int(r.sent), Used: int(r.used)}
	}
	return uses, nil
}
