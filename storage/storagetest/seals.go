package storagetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

// sealBench is a store over a database that a test can write to behind its back.
type sealBench struct {
	*storage.Store
	clock *Clock
	url   string
}

func (b *bench) forSeals(t *testing.T, ring ...string) sealBench {
	t.Helper()
	url, clock := b.fresh(t), NewClock()
	return sealBench{Open(t, storage.Options{URL: url, Now: clock.Now, Ring: Ring(t, ring...)}), clock, url}
}

// write appends events, a second apart.
func (s sealBench) write(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		s.clock.Add(time.Second)
		want(t, s.Append(t.Context(), grants.Event{Type: "x", Time: s.clock.Now(), UserID: "u", IP: "192.0.2.1", Detail: fmt.Sprint(i)}), nil)
	}
}

// seal lets all settle and seals it in batches of 4.
func (s sealBench) seal(t *testing.T) (newest storage.Seal) {
	t.Helper()
	s.clock.Add(2 * time.Minute)
	newest, _, err := s.SealEvents(t.Context(), s.clock.Now(), 4)
	want(t, err, nil)
	return newest
}

// exec writes to the database as somebody who has broken into it.
func (s sealBench) exec(t *testing.T, statements ...string) {
	t.Helper()
	driver, source := "pgx", s.url
	if path, ok := strings.CutPrefix(s.url, "sqlite:"); ok {
		driver, source = "sqlite", "file:"+path+"?_pragma=busy_timeout(5000)"
	}
	db, err := sql.Open(driver, source)
	want(t, err, nil)
	defer db.Close()
	for _, st := range statements {
		_, err := db.ExecContext(t.Context(), st)
		want(t, err, nil)
	}
}

func (s sealBench) verify(t *testing.T, head []byte) storage.AuditReport {
	t.Helper()
	r, err := s.VerifyAudit(t.Context(), s.clock.Now(), head)
	want(t, err, nil)
	return r
}

// ids are those of all events, the oldest first.
func (s sealBench) ids(t *testing.T) (ids []string) {
	t.Helper()
	page, _, err := s.Log(t.Context(), storage.LogQuery{After: "0", Limit: 1000})
	want(t, err, nil)
	for _, e := range page {
		ids = append(ids, e.ID)
	}
	return ids
}

func faults(r storage.AuditReport) string {
	var out []string
	for _, f := range r.Faults {
		out = append(out, fmt.Sprintf("%s %d %s %d", f.Kind, f.Seal, f.Event, f.Count))
	}
	return strings.Join(out, "; ")
}

func testSeals(t *testing.T, b *bench) {
	t.Helper()
	t.Run("what has settled is sealed in batches, once, and verifies", func(t *testing.T) {
		s := b.forSeals(t)
		s.write(t, 10)
		_, made, err := s.SealEvents(t.Context(), s.clock.Now(), 4)
		want(t, err, nil)
		equal(t, "seals of what is young", len(made), 0)
		head := s.seal(t)
		equal(t, "newest", head.N, 3)
		s.write(t, 2)
		_, made, err = s.SealEvents(t.Context(), s.clock.Now(), 4)
		want(t, err, nil)
		equal(t, "seals of nothing new", len(made), 0)
		r := s.verify(t, head.Hash)
		equal(t, "faults", faults(r), "")
		equal(t, "seals", r.Seals, 3)
		equal(t, "events", r.Events, 10)
		equal(t, "unsealed", r.Unsealed, 2)
		equal(t, "newest", r.Newest.Head(), head.Head())
		at(t, "unsealed since", r.UnsealedSince, s.clock.Now().Add(-time.Second))
		equal(t, "the next", s.seal(t).N, 4)
		equal(t, "unsealed at last", s.verify(t, nil).Unsealed, 0)
	})
	t.Run("an event is one statement, sealed or not", func(t *testing.T) {
		s := b.forSeals(t)
		s.write(t, 3)
		s.seal(t)
		before := s.Statements()
		s.write(t, 10)
		equal(t, "statements", s.Statements()-before, 10)
	})
	t.Run("an empty log verifies, but not against a head", func(t *testing.T) {
		s := b.forSeals(t)
		equal(t, "newest", s.seal(t).N, 0)
		equal(t, "faults", faults(s.verify(t, nil)), "")
		equal(t, "faults", faults(s.verify(t, []byte("x"))), "head_missing 0  0")
	})
	testTampering(t, b)
	testSealClocks(t, b)
	testSealRetention(t, b)
	testSealRotation(t, b)
	testSealRace(t, b)
}

