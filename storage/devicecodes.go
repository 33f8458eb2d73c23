package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sallyport/grants"
)

// slowDown is how much longer a device has to wait after each poll that came too soon (RFC 8628, section 3.5).
const slowDown = 5

// pollLeeway is how much too soon a poll may come: no timer and no network is exact.
const pollLeeway = time.Second

// DeviceCode is a device authorization request (RFC 8628). Both codes are kept as the caller gives them.
type DeviceCode struct {
	ID       string // of the device's own code
	UserCode string // of the code that the person types
	ClientID string

	Scope, Audience string

	PollAfter   time.Time // a poll more than a second before is too soon
	PollSeconds int       // between two polls

	UserID, SessionID string // who approved it, and in which session
	AMR               []string
	AuthTime          time.Time

	CreatedAt, ExpiresAt, ApprovedAt, DeniedAt, SpentAt time.Time
}

type deviceCodeRow struct {
	ID          string
	UserCode    string
	ClientID    string
	Scope       string
	Audience    string
	PollAfter   int64
	PollSeconds int
	UserID      string
	SessionID   string
	AMR         list
	AuthTime    int64
	CreatedAt   int64
	ExpiresAt   int64
	ApprovedAt  int64
	DeniedAt    int64
	SpentAt     int64
}

const deviceCodeColumns = `id, user_code, client_id, scope, audience, poll_after, poll_seconds, user_id, session_id, amr, auth_time,
	created_at, expires_at, approved_at, denied_at, spent_at`

func (r *deviceCodeRow) fields() []any {
	return []any{
		&r.ID, &r.UserCode, &r.ClientID, &r.Scope, &r.Audience, &r.PollAfter, &r.PollSeconds, &r.UserID, &r.SessionID, &r.AMR,
		&r.AuthTime, &r.CreatedAt, &r.ExpiresAt, &r.ApprovedAt, &r.DeniedAt, &r.SpentAt,
	}
}

func (r deviceCodeRow) deviceCode() DeviceCode {
	return DeviceCode{
		ID: r.ID, UserCode: r.UserCode, ClientID: r.ClientID, Scope: r.Scope, Audience: r.Audience,
		PollAfter: moment(r.PollAfter), PollSeconds: r.PollSeconds, UserID: r.UserID, SessionID: r.SessionID, AMR: r.AMR,
		AuthTime: moment(r.AuthTime), CreatedAt: moment(r.CreatedAt), ExpiresAt: moment(r.ExpiresAt),
		ApprovedAt: moment(r.ApprovedAt), DeniedAt: moment(r.DeniedAt), SpentAt: moment(r.SpentAt),
	}
}

