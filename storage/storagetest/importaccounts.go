package storagetest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

func exported(n int) storage.Account {
	a := person(fmt.Sprintf("email|%024x", n), fmt.Sprintf("u%d@example.com", n))
	a.Identities[0].ID, a.Identities[0].Profile = fmt.Sprintf("%024x", n), nil
	return a
}

func exportedMany(n int) []storage.Account {
	var out []storage.Account
	for i := range n {
		out = append(out, exported(i))
	}
	return out
}

func importAll(t *testing.T, s *storage.Store, batch []storage.Account, update bool) []storage.ImportResult {
	t.Helper()
	results, err := s.ImportAccounts(t.Context(), batch, update)
	want(t, err, nil)
	return results
}

func allAre(t *testing.T, results []storage.ImportResult, wanted storage.ImportStatus, n int) {
	t.Helper()
	equal(t, "results", len(results), n)
	for _, r := range results {
		equal(t, "result", r, storage.ImportResult{Status: wanted})
	}
}

func testImport(t *testing.T, b *bench) {
	t.Helper()
	t.Run("accounts come in whole, and a second time nothing changes", func(t *testing.T) {
		s, _ := b.open(t)
		batch := exportedMany(700)
		allAre(t, importAll(t, s, batch, false), storage.ImportAdded, 700)
		for _, n := range []int{0, 255, 256, 699} {
			if got := account(t, s, batch[n].ID); !reflect.DeepEqual(got, batch[n]) {
				t.Fatalf("read\n%+v\nimported\n%+v", got, batch[n])
			}
		}
		before := s.Statements()
		allAre(t, importAll(t, s, batch, true), storage.ImportUnchanged, 700)
		if n := s.Statements() - before; n > 6 {
			t.Fatalf("%d statements for nothing", n)
		}
		equal(t, "events", countEvents(t, s, storage.EventUsersImported), 1)
	})
	t.Run("what is there is kept, or updated where that is asked for", func(t *testing.T) {
		s, clock := b.open(t)
		stored := exported(1)
		stored.Identities[0].VerifiedAt = time.Time{}
		stored.Blocked, stored.BlockedAt = false, time.Time{}
		importAll(t, s, []storage.Account{stored}, false)
		want(t, s.Authorize(t.Context(), storage.Authorization{ID: "a", UserID: stored.ID}), nil)
		later := exported(1)
		later.Profile.Name, later.AppMetadata = "Ada L.", json.RawMessage(`{"plan":"pro"}`)
		later.LastLogin, later.LastIP, later.LoginsCount = clock.Now(), "192.0.2.9", 9
		differs := storage.ImportResult{Status: storage.ImportDiffers, Reason: "name, app_metadata, blocked, verified, last_login"}
		equal(t, "kept", importAll(t, s, []storage.Account{later}, false)[0], differs)
		if got := account(t, s, stored.ID); !reflect.DeepEqual(got, stored) {
			t.Fatalf("kept is\n%+v\nwas\n%+v", got, stored)
		}
		clock.Add(time.Minute)
		equal(t, "updated", importAll(t, s, []storage.Account{later}, true)[0], storage.ImportResult{Status: storage.ImportUpdated, Reason: differs.Reason})
		later.UpdatedAt, later.BlockedAt = clock.Now(), clock.Now()
		if got := account(t, s, stored.ID); !reflect.DeepEqual(got, later) {
			t.Fatalf("updated is\n%+v\nwant\n%+v", got, later)
		}
		equal(t, "what the blocked had is revoked", revoked(t, s, "a"), true)
		allAre(t, importAll(t, s, []storage.Account{later}, true), storage.ImportUnchanged, 1)
		// An older export takes nothing back that signing in here has given.
		older := later
		older.Identities = []storage.Identity{later.Identities[0]}
		older.Identities[0].VerifiedAt = time.Time{}
		older.LastLogin, older.LoginsCount = time.Time{}, 0
		allAre(t, importAll(t, s, []storage.Account{older}, true), storage.ImportUnchanged, 1)
		moved := later
		moved.Identities = []storage.Identity{identity("moved@example.com")}
		equal(t, "moved", importAll(t, s, []storage.Account{moved}, true)[0], storage.ImportResult{Status: storage.ImportDiffers, Reason: "address"})
		both := later
		both.Identities = []storage.Identity{identity("moved@example.com"), identity("moved.too@example.com")}
		clock.Add(time.Minute)
		equal(t, "both moved", importAll(t, s, []storage.Account{both}, true)[0], storage.ImportResult{Status: storage.ImportDiffers, Reason: "address"})
		if got := account(t, s, stored.ID); !got.UpdatedAt.Equal(later.UpdatedAt) {
			t.Fatalf("nothing was to be written, and was at %s", got.UpdatedAt)
		}
		moved.Profile.Name = "Ada M."
		equal(t, "moved and renamed", importAll(t, s, []storage.Account{moved}, true)[0], storage.ImportResult{Status: storage.ImportUpdated, Reason: "name, address (kept)"})
	})
	testImportRefusals(t, b)
}

