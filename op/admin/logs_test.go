package admin_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

// happened writes events of a user, a second apart.
func (a *api) happened(types ...string) {
	a.t.Helper()
	for _, kind := range types {
		a.skew.Add(int64(time.Second))
		check(a.t, a.store.Append(a.t.Context(), grants.Event{
			Type: kind, ClientID: "filed", UserID: "email|a", Address: "a…@example.com", IP: "192.0.2.1", RequestID: "R", Detail: "d",
		}))
	}
}

func (a *api) logTypes(query string) string {
	a.t.Helper()
	out := ""
	for _, l := range a.get(query).list(http.StatusOK) {
		out += fmt.Sprint(l["type"], " ")
	}
	return out
}

func TestLogs(t *testing.T) {
	a := newAPI(t)
	a.happened(grants.EventStarted, grants.EventFailed, grants.EventSucceeded, storage.EventSessionEnded, "something.new")
	if got := a.logTypes("logs"); got != "something.new slo s fp cls sapi sapi " { // the last two are the configuration file's
		t.Error(got)
	}
	l := a.get("logs?q=" + url.QueryEscape(`type:"s"`)).list(http.StatusOK)
	if len(l) != 1 {
		t.Fatalf("%v", l)
	}
	for name, want := range map[string]any{
		"type": "s", "description": "Success Login", "client_id": "filed", "client_name": "Of the file", "ip": "192.0.2.1", "user_id": "email|a", "user_name": "a…@example.com",
		"connection": "email", "strategy": "email", "strategy_type": "passwordless", "date": "2026-11-22T10:00:03.000Z", "isMobile": false, "log_id": l[0]["_id"],
	} {
		if l[0][name] != want {
			t.Errorf("%s: %v, want %v", name, l[0][name], want)
		}
	}
	if got := a.get("logs/" + fmt.Sprint(l[0]["log_id"])).object(http.StatusOK); fmt.Sprint(got) != fmt.Sprint(l[0]) {
		t.Errorf("%v", got)
	}
	a.get("logs/nothing").refused(http.StatusNotFound, "inexistent_log", "does not exist")
	for query, want := range map[string]string{
		"logs?sort=date:1": "sapi sapi cls fp s slo something.new ", "logs?sort=date:-1&per_page=2": "something.new slo ", "logs?per_page=2&page=1": "s fp ",
		"logs?q=" + url.QueryEscape(`type:("fp" OR "cls")`): "fp cls ", "logs?q=type:something.new": "something.new ", "logs?q=type:sapi": "sapi sapi ",
		"logs?q=" + url.QueryEscape(`user_id:"email|a" AND type:s`): "s ", "logs?q=user_id:other": "",
		"users/email%7Ca/logs": "something.new slo s fp cls ", "users/email%7Cb/logs": "", "users/email%7Ca/logs?per_page=1": "something.new ",
		"logs?take=2": "sapi sapi ", "logs?take=2&from=" + fmt.Sprint(l[0]["_id"]): "slo something.new ",
	} {
		if got := a.logTypes(query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	if o := a.get("logs?include_totals=true&per_page=2&fields=type").object(http.StatusOK); fmt.Sprint(o) != "map[length:2 limit:2 logs:[map[type:something.new] map[type:slo]] start:0 total:7]" {
		t.Errorf("%v", o)
	}
	for _, q := range []string{"sort=type:1", "q=ip:1.2.3.4", "q=rubbish", "take=0", "take=101", "per_page=0", "page=20&per_page=50", "shoe_size=1"} {
		a.get("logs?"+q).refused(http.StatusBadRequest, "invalid_query_string", "")
	}
}

// Who may read the logs of users cannot read all.
func TestScopeOfUserLogs(t *testing.T) {
	a := newAPI(t)
	b := a.as("read:logs_users")
	b.get("users/email%7Ca/logs").wants(http.StatusOK)
	b.get("logs").refused(http.StatusForbidden, "insufficient_scope", "read:logs")
}

// Every change is in the log with who made it; what failed is not.
func TestChangesAreInTheLog(t *testing.T) {
	a := newAPI(t)
	a.user(object{"email": "ada@example.com", "user_id": "a"})
	b := a.as("update:users")
	b.call(http.MethodPatch, "users/email%7Ca", object{"name": "Ada"}).wants(http.StatusOK)
	b.call(http.MethodPatch, "users/email%7Ca", object{"name": 1}).wants(http.StatusBadRequest)
	l := a.get("logs?q=" + url.QueryEscape(`type:api.operation`)).list(http.StatusOK)
	if len(l) != 2 || l[0]["type"] != "sapi" {
		t.Fatalf("%v", l)
	}
	seen := map[string]any{}
	for _, e := range l {
		seen[fmt.Sprint(e["description"])] = e["client_id"]
	}
	if seen["by client machine: PATCH /api/v2/users/email%7Ca"] != "machine" || seen["by token root: POST /api/v2/users"] != "" {
		t.Errorf("%v", seen)
	}
}

func TestStats(t *testing.T) {
	a := newAPI(t)
	a.user(object{"email": "ada@example.com", "user_id": "a"})
	a.happened(grants.EventSucceeded, grants.EventSucceeded, grants.EventFailed)
	if an := a.get("stats/active-users"); an.StatusCode != http.StatusOK || an.text != "1" {
		t.Errorf("%d %s", an.StatusCode, an.text)
	}
	l := a.get("stats/daily?from=20261121&to=20261122").list(http.StatusOK)
	if len(l) != 2 || l[0]["date"] != "2026-11-21T00:00:00.000Z" || l[0]["logins"] != 0.0 || l[1]["logins"] != 2.0 || l[1]["signups"] != 1.0 || l[1]["leaked_passwords"] != 0.0 {
		t.Errorf("%v", l)
	}
	if l := a.get("stats/daily").list(http.StatusOK); len(l) != 31 {
		t.Errorf("%d days", len(l))
	}
	if l := a.get("stats/daily?from=19700101&to=19700101").list(http.StatusOK); l[0]["date"] != "1970-01-01T00:00:00.000Z" {
		t.Errorf("%v", l)
	}
	for _, q := range []string{"from=2026-11-22", "from=20261122&to=20261121", "from=20200101&to=20261122", "to=x"} {
		a.get("stats/daily?"+q).refused(http.StatusBadRequest, "invalid_query_string", "")
	}
	a.skew.Add(int64(31 * 24 * time.Hour))
	if an := a.get("stats/active-users"); an.text != "0" {
		t.Errorf("%s", an.text)
	}
}
