package storagetest

import (
	"fmt"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

func email(address string) grants.Address {
	return grants.Address{Channel: grants.Email, Value: address}
}

func identity(address string) storage.Identity {
	return storage.Identity{Connection: "email", Address: email(address), VerifiedAt: Start(), CreatedAt: Start()}
}

func named(i storage.Identity, id string) storage.Identity {
	i.ID = id
	return i
}

func addUser(t *testing.T, s *storage.Store, id, address string) {
	t.Helper()
	want(t, s.CreateUser(t.Context(), id, identity(address)), nil)
}

func testUsers(t *testing.T, b *bench) {
	t.Helper()
	t.Run("a user is found by id and by address", func(t *testing.T) {
		s, clock := b.open(t)
		addUser(t, s, "email|1", "ada@example.com")
		addUser(t, s, "email|2", "bob@example.com")
		number := grants.Address{Channel: grants.SMS, Value: "+491701234567"}
		want(t, s.LinkIdentity(t.Context(), "email|1", storage.Identity{Connection: "sms", Address: number, VerifiedAt: clock.Now(), CreatedAt: clock.Now().Add(1)}), nil)
		for _, read := range []func() (storage.User, error){
			func() (storage.User, error) { return s.User(t.Context(), "email|1") },
			func() (storage.User, error) { return s.UserByAddress(t.Context(), email("ada@example.com")) },
			func() (storage.User, error) { return s.UserByAddress(t.Context(), number) },
		} {
			u, err := read()
			want(t, err, nil)
			equal(t, "id", u.ID, "email|1")
			equal(t, "blocked", u.Blocked, false)
			at(t, "created", u.CreatedAt, clock.Now())
			equal(t, "identities", len(u.Identities), 2)
		}
		u, err := s.User(t.Context(), "email|1")
		want(t, err, nil)
		got := map[string]storage.Identity{}
		for _, i := range u.Identities {
			got[i.Connection] = i
		}
		equal(t, "mail identity", got["email"], named(identity("ada@example.com"), "1"))
		equal(t, "length of the number's own id", len(got["sms"].ID), 24)
		_, err = s.User(t.Context(), "email|3")
		want(t, err, storage.ErrNotFound)
		_, err = s.UserByAddress(t.Context(), grants.Address{Channel: grants.SMS, Value: "ada@example.com"})
		want(t, err, storage.ErrNotFound)
	})
	t.Run("ids and addresses are given once", func(t *testing.T) {
		s, _ := b.open(t)
		addUser(t, s, "email|1", "ada@example.com")
		want(t, s.CreateUser(t.Context(), "email|1", identity("eve@example.com")), storage.ErrExists)
		want(t, s.CreateUser(t.Context(), "email|2", identity("ada@example.com")), storage.ErrExists)
		_, err := s.User(t.Context(), "email|2")
		want(t, err, storage.ErrNotFound)
	})
	t.Run("a deleted user's id never comes back, the address may", func(t *testing.T) {
		s, _ := b.open(t)
		addUser(t, s, "email|1", "ada@example.com")
		want(t, s.Authorize(t.Context(), storage.Authorization{ID: "a", UserID: "email|1"}), nil)
		want(t, s.DeleteUser(t.Context(), "email|1"), nil)
		want(t, s.DeleteUser(t.Context(), "email|1"), storage.ErrNotFound)
		_, _, err := s.AuthorizationWithUser(t.Context(), "a")
		want(t, err, storage.ErrNotFound)
		want(t, s.CreateUser(t.Context(), "email|1", identity("ada@example.com")), storage.ErrExists)
		addUser(t, s, "email|2", "ada@example.com")
	})
	t.Run("pages go through all users", func(t *testing.T) {
		s, _ := b.open(t)
		for i := range 7 {
			addUser(t, s, fmt.Sprintf("email|%d", i), fmt.Sprintf("u%d@example.com", i))
		}
		seen, after := 0, ""
		for {
			page, err := s.Users(t.Context(), after, 3)
			want(t, err, nil)
			if len(page) == 0 {
				break
			}
			for _, u := range page {
				equal(t, "id", u.ID, fmt.Sprintf("email|%d", seen))
				equal(t, "identities", len(u.Identities), 1)
				seen++
			}
			after = page[len(page)-1].ID
		}
		equal(t, "users seen", seen, 7)
	})
	testIdentities(t, b)
	testBlocking(t, b)
}

func testIdentities(t *testing.T, b *bench) {
	t.Helper()
	t.Run("an address of another cannot be linked, one's own can again", func(t *testing.T) {
		s, _ := b.open(t)
		addUser(t, s, "email|1", "ada@example.com")
		addUser(t, s, "email|2", "bob@example.com")
		want(t, s.LinkIdentity(t.Context(), "email|1", identity("bob@example.com")), storage.ErrExists)
		want(t, s.LinkIdentity(t.Context(), "email|1", identity("ada@example.com")), nil)
		want(t, s.LinkIdentity(t.Context(), "email|3", identity("eve@example.com")), storage.ErrNotFound)
	})
	t.Run("the last identity stays", func(t *testing.T) {
		s, _ := b.open(t)
		addUser(t, s, "email|1", "ada@example.com")
		addresses := []string{"ada@example.com"}
		for i := range 9 {
			addresses = append(addresses, fmt.Sprintf("ada@%d.example", i))
			want(t, s.LinkIdentity(t.Context(), "email|1", identity(addresses[i+1])), nil)
		}
		want(t, s.UnlinkIdentity(t.Context(), "email|1", email("eve@example.com")), storage.ErrNotFound)
		var outcomes tally
		together(len(addresses), func(i int) {
			outcomes.add(s.UnlinkIdentity(t.Context(), "email|1", email(addresses[i])), map[string]error{"last": storage.ErrLastIdentity})
		})
		outcomes.want(t, map[string]int{"ok": 9, "last": 1})
	})
}

func testBlocking(t *testing.T, b *bench) {
	t.Helper()
	t.Run("blocking ends all that the user has, and unblocking brings nothing back", func(t *testing.T) {
		s, clock := b.open(t)
		addUser(t, s, "email|1", "ada@example.com")
		signIn(t, s, "s")
		want(t, s.Authorize(t.Context(), storage.Authorization{ID: "a", UserID: "email|1"}), nil)
		clock.Add(time.Minute)
		want(t, s.SetBlocked(t.Context(), "email|1", true), nil)
		want(t, s.SetBlocked(t.Context(), "email|1", true), nil)
		u, err := s.User(t.Context(), "email|1")
		want(t, err, nil)
		equal(t, "blocked", u.Blocked, true)
		at(t, "blocked at", u.BlockedAt, clock.Now())
		// Made by a request that had read the user before the block.
		want(t, s.Authorize(t.Context(), storage.Authorization{ID: "late", UserID: "email|1"}), nil)
		want(t, s.SetBlocked(t.Context(), "email|1", false), nil)
		_, err = s.Session(t.Context(), "s")
		want(t, err, storage.ErrNotFound)
		equal(t, "authorization is revoked", revoked(t, s, "a"), true)
		equal(t, "late authorization is revoked", revoked(t, s, "late"), true)
		equal(t, "events of blocking", countEvents(t, s, storage.EventUserBlocked), 1)
		equal(t, "events of unblocking", countEvents(t, s, storage.EventUserUnblocked), 1)
		want(t, s.SetBlocked(t.Context(), "email|2", true), storage.ErrNotFound)
	})
}

func countEvents(t *testing.T, s *storage.Store, kind string) int {
	t.Helper()
	events, err := s.Events(t.Context(), storage.EventFilter{Type: kind, Limit: 1000})
	want(t, err, nil)
	return len(events)
}
