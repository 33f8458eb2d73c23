package op_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

// connection changes a connection before anybody has read it.
func (p *provider) connection(c storage.Connection) {
	p.t.Helper()
	check(p.t, p.store.PutConnection(context.Background(), c, grants.Event{Type: "connection.changed", Time: time.Now()}))
}

func TestDisabledConnectionIsNowhere(t *testing.T) {
	p := newProvider(t)
	p.connection(storage.Connection{Name: "sms", Disabled: true})
	p.start(map[string]any{"connection": "sms", "phone_number": "+491701234567"}).wants(t, http.StatusBadRequest, "bad.connection")
	b := p.browser()
	login := b.get(p.authorizeURL()).Header.Get("Location")
	page := b.get(login)
	if a := b.post(login, page.form("identifier", "+491701234567")); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("hosted page: %d", a.StatusCode)
	}
	if back := must(url.Parse(b.get(p.authorizeURL("connection", "sms")).Header.Get("Location"))).Query(); back.Get("error") == "" {
		t.Errorf("authorize: %v", back)
	}
	if a := p.login("ada@example.com"); a.StatusCode != http.StatusOK {
		t.Errorf("the other connection: %d %s", a.StatusCode, a.body)
	}
	if n := len(p.inbox.Messages()); n != 1 {
		t.Errorf("%d messages", n)
	}
}

func TestConnectionWithLongerCodes(t *testing.T) {
	p := newProvider(t)
	p.connection(storage.Connection{Name: "email", Options: storage.ConnectionOptions{CodeLength: 8, Lifetime: time.Minute}})
	b := p.browser()
	where, page := b.begin("ada@example.com", p.authorizeURL())
	code := p.code("ada@example.com", 1)
	if len(code) != 8 {
		t.Fatalf("code %q", code)
	}
	if a := b.post(where, page.form("code", code)); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	again := p.mailed("bob@example.com")
	p.pass(time.Minute)
	p.replica().guess("bob@example.com", again).refused(t, codeOver)
}

// A connection whose sign-up is closed lets in whom it knows and answers everybody alike, at every door.
func TestConnectionWithClosedSignup(t *testing.T) {
	p := newProvider(t)
	p.connection(storage.Connection{Name: "email", Options: storage.ConnectionOptions{DisableSignup: true}})
	known := grants.Address{Channel: grants.Email, Value: "ada@example.com"}
	check(t, p.store.CreateUser(context.Background(), "email|aaaaaaaaaaaaaaaaaaaaaaaa", storage.Identity{Connection: "email", Address: known, VerifiedAt: time.Now()}))
	if a := p.login("ada@example.com"); a.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	for _, to := range []string{"ada@example.com", "new@example.com"} {
		a := p.start(map[string]any{"email": to})
		if a.StatusCode != http.StatusOK || !strings.Contains(a.body, `"email_verified":false`) {
			t.Errorf("%s: %d %s", to, a.StatusCode, a.body)
		}
	}
	if m := p.message("new@example.com", 1); codePattern.MatchString(m.Subject + m.Text) {
		t.Errorf("a code went out: %s", m.Text)
	}
	p.guess("new@example.com", p.derived("web", "new@example.com")).refused(t, wrongMail)
	b := p.browser()
	b.begin("new@example.com", p.authorizeURL())
	if users := must(p.store.Users(context.Background(), "", 10)); len(users) != 1 {
		t.Errorf("users %v", users)
	}
	p.start(map[string]any{"connection": "sms", "phone_number": "+491701234567"})
	if a := p.token("grant_type", grantSMS, "username", "+491701234567", "code", p.code("+491701234567", 1)); a.StatusCode != http.StatusOK {
		t.Errorf("the other connection: %d %s", a.StatusCode, a.body)
	}
}
