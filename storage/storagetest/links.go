package storagetest

import (
	"context"
	"reflect"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

// bob is linked to ada. carol is whoever else there is.
const (
	bob   = "email|2"
	carol = "email|3"
)

// openTwo gives a store with ada and bob, who have an authorization each.
func (b *bench) openTwo(t *testing.T) (*storage.Store, *Clock) {
	t.Helper()
	s, clock := b.open(t)
	addUser(t, s, ada, "ada@example.com")
	addAccount(t, s, storage.Account{User: storage.User{
		ID: bob, CreatedAt: Start().Add(-time.Hour), Profile: storage.Profile{Name: "Bob"},
		Identities: []storage.Identity{{Connection: "email", Address: email("bob@example.com"), VerifiedAt: Start(), CreatedAt: Start().Add(-time.Hour)}},
	}})
	for _, id := range []string{ada, bob} {
		want(t, s.Authorize(t.Context(), storage.Authorization{ID: "of " + id, UserID: id}), nil)
	}
	clock.Add(time.Minute)
	return s, clock
}

func link(ctx context.Context, s *storage.Store, primary, secondary string) error {
	_, err := s.LinkAccounts(ctx, primary, secondary, grants.Event{})
	return err
}

func unlink(ctx context.Context, s *storage.Store, primary, id string) error {
	_, err := s.UnlinkAccount(ctx, primary, "email", id, grants.Event{})
	return err
}

func testLinks(t *testing.T, b *bench) {
	t.Helper()
	t.Run("a blocked user who becomes part of another is let in again, and that is noted", func(t *testing.T) {
		s, _ := b.openTwo(t)
		want(t, s.SetBlocked(t.Context(), bob, true), nil)
		want(t, link(t.Context(), s, ada, bob), nil)
		lifted, err := s.Events(t.Context(), storage.EventFilter{Type: storage.EventUserUnblocked})
		want(t, err, nil)
		equal(t, "events", len(lifted), 1)
		equal(t, "whose", lifted[0].UserID, bob)
		equal(t, "detail", lifted[0].Detail, "linked to "+ada)
	})
	t.Run("two become one, and two again", func(t *testing.T) {
		s, clock := b.openTwo(t)
		before := account(t, s, bob)
		linked, err := s.LinkAccounts(t.Context(), ada, bob, grants.Event{IP: "192.0.2.1"})
		want(t, err, nil)
		equal(t, "identities", len(linked.Identities), 2)
		equal(t, "primary", linked.Identities[0].Address, email("ada@example.com")) // although the other is older
		equal(t, "kept profile", *linked.Identities[1].Profile, storage.Profile{Name: "Bob"})
		equal(t, "own id", linked.Identities[1].ID, "2")
		if got := account(t, s, ada); !reflect.DeepEqual(got, linked) {
			t.Fatalf("read\n%+v\nwas given\n%+v", got, linked)
		}
		_, err = s.User(t.Context(), bob)
		want(t, err, storage.ErrNotFound)
		u, err := s.UserByAddress(t.Context(), email("bob@example.com"))
		want(t, err, nil)
		equal(t, "whom the address signs in", u.ID, ada)
		_, _, err = s.AuthorizationWithUser(t.Context(), "of "+bob)
		want(t, err, storage.ErrNotFound)
		equal(t, "the primary's is revoked", revoked(t, s, "of "+ada), false)
		want(t, s.CreateUser(t.Context(), bob, identity("eve@example.com")), storage.ErrExists)

		left, err := s.UnlinkAccount(t.Context(), ada, "email", "2", grants.Event{})
		want(t, err, nil)
		equal(t, "identities left", len(left.Identities), 1)
		equal(t, "what the primary had is revoked", revoked(t, s, "of "+ada), true)
		_, a, err := s.AuthorizationWithUser(t.Context(), "of "+bob)
		if err == nil && a.ID == bob {
			equal(t, "what the secondary had is revoked", revoked(t, s, "of "+bob), true)
		}
		again := account(t, s, bob)
		before.UpdatedAt = clock.Now()
		if !reflect.DeepEqual(again, before) {
			t.Fatalf("became\n%+v\nwas\n%+v", again, before)
		}
		events, err := s.Events(t.Context(), storage.EventFilter{Type: storage.EventIdentityLinked})
		want(t, err, nil)
		equal(t, "who was linked", events[0].Detail, bob)
		equal(t, "by whom", events[0].IP, "192.0.2.1")
		equal(t, "events of unlinking", countEvents(t, s, storage.EventIdentityUnlinked), 1)
	})
	t.Run("what cannot be linked or unlinked", func(t *testing.T) {
		s, _ := b.openTwo(t)
		want(t, link(t.Context(), s, ada, ada), storage.ErrExists)
		want(t, link(t.Context(), s, ada, "email|3"), storage.ErrNotFound)
		want(t, link(t.Context(), s, "email|3", bob), storage.ErrNotFound)
		want(t, unlink(t.Context(), s, ada, "1"), storage.ErrLastIdentity)
		want(t, link(t.Context(), s, ada, bob), nil)
		want(t, unlink(t.Context(), s, ada, "1"), storage.ErrLastIdentity) // the one they are named after
		want(t, unlink(t.Context(), s, ada, "3"), storage.ErrNotFound)
		want(t, unlink(t.Context(), s, bob, "2"), storage.ErrNotFound)
		_, err := s.UnlinkAccount(t.Context(), ada, "sms", "2", grants.Event{})
		want(t, err, storage.ErrNotFound)
	})
	t.Run("an identity that was never a user becomes one", func(t *testing.T) {
		s, _ := b.openTwo(t)
		want(t, s.LinkIdentity(t.Context(), ada, identity("ada@example.org")), nil)
		second := account(t, s, ada).Identities[1]
		want(t, unlink(t.Context(), s, ada, second.ID), nil)
		got := account(t, s, second.UserID())
		equal(t, "address", got.Identities[0].Address, email("ada@example.org"))
		equal(t, "profile", got.Profile, storage.Profile{})
	})
	testLinkRaces(t, b)
}

func testLinkRaces(t *testing.T, b *bench) {
	t.Helper()
	t.Run("unlinked twice at once it is one user", func(t *testing.T) {
		s, _ := b.openTwo(t)
		want(t, link(t.Context(), s, ada, bob), nil)
		var outcomes tally
		together(8, func(int) {
			outcomes.add(unlink(t.Context(), s, ada, "2"), map[string]error{"gone": storage.ErrNotFound})
		})
		outcomes.want(t, map[string]int{"ok": 1, "gone": 7})
	})
	t.Run("linked to two at once it is one's", func(t *testing.T) {
		s, _ := b.openTwo(t)
		addUser(t, s, "email|3", "eve@example.com")
		var outcomes tally
		together(8, func(i int) {
			outcomes.add(link(t.Context(), s, []string{ada, "email|3"}[i%2], bob), map[string]error{"gone": storage.ErrNotFound})
		})
		outcomes.want(t, map[string]int{"ok": 1, "gone": 7})
		equal(t, "identities of both", len(account(t, s, ada).Identities)+len(account(t, s, "email|3").Identities), 3)
	})
	t.Run("two that are linked to each other at once are one in the end", func(t *testing.T) {
		s, _ := b.openTwo(t)
		var outcomes tally
		together(2, func(i int) {
			ids := []string{ada, bob}
			outcomes.add(link(t.Context(), s, ids[i], ids[1-i]), map[string]error{"gone": storage.ErrNotFound})
		})
		outcomes.want(t, map[string]int{"ok": 1, "gone": 1})
	})
	t.Run("a login while its address moves or goes signs in who has it, or leaves nothing open", func(t *testing.T) {
		for round := range 8 {
			s, clock := b.open(t)
			addUser(t, s, ada, "other@example.com")
			addUser(t, s, "email|2", "ada@example.com")
			c := openNew(t, s, "c", clock.Now())
			together(2, func(i int) {
				if i == 0 {
					if round%2 == 0 {
						_, err := s.LinkAccounts(t.Context(), ada, "email|2", grants.Event{})
						want(t, err, nil)
						return
					}
					_, err := s.UpdateAccount(t.Context(), "email|2", grants.Event{}, func(a *storage.Account) error {
						a.Identities[0].Address = email("elsewhere@example.com")
						return nil
					})
					want(t, err, nil)
					return
				}
				_, err := s.Redeem(t.Context(), redemption(c, clock.Now()), func(ctx context.Context, u grants.User) error {
					return s.Authorize(ctx, storage.Authorization{ID: "a", UserID: u.ID})
				})
				want(t, err, nil)
			})
			a, of, err := s.AuthorizationWithUser(t.Context(), "a")
			if err != nil { // signed in before, and went with its user
				want(t, err, storage.ErrNotFound)
				continue
			}
			owner, err := s.UserByAddress(t.Context(), email("ada@example.com"))
			if a.RevokedAt.IsZero() && (err != nil || owner.ID != of.ID) {
				t.Fatalf("round %d: signed in as %q, the address is %q's, %v", round, of.ID, owner.ID, err)
			}
		}
	})
}
