package storagetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

// person is an account with something in every field.
func person(id, address string) storage.Account {
	blocked := Start().Add(-time.Hour)
	first := identity(address)
	first.ID = "5f7c8ec7c33c6c004bbafe82"
	first.Profile = &storage.Profile{Name: "Before"}
	return storage.Account{
		User: storage.User{
			ID: id, Blocked: true, BlockedAt: blocked, CreatedAt: blocked.Add(-time.Hour), UpdatedAt: blocked,
			Profile:    storage.Profile{Name: "Ada <&> Lovelace", GivenName: "Ada", FamilyName: "Lovelace", Nickname: "ada", Picture: "https://a.example/p.png", Locale: "en"},
			Identities: []storage.Identity{first},
		},
		UserMetadata: json.RawMessage(`{"color":"red"}`), AppMetadata: json.RawMessage(`{"plan":{"n":12345678901234567890}}`),
		LastLogin: blocked.Add(-time.Minute), LastIP: "192.0.2.7", LoginsCount: 5,
	}
}

func addAccount(t *testing.T, s *storage.Store, a storage.Account) {
	t.Helper()
	want(t, s.AddAccount(t.Context(), a, grants.Event{Type: storage.EventUserCreated}), nil)
}

func account(t *testing.T, s *storage.Store, id string) storage.Account {
	t.Helper()
	a, err := s.Account(t.Context(), id)
	want(t, err, nil)
	return a
}

func testAccounts(t *testing.T, b *bench) {
	t.Helper()
	t.Run("an account reads as it was written", func(t *testing.T) {
		s, _ := b.open(t)
		wrote := person("email|1", "ada@example.com")
		addAccount(t, s, wrote)
		if got := account(t, s, "email|1"); !reflect.DeepEqual(got, wrote) {
			t.Fatalf("read\n%+v\nwrote\n%+v", got, wrote)
		}
		u, err := s.User(t.Context(), "email|1")
		want(t, err, nil)
		if !reflect.DeepEqual(u, wrote.User) {
			t.Fatalf("read user\n%+v\nwrote\n%+v", u, wrote.User)
		}
		_, err = s.Account(t.Context(), "email|2")
		want(t, err, storage.ErrNotFound)
		equal(t, "events", countEvents(t, s, storage.EventUserCreated), 1)
	})
	t.Run("what is left out has plain values", func(t *testing.T) {
		s, clock := b.open(t)
		addAccount(t, s, storage.Account{User: storage.User{ID: "email|1", Identities: []storage.Identity{identity("ada@example.com")}}})
		a := account(t, s, "email|1")
		at(t, "created", a.CreatedAt, clock.Now())
		at(t, "updated", a.UpdatedAt, clock.Now())
		equal(t, "user metadata", string(a.UserMetadata), "{}")
		equal(t, "app metadata", string(a.AppMetadata), "{}")
		equal(t, "profile", a.Profile, storage.Profile{})
		equal(t, "identity", a.Identities[0], named(identity("ada@example.com"), "1"))
		equal(t, "logins", a.LoginsCount, 0)
	})
	t.Run("logins are those before and those of the audit log, also when it is purged", func(t *testing.T) {
		s, clock := b.open(t)
		a := person("email|1", "ada@example.com")
		a.Blocked, a.BlockedAt = false, time.Time{}
		addAccount(t, s, a)
		for i := range 3 {
			clock.Add(time.Minute)
			e := grants.Event{Type: grants.EventSucceeded, Time: clock.Now(), UserID: "email|1", IP: fmt.Sprint("192.0.2.", 100+i)}
			want(t, s.Append(t.Context(), e), nil)
		}
		last := clock.Now()
		check := func() {
			t.Helper()
			got := account(t, s, "email|1")
			equal(t, "logins", got.LoginsCount, 8)
			at(t, "last", got.LastLogin, last)
			equal(t, "from", got.LastIP, "192.0.2.102")
		}
		check()
		_, _, err := s.SealEvents(t.Context(), clock.Now().Add(time.Hour), 1) // the retention takes what is sealed
		want(t, err, nil)
		clock.Add(90*24*time.Hour - time.Second)
		_, err = s.Purge(t.Context(), clock.Now(), 2)
		want(t, err, nil)
		equal(t, "logins left in the log", countEvents(t, s, grants.EventSucceeded), 1)
		check()
		clock.Add(time.Hour)
		_, err = s.Purge(t.Context(), clock.Now(), 2)
		want(t, err, nil)
		equal(t, "logins left in the log", countEvents(t, s, grants.EventSucceeded), 0)
		check()
	})
	t.Run("ids and addresses are given once", func(t *testing.T) {
		s, _ := b.open(t)
		addUser(t, s, "email|1", "ada@example.com")
		for _, a := range []storage.Account{person("email|1", "eve@example.com"), person("email|2", "ada@example.com")} {
			want(t, s.AddAccount(t.Context(), a, grants.Event{}), storage.ErrExists)
		}
		want(t, s.DeleteUser(t.Context(), "email|1"), nil)
		want(t, s.AddAccount(t.Context(), person("email|1", "eve@example.com"), grants.Event{}), storage.ErrExists)
		_, err := s.User(t.Context(), "email|2")
		want(t, err, storage.ErrNotFound)
	})
	testUpdates(t, b)
	testAccountPages(t, b)
}

