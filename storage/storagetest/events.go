package storagetest

import (
	"fmt"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

func testEvents(t *testing.T, b *bench) {
	t.Helper()
	t.Run("events read as they were written, newest first", func(t *testing.T) {
		s, clock := b.open(t)
		full := grants.Event{
			Type: "x", Time: clock.Now(), ClientID: "c", UserID: "u", Address: "a…@example.com", ChallengeID: "ch", IP: "2001:db8::1", RequestID: "r", Detail: "d",
		}
		want(t, s.Append(t.Context(), full), nil)
		for i := range 5 {
			clock.Add(time.Second)
			e := grants.Event{Type: "y", Time: clock.Now(), UserID: fmt.Sprint("u", i%2), ClientID: "c2"}
			want(t, s.Append(t.Context(), e), nil)
		}
		read := func(f storage.EventFilter) []grants.Event {
			t.Helper()
			events, err := s.Events(t.Context(), f)
			want(t, err, nil)
			return events
		}
		all := read(storage.EventFilter{})
		equal(t, "events", len(all), 6)
		at(t, "newest", all[0].Time, clock.Now())
		equal(t, "oldest", all[5], full)
		equal(t, "of a user", len(read(storage.EventFilter{UserID: "u0"})), 3)
		equal(t, "of a client", len(read(storage.EventFilter{ClientID: "c"})), 1)
		equal(t, "of a type", len(read(storage.EventFilter{Type: "y"})), 5)
		equal(t, "since", len(read(storage.EventFilter{Since: clock.Now().Add(-time.Second)})), 2)
		equal(t, "limited", len(read(storage.EventFilter{Limit: 4})), 4)
		equal(t, "all at once", len(read(storage.EventFilter{UserID: "u1", ClientID: "c2", Type: "y", Since: Start(), Limit: 1})), 1)
	})
}

// testPurge fills every table, lets all of it expire and looks for what is left.
func testPurge(t *testing.T, b *bench) {
	t.Helper()
	t.Run("what has expired goes, and nothing else", func(t *testing.T) {
		s, clock := b.openWithUser(t)
		for i := range 5 {
			now := clock.Now()
			o := opening(challenge(fmt.Sprint("c", i), now), now)
			o.Count = counter(10, 1, fmt.Sprint("k", i))
			_, err := s.Open(t.Context(), o)
			want(t, err, nil)
			want(t, s.SaveAuthRequest(t.Context(), storage.AuthRequest{ID: fmt.Sprint(i), CreatedAt: now, ExpiresAt: now.Add(time.Hour)}), nil)
			signIn(t, s, fmt.Sprint("s", i))
			want(t, s.Authorize(t.Context(), fullAuthorization(fmt.Sprint("a", i))), nil)
			want(t, s.RevokeToken(t.Context(), fmt.Sprint(i), now.Add(time.Hour), grants.Event{Time: now}), nil)
			want(t, s.AddTicket(t.Context(), storage.Ticket{ID: fmt.Sprint(i), ExpiresAt: now.Add(time.Hour)}), nil)
			want(t, s.AddDeviceCode(t.Context(), storage.DeviceCode{ID: fmt.Sprint(i), UserCode: fmt.Sprint(i), ExpiresAt: now.Add(time.Hour)}), nil)
			k := signingKey(fmt.Sprint("k", i), now)
			k.VerifyUntil = now.Add(time.Hour)
			want(t, s.AddSigningKey(t.Context(), k), nil)
		}
		want(t, s.AddSigningKey(t.Context(), signingKey("in use", clock.Now())), nil)
		purge := func() int {
			t.Helper()
			n, err := s.Purge(t.Context(), clock.Now(), 2)
			want(t, err, nil)
			return n
		}
		equal(t, "purged at once", purge(), 0)
		clock.Add(time.Hour - time.Microsecond)
		equal(t, "purged before the end", purge(), 0)
		clock.Add(time.Microsecond)
		equal(t, "purged after an hour", purge(), 25) // authorization requests, counters, tickets, revoked tokens, keys
		clock.Add(25 * time.Hour)
		equal(t, "purged after a day", purge(), 25) // challenges, messages, sessions, device codes, authorizations
		_, _, err := s.AuthorizationWithUser(t.Context(), "a0")
		want(t, err, storage.ErrNotFound)
		_, _, err = s.SealEvents(t.Context(), clock.Now(), 100)
		want(t, err, nil)
		clock.Add(89 * 24 * time.Hour)
		if n := purge(); n != 11 { // five starts, five revocations, one user
			t.Fatalf("purged %d events", n)
		}
		_, err = s.User(t.Context(), ada)
		want(t, err, nil)
		keys, err := s.SigningKeys(t.Context())
		want(t, err, nil)
		equal(t, "keys", len(keys), 1)
	})
}
