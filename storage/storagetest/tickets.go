package storagetest

import (
	"testing"
	"time"

	"sallyport/storage"
)

func testTickets(t *testing.T, b *bench) {
	t.Helper()
	ticket := func(clock *Clock) storage.Ticket {
		return storage.Ticket{ID: "t", Kind: "par", ClientID: "c", Data: `{"a":"\""}`, ExpiresAt: clock.Now().Add(time.Minute)}
	}
	t.Run("a ticket reads as it was written until it expires, by its kind only", func(t *testing.T) {
		s, clock := b.open(t)
		k := ticket(clock)
		want(t, s.AddTicket(t.Context(), k), nil)
		clock.Add(time.Minute - time.Microsecond)
		got, err := s.Ticket(t.Context(), "par", "t")
		want(t, err, nil)
		equal(t, "ticket", got, k)
		_, err = s.Ticket(t.Context(), "login", "t")
		want(t, err, storage.ErrNotFound)
		want(t, s.SpendTicket(t.Context(), "login", "t"), storage.ErrNotFound)
		clock.Add(time.Microsecond)
		_, err = s.Ticket(t.Context(), "par", "t")
		want(t, err, storage.ErrNotFound)
		want(t, s.SpendTicket(t.Context(), "par", "t"), storage.ErrExpired)
		want(t, s.SpendTicket(t.Context(), "par", "none"), storage.ErrNotFound)
	})
	t.Run("an id is taken once, however it ended", func(t *testing.T) {
		s, clock := b.open(t)
		k := ticket(clock)
		want(t, s.AddTicket(t.Context(), k), nil)
		want(t, s.AddTicket(t.Context(), k), storage.ErrExists)
		want(t, s.SpendTicket(t.Context(), "par", "t"), nil)
		k.Kind = "other"
		want(t, s.AddTicket(t.Context(), k), storage.ErrExists)
		clock.Add(time.Hour)
		want(t, s.AddTicket(t.Context(), k), storage.ErrExists)
	})
	t.Run("a spent ticket says when", func(t *testing.T) {
		s, clock := b.open(t)
		want(t, s.AddTicket(t.Context(), ticket(clock)), nil)
		clock.Add(time.Second)
		want(t, s.SpendTicket(t.Context(), "par", "t"), nil)
		got, err := s.Ticket(t.Context(), "par", "t")
		want(t, err, nil)
		at(t, "spent", got.SpentAt, clock.Now())
	})
	t.Run("of 50 that add or spend one ticket one wins", func(t *testing.T) {
		s, clock := b.open(t)
		named := map[string]error{"exists": storage.ErrExists, "reused": storage.ErrReused}
		var adds, spends tally
		together(50, func(int) { adds.add(s.AddTicket(t.Context(), ticket(clock)), named) })
		adds.want(t, map[string]int{"ok": 1, "exists": 49})
		together(50, func(int) { spends.add(s.SpendTicket(t.Context(), "par", "t"), named) })
		spends.want(t, map[string]int{"ok": 1, "reused": 49})
	})
}