func testUpdates(t *testing.T, b *bench) {
	t.Helper()
	update := func(t *testing.T, s *storage.Store, change func(*storage.Account)) (storage.Account, error) {
		t.Helper()
		return s.UpdateAccount(t.Context(), "email|1", grants.Event{Detail: "by admin"}, func(a *storage.Account) error { change(a); return nil })
	}
	opened := func(t *testing.T) (*storage.Store, *Clock) {
		t.Helper()
		s, clock := b.open(t)
		addUser(t, s, "email|1", "ada@example.com")
		signIn(t, s, "s")
		want(t, s.Authorize(t.Context(), storage.Authorization{ID: "a", UserID: "email|1"}), nil)
		clock.Add(time.Minute)
		return s, clock
	}
	t.Run("profile and metadata change, and nothing ends", func(t *testing.T) {
		s, clock := opened(t)
		after, err := update(t, s, func(a *storage.Account) {
			a.Profile.Name = "Ada"
			a.UserMetadata, a.AppMetadata = json.RawMessage(`{"a":1}`), json.RawMessage(`{"b":2}`)
		})
		want(t, err, nil)
		if got := account(t, s, "email|1"); !reflect.DeepEqual(got, after) || got.Profile.Name != "Ada" || string(got.AppMetadata) != `{"b":2}` {
			t.Fatalf("read\n%+v\nwas given\n%+v", got, after)
		}
		at(t, "updated", after.UpdatedAt, clock.Now())
		equal(t, "authorization is revoked", revoked(t, s, "a"), false)
		equal(t, "events", countEvents(t, s, storage.EventUserUpdated), 1)
		_, err = update(t, s, func(a *storage.Account) { a.AppMetadata = json.RawMessage(`{ "b": 2 }`) })
		want(t, err, nil)
		equal(t, "events after no change", countEvents(t, s, storage.EventUserUpdated), 1)
		_, err = s.UpdateAccount(t.Context(), "email|2", grants.Event{}, func(*storage.Account) error { return nil })
		want(t, err, storage.ErrNotFound)
	})
	for name, change := range map[string]func(*storage.Account){
		"blocking":            func(a *storage.Account) { a.Blocked = true },
		"another address":     func(a *storage.Account) { a.Identities[0].Address = email("ada@example.org") },
		"taking verification": func(a *storage.Account) { a.Identities[0].VerifiedAt = time.Time{} },
		"another, as unverified": func(a *storage.Account) {
			a.Identities[0].Address, a.Identities[0].VerifiedAt = email("x@example.org"), time.Time{}
		},
	} {
		t.Run("all that is open ends by "+name, func(t *testing.T) {
			s, _ := opened(t)
			after, err := update(t, s, change)
			want(t, err, nil)
			equal(t, "authorization is revoked", revoked(t, s, "a"), true)
			_, err = s.SessionByID(t.Context(), "s")
			want(t, err, storage.ErrNotFound)
			if got := account(t, s, "email|1"); !reflect.DeepEqual(got, after) {
				t.Fatalf("read\n%+v\nwas given\n%+v", got, after)
			}
		})
	}
	t.Run("an address that is changed is another's from then on", func(t *testing.T) {
		s, clock := opened(t)
		addUser(t, s, "email|2", "bob@example.com")
		_, err := update(t, s, func(a *storage.Account) { a.Identities[0].Address = email("bob@example.com") })
		want(t, err, storage.ErrExists)
		equal(t, "authorization is revoked", revoked(t, s, "a"), false)
		_, err = update(t, s, func(a *storage.Account) { a.Identities[0].Address = email("ada@example.org") })
		want(t, err, nil)
		c := openNew(t, s, "c", clock.Now()) // for ada@example.com
		u, err := s.Redeem(t.Context(), redemption(c, clock.Now()), nothing)
		want(t, err, nil)
		equal(t, "created", u.Created, true)
	})
	t.Run("what is no update is refused, an error comes back", func(t *testing.T) {
		s, _ := opened(t)
		for name, change := range map[string]func(*storage.Account){
			"fewer identities": func(a *storage.Account) { a.Identities = nil },
			"another channel": func(a *storage.Account) {
				a.Identities[0].Address = grants.Address{Channel: grants.SMS, Value: "+491701234567"}
			},
			"what no row can hold": func(a *storage.Account) { a.Profile.Name = "\xff" },
		} {
			if _, err := update(t, s, change); name != "what no row can hold" {
				want(t, err, storage.ErrInvalid)
			}
		}
		failure := errors.New("on purpose")
		_, err := s.UpdateAccount(t.Context(), "email|1", grants.Event{}, func(*storage.Account) error { return failure })
		want(t, err, failure)
	})
}