const eventColumns = "id, time, type, client_id, user_id, address, challenge_id, ip, request_id, detail"

// tampering is what somebody does who has broken into the database, and what shows of it. Both know the ids of ten events.
type tampering struct {
	do   func(ids []string) []string
	want func(ids []string) string
}

var tamperings = map[string]tampering{
	"an event that was changed": {
		func(ids []string) []string { return []string{"UPDATE events SET ip = '' WHERE id = '" + ids[5] + "'"} },
		func(ids []string) string { return "event_changed 2 " + ids[5] + " 0" },
	},
	"an event whose text moved to the next column": {
		func(ids []string) []string {
			return []string{"UPDATE events SET client_id = 'u', user_id = '' WHERE id = '" + ids[0] + "'"}
		},
		func(ids []string) string { return "event_changed 1 " + ids[0] + " 0" },
	},
	"events that were deleted": {
		func(ids []string) []string {
			return []string{"DELETE FROM events WHERE id IN ('" + ids[1] + "', '" + ids[2] + "')"}
		},
		func(ids []string) string { return "event_missing 1 " + ids[0] + " 2" },
	},
	"the first and the last event of a seal": {
		func(ids []string) []string {
			return []string{"DELETE FROM events WHERE id IN ('" + ids[4] + "', '" + ids[7] + "')"}
		},
		func(ids []string) string { return "event_missing 2 " + ids[3] + " 1; event_missing 2 " + ids[6] + " 1" },
	},
	"an event that was slipped in": {
		func(ids []string) []string {
			return []string{"INSERT INTO events (" + eventColumns + ") SELECT id || '0', time, type, client_id, user_id, address, challenge_id, ip, request_id, detail FROM events WHERE id = '" + ids[2] + "'"}
		},
		func(ids []string) string { return "event_added 1 " + ids[2] + "0 0" },
	},
	"an event with an id that never comes": {
		func(ids []string) []string {
			return []string{"INSERT INTO events (" + eventColumns + ") SELECT '0f' || id, time, type, client_id, user_id, address, challenge_id, ip, request_id, detail FROM events WHERE id = '" + ids[2] + "'"}
		},
		func(ids []string) string { return "event_ahead 0 0f" + ids[2] + " 1" },
	},
	"an event with no id": {
		func(ids []string) []string {
			return []string{"INSERT INTO events (" + eventColumns + ") SELECT '', time, type, client_id, user_id, address, challenge_id, ip, request_id, detail FROM events WHERE id = '" + ids[2] + "'"}
		},
		func([]string) string { return "unsealed 0  1" },
	},
	"an event that got another id": {
		func(ids []string) []string {
			return []string{"UPDATE events SET id = '" + ids[8] + "0' WHERE id = '" + ids[0] + "'"}
		},
		func(ids []string) string { return "event_missing 1  1; event_added 3 " + ids[8] + "0 0" },
	},
	"all events of a seal": {
		func(ids []string) []string {
			return []string{"DELETE FROM events WHERE id > '" + ids[3] + "' AND id <= '" + ids[7] + "'"}
		},
		func(ids []string) string { return "event_missing 2 " + ids[3] + " 4" },
	},
	"a seal that was changed": {
		func([]string) []string {
			return []string{"UPDATE audit_seals SET sealed_at = sealed_at + 1 WHERE n = 2"}
		},
		func([]string) string { return "seal_changed 2  0" },
	},
	"a seal that was taken out": {
		func([]string) []string { return []string{"DELETE FROM audit_seals WHERE n = 2"} },
		func([]string) string { return "seal_missing 2  1" },
	},
	"a seal that was taken out, the rest moved together": {
		func([]string) []string {
			return []string{"DELETE FROM audit_seals WHERE n = 2", "UPDATE audit_seals SET n = 2 WHERE n = 3"}
		},
		func([]string) string { return "seal_changed 2  0; head_missing 0  0" },
	},
	"two seals that changed places": {
		func([]string) []string {
			return []string{"UPDATE audit_seals SET n = 9 WHERE n = 1", "UPDATE audit_seals SET n = 1 WHERE n = 2", "UPDATE audit_seals SET n = 2 WHERE n = 9"}
		},
		func([]string) string { return "seal_changed 1  0; seal_changed 2  0" },
	},
	"the beginning, cut off with its events": {
		func(ids []string) []string {
			return []string{"DELETE FROM audit_seals WHERE n = 1", "DELETE FROM events WHERE id <= '" + ids[3] + "'"}
		},
		func([]string) string { return "no_beginning 1  1" },
	},
	"the end, cut off with its events": {
		func(ids []string) []string {
			return []string{"DELETE FROM audit_seals WHERE n = 3", "DELETE FROM events WHERE id > '" + ids[7] + "'"}
		},
		func([]string) string { return "head_missing 0  0" },
	},
	"everything": {
		func([]string) []string { return []string{"DELETE FROM audit_seals", "DELETE FROM events"} },
		func([]string) string { return "head_missing 0  0" },
	},
	"a seal of a secret that has left the ring": {
		func([]string) []string { return []string{"UPDATE audit_seals SET key_id = '00000000' WHERE n = 3"} },
		func([]string) string { return "seal_key 3  0" },
	},
	"a beginning that the retention did not write": {
		func(ids []string) []string {
			return []string{
				"DELETE FROM audit_seals WHERE n = 1", "DELETE FROM events WHERE id <= '" + ids[3] + "'",
				"INSERT INTO settings (name, n, value) VALUES ('audit anchor', 1, '" + strings.Repeat("x", 80) + "')",
			}
		},
		func([]string) string { return "no_beginning 0  0; no_beginning 1  1" },
	},
}

