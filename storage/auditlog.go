package storage

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sallyport/grants"
)

// LogQuery selects a page of the audit log. Its zero fields select all.
type LogQuery struct {
	UserID        string
	Types         []string
	After, Before string    // the ids of events; with After the page begins right behind it and goes forward in time
	Since, Until  time.Time // Until is past the end
	Offset, Limit int       // a Limit of zero is 100
	Total         bool      // count all that the query selects
}

// LoggedEvent is an event with its id in the audit log. Ids sort by time.
type LoggedEvent struct {
	ID string
	grants.Event
}

const eventColumns = "id, time, type, client_id, user_id, address, challenge_id, ip, request_id, detail"

func (r *eventRow) fields() []any {
	return []any{&r.ID, &r.Time, &r.Type, &r.ClientID, &r.UserID, &r.Address, &r.ChallengeID, &r.IP, &r.RequestID, &r.Detail}
}

// Log reads a page of the audit log, newest first, or with q.After oldest first. Total is 0 unless it is asked for.
func (s *Store) Log(ctx context.Context, q LogQuery) (page []LoggedEvent, total int, err error) {
	where, args := q.where()
	if q.Total {
		n, err := readOne[number](s.query(ctx).Raw("SELECT COUNT(*) FROM events"+where, args...))
		if err != nil {
			return nil, 0, failed("counting events", err)
		}
		total = int(n.is)
	}
	order := " ORDER BY id DESC"
	if q.After != "" {
		order = " ORDER BY id"
	}
	if q.Limit <= 0 {
		q.Limit = 100
	}
	rows, err := read[eventRow](s.query(ctx).Raw("SELECT "+eventColumns+" FROM events"+where+order+" LIMIT ? OFFSET ?", append(args, q.Limit, q.Offset)...))
	if err != nil {
		return nil, 0, failed("reading events", err)
	}
	for _, r := range rows {
		page = append(page, LoggedEvent{ID: r.ID, Event: r.event()})
	}
	return page, total, nil
}

func (q LogQuery) where() (string, []any) {
	var conditions []string
	var args []any
	add := func(condition string, arg any) {
		conditions, args = append(conditions, condition), append(args, arg)
	}
	if q.UserID != "" {
		add("user_id <> '' AND user_id = ?", q.UserID) // the index has no rows of nobody
	}
	if len(q.Types) > 0 {
		add("type IN ?", q.Types)
	}
	if q.After != "" {
		add("id > ?", q.After)
	}
	if q.Before != "" {
		add("id < ?", q.Before)
	}
	if !q.Since.IsZero() {
		add("id >= ?", eventPrefix(q.Since))
	}
	if !q.Until.IsZero() {
		add("id < ?", eventPrefix(q.Until))
	}
	if len(conditions) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(conditions, " AND "), args
}

// LoggedEvent reads an event by its id. [ErrNotFound].
func (s *Store) LoggedEvent(ctx context.Context, id string) (LoggedEvent, error) {
	r, err := readOne[eventRow](s.query(ctx).Raw("SELECT "+eventColumns+" FROM events WHERE id = ?", id))
	if err != nil {
		return LoggedEvent{}, failed("reading event", err)
	}
	return LoggedEvent{ID: r.ID, Event: r.event()}, nil
}

// ActiveUsers counts the users who have signed in since a moment, as far as the audit log goes back.
func (s *Store) ActiveUsers(ctx context.Context, since time.Time) (int, error) {
	n, err := readOne[number](s.query(ctx).Raw("SELECT COUNT(DISTINCT user_id) FROM events WHERE id >= ? AND type = ?", eventPrefix(since), grants.EventSucceeded))
	return int(n.is), failed("counting active users", err)
}

// DayStat is what happened on one day in UTC.
type DayStat struct {
	Date            time.Time // midnight
	Logins, Signups int
}

type dayRow struct{ day, n int64 }

func (r *dayRow) fields() []any { return []any{&r.day, &r.n} }

const dayMicros = int64(24 * time.Hour / time.Microsecond)

// DailyStats counts logins, as far as the audit log goes back, and new users of the days from the day of from to the day
// of to, every day of them, in their order.
func (s *Store) DailyStats(ctx context.Context, from, to time.Time) ([]DayStat, error) {
	first, last := micros(from)/dayMicros, micros(to)/dayMicros
	if last < first || last-first > 10_000 {
		return nil, fmt.Errorf("reading statistics: from %s to %s: %w", from.Format(time.DateOnly), to.Format(time.DateOnly), ErrInvalid)
	}
	days := make([]DayStat, last-first+1)
	for i := range days {
		days[i].Date = time.UnixMicro((first + int64(i)) * dayMicros).UTC() // the first of 1970 too
	}
	logins, err := read[dayRow](s.query(ctx).Raw("SELECT time / ?, COUNT(*) FROM events WHERE id >= ? AND id < ? AND type = ? GROUP BY 1",
		dayMicros, eventPrefix(moment(first*dayMicros)), eventPrefix(moment((last+1)*dayMicros)), grants.EventSucceeded))
	if err != nil {
		return nil, failed("counting logins", err)
	}
	signups, err := read[dayRow](s.query(ctx).Raw("SELECT created_at / ?, COUNT(*) FROM users WHERE created_at >= ? AND created_at < ? GROUP BY 1",
		dayMicros, first*dayMicros, (last+1)*dayMicros))
	if err != nil {
		return nil, failed("counting new users", err)
	}
	for _, r := range logins {
		days[r.day-first].Logins = int(r.n)
	}
	for _, r := range signups {
		days[r.day-first].Signups = int(r.n)
	}
	return days, nil
}