// AddDeviceCode writes a new device code, which nobody has answered. [ErrExists] when its id or user code is taken.
func (s *Store) AddDeviceCode(ctx context.Context, d DeviceCode) error {
	n, err := s.exec(ctx, "writing device code", "INSERT INTO device_codes ("+deviceCodeColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, '', '', '[]', 0, ?, ?, 0, 0, 0) ON CONFLICT DO NOTHING`,
		d.ID, d.UserCode, d.ClientID, d.Scope, d.Audience, micros(d.PollAfter), d.PollSeconds, micros(d.CreatedAt), micros(d.ExpiresAt))
	if err == nil && n == 0 {
		return fmt.Errorf("writing device code: %w", ErrExists)
	}
	return err
}

// DeviceCode reads a device code, an expired one too. [ErrNotFound].
func (s *Store) DeviceCode(ctx context.Context, id string) (DeviceCode, error) {
	return s.readDeviceCode(ctx, "id = ?", id)
}

// DeviceCodeByUserCode reads a device code that has not expired, an answered one too. [ErrNotFound].
func (s *Store) DeviceCodeByUserCode(ctx context.Context, userCode string) (DeviceCode, error) {
	return s.readDeviceCode(ctx, "user_code = ? AND expires_at > ?", userCode, micros(s.now()))
}

func (s *Store) readDeviceCode(ctx context.Context, where string, args ...any) (DeviceCode, error) {
	r, err := readOne[deviceCodeRow](s.query(ctx).Raw("SELECT "+deviceCodeColumns+" FROM device_codes WHERE "+where, args...))
	if err != nil {
		return DeviceCode{}, failed("reading device code", err)
	}
	return r.deviceCode(), nil
}

// DeviceAnswer is what a person says of a device.
type DeviceAnswer struct {
	Approved          bool   // else the device is denied
	UserID, SessionID string // who answers
	AMR               []string
	AuthTime          time.Time
}

// AnswerDeviceCode writes the answer to a device code with its event: of any number of answers the first counts.
// [ErrReused] when it has one, [ErrExpired], [ErrNotFound].
func (s *Store) AnswerDeviceCode(ctx context.Context, id string, a DeviceAnswer, e grants.Event) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		now := s.now()
		column := "denied_at"
		if a.Approved {
			column = "approved_at"
		}
		n, err := s.exec(ctx, "answering device code", "UPDATE device_codes SET "+column+` = ?, user_id = ?, session_id = ?, amr = ?, auth_time = ?
			WHERE id = ? AND approved_at = 0 AND denied_at = 0 AND spent_at = 0 AND expires_at > ?`,
			micros(now), a.UserID, a.SessionID, list(a.AMR), micros(a.AuthTime), id, micros(now))
		if err != nil {
			return err
		}
		if n == 1 {
			return s.Append(ctx, e)
		}
		d, err := s.DeviceCode(ctx, id)
		switch {
		case err != nil:
			return err
		case !d.ApprovedAt.IsZero() || !d.DeniedAt.IsZero():
			return fmt.Errorf("answering device code: %w", ErrReused)
		}
		return fmt.Errorf("answering device code: %w", ErrExpired)
	})
}

// PollDeviceCode is a device asking for its answer: it gives the code with what was answered, and moves the moment of
// the next poll while there is no answer. [ErrTooSoon], with the code, for a poll before that moment, which makes the
// device wait longer from then on; [ErrReused] for a spent one, [ErrExpired], [ErrNotFound].
func (s *Store) PollDeviceCode(ctx context.Context, id string, now time.Time) (DeviceCode, error) {
	var d DeviceCode
	var refusal error // committed, unlike an error
	err := s.Tx(ctx, func(ctx context.Context) error {
		refusal = nil
		var err error
		if d, err = s.readDeviceCode(ctx, "id = ?"+s.forUpdate(), id); err != nil {
			return err
		}
		switch {
		case !d.SpentAt.IsZero():
			return fmt.Errorf("polling device code: %w", ErrReused)
		case !now.Before(d.ExpiresAt):
			return fmt.Errorf("polling device code: %w", ErrExpired)
		case !d.ApprovedAt.IsZero() || !d.DeniedAt.IsZero():
			return nil
		case now.Before(d.PollAfter.Add(-pollLeeway)):
			d.PollSeconds += slowDown
			refusal = fmt.Errorf("polling device code: %w", ErrTooSoon)
		}
		d.PollAfter = moment(micros(now.Add(time.Duration(d.PollSeconds) * time.Second)))
		_, err = s.exec(ctx, "polling device code", "UPDATE device_codes SET poll_after = ?, poll_seconds = ? WHERE id = ?", micros(d.PollAfter), d.PollSeconds, id)
		return err
	})
	if err == nil {
		err = refusal
	}
	if err != nil && !errors.Is(err, ErrTooSoon) {
		return DeviceCode{}, err
	}
	return d, err
}

// SpendDeviceCode uses an approved device code up: of any number of callers one succeeds. [ErrReused], [ErrExpired],
// [ErrRevoked] (its user is blocked or gone), [ErrNotFound] (nobody approved it, or there is none).
func (s *Store) SpendDeviceCode(ctx context.Context, id string) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		now := s.now()
		n, err := s.exec(ctx, "spending device code", `UPDATE device_codes SET spent_at = ? WHERE id = ? AND approved_at <> 0 AND denied_at = 0
			AND spent_at = 0 AND expires_at > ? AND EXISTS (SELECT 1 FROM users u WHERE u.id = device_codes.user_id AND u.blocked_at = 0)`,
			micros(now), id, micros(now))
		if err != nil || n == 1 {
			return err
		}
		d, err := s.DeviceCode(ctx, id)
		switch {
		case err != nil:
			return err
		case !d.SpentAt.IsZero():
			return fmt.Errorf("spending device code: %w", ErrReused)
		case !now.Before(d.ExpiresAt):
			return fmt.Errorf("spending device code: %w", ErrExpired)
		case d.ApprovedAt.IsZero():
			return fmt.Errorf("spending device code: not approved: %w", ErrNotFound)
		}
		return fmt.Errorf("spending device code: %w", ErrRevoked)
	})
}