func testImportRefusals(t *testing.T, b *bench) {
	t.Helper()
	t.Run("what cannot come in is refused alone", func(t *testing.T) {
		s, _ := b.open(t)
		addUser(t, s, "email|old", "old@example.com")
		addUser(t, s, "email|gone", "gone@example.com")
		want(t, s.DeleteUser(t.Context(), "email|gone"), nil)
		twice, taken, gone := exported(2), exported(3), exported(4)
		twice.Identities[0].Address = email("u1@example.com")
		taken.Identities[0].Address = email("old@example.com")
		gone.ID = "email|gone"
		got := importAll(t, s, []storage.Account{exported(1), twice, taken, gone, exported(5), exported(1)}, false)
		for i, wanted := range []storage.ImportResult{
			{Status: storage.ImportAdded},
			{Status: storage.ImportRefused, Reason: "u…@example.com belongs to the user " + exported(1).ID},
			{Status: storage.ImportRefused, Reason: "o…@example.com belongs to the user email|old"},
			{Status: storage.ImportRefused, Reason: "the user was deleted here, or linked to another one"},
			{Status: storage.ImportAdded},
			{Status: storage.ImportUnchanged},
		} {
			equal(t, fmt.Sprint("result ", i), got[i], wanted)
		}
		_, err := s.User(t.Context(), twice.ID)
		want(t, err, storage.ErrNotFound)
	})
	t.Run("the id of a linked identity is as used as one of a user", func(t *testing.T) {
		s, _ := b.open(t)
		addUser(t, s, "email|gone", "gone@example.com")
		want(t, s.DeleteUser(t.Context(), "email|gone"), nil)
		addUser(t, s, "email|there", "there@example.com")
		linked := func(n int, ids ...string) storage.Account {
			a := exported(n)
			for _, id := range ids {
				i := identity(fmt.Sprintf("linked%d@example.com", len(a.Identities)+10*n))
				i.ID = id
				a.Identities = append(a.Identities, i)
			}
			return a
		}
		got := importAll(t, s, []storage.Account{linked(1, "gone"), linked(2, "there"), linked(3, "free"), linked(4, "free"), linked(5, "x", "x"), linked(3, "free")}, false)
		for i, wanted := range []storage.ImportStatus{
			storage.ImportRefused, storage.ImportRefused, storage.ImportAdded, storage.ImportRefused, storage.ImportRefused, storage.ImportUnchanged,
		} {
			equal(t, fmt.Sprint("result ", i, ": ", got[i].Reason), got[i].Status, wanted)
		}
		want(t, s.CreateUser(t.Context(), "email|free", identity("eve@example.com")), storage.ErrExists)
		want(t, unlink(t.Context(), s, exported(3).ID, "free"), nil)
		equal(t, "address", account(t, s, "email|free").Identities[0].Address, email("linked31@example.com"))
	})
	t.Run("imports at once, and logins meanwhile, make one user of an address", func(t *testing.T) {
		s, clock := b.open(t)
		batch := exportedMany(40)
		batch[7].Identities[0].Address = email("ada@example.com")
		batch[7].Blocked, batch[7].BlockedAt = false, time.Time{}
		var all []grants.Challenge
		for i := range 2 {
			all = append(all, openNew(t, s, fmt.Sprint(i), clock.Now()))
		}
		var outcomes tally
		together(5, func(i int) {
			if i < 2 {
				_, err := s.Redeem(t.Context(), redemption(all[i], clock.Now()), nothing)
				outcomes.add(err, nil)
				return
			}
			_, err := s.ImportAccounts(t.Context(), batch, false)
			outcomes.add(err, nil)
		})
		outcomes.want(t, map[string]int{"ok": 5})
		page, total, err := s.Accounts(t.Context(), storage.AccountQuery{Limit: 50, Total: true})
		want(t, err, nil)
		equal(t, "users", total, 40)
		equal(t, "in a page", len(page), 40)
	})
}
