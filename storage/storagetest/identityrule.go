package storagetest

import (
	"fmt"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

func unverified(address string) storage.Identity {
	i := identity(address)
	i.VerifiedAt = time.Time{}
	return i
}

// login proves ada@example.com.
func login(t *testing.T, s *storage.Store, now time.Time) (grants.User, error) {
	t.Helper()
	return s.Redeem(t.Context(), redemption(openNew(t, s, grants.NewID(), now), now), nothing)
}

// finds tells whether ada@example.com finds anybody.
func finds(t *testing.T, s *storage.Store, now time.Time) bool {
	t.Helper()
	_, err := s.UserByAddress(t.Context(), email("ada@example.com"))
	d, failure := s.Delivery(t.Context(), openMessage(t, s, grants.NewID(), now).ID)
	want(t, failure, nil)
	equal(t, "the courier and the look-up agree", d.HasAccount, err == nil)
	return err == nil
}

// unprove takes from a user that their first address is verified.
func unprove(t *testing.T, s *storage.Store, id string) {
	t.Helper()
	_, err := s.UpdateAccount(t.Context(), id, grants.Event{}, func(a *storage.Account) error {
		a.Identities[0].VerifiedAt = time.Time{}
		return nil
	})
	want(t, err, nil)
}

// testIdentityRule holds every door to the rule of which identities find a user.
func testIdentityRule(t *testing.T, b *bench) {
	t.Helper()
	t.Run("the first proof adopts who cannot have signed in before", func(t *testing.T) {
		s, clock := b.open(t)
		addAccount(t, s, storage.Account{User: storage.User{ID: ada, Identities: []storage.Identity{unverified("ada@example.com"), unverified("ada@example.org")}}})
		equal(t, "found", finds(t, s, clock.Now()), true)
		clock.Add(time.Minute)
		u, err := login(t, s, clock.Now())
		want(t, err, nil)
		equal(t, "who", u, grants.User{ID: ada})
		stored := account(t, s, ada)
		at(t, "verified", stored.Identities[0].VerifiedAt, clock.Now())
		at(t, "the other is verified", stored.Identities[1].VerifiedAt.UTC(), time.Time{})
		_, err = s.UserByAddress(t.Context(), email("ada@example.org"))
		want(t, err, storage.ErrNotFound)
	})
	t.Run("one who is blocked is not adopted", func(t *testing.T) {
		s, clock := b.open(t)
		addAccount(t, s, storage.Account{User: storage.User{ID: ada, Blocked: true, Identities: []storage.Identity{unverified("ada@example.com")}}})
		_, err := login(t, s, clock.Now())
		want(t, err, grants.ErrBlocked)
		at(t, "verified", account(t, s, ada).Identities[0].VerifiedAt.UTC(), time.Time{})
	})
	t.Run("beside a verified address an unverified one finds nobody, and goes when it is proved", func(t *testing.T) {
		s, clock := b.open(t)
		addAccount(t, s, storage.Account{User: storage.User{ID: ada, Identities: []storage.Identity{identity("ada@example.org"), unverified("ada@example.com")}}})
		equal(t, "found", finds(t, s, clock.Now()), false)
		closed := redemption(openNew(t, s, "closed", clock.Now()), clock.Now())
		closed.Signup = false
		_, err := s.Redeem(t.Context(), closed, nothing)
		want(t, err, grants.ErrSignupClosed)
		u, err := login(t, s, clock.Now())
		want(t, err, nil)
		equal(t, "created", u.Created, true)
		owner, err := s.UserByAddress(t.Context(), email("ada@example.com"))
		want(t, err, nil)
		equal(t, "whose the address is", owner.ID, u.ID)
		equal(t, "identities that stay", len(account(t, s, ada).Identities), 1)
		equal(t, "events", countEvents(t, s, storage.EventIdentityUnlinked), 1)
	})
	t.Run("of two unverified addresses proved at once one adopts", func(t *testing.T) {
		for range 4 {
			s, clock := b.open(t)
			addAccount(t, s, storage.Account{User: storage.User{ID: ada, Identities: []storage.Identity{unverified("ada@example.com"), unverified("eve@example.com")}}})
			var all []grants.Challenge
			for i, address := range []string{"ada@example.com", "eve@example.com"} {
				c := challenge(fmt.Sprint(i), clock.Now())
				c.Address = email(address)
				c, err := s.Open(t.Context(), opening(c, clock.Now()))
				want(t, err, nil)
				all = append(all, c)
			}
			users := make([]grants.User, 2)
			var outcomes tally
			together(2, func(i int) {
				var err error
				users[i], err = s.Redeem(t.Context(), redemption(all[i], clock.Now()), nothing)
				outcomes.add(err, nil)
			})
			outcomes.want(t, map[string]int{"ok": 2})
			if users[0].ID == users[1].ID || (users[0].ID == ada) == (users[1].ID == ada) {
				t.Fatalf("signed in %v", users)
			}
		}
	})
	t.Run("one adopted by many logins at once is one user", func(t *testing.T) {
		s, clock := b.open(t)
		addAccount(t, s, storage.Account{User: storage.User{ID: ada, Identities: []storage.Identity{unverified("ada@example.com")}}})
		var all []grants.Challenge
		for i := range 8 {
			all = append(all, openNew(t, s, fmt.Sprint(i), clock.Now()))
		}
		var outcomes tally
		together(8, func(i int) {
			u, err := s.Redeem(t.Context(), redemption(all[i], clock.Now()), nothing)
			if err == nil && u.ID != ada {
				err = fmt.Errorf("signed in %s", u.ID)
			}
			outcomes.add(err, nil)
		})
		outcomes.want(t, map[string]int{"ok": 8})
	})
	testNoAdoption(t, b)
}

// testNoAdoption holds to it that a user whom somebody has been signed in as is not adopted.
func testNoAdoption(t *testing.T, b *bench) {
	t.Helper()
	for name, leave := range map[string]func(*testing.T, *storage.Store){
		"changed by an admin": func(t *testing.T, s *storage.Store) {
			t.Helper()
			_, err := s.UpdateAccount(t.Context(), bob, grants.Event{}, func(a *storage.Account) error {
				a.Identities[0].Address, a.Identities[0].VerifiedAt = email("bob@example.net"), time.Time{}
				return nil
			})
			want(t, err, nil)
		},
		"taken back": func(t *testing.T, s *storage.Store) {
			t.Helper()
			unprove(t, s, bob)
		},
		"changed after the first proof of all": func(t *testing.T, s *storage.Store) {
			t.Helper()
			want(t, s.DeleteUser(t.Context(), bob), nil)
			addAccount(t, s, storage.Account{User: storage.User{ID: carol, Identities: []storage.Identity{unverified("carol@example.com"), unverified("ada@example.com")}}})
			_, err := s.UpdateAccount(t.Context(), carol, grants.Event{}, func(a *storage.Account) error {
				a.Identities[0].VerifiedAt = Start()
				return nil
			})
			want(t, err, nil)
			unprove(t, s, carol)
		},
		"of a user linked to one who had one": func(t *testing.T, s *storage.Store) {
			t.Helper()
			want(t, s.DeleteUser(t.Context(), bob), nil)
			addUser(t, s, carol, "carol@example.com")
			unprove(t, s, carol)
			addAccount(t, s, storage.Account{User: storage.User{ID: "email|4", Identities: []storage.Identity{unverified("ada@example.com")}}})
			want(t, link(t.Context(), s, carol, "email|4"), nil)
		},
	} {
		t.Run("after the verified address was "+name+" an unverified one still finds nobody", func(t *testing.T) {
			s, clock := b.open(t)
			addAccount(t, s, storage.Account{User: storage.User{ID: bob, Identities: []storage.Identity{identity("bob@example.com"), unverified("ada@example.com")}}})
			leave(t, s)
			equal(t, "found", finds(t, s, clock.Now()), false)
			u, err := login(t, s, clock.Now())
			want(t, err, nil)
			equal(t, "created", u.Created, true)
		})
	}
	t.Run("nobody is left with addresses that sign nobody in", func(t *testing.T) {
		s, _ := b.open(t)
		addAccount(t, s, storage.Account{User: storage.User{ID: bob, Identities: []storage.Identity{identity("bob@example.com"), unverified("ada@example.com")}}})
		want(t, s.UnlinkIdentity(t.Context(), bob, email("bob@example.com")), storage.ErrLastIdentity)
		addAccount(t, s, storage.Account{User: storage.User{ID: carol, Identities: []storage.Identity{unverified("carol@example.com")}}})
		want(t, s.UnlinkIdentity(t.Context(), carol, email("carol@example.com")), storage.ErrLastIdentity)
		want(t, link(t.Context(), s, carol, bob), nil)
		want(t, s.UnlinkIdentity(t.Context(), carol, email("ada@example.com")), nil)
		want(t, unlink(t.Context(), s, carol, "2"), storage.ErrLastIdentity)
		equal(t, "identities", len(account(t, s, carol).Identities), 2)
	})
	t.Run("two whom nobody has signed in as are one such user when linked", func(t *testing.T) {
		s, clock := b.open(t)
		addAccount(t, s, storage.Account{User: storage.User{ID: bob, Identities: []storage.Identity{unverified("bob@example.com")}}})
		addAccount(t, s, storage.Account{User: storage.User{ID: carol, Identities: []storage.Identity{unverified("ada@example.com")}}})
		want(t, link(t.Context(), s, bob, carol), nil)
		u, err := login(t, s, clock.Now())
		want(t, err, nil)
		equal(t, "who", u, grants.User{ID: bob})
		_, err = s.UserByAddress(t.Context(), email("bob@example.com"))
		want(t, err, storage.ErrNotFound)
	})
}
