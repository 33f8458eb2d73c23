package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

// exhaust uses up the wrong guesses of an address, and those of a source.
func (a *api) exhaust(address grants.Address, source string) {
	a.t.Helper()
	limits := grants.DefaultLimits()
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC).Add(time.Duration(a.skew.Load()))
	for n := range limits.FailuresPerIP.N {
		draw := []grants.Counter{grants.IPCounter(limits.FailuresPerIP, source)}
		if n < limits.FailuresPerAddress.N {
			for _, c := range limits.Guards(address) {
				c.Add = 1
				draw = append(draw, c)
			}
		}
		check(a.t, a.store.Tx(a.t.Context(), func(ctx context.Context) error { return a.draw(ctx, now, draw) }))
	}
}

// draw counts by starts that are refused nothing.
func (a *api) draw(ctx context.Context, now time.Time, counters []grants.Counter) error {
	for i := range counters {
		counters[i].Limit.N = 1 << 20 // as far as this start is concerned
	}
	_, err := a.store.Open(ctx, grants.Opening{
		Now: now, Slot: grants.NewID(), Count: counters,
		Choose: func(*grants.Challenge, bool) grants.Challenge {
			return grants.Challenge{ID: grants.NewID(), Seed: []byte("seed"), ClientID: "filed", CreatedAt: now, ExpiresAt: now.Add(time.Minute), MaxAttempts: 5, CodeLength: 6}
		},
		Message: grants.Message{ID: grants.NewID(), CreatedAt: now}, Event: grants.Event{Type: grants.EventStarted, Time: now},
	})
	return err
}

func TestUserBlocks(t *testing.T) {
	a := newAPI(t)
	path, _ := a.user(object{"email": "ada@example.com", "email_verified": true, "user_id": "a"})
	blocks := "user-blocks" + path[len("users"):]
	const none = `{"blocked_for":[]}`
	for _, p := range []string{blocks, "user-blocks?identifier=ADA%40example.com", "user-blocks?identifier=rubbish"} {
		if an := a.get(p); an.StatusCode != http.StatusOK || an.text != none {
			t.Errorf("%s: %d %s", p, an.StatusCode, an.text)
		}
	}
	address := must(grants.ParseEmail("ada@example.com"))
	for _, by := range []string{blocks, "user-blocks?identifier=ada%40example.com"} {
		a.exhaust(address, "198.51.100.1")
		for _, p := range []string{blocks, "user-blocks?identifier=ADA%40example.com"} {
			if an := a.get(p); an.text != `{"blocked_for":[{"identifier":"ada@example.com","ip":"","connection":"email"}]}` {
				t.Errorf("%s: %d %s", p, an.StatusCode, an.text)
			}
		}
		for range 2 {
			a.call(http.MethodDelete, by, nil).wants(http.StatusNoContent)
		}
		if an := a.get(blocks); an.text != none {
			t.Errorf("after %s: %s", by, an.text)
		}
	}
	e := must(a.store.Events(t.Context(), storage.EventFilter{Type: "budgets.reset"}))
	if len(e) != 2 || e[0].Detail != "by token root" || e[0].Address == "" || e[0].Address == "ada@example.com" {
		t.Errorf("events: %+v", e)
	}
	a.get("user-blocks/email%7Cnobody").refused(http.StatusNotFound, "inexistent_user", "does not exist")
	a.call(http.MethodDelete, "user-blocks/email%7Cnobody", nil).refused(http.StatusNotFound, "inexistent_user", "does not exist")
	a.get("user-blocks").refused(http.StatusBadRequest, "invalid_query_string", "identifier")
	a.call(http.MethodDelete, "user-blocks", nil).refused(http.StatusBadRequest, "invalid_query_string", "identifier")
}

