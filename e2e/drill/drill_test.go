package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/e2e/rig"
	"sallyport/storage/storagetest"
)

// binary is built once for all tests.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sallyport-drill-test-")
	if err == nil {
		binary, err = rig.Build(context.Background(), dir)
	}
	if err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// shown fails the test with a drill's table where the drill failed.
func shown(t *testing.T, err error, result *table) {
	t.Helper()
	var b strings.Builder
	result.print(&b)
	if err != nil {
		t.Fatalf("%v\n%s", err, &b)
	}
	t.Log(b.String())
}

// TestNothingAcknowledgedIsLostByKilling kills the one process on SQLite, and random ones of three on Postgres.
func TestNothingAcknowledgedIsLostByKilling(t *testing.T) {
	for name, k := range map[string]kill{"SQLite": {times: 5, perSecond: 12, processes: 1}, "Postgres": {times: 5, perSecond: 12, processes: 3}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL := storagetest.SQLiteURL(t)
			if name == "Postgres" {
				databaseURL = storagetest.PostgresURL(t)
			}
			result := &table{title: name}
			shown(t, k.run(t.Context(), ground{binary, t.TempDir(), databaseURL, io.Discard}, result), result)
		})
	}
}

// The database is lost once. How long a comeback takes is not asserted.
var lost = loss{perSecond: 12, steady: 3 * time.Second, processes: 3}

func TestNothingAcknowledgedIsLostByAFailOver(t *testing.T) {
	storagetest.PostgresURL(t) // skips, or fails, once and for all
	result := &table{title: "failover"}
	shown(t, lost.failover(t.Context(), ground{binary, t.TempDir(), "", io.Discard}, result, time.Second), result)
}

func TestNothingAcknowledgedIsLostByARestartOfPostgres(t *testing.T) {
	storagetest.PostgresURL(t)
	result := &table{title: "restart"}
	shown(t, lost.restart(t.Context(), ground{binary, t.TempDir(), "", io.Discard}, result), result)
}

// TestAnswersStayRightUnderOverload asserts nothing about speed.
func TestAnswersStayRightUnderOverload(t *testing.T) {
	result := &table{title: "overload"}
	o := overload{find: time.Second, factor: 10, last: 4 * time.Second}
	shown(t, o.run(t.Context(), ground{binary, t.TempDir(), storagetest.SQLiteURL(t), io.Discard}, result), result)
}

// TestTheLedgerSeesBrokenPromises signs in at a server that grants whatever is asked of it, and again at one that refuses it
// all at the end.
func TestTheLedgerSeesBrokenPromises(t *testing.T) {
	var tokens atomic.Int64
	generous := true
	mails := &rig.Mails{Codes: rig.NewCodes()}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/authorize" && generous:
			w.Header().Set("Location", redirect+"?code=c")
			w.WriteHeader(http.StatusSeeOther)
		case r.URL.Path == "/authorize":
			w.Header().Set("Location", redirect+"?error=login_required")
			w.WriteHeader(http.StatusSeeOther)
		case r.URL.Path == "/passwordless/start":
			for _, n := range []string{"0", "2", "3"} {
				mails.Codes.Arrived("api."+n+"@example.com", "123456")
			}
		case generous:
			_, _ = fmt.Fprintf(w, `{"id_token":"i","refresh_token":"%d"}`, tokens.Add(1))
		default:
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"error":"invalid_grant"}`)
		}
	}))
	defer server.Close()
	d := &deployment{fleet: newFleet(server.URL, []*rig.Process{{URL: server.URL}}), mails: mails, ledger: newLedger()}
	for _, n := range []int{0, 2, 3} {
		if err := d.apiLogin(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	live, dead := &session{browser: d.fleet.browser()}, &session{browser: d.fleet.browser(), over: true}
	d.ledger.addSession(live)
	d.ledger.addSession(dead)
	if err := d.reckon(t.Context()); err != nil {
		t.Fatal(err)
	}
	generous = false
	if err := d.reckon(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, p := range []promise{attemptsStay, codesOnce, oneSuccessor, refreshOnce, refreshStays, endsStay, sessionsStay, sessionEndsStay} {
		if d.ledger.broken[p] == 0 {
			t.Errorf("not seen: %s", p)
		}
	}
	if d.ledger.intact() {
		t.Error("the ledger is said to be intact")
	}
}
