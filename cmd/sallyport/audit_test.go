package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

// auditForTest is a deployment with three events of ten minutes ago, sealed, and one of now. It gives the head, and what runs a
// command there.
func auditForTest(t *testing.T) (file, head string, audit func(args ...string) (code int, stdout, stderr string)) {
	t.Helper()
	const secret = "a-master-secret-for-tests-of-32-bytes-at-least"
	file = filepath.Join(t.TempDir(), "a.db")
	now := time.Now().UTC()
	ring, err := grants.NewRing(secret)
	if err != nil {
		t.Fatal(err)
	}
	store, err := storage.Open(t.Context(), storage.Options{URL: "sqlite:" + file, Ring: ring, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, code := range []string{"login.started", "login.failed", "login.succeeded", "session.ended"} {
		at := now.Add(time.Duration(i)*time.Second - 10*time.Minute)
		if i == 3 {
			at = now
		}
		if err := store.Append(t.Context(), grants.Event{Type: code, Time: at, IP: "192.0.2.1", Detail: "<&>"}); err != nil {
			t.Fatal(err)
		}
	}
	newest, _, err := store.SealEvents(t.Context(), now, 2)
	if err != nil || newest.N != 2 {
		t.Fatal(newest, err)
	}
	return file, newest.Head(), func(args ...string) (int, string, string) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var stdout, stderr bytes.Buffer
		code := run(ctx, append([]string{"audit"}, args...), nil, &stdout, &stderr, []string{"SALLYPORT_DATABASE_URL=sqlite:" + file, "SALLYPORT_SECRET=" + secret})
		return code, stdout.String(), stderr.String()
	}
}

func TestAuditVerifyNamesWhatWasChangedAndFails(t *testing.T) {
	t.Parallel()
	file, head, audit := auditForTest(t)
	code, out, _ := audit("verify", "--head", head)
	for _, want := range []string{"All 3 sealed events are as they were written.", "Seals: 2, after 0", "Head: " + head + ", of seal 2", "Not sealed yet: 1 events"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Fatalf("it ends with %d and says %s, want %s", code, out, want)
		}
	}
	if code, out, errs := audit("verify", "--head", strings.Repeat("0", 64)); code == 0 || !strings.Contains(out, "No seal has the head") || !strings.Contains(errs, "not as it was written") {
		t.Fatalf("with a head that is not there it ends with %d: %s %s", code, out, errs)
	}
	if code, _, errs := audit("verify", "--head", "abc"); code == 0 || !strings.Contains(errs, "64 hexadecimal digits") {
		t.Fatalf("with no head at all it ends with %d: %s", code, errs)
	}
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var id string
	if err := db.QueryRow("UPDATE events SET ip = '198.51.100.1' WHERE type = 'login.failed' RETURNING id").Scan(&id); err != nil {
		t.Fatal(err)
	}
	if code, out, _ := audit("verify"); code == 0 || !strings.Contains(out, "Event "+id+" was changed (seal 1).") {
		t.Fatalf("it ends with %d and says %s", code, out)
	}
	code, out, _ = audit("verify", "--json")
	var v auditView
	if err := json.Unmarshal([]byte(out), &v); err != nil || code == 0 || v.Whole || len(v.Faults) != 1 || v.Faults[0] != (storage.AuditFault{Kind: "event_changed", Seal: 1, Event: id}) || v.Head != head {
		t.Fatalf("it ends with %d and says %s", code, out)
	}
}

// Events of a copy wait for a seal that nobody makes; from its own moment on they are young.
func TestAuditVerifyOfACopy(t *testing.T) {
	t.Parallel()
	file, _, audit := auditForTest(t)
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, undo := range []string{"DELETE FROM audit_seals WHERE n = 2", "DELETE FROM events WHERE type = 'session.ended'"} {
		if _, err := db.Exec(undo); err != nil {
			t.Fatal(err)
		}
	}
	if code, out, _ := audit("verify"); code == 0 || !strings.Contains(out, "give its moment with --at") {
		t.Fatalf("now it ends with %d and says %s", code, out)
	}
	made := time.Now().Add(-7 * time.Minute).UTC().Format(time.RFC3339)
	if code, out, errs := audit("verify", "--at", made); code != 0 || !strings.Contains(out, "All 2 sealed events") || !strings.Contains(out, "Not sealed yet: 1 events") {
		t.Fatalf("at its moment it ends with %d and says %s %s", code, out, errs)
	}
	if code, _, errs := audit("verify", "--at", "then"); code == 0 || !strings.Contains(errs, `--at "then" is not a moment`) {
		t.Fatalf("at no moment it ends with %d and says %s", code, errs)
	}
}