func TestBlockedIPs(t *testing.T) {
	a := newAPI(t)
	for source, ip := range map[string]string{"198.51.100.1": "198.51.100.1", "2001:db8:1:2::/64": "2001:db8:1:2:3::4"} {
		path := "anomaly/blocks/ips/" + ip
		a.get(path).refused(http.StatusNotFound, "", "Not Found")
		a.exhaust(must(grants.ParseEmail("ada@example.com")), source)
		if an := a.get(path); an.StatusCode != http.StatusOK || an.text != "" {
			t.Errorf("%d %s", an.StatusCode, an.text)
		}
		for range 2 {
			a.call(http.MethodDelete, path, nil).wants(http.StatusNoContent)
		}
		a.get(path).wants(http.StatusNotFound)
	}
	for _, bad := range []string{"nonsense", "1.2.3", "1.2.3.4%2F24", "fe80::1%25eth0"} {
		a.get("anomaly/blocks/ips/"+bad).refused(http.StatusBadRequest, "invalid_uri", "no IP address")
		a.call(http.MethodDelete, "anomaly/blocks/ips/"+bad, nil).refused(http.StatusBadRequest, "invalid_uri", "no IP address")
	}
	for _, bad := range []string{"%00", "192.0.2.1%85"} {
		a.get("anomaly/blocks/ips/"+bad).refused(http.StatusBadRequest, "invalid_uri", "characters that are not allowed")
		a.call(http.MethodDelete, "anomaly/blocks/ips/"+bad, nil).refused(http.StatusBadRequest, "invalid_uri", "characters that are not allowed")
	}
}

func TestBlockedIPsAreListed(t *testing.T) {
	a := newAPI(t)
	if an := a.get("anomaly/blocks/ips"); an.text != `{"blocked_ips":[]}` {
		t.Errorf("%d %s", an.StatusCode, an.text)
	}
	a.exhaust(must(grants.ParseEmail("ada@example.com")), "198.51.100.1")
	if an := a.get("anomaly/blocks/ips"); an.text != `{"blocked_ips":[{"ip":"198.51.100.1","failures":100,"until":"2026-11-23T10:00:00.000Z"}]}` {
		t.Errorf("%d %s", an.StatusCode, an.text)
	}
	a.call(http.MethodDelete, "anomaly/blocks/ips/198.51.100.1", nil).wants(http.StatusNoContent)
	if an := a.get("anomaly/blocks/ips"); an.text != `{"blocked_ips":[]}` {
		t.Errorf("%d %s", an.StatusCode, an.text)
	}
	e := must(a.store.Events(t.Context(), storage.EventFilter{Type: "budgets.reset"}))
	if len(e) != 1 || e[0].Detail != "by token root: 198.51.100.1" {
		t.Errorf("%+v", e)
	}
}

func TestExplanation(t *testing.T) {
	a := newAPI(t)
	a.exhaust(must(grants.ParseEmail("ada@example.com")), "198.51.100.1")
	codes := func(path string) (out []string) {
		var o struct {
			Refused bool
			Reasons []struct {
				Code, Until string
				Refuses     bool
			}
		}
		check(t, json.Unmarshal([]byte(a.get(path).text), &o))
		for _, r := range o.Reasons {
			if !r.Refuses {
				continue
			}
			if out = append(out, r.Code); r.Until == "" && r.Code != "client_unknown" {
				t.Errorf("%s: %+v has no end", path, r)
			}
		}
		if o.Refused != (len(out) > 0) {
			t.Errorf("%s: %+v", path, o)
		}
		return out
	}
	for path, want := range map[string]string{
		"anomaly/explain?ip=198.51.100.1":                                "[ip_blocked]",
		"anomaly/explain?ip=198.51.100.2":                                "[]",
		"anomaly/explain?ip=127.0.0.1":                                   "[]",
		"anomaly/explain?identifier=eve%40example.com&client_id=filed":   "[]",
		"anomaly/explain?identifier=eve%40example.com&client_id=nothing": "[client_unknown]",
	} {
		if got := fmt.Sprint(codes(path)); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if got := codes("anomaly/explain?identifier=Ada%40example.com&ip=198.51.100.1"); !slices.Contains(got, "failures_per_address") || !slices.Contains(got, "ip_blocked") {
		t.Errorf("%v", got)
	}
	a.get("anomaly/explain").refused(http.StatusBadRequest, "invalid_query_string", "identifier, ip or client_id")
	a.get("anomaly/explain?ip=nonsense").refused(http.StatusBadRequest, "invalid_query_string", "no IP address")
	a.get("anomaly/explain?identifier=nonsense").refused(http.StatusBadRequest, "invalid_query_string", "no address")
	reader := a.as("read:anomaly_blocks")
	reader.get("anomaly/explain?identifier=ada%40example.com").refused(http.StatusForbidden, "insufficient_scope", "read:users")
	if o := reader.get("anomaly/explain?ip=198.51.100.1").object(http.StatusOK); o["events"] != nil || o["refused"] != true {
		t.Errorf("%v", o)
	}
}
