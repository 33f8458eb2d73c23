package admin_test

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"sallyport/op/admin"
	"sallyport/storage"
)

// Every route that changes something writes who did what, in the audit log; a new one is asked for here.
func TestEveryChangeOverTheAPIIsInTheAuditLog(t *testing.T) {
	a := newAPI(t)
	user, _ := a.user(object{"email": "ada@example.com", "email_verified": true, "user_id": "a"})
	other, _ := a.user(object{"email": "bob@example.com", "email_verified": true, "user_id": "b"})
	check(t, a.session("email|a", "s1"))
	client, _, _ := a.client(object{"app_type": "regular_web", "callbacks": []string{"https://app.example.com/cb"}})
	id := strings.TrimPrefix(client, "clients/")
	server := "resource-servers/" + a.call(http.MethodPost, "resource-servers", object{"identifier": "https://new.example.com"}).object(http.StatusCreated)["id"].(string)             //nolint:errcheck // a test
	grant := "client-grants/" + a.call(http.MethodPost, "client-grants", object{"client_id": id, "audience": audience, "scope": []string{}}).object(http.StatusCreated)["id"].(string) //nolint:errcheck // a test
	walked := map[string]bool{}
	for _, c := range []struct {
		method, route, path string
		body                any
	}{
		{"POST", "users", "users", object{"connection": "email", "email": "eve@example.com"}},
		{"PATCH", "users/{id}", user, object{"name": "Ada"}},
		{"POST", "users/{id}/identities", user + "/identities", object{"provider": "email", "user_id": "b"}},
		{"DELETE", "users/{id}/identities/{provider}/{identity}", user + "/identities/email/b", nil},
		{"DELETE", "sessions/{id}", "sessions/s1", nil},
		{"POST", "sessions/{id}/revoke", "sessions/s2/revoke", nil},
		{"DELETE", "refresh-tokens/{id}", "refresh-tokens/r2", nil},
		{"DELETE", "users/{id}/sessions", user + "/sessions", nil},
		{"DELETE", "users/{id}/refresh-tokens", user + "/refresh-tokens", nil},
		{"DELETE", "user-blocks", "user-blocks?identifier=ada%40example.com", nil},
		{"DELETE", "user-blocks/{id}", "user-blocks/email%7Ca", nil},
		{"DELETE", "users/{id}", other, nil},
		{"DELETE", "anomaly/blocks/ips/{ip}", "anomaly/blocks/ips/203.0.113.9", nil},
		{"POST", "clients", "clients", object{"name": "Another"}},
		{"PATCH", client, client, object{"description": "A shop"}},
		{"POST", "clients/{id}/rotate-secret", client + "/rotate-secret", nil},
		{"POST", "client-grants", "", nil}, // above
		{"PATCH", "client-grants/{id}", grant, object{"scope": []string{"read:things"}}},
		{"DELETE", "client-grants/{id}", grant, nil},
		{"DELETE", "clients/{id}", client, nil},
		{"POST", "resource-servers", "", nil}, // above
		{"PATCH", "resource-servers/{id}", server, object{"name": "New"}},
		{"DELETE", "resource-servers/{id}", server, nil},
		{"PATCH", "connections/{id}", "connections/con_sms", object{"options": object{}}},
		{"DELETE", "connections/{id}", "connections/con_sms", nil},
		{"POST", "connections", "connections", object{"name": "sms", "strategy": "sms"}},
		{"PATCH", "connections/{id}/clients", "connections/con_email/clients", []object{}},
	} {
		if c.route == client {
			c.route = "clients/{id}"
		}
		walked[c.method+" "+c.route] = true
		if c.path == "" {
			continue
		}
		switch c.path { // unlinking has ended all
		case "sessions/s2/revoke":
			check(t, a.session("email|a", "s2"))
		case "refresh-tokens/r2":
			a.refreshToken("email|a", "r2", "", false)
		}
		a.skew.Add(int64(time.Second))
		before := a.operations(t)
		an := a.call(c.method, c.path, c.body)
		if an.StatusCode >= http.StatusBadRequest {
			t.Errorf("%s %s: %d %s", c.method, c.path, an.StatusCode, an.text)
			continue
		}
		if after := a.operations(t); len(after) != len(before)+1 || !strings.HasPrefix(after[0], "by token root: "+c.method+" /api/v2/") {
			t.Errorf("%s %s: %d events more, the last %q", c.method, c.path, len(after)-len(before), after[0])
		}
	}
	for _, rt := range routesOf(t) {
		if !strings.HasPrefix(rt, "GET ") && !walked[rt] {
			t.Errorf("%s is not held against the audit log", rt)
		}
	}
}

func (a *api) operations(t *testing.T) (details []string) {
	t.Helper()
	for _, e := range must(a.store.Events(t.Context(), storage.EventFilter{Type: admin.EventOperation, Limit: 1000})) {
		details = append(details, e.Detail)
	}
	return details
}

// routesOf are the methods and paths of the table, read from the source.
func routesOf(t *testing.T) (out []string) {
	t.Helper()
	source := string(must(os.ReadFile("routes.go")))
	for _, m := range regexp.MustCompile(`\{"([A-Z]+)", "([^"]+)", anyOf`).FindAllStringSubmatch(source, -1) {
		out = append(out, m[1]+" "+m[2])
	}
	if len(out) < 50 {
		t.Fatalf("only %d routes were found", len(out))
	}
	return out
}
