package storage

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"sallyport/grants"
)

type alertRow struct {
	ID        string
	Cause     string
	Detail    string
	CreatedAt int64
	Repeats   int
	Told      list
	Attempts  int
}

const alertColumns = `m.id, m.cause, m.detail, m.created_at, m.repeats, m.told, m.attempts`

func (r *alertRow) fields() []any {
	return []any{&r.ID, &r.Cause, &r.Detail, &r.CreatedAt, &r.Repeats, &r.Told, &r.Attempts}
}

// RaiseAlert writes what the owner of the deployment is to be told, in the transaction that the context carries. Where an alert
// of the same cause was raised less than grants.AlertPeriod ago, by any process, it counts there.
func (s *Store) RaiseAlert(ctx context.Context, cause, detail string) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		now := s.now()
		repeat := func() (bool, error) {
			// A clock that was set back leaves alerts of the future, which must not silence those of now for long.
			n, err := s.exec(ctx, "counting alert", "UPDATE alerts SET repeats = repeats + 1 WHERE cause = ? AND created_at > ? AND created_at < ?",
				cause, micros(now.Add(-grants.AlertPeriod)), micros(now.Add(grants.AlertPeriod)))
			return n > 0, err
		}
		if there, err := repeat(); err != nil || there {
			return err
		}
		if _, err := s.lock(ctx, settingAlert+cause); err != nil {
			return err
		}
		if there, err := repeat(); err != nil || there { // another process was faster
			return err
		}
		_, err := s.exec(ctx, "writing alert", `INSERT INTO alerts (id, cause, detail, created_at, repeats, told, leased_until, next_attempt_at,
			status, attempts, answer) VALUES (?, ?, ?, ?, 0, '[]', 0, ?, '', 0, '')`,
			grants.NewID(), cause, detail, micros(now), micros(now))
		return err
	})
}

// LeaseAlerts takes at most limit alerts that are due, for the caller alone until the given moment.
func (s *Store) LeaseAlerts(ctx context.Context, now time.Time, limit int, until time.Time) ([]grants.Alert, error) {
	rows, err := lease[alertRow](ctx, s, outbox{"alerts", alertColumns, 24 * time.Hour}, now, limit, until)
	if err != nil {
		return nil, err
	}
	alerts := make([]grants.Alert, len(rows))
	for i, r := range rows {
		alerts[i] = grants.Alert{
			ID: r.ID, Cause: r.Cause, Detail: r.Detail, At: moment(r.CreatedAt), Times: 1 + r.Repeats, Attempts: r.Attempts, Told: r.Told,
		}
		before, err := read[alertRow](s.query(ctx).Raw("SELECT "+alertColumns+" FROM alerts m WHERE m.cause = ? AND m.created_at < ? ORDER BY m.created_at DESC LIMIT 1",
			r.Cause, r.CreatedAt))
		if err != nil {
			return nil, failed("reading alerts", err)
		}
		if len(before) == 1 {
			alerts[i].Times, alerts[i].Before = alerts[i].Times+before[0].Repeats, moment(before[0].CreatedAt)
		}
	}
	return alerts, nil
}

// RecordAlert writes who has been told of an alert by now, and what became of it; an OutcomeRetry ends the lease.
func (s *Store) RecordAlert(ctx context.Context, id string, told []string, o grants.Outcome) error {
	status, until := string(o.Status), "leased_until"
	if o.Status == grants.OutcomeRetry {
		status, until = "", "0"
	}
	n, err := s.exec(ctx, "recording alert", "UPDATE alerts SET status = ?, told = ?, answer = ?, next_attempt_at = ?, attempts = attempts + 1, leased_until = "+until+
		" WHERE id = ? AND status = ''", status, list(told), o.Answer, micros(o.NextAttemptAt), id)
	if err == nil && n == 0 {
		return fmt.Errorf("recording alert: %w", ErrNotFound)
	}
	return err
}

// Alerts is the grants.Alerts that this database keeps until the courier has told them.
type Alerts struct {
	Store *Store
	Log   *slog.Logger
}

// Raise implements grants.Alerts.
func (a Alerts) Raise(ctx context.Context, cause, detail string) {
	if err := a.Store.RaiseAlert(ctx, cause, detail); err != nil {
		a.Log.ErrorContext(ctx, "alert could not be kept", slog.String("cause", cause), slog.String("detail", detail), slog.Any("error", err))
	}
}