func TestAuditExportIsEveryEventInItsOrder(t *testing.T) {
	t.Parallel()
	_, _, audit := auditForTest(t)
	codes := func(args ...string) string {
		t.Helper()
		code, out, errs := audit(append([]string{"export"}, args...)...)
		if code != 0 {
			t.Fatal(errs)
		}
		var got []string
		for line := range strings.Lines(out) {
			var e exportedEvent
			d := json.NewDecoder(strings.NewReader(line))
			d.DisallowUnknownFields()
			if err := d.Decode(&e); err != nil || e.ID == "" || e.Time.IsZero() || e.IP != "192.0.2.1" || e.Detail != "<&>" {
				t.Fatalf("a line is %s", line)
			}
			got = append(got, e.Code)
		}
		return strings.Join(got, " ")
	}
	if got := codes(); got != "login.started login.failed login.succeeded session.ended" {
		t.Fatalf("the events are %s", got)
	}
	moment := time.Now().UTC().Add(-5 * time.Minute).Format(time.RFC3339)
	if got := codes("--since", moment); got != "session.ended" {
		t.Fatalf("since five minutes ago there are %s", got)
	}
	if got := codes("--until", moment); got != "login.started login.failed login.succeeded" {
		t.Fatalf("until five minutes ago there are %s", got)
	}
	if code, _, errs := audit("export", "--since", "yesterday"); code == 0 || !strings.Contains(errs, "2026-01-31") {
		t.Fatalf("yesterday is answered with %d: %s", code, errs)
	}
}

func TestAuditExportFollowsUntilItIsStopped(t *testing.T) {
	t.Parallel()
	file, _, _ := auditForTest(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stderr output
	lines := newLines(cancel, 3)
	code := run(ctx, []string{"audit", "export", "--follow"}, nil, lines, &stderr, []string{"SALLYPORT_DATABASE_URL=sqlite:" + file, "SALLYPORT_SECRET=a-master-secret-for-tests-of-32-bytes-at-least"})
	if code != 0 || lines.n != 3 || strings.Contains(lines.text.String(), "session.ended") {
		t.Fatalf("it ends with %d, after %d lines: %s %s", code, lines.n, lines.text.String(), stderr.String())
	}
}

// TestAuditExportFollowsThroughFailures: a second copy of the log that ends at the first hitch is none.
func TestAuditExportFollowsThroughFailures(t *testing.T) {
	t.Parallel()
	file, _, _ := auditForTest(t)
	ring, err := grants.NewRing("a-master-secret-for-tests-of-32-bytes-at-least")
	if err != nil {
		t.Fatal(err)
	}
	store, err := storage.Open(t.Context(), storage.Options{URL: "sqlite:" + file, Ring: ring, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	exec := func(statement string) {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Error(err)
		}
	}
	exec("ALTER TABLE events RENAME TO away")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ticks := make(chan time.Time, 1)
	ticks <- time.Time{}
	var told strings.Builder
	lines := newLines(cancel, 3)
	c := &cli{stdout: lines, stderr: writerFunc(func(p []byte) (int, error) { // the first look has failed
		exec("ALTER TABLE away RENAME TO events")
		return told.Write(p)
	})}
	if err := c.followEvents(ctx, store, storage.LogQuery{After: "0", Limit: 2}, ticks); err != nil || lines.n != 3 {
		t.Fatalf("it ends with %v, after %d lines: %s", err, lines.n, told.String())
	}
	if !strings.Contains(told.String(), "database is not available") {
		t.Errorf("it says %q", told.String())
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// lineCounter stops what writes to it after some lines.
type lineCounter struct {
	stop    func()
	n, last int
	text    strings.Builder
}

func newLines(stop func(), last int) *lineCounter { return &lineCounter{stop: stop, last: last} }

func (l *lineCounter) Write(p []byte) (int, error) {
	l.n += bytes.Count(p, []byte("\n"))
	if l.n >= l.last {
		l.stop()
	}
	return l.text.Write(p)
}