func testTampering(t *testing.T, b *bench) {
	t.Helper()
	for name, test := range tamperings {
		t.Run(name+" shows", func(t *testing.T) {
			s := b.forSeals(t)
			s.write(t, 10)
			head := s.seal(t)
			ids := s.ids(t)
			equal(t, "faults before", faults(s.verify(t, head.Hash)), "")
			s.exec(t, test.do(ids)...)
			equal(t, "faults", faults(s.verify(t, head.Hash)), test.want(ids))
		})
	}
	t.Run("a flood of faults is told in part, and where it is", func(t *testing.T) {
		s := b.forSeals(t)
		s.write(t, 150)
		s.clock.Add(2 * time.Minute)
		_, _, err := s.SealEvents(t.Context(), s.clock.Now(), 1000)
		want(t, err, nil)
		s.exec(t, "UPDATE events SET type = 'y'")
		equal(t, "faults", len(s.verify(t, nil).Faults), 100)
	})
}

func testSealClocks(t *testing.T, b *bench) {
	t.Helper()
	t.Run("a process whose clock went back writes nothing into what is sealed, and in order", func(t *testing.T) {
		s := b.forSeals(t)
		s.write(t, 6)
		s.seal(t)
		s.clock.Add(-24 * time.Hour)
		s.write(t, 5)
		ids := s.ids(t)
		if !slices.IsSorted(ids) {
			t.Fatalf("ids are %v", ids)
		}
		page, _, err := s.Log(t.Context(), storage.LogQuery{After: ids[5]})
		want(t, err, nil)
		for i, e := range page {
			equal(t, "order", e.Detail, fmt.Sprint(i))
		}
		s.clock.Add(24 * time.Hour) // the database's
		equal(t, "faults", faults(s.verify(t, nil)), "")
		s.seal(t)
		r := s.verify(t, nil)
		equal(t, "faults", faults(r), "")
		equal(t, "events", r.Events, 11)
	})
	t.Run("one that starts with a clock far behind learns the time before it writes", func(t *testing.T) {
		s := b.forSeals(t)
		s.write(t, 6)
		s.seal(t)
		late := NewClock()
		late.Add(-time.Hour)
		other := Open(t, storage.Options{URL: s.url, Now: late.Now})
		_, _, err := other.SealEvents(t.Context(), s.clock.Now(), 4) // by the database's clock
		want(t, err, nil)
		want(t, other.Append(t.Context(), grants.Event{Type: "late"}), nil)
		s.seal(t)
		r := s.verify(t, nil)
		equal(t, "faults", faults(r), "")
		equal(t, "events", r.Events, 7)
	})
	t.Run("a command learns the time by itself", func(t *testing.T) {
		s := b.forSeals(t)
		s.clock.Add(24 * 365 * time.Hour) // ahead of the database's own clock too
		s.write(t, 6)
		s.seal(t)
		other := Open(t, storage.Options{URL: s.url, Now: NewClock().Now})
		want(t, other.LearnClock(t.Context()), nil)
		want(t, other.Append(t.Context(), grants.Event{Type: "late"}), nil)
		equal(t, "faults", faults(s.verify(t, nil)), "")
	})
	t.Run("an event that comes late all the same is told", func(t *testing.T) {
		s := b.forSeals(t)
		s.write(t, 3)
		s.seal(t)
		other := Open(t, storage.Options{URL: s.url, Now: NewClock().Now})
		want(t, other.Append(t.Context(), grants.Event{Type: "late"}), nil)
		equal(t, "faults", faults(s.verify(t, nil)), "event_added 1 "+s.ids(t)[0]+" 0")
	})
	t.Run("events of a time to come, and those whose time is over, are told until they are sealed", func(t *testing.T) {
		s := b.forSeals(t)
		want(t, s.Append(t.Context(), grants.Event{Type: "ahead", Time: s.clock.Now().Add(time.Hour)}), nil)
		s.write(t, 2)
		equal(t, "events", s.seal(t).Events, 2)
		s.write(t, 2)
		ids := s.ids(t)
		equal(t, "faults", faults(s.verify(t, nil)), "event_ahead 0 "+ids[4]+" 1")
		s.clock.Add(6 * time.Minute)
		equal(t, "faults", faults(s.verify(t, nil)), "event_ahead 0 "+ids[4]+" 1; unsealed 0 "+ids[2]+" 2")
		equal(t, "events", s.seal(t).Events, 2)
		s.clock.Add(2 * time.Hour)
		equal(t, "events", s.seal(t).Events, 1)
		equal(t, "faults", faults(s.verify(t, nil)), "")
	})
	t.Run("a seal of a clock that was ahead keeps nothing waiting", func(t *testing.T) {
		s := b.forSeals(t)
		s.write(t, 6)
		other := Open(t, storage.Options{URL: s.url, Now: s.clock.Now})
		newest, _, err := other.SealEvents(t.Context(), s.clock.Now().Add(time.Hour), 10)
		want(t, err, nil)
		equal(t, "ahead", newest.Ahead(s.clock.Now()), true)
		_, _, err = s.SealEvents(t.Context(), s.clock.Now(), 10)
		want(t, err, nil)
		s.write(t, 2)
		newest = s.seal(t)
		equal(t, "events", newest.Events, 2)
		equal(t, "ahead", newest.Ahead(s.clock.Now()), false)
		equal(t, "faults", faults(s.verify(t, nil)), "")
	})
}

