package op_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"sallyport/op"
	"sallyport/storage"
)

// events reads all of a type, the oldest first.
func (p *provider) events(kind string) []storage.LoggedEvent {
	p.t.Helper()
	page, _, err := p.store.Log(p.t.Context(), storage.LogQuery{Types: []string{kind}, After: "0", Limit: 1000})
	check(p.t, err)
	return page
}

// TestEventsSayWhoWhatAndFromWhere goes through everything that the audit log has to have, and looks for what each event names.
func TestEventsSayWhoWhatAndFromWhere(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	code := b.signIn("ada@example.com", p.authorizeURL()).Get("code")
	tokens := p.exchange(code)
	next := p.refresh(tokens.str("refresh_token"))
	p.exchange(code) // replayed: ends the login
	p.login("bob@example.com")
	reused := p.login("bob@example.com")
	old := reused.str("refresh_token")
	p.refresh(p.refresh(old).str("refresh_token"))
	p.refresh(old).wants(t, http.StatusBadRequest, "invalid_grant")
	revoked := p.login("carol@example.com")
	p.revoke(revoked.str("access_token"))
	p.revoke(revoked.str("refresh_token"))
	b.get(logoutURL("id_token_hint", tokens.str("id_token")))
	p.start(map[string]any{"email": "dora@example.com"})
	p.guess("dora@example.com", "000000")
	p.manage(http.MethodDelete, "users/"+url.PathEscape(p.events("login.succeeded")[1].UserID), "")
	if next.StatusCode != http.StatusOK {
		t.Fatalf("%s", next.body)
	}

	const who, app = true, true
	for kind, names := range map[string]struct{ user, client bool }{
		"login.started": {false, app}, "login.succeeded": {who, app}, "login.failed": {false, app}, "user.created": {who, app},
		"code.exchanged": {who, app}, "code.replayed": {who, app}, "refresh.rotated": {who, app}, "refresh.reused": {who, app},
		"authorization.revoked": {who, app}, "token.revoked": {false, app}, "session.ended": {who, false},
		"api.operation": {who, false}, "user.deleted": {who, false},
	} {
		events := p.events(kind)
		if len(events) == 0 {
			t.Errorf("there is no %s", kind)
		}
		for _, e := range events {
			if e.IP != "127.0.0.1" || len(e.RequestID) != 26 || e.Time.IsZero() || (e.UserID == "") == names.user || (e.ClientID == "") == names.client {
				t.Errorf("%s is %+v", kind, e)
			}
		}
	}
}

// TestRefusedClientsAreCounted: somebody who tries a client's secrets writes one event for all of his tries, and so does who tries ids.
func TestRefusedClientsAreCounted(t *testing.T) {
	p := newProvider(t)
	ctx, stop := context.WithCancel(t.Context())
	one := must(op.New(ctx, p.config))
	done := make(chan error)
	go func() { done <- one.Run(ctx) }()
	try := func(id, secret string, want int) {
		t.Helper()
		r := httptest.NewRequest(http.MethodPost, "/oauth/token", strings.NewReader("grant_type=client_credentials&audience="+url.QueryEscape(apiAudience)))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth(id, secret)
		w := httptest.NewRecorder()
		one.Handler().ServeHTTP(w, r)
		if w.Code != want {
			t.Fatalf("%s is answered %d %s", id, w.Code, w.Body)
		}
	}
	for i := range 20 {
		try("machine", fmt.Sprint("wrong", i), http.StatusUnauthorized)
		try(fmt.Sprint("nobody", i), "wrong", http.StatusUnauthorized)
	}
	try("machine", machineSecret, http.StatusOK)
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range p.events("client.refused") {
		if e.IP != "192.0.2.1" || len(e.RequestID) != 26 {
			t.Errorf("%+v", e)
		}
		count, _, _ := strings.Cut(e.Detail, " since ")
		got = append(got, e.ClientID+" "+count)
	}
	if slices.Sort(got); fmt.Sprint(got) != "[ 20 machine 20]" {
		t.Errorf("the events are %q", got)
	}
}
