package op

import (
	"database/sql"
	"fmt"
	"log/slog"
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