func testSealRetention(t *testing.T, b *bench) {
	t.Helper()
	purge := func(t *testing.T, s sealBench) {
		t.Helper()
		_, err := s.Purge(t.Context(), s.clock.Now(), 3)
		want(t, err, nil)
	}
	t.Run("whole seals go with their events, and the rest verifies from there", func(t *testing.T) {
		s := b.forSeals(t)
		s.write(t, 6)
		first := s.seal(t)
		s.clock.Add(24 * time.Hour)
		s.write(t, 3)
		second := s.seal(t)
		s.clock.Add(89*24*time.Hour - time.Minute)
		s.write(t, 1)
		purge(t, s)
		equal(t, "events left", len(s.ids(t)), 4)
		r := s.verify(t, second.Hash)
		equal(t, "faults", faults(r), "")
		equal(t, "seals purged", r.Purged, first.N)
		equal(t, "seals", r.Seals, 1)
		equal(t, "the last purged head", faults(s.verify(t, first.Hash)), "")
		s.seal(t)
		equal(t, "faults", faults(s.verify(t, second.Hash)), "")
	})
	t.Run("events that are not sealed stay, however old", func(t *testing.T) {
		s := b.forSeals(t)
		s.write(t, 5)
		s.clock.Add(200 * 24 * time.Hour)
		purge(t, s)
		equal(t, "events left", len(s.ids(t)), 5)
	})
	t.Run("the chain goes on when the retention has taken all of it", func(t *testing.T) {
		s := b.forSeals(t)
		s.write(t, 6)
		last := s.seal(t)
		s.clock.Add(91 * 24 * time.Hour)
		purge(t, s)
		equal(t, "events left", len(s.ids(t)), 0)
		equal(t, "faults", faults(s.verify(t, last.Hash)), "")
		s.write(t, 1)
		next := s.seal(t)
		equal(t, "next", next.N, last.N+1)
		r := s.verify(t, next.Hash)
		equal(t, "faults", faults(r), "")
		equal(t, "seals", r.Seals, 1)
	})
	t.Run("a deletion that is not the retention's shows", func(t *testing.T) {
		s := b.forSeals(t)
		s.write(t, 6)
		s.seal(t)
		s.clock.Add(91 * 24 * time.Hour)
		s.write(t, 8)
		s.seal(t)
		purge(t, s)
		ids := s.ids(t)
		s.exec(t, "DELETE FROM audit_seals WHERE n = 3", "DELETE FROM events WHERE id <= '"+ids[3]+"'")
		equal(t, "faults", faults(s.verify(t, nil)), "seal_missing 3  1")
	})
	t.Run("the retention takes nothing that does not verify", func(t *testing.T) {
		s := b.forSeals(t)
		s.write(t, 10)
		s.seal(t)
		s.clock.Add(91 * 24 * time.Hour)
		s.exec(t, "UPDATE audit_seals SET after_id = '0' WHERE n = 2")
		if _, err := s.Purge(t.Context(), s.clock.Now(), 3); err == nil {
			t.Fatal("it says nothing")
		}
		equal(t, "events left", len(s.ids(t)), 10)
	})
	t.Run("without a retention nothing goes", func(t *testing.T) {
		s := b.forSeals(t)
		s.Store = Open(t, storage.Options{URL: s.url, Now: s.clock.Now, Retention: 1<<63 - 1})
		s.write(t, 3)
		s.seal(t)
		s.clock.Add(5000 * 24 * time.Hour)
		purge(t, s)
		equal(t, "events left", len(s.ids(t)), 3)
	})
}

