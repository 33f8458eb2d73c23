package op

import (
	"database/sql"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
	"sallyport/storage/storagetest"
)

// TestHeadsOfTheAuditLogAreLogged: whoever keeps the log can tell that the end of the audit log was cut off, and so can a process
// that runs.
func TestHeadsOfTheAuditLogAreLogged(t *testing.T) {
	t.Parallel()
	url, clock, log := storagetest.SQLiteURL(t), storagetest.NewClock(), &strings.Builder{}
	store := storagetest.Open(t, storage.Options{URL: url, Now: clock.Now})
	a := auditLog{store: store, now: clock.Now, log: slog.New(slog.NewTextHandler(log, nil))}
	for range 2 {
		if err := store.Append(t.Context(), grants.Event{Type: "x"}); err != nil {
			t.Fatal(err)
		}
		clock.Add(5 * time.Minute)
		a.seal(t.Context())
	}
	if got := strings.Count(log.String(), "audit log sealed"); got != 2 || !strings.Contains(log.String(), fmt.Sprintf("seal=2 events=1 last_event=%s head=%s", a.last.LastID, a.last.Head())) {
		t.Fatalf("the log says %s", log)
	}
	if r, err := store.VerifyAudit(t.Context(), clock.Now(), a.last.Hash); err != nil || len(r.Faults) > 0 {
		t.Fatal(r.Faults, err)
	}
	db, err := sql.Open("sqlite", strings.TrimPrefix(url, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	log.Reset()
	a.seal(t.Context())
	if log.Len() > 0 {
		t.Fatalf("without news the log says %s", log)
	}
	if _, err := db.Exec("DELETE FROM audit_seals WHERE n = 2"); err != nil {
		t.Fatal(err)
	}
	clock.Add(-4 * time.Minute) // nothing is sealed anew yet
	a.seal(t.Context())
	if !strings.Contains(log.String(), "level=ERROR msg=\"audit log was set back: seals that were there are gone\" seal=2") {
		t.Fatalf("the log says %s", log)
	}
}

// TestAClockThatWasSetIsNotBelievedAtOnce: of one look with the clock ahead nothing stays, and a clock that was put right is followed.
func TestAClockThatWasSetIsNotBelievedAtOnce(t *testing.T) {
	t.Parallel()
	clock, steady, log := storagetest.NewClock(), storagetest.NewClock(), &strings.Builder{}
	store := storagetest.Open(t, storage.Options{URL: storagetest.SQLiteURL(t), Now: clock.Now})
	a := auditLog{store: store, now: steady.Now, log: slog.New(slog.NewTextHandler(log, nil))}
	pass := func(d time.Duration) { clock.Add(d); steady.Add(d) }
	event := func() {
		t.Helper()
		if err := store.Append(t.Context(), grants.Event{Type: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	wants := func(seals int64, errors int) {
		t.Helper()
		a.seal(t.Context())
		if got := strings.Count(log.String(), "level=ERROR"); got != errors || a.last.N != seals {
			t.Fatalf("%d seals, want %d; the log says %s", a.last.N, seals, log)
		}
		log.Reset()
	}
	event()
	wants(0, 0)
	clock.Add(time.Hour)
	wants(0, 1)
	clock.Add(-time.Hour)
	pass(3 * time.Minute)
	wants(1, 0)
	event()
	pass(3 * time.Minute)
	wants(2, 0)
	if r, err := store.VerifyAudit(t.Context(), clock.Now(), nil); err != nil || len(r.Faults) > 0 {
		t.Fatal(r.Faults, err)
	}
	clock.Add(24 * time.Hour) // and stays there
	wants(2, 1)
	pass(jumpTime - 1)
	wants(2, 1)
	pass(1)
	event()
	wants(2, 0)
	pass(2 * time.Minute)
	wants(3, 0)
	clock.Add(-24 * time.Hour)
	wants(3, 1)
	pass(jumpTime)
	wants(3, 1) // the newest seal is of tomorrow now
}

// TestSealsMoveBehindEverythingElse: a look at the secrets does not wait for the seals of the audit log, and they move when nobody seals
// with the old secret any more, or when it was retired.
func TestSealsMoveBehindEverythingElse(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"nobody seals with it any more", "it was retired"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			url, clock, log := storagetest.SQLiteURL(t), storagetest.NewClock(), &strings.Builder{}
			ring := storagetest.Ring(t, "old")
			old := ring.KeyID()
			store := storagetest.Open(t, storage.Options{URL: url, Now: clock.Now, Ring: ring})
			to := slog.New(slog.NewTextHandler(log, nil))
			s := secrets{store: store, ring: ring, now: clock.Now, log: to}
			a := auditLog{store: store, now: clock.Now, log: to, secrets: &s}
			check := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			sealedBy := func(wanted string, faults ...string) {
				t.Helper()
				r, err := store.VerifyAudit(t.Context(), clock.Now(), nil)
				check(err)
				uses, err := store.SecretUses(t.Context())
				check(err)
				for _, u := range uses {
					if (u.ID == wanted) != (u.AuditSeals > 0) {
						t.Errorf("%d seals are by %s, all should be by %s", u.AuditSeals, u.ID, wanted)
					}
				}
				var found []string
				for _, f := range r.Faults {
					found = append(found, f.Kind)
				}
				if !slices.Equal(found, faults) || strings.Contains(log.String(), "ERROR") {
					t.Errorf("faults %v, the log says %s", r.Faults, log)
				}
			}
			check(s.follow(t.Context()))
			check(store.Append(t.Context(), grants.Event{Type: "x"}))
			clock.Add(5 * time.Minute)
			a.look(t.Context())
			sealedBy(old)

			check(ring.Replace(storagetest.Ring(t, "new", "old")))
			check(s.follow(t.Context()))
			a.look(t.Context())
			sealedBy(old) // which some other process may have in front
			var faults []string
			if how == "it was retired" {
				check(store.RetireSecret(t.Context(), old))
				check(s.follow(t.Context()))
				a.look(t.Context())
				faults = []string{storage.FaultSealKey}
				sealedBy(old, faults...) // some process may not have heard of it
				if warned := "is used no more\" secret=" + old + " seals=" + ring.KeyID(); !strings.Contains(log.String(), warned) {
					t.Errorf("the log does not say %s: %s", warned, log)
				}
				clock.Add(2 * time.Minute)
			} else {
				clock.Add(10 * time.Minute)
			}
			check(s.follow(t.Context()))
			sealedBy(old, faults...)
			a.look(t.Context())
			sealedBy(ring.KeyID())
		})
	}
}
