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
	a := auditLog{store: store, log: slog.New(slog.NewTextHandler(log, nil))}
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
	if r, err := store.VerifyAudit(t.Context(), a.last.Hash); err != nil || len(r.Faults) > 0 {
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