func testSealRotation(t *testing.T, b *bench) {
	t.Helper()
	t.Run("the chain outlives the master secret, and its heads too", func(t *testing.T) {
		s := b.forSeals(t, "one")
		s.write(t, 6)
		s.seal(t)
		s.clock.Add(91 * 24 * time.Hour)
		s.write(t, 5)
		_, err := s.Purge(t.Context(), s.clock.Now(), 10)
		want(t, err, nil)
		head := s.seal(t)
		both := Open(t, storage.Options{URL: s.url, Now: s.clock.Now, Ring: Ring(t, "two", "one")})
		s.Store = both
		equal(t, "faults with both", faults(s.verify(t, head.Hash)), "")
		n, err := both.Reseal(t.Context())
		want(t, err, nil)
		equal(t, "sealed anew", n, 1) // the anchor
		equal(t, "faults on the way", faults(s.verify(t, head.Hash)), "")
		for _, wanted := range []int{2, 0} {
			n, err = both.ResealSeals(t.Context(), 5)
			want(t, err, nil)
			equal(t, "seals made anew", n, wanted)
		}
		s.Store = Open(t, storage.Options{URL: s.url, Now: s.clock.Now, Ring: Ring(t, "two")})
		equal(t, "faults with the new one", faults(s.verify(t, head.Hash)), "")
		s.Store = Open(t, storage.Options{URL: s.url, Now: s.clock.Now, Ring: Ring(t, "one")})
		equal(t, "faults with the old one", faults(s.verify(t, nil)), "no_beginning 0  0; no_beginning 1  2; seal_key 3  0; seal_key 4  0")
	})
	t.Run("a seal that was changed is not made good", func(t *testing.T) {
		s := b.forSeals(t, "one")
		s.write(t, 6)
		s.seal(t)
		s.exec(t, "UPDATE audit_seals SET sealed_at = sealed_at + 1 WHERE n = 2")
		s.Store = Open(t, storage.Options{URL: s.url, Now: s.clock.Now, Ring: Ring(t, "two", "one")})
		_, err := s.ResealSeals(t.Context(), 5)
		want(t, err, storage.ErrWrongSecret)
		equal(t, "faults", faults(s.verify(t, nil)), "seal_changed 2  0")
	})
}

