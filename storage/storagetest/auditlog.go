package storagetest

import (
	"fmt"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

func testAuditLog(t *testing.T, b *bench) {
	t.Helper()
	t.Run("the log is paged both ways, and read by id", func(t *testing.T) {
		s, clock := b.open(t)
		for i := range 6 {
			clock.Add(time.Second)
			want(t, s.Append(t.Context(), grants.Event{Type: fmt.Sprint("t", i%3), Time: clock.Now(), UserID: fmt.Sprint("u", i%2), Detail: fmt.Sprint(i)}), nil)
		}
		all, total, err := s.Log(t.Context(), storage.LogQuery{Total: true})
		want(t, err, nil)
		equal(t, "total", total, 6)
		for name, test := range map[string]struct {
			q       storage.LogQuery
			details string
			total   int
		}{
			"newest first":   {storage.LogQuery{}, "543210", 0},
			"a page":         {storage.LogQuery{Offset: 1, Limit: 2, Total: true}, "43", 6},
			"of a user":      {storage.LogQuery{UserID: "u1", Total: true}, "531", 3},
			"of types":       {storage.LogQuery{Types: []string{"t0", "t1"}, Total: true}, "4310", 4},
			"after one":      {storage.LogQuery{After: all[4].ID, Limit: 3}, "234", 0},
			"before one":     {storage.LogQuery{Before: all[4].ID}, "0", 0},
			"since":          {storage.LogQuery{Since: clock.Now().Add(-time.Second)}, "54", 0},
			"until":          {storage.LogQuery{Until: clock.Now().Add(-4 * time.Second)}, "0", 0},
			"all conditions": {storage.LogQuery{UserID: "u1", Types: []string{"t0"}, After: all[5].ID, Before: all[0].ID, Since: Start(), Total: true}, "3", 1},
		} {
			page, total, err := s.Log(t.Context(), test.q)
			want(t, err, nil)
			got := ""
			for _, e := range page {
				got += e.Detail
			}
			if got != test.details || total != test.total {
				t.Errorf("%s: %q of %d, want %q of %d", name, got, total, test.details, test.total)
			}
		}
		one, err := s.LoggedEvent(t.Context(), all[2].ID)
		want(t, err, nil)
		equal(t, "event", one, all[2])
		_, err = s.LoggedEvent(t.Context(), "none")
		want(t, err, storage.ErrNotFound)
	})
	t.Run("logins, users and days are counted", func(t *testing.T) {
		s, clock := b.open(t) // at 05:06
		login := func(id string) {
			t.Helper()
			want(t, s.Append(t.Context(), grants.Event{Type: grants.EventSucceeded, Time: clock.Now(), UserID: id}), nil)
		}
		addUser(t, s, ada, "ada@example.com")
		login(ada)
		login(ada)
		clock.Add(48 * time.Hour)
		want(t, s.AddAccount(t.Context(), storage.Account{User: storage.User{ID: "email|2", Identities: []storage.Identity{identity("bob@example.com")}}}, grants.Event{}), nil)
		login(ada)
		login("email|2")
		n, err := s.ActiveUsers(t.Context(), Start().Add(time.Hour))
		want(t, err, nil)
		equal(t, "active", n, 2)
		n, err = s.ActiveUsers(t.Context(), clock.Now().Add(time.Second))
		want(t, err, nil)
		equal(t, "active after the last", n, 0)
		days, err := s.DailyStats(t.Context(), Start(), clock.Now())
		want(t, err, nil)
		midnight := Start().Truncate(24 * time.Hour)
		equal(t, "days", fmt.Sprint(days), fmt.Sprint([]storage.DayStat{{Date: midnight, Logins: 2, Signups: 1}, {Date: midnight.AddDate(0, 0, 1)}, {Date: midnight.AddDate(0, 0, 2), Logins: 2, Signups: 1}}))
		_, err = s.DailyStats(t.Context(), clock.Now(), Start())
		want(t, err, storage.ErrInvalid)
	})
	testForAdministration(t, b)
}

func testForAdministration(t *testing.T, b *bench) {
	t.Helper()
	t.Run("sessions and refresh tokens of a user are those that are good", func(t *testing.T) {
		s, clock := b.openWithUser(t)
		signIn(t, s, "s")
		signIn(t, s, "ended")
		want(t, s.EndSession(t.Context(), "ended"), nil)
		sessions, err := s.UserSessions(t.Context(), ada)
		want(t, err, nil)
		equal(t, "sessions", len(sessions), 1)
		one, err := s.SessionByID(t.Context(), sessions[0].ID)
		want(t, err, nil)
		equal(t, "whose", one.UserID, ada)
		_, err = s.SessionByID(t.Context(), "ended")
		want(t, err, storage.ErrNotFound)
		for _, id := range []string{"a", "revoked", "online", "expired"} {
			a := fullAuthorization(id)
			a.Offline = id != "online"
			if id == "expired" {
				a.RefreshExpiresAt = clock.Now()
			}
			want(t, s.Authorize(t.Context(), a), nil)
		}
		want(t, s.RevokeAuthorization(t.Context(), "revoked", rotated()), nil)
		list, err := s.RefreshAuthorizations(t.Context(), ada)
		want(t, err, nil)
		equal(t, "refresh tokens", len(list), 1)
		got, err := s.RefreshAuthorization(t.Context(), "a")
		want(t, err, nil)
		equal(t, "which", got.ID, list[0].ID)
		for _, id := range []string{"revoked", "online", "expired", "none"} {
			_, err = s.RefreshAuthorization(t.Context(), id)
			want(t, err, storage.ErrNotFound)
		}
	})
	t.Run("budgets are looked at one by one, and emptied", func(t *testing.T) {
		s, clock := b.open(t)
		c := openNew(t, s, "c", clock.Now())
		want(t, s.Fail(t.Context(), guess(c, clock.Now(), counter(1, 1, "k1", "k2")...)), nil)
		look := counter(1, 0, "k0", "k1", "k2")
		full, err := s.CountersFull(t.Context(), clock.Now(), look)
		want(t, err, nil)
		equal(t, "full", fmt.Sprint(full), "[false true true]")
		for _, reset := range []struct {
			keys  []string
			drawn bool
		}{{[]string{look[1].Key, "other"}, true}, {[]string{look[1].Key}, false}, {nil, false}} {
			drawn, err := s.ResetCounters(t.Context(), reset.keys, grants.Event{Type: "reset"})
			want(t, err, nil)
			equal(t, "drawn", drawn, reset.drawn)
		}
		full, err = s.CountersFull(t.Context(), clock.Now(), look)
		want(t, err, nil)
		equal(t, "full", fmt.Sprint(full), "[false false true]")
		equal(t, "events", countEvents(t, s, "reset"), 1)
	})
}
