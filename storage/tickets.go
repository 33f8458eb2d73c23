package storage

import (
	"context"
	"fmt"
	"time"
)

// Ticket is something small that lives for a short time and is used once: a pushed authorization request, a login
// ticket, the id of a client assertion.
type Ticket struct {
	ID       string // unique among all kinds
	Kind     string
	ClientID string
	Data     string // whatever its kind keeps

	ExpiresAt, SpentAt time.Time
}

type ticketRow struct {
	ID        string
	Kind      string
	ClientID  string
	Data      string
	ExpiresAt int64
	SpentAt   int64
}

const ticketColumns = "id, kind, client_id, data, expires_at, spent_at"

func (r *ticketRow) fields() []any {
	return []any{&r.ID, &r.Kind, &r.ClientID, &r.Data, &r.ExpiresAt, &r.SpentAt}
}

func (r ticketRow) ticket() Ticket {
	return Ticket{ID: r.ID, Kind: r.Kind, ClientID: r.ClientID, Data: r.Data, ExpiresAt: moment(r.ExpiresAt), SpentAt: moment(r.SpentAt)}
}

// AddTicket writes a new ticket. [ErrExists] when its id is taken, by a spent or an expired one too.
func (s *Store) AddTicket(ctx context.Context, t Ticket) error {
	n, err := s.exec(ctx, "writing ticket", "INSERT INTO tickets ("+ticketColumns+") VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
		t.ID, t.Kind, t.ClientID, t.Data, micros(t.ExpiresAt), micros(t.SpentAt))
	if err == nil && n == 0 {
		return fmt.Errorf("writing ticket: %w", ErrExists)
	}
	return err
}

// Ticket reads a ticket that has not expired, a spent one too. [ErrNotFound].
func (s *Store) Ticket(ctx context.Context, kind, id string) (Ticket, error) {
	t, err := s.anyTicket(ctx, kind, id)
	if err == nil && !s.now().Before(t.ExpiresAt) {
		return Ticket{}, fmt.Errorf("reading ticket: %w", ErrNotFound)
	}
	return t, err
}

func (s *Store) anyTicket(ctx context.Context, kind, id string) (Ticket, error) {
	r, err := readOne[ticketRow](s.query(ctx).Raw("SELECT "+ticketColumns+" FROM tickets WHERE id = ? AND kind = ?", id, kind))
	if err != nil {
		return Ticket{}, failed("reading ticket", err)
	}
	return r.ticket(), nil
}

// SpendTicket uses a ticket up: of any number of callers one succeeds. [ErrReused], [ErrExpired], [ErrNotFound].
func (s *Store) SpendTicket(ctx context.Context, kind, id string) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		now := s.now()
		n, err := s.exec(ctx, "spending ticket", "UPDATE tickets SET spent_at = ? WHERE id = ? AND kind = ? AND spent_at = 0 AND expires_at > ?",
			micros(now), id, kind, micros(now))
		if err != nil || n == 1 {
			return err
		}
		t, err := s.anyTicket(ctx, kind, id)
		switch {
		case err != nil:
			return err
		case !t.SpentAt.IsZero():
			return fmt.Errorf("spending ticket: %w", ErrReused)
		}
		return fmt.Errorf("spending ticket: %w", ErrExpired)
	})
}