func testAccountPages(t *testing.T, b *bench) {
	t.Helper()
	t.Run("pages are filtered, sorted and counted", func(t *testing.T) {
		s, clock := b.open(t)
		for i := range 7 {
			clock.Add(time.Second)
			addUser(t, s, fmt.Sprintf("email|%d", (i*3)%7), fmt.Sprintf("u%d@example.com", i)) // 0 3 6 2 5 1 4
		}
		second := identity("second@example.org")
		second.VerifiedAt = time.Time{}
		want(t, s.LinkIdentity(t.Context(), "email|3", second), nil)
		want(t, s.SetBlocked(t.Context(), "email|6", true), nil)
		blocked, free := true, false
		for name, test := range map[string]struct {
			q     storage.AccountQuery
			ids   string
			total int
		}{
			"all by id":         {storage.AccountQuery{Total: true}, "0 1 2 3 4 5 6", 7},
			"from the newest":   {storage.AccountQuery{Sort: "created_at", Descending: true, Total: true}, "4 1 5 2 6 3 0", 7},
			"a page":            {storage.AccountQuery{Sort: "created_at", Offset: 1, Limit: 3, Total: true}, "3 6 2", 7},
			"past the end":      {storage.AccountQuery{Sort: "created_at", Offset: 9, Total: true}, "", 7},
			"last updated":      {storage.AccountQuery{Sort: "updated_at", Descending: true, Limit: 2}, "6 4", 0},
			"by ids":            {storage.AccountQuery{IDs: []string{"email|5", "email|9", "email|2"}, Total: true}, "2 5", 2},
			"by no ids":         {storage.AccountQuery{IDs: []string{}, Total: true}, "", 0},
			"after an id":       {storage.AccountQuery{After: "email|4", Total: true}, "5 6", 2},
			"by address":        {storage.AccountQuery{Address: email("u1@example.com"), Total: true}, "3", 1},
			"of this channel":   {storage.AccountQuery{Address: grants.Address{Channel: grants.SMS, Value: "u1@example.com"}}, "", 0},
			"by any address":    {storage.AccountQuery{Address: email("second@example.org")}, "3", 0},
			"by prefix":         {storage.AccountQuery{AddressPrefix: "u", Limit: 2, Descending: true, Total: true}, "6 5", 7},
			"by longer prefix":  {storage.AccountQuery{AddressPrefix: "u1@", Total: true}, "3", 1},
			"not by a wildcard": {storage.AccountQuery{AddressPrefix: "u%", Total: true}, "", 0},
			"blocked":           {storage.AccountQuery{Blocked: &blocked, Total: true}, "6", 1},
			"not blocked":       {storage.AccountQuery{Blocked: &free, Limit: 1, Total: true}, "0", 6},
		} {
			page, total, err := s.Accounts(t.Context(), test.q)
			want(t, err, nil)
			ids := ""
			for _, a := range page {
				if ids += " "; a.ID == "email|3" && len(a.Identities) != 2 {
					t.Errorf("%s: %d identities", name, len(a.Identities))
				}
				ids += a.ID[len("email|"):]
			}
			if ids != "" {
				ids = ids[1:]
			}
			if ids != test.ids || total != test.total {
				t.Errorf("%s: users %q of %d, want %q of %d", name, ids, total, test.ids, test.total)
			}
		}
		_, _, err := s.Accounts(t.Context(), storage.AccountQuery{Sort: "name; DROP TABLE users"})
		want(t, err, storage.ErrInvalid)
	})
}