// testSealRace has processes seal, write and purge at once.
func testSealRace(t *testing.T, b *bench) {
	t.Helper()
	t.Run("three processes that seal at once make one chain", func(t *testing.T) {
		s := b.forSeals(t)
		s.write(t, 60)
		s.clock.Add(2 * time.Minute)
		stores := []*storage.Store{s.Store}
		for range 2 {
			stores = append(stores, Open(t, storage.Options{URL: s.url, Now: s.clock.Now}))
		}
		var outcomes tally
		made := make([]int, 9)
		together(len(made), func(i int) {
			store := stores[i%len(stores)]
			outcomes.add(store.Append(t.Context(), grants.Event{Type: "meanwhile"}), nil)
			_, seals, err := store.SealEvents(t.Context(), s.clock.Now(), 4)
			made[i] = len(seals)
			outcomes.add(err, nil)
		})
		outcomes.want(t, map[string]int{"ok": 18})
		sum := 0
		for _, n := range made {
			sum += n
		}
		// One that lost goes home; the winner of the last seal made goes on to the end.
		r := s.verify(t, nil)
		equal(t, "faults", faults(r), "")
		equal(t, "seals", r.Seals, sum)
		equal(t, "sealed", r.Events, 60)
	})
	t.Run("one that is cut off while it seals leaves a chain with which the others go on", func(t *testing.T) {
		s := b.forSeals(t)
		s.write(t, 80)
		s.clock.Add(2 * time.Minute)
		cut, kill := context.WithCancel(t.Context())
		defer kill()
		dying, third := Open(t, storage.Options{URL: s.url, Now: s.clock.Now}), Open(t, storage.Options{URL: s.url, Now: s.clock.Now})
		var outcomes tally
		together(4, func(i int) {
			switch i {
			case 0:
				_, _, _ = dying.SealEvents(cut, s.clock.Now(), 2) // cut off, or done before
			case 1:
				for range 10 {
					outcomes.add(s.Append(t.Context(), grants.Event{Type: "meanwhile"}), nil)
				}
				kill()
			default:
				_, _, err := third.SealEvents(t.Context(), s.clock.Now(), 2)
				outcomes.add(err, nil)
			}
		})
		outcomes.want(t, map[string]int{"ok": 12})
		s.seal(t)
		r := s.verify(t, nil)
		equal(t, "faults", faults(r), "")
		equal(t, "sealed", r.Events, 90)
	})
	t.Run("who verifies while the retention works finds nothing wrong", func(t *testing.T) {
		s := b.forSeals(t)
		s.write(t, 40)
		s.seal(t)
		s.clock.Add(91 * 24 * time.Hour)
		var outcomes tally
		together(4, func(i int) {
			if i == 0 {
				_, err := s.Purge(context.WithoutCancel(t.Context()), s.clock.Now(), 2)
				outcomes.add(err, nil)
				return
			}
			r, err := s.VerifyAudit(t.Context(), s.clock.Now(), nil)
			if err == nil && len(r.Faults) > 0 {
				err = errors.New(faults(r))
			}
			outcomes.add(err, nil)
		})
		outcomes.want(t, map[string]int{"ok": 4})
	})
}
