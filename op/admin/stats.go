package admin

import (
	"context"
	"time"
)

// activeDays is how far back a login makes a user active.
const activeDays = 30

func (a *API) activeUsers(ctx context.Context, c *call) (reply, error) {
	if err := c.query().done(); err != nil {
		return reply{}, err
	}
	n, err := a.cfg.Store.ActiveUsers(ctx, a.cfg.Now().AddDate(0, 0, -activeDays))
	return reply{body: n}, err
}

type dayView struct {
	Date            string `json:"date"`
	Logins          int    `json:"logins"`
	Signups         int    `json:"signups"`
	LeakedPasswords int    `json:"leaked_passwords"`
	CreatedAt       string `json:"created_at"`
	UpdatedAt       string `json:"updated_at"`
}

func (a *API) dailyStats(ctx context.Context, c *call) (reply, error) {
	q := c.query()
	today := a.cfg.Now().Truncate(24 * time.Hour)
	from, to := q.day("from", today.AddDate(0, 0, -activeDays)), q.day("to", today)
	if to.Before(from) || to.Sub(from) > 366*24*time.Hour {
		q.wrong("from and to must be at most a year apart, and in this order")
	}
	if err := q.done(); err != nil {
		return reply{}, err
	}
	days, err := a.cfg.Store.DailyStats(ctx, from, to)
	if err != nil {
		return reply{}, err
	}
	views := make([]dayView, len(days))
	for i, d := range days {
		views[i] = dayView{Date: iso(d.Date), Logins: d.Logins, Signups: d.Signups, CreatedAt: iso(d.Date), UpdatedAt: iso(d.Date.AddDate(0, 0, 1))}
	}
	return reply{body: views}, nil
}

// day reads a date as YYYYMMDD.
func (q *query) day(name string, otherwise time.Time) time.Time {
	s := q.text(name)
	if s == "" {
		return otherwise
	}
	t, err := time.Parse("20060102", s)
	if err != nil {
		q.wrong("%s must be a date as YYYYMMDD", name)
		return otherwise
	}
	return t
}
