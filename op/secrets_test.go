package op_test

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/op"
	"sallyport/storage"
	"sallyport/storage/storagetest"
)

const (
	oldMaster = "a-master-secret-for-tests-of-32-bytes-at-least" // as in newProvider
	newMaster = "another-master-secret-for-tests-of-32-bytes-up"
)

// rotate gives the provider's ring other secrets, as a reload does.
func (p *provider) rotate(secrets ...string) {
	p.t.Helper()
	check(p.t, p.ring.Replace(must(grants.NewRing(secrets...))))
}

// TestWhatASecretMadeLivesWhileItOpens begins one of everything under each order of the ring and goes on with it under the
// next.
func TestWhatASecretMadeLivesWhileItOpens(t *testing.T) {
	p := newProvider(t)
	p.addTV()
	type begun struct {
		person          *browser
		where, otp      string
		page            answer
		code            string
		tokens, machine answer
		tv              tv
		pushed          string
		otpTo, pageTo   string
	}
	begin := func(name string) (b begun) {
		b.person, b.pageTo, b.otpTo = p.browser(), "page-"+name+"@example.com", "api-"+name+"@example.com"
		b.where, b.page = b.person.begin(b.pageTo, p.authorizeURL())
		b.otp = p.mailed(b.otpTo)
		b.code = p.codes("code-" + name + "@example.com")()
		b.tokens, b.machine = p.login("tokens-"+name+"@example.com"), p.machineToken()
		b.tv, b.pushed = p.tv(), p.pushed()
		return b
	}
	goOn := func(name string, b begun) {
		t.Helper()
		if a := b.person.post(b.where, b.page.form("code", p.code(b.pageTo, 1))); a.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: the page of before refuses its code: %d %s", name, a.StatusCode, a.body)
		}
		if a := b.person.get(p.authorizeURL()); !strings.Contains(a.Header.Get("Location"), "code=") {
			t.Errorf("%s: the session does not answer: %d %s", name, a.StatusCode, a.body)
		}
		p.token("grant_type", grantOTP, "realm", "email", "username", b.otpTo, "otp", b.otp).wants(t, http.StatusOK, "")
		p.exchange(b.code).wants(t, http.StatusOK, "")
		p.alive(t, b.tokens.str("access_token"))
		p.refresh(b.tokens.str("refresh_token")).wants(t, http.StatusOK, "")
		if a := p.callAs("machine", machineSecret, "/oauth/introspect", "token", b.machine.str("access_token")); a.json()["active"] != true {
			t.Errorf("%s: the machine's token is dead", name)
		}
		if a := p.browser().get("/device?user_code=" + b.tv.userCode); a.StatusCode != http.StatusOK {
			t.Errorf("%s: the user code is unknown: %d", name, a.StatusCode)
		}
		b.tv.poll().wants(t, http.StatusForbidden, "authorization_pending")
		if a := p.browser().get(b.pushed); a.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: the pushed request is unknown: %d %s", name, a.StatusCode, a.body)
		}
	}
	alone := begin("alone")
	p.rotate(oldMaster, newMaster)
	goOn("added at the end", alone)
	before := begin("before")
	p.rotate(newMaster, oldMaster)
	goOn("moved to the front", before)
	last, stale := begin("last"), p.login("stale@example.com")
	p.rotate(oldMaster, newMaster) // a process that lags a step behind
	goOn("read where the old one still seals", last)
	old := p.login("old@example.com")
	stale = p.refresh(stale.str("refresh_token"))
	p.rotate(newMaster, oldMaster)
	stale = p.refresh(stale.str("refresh_token")) // has a token of the new one now
	must(p.store.Reseal(context.Background()))
	p.rotate(newMaster)
	p.addClients() // a reload hashes the secrets of the file anew
	p = p.replica()
	p.refresh(stale.str("refresh_token")).wants(t, http.StatusOK, "")
	// The old one is gone: what it made is worth nothing, and is no fault of ours.
	p.refresh(old.str("refresh_token")).wants(t, http.StatusBadRequest, "invalid_grant")
	p.userinfo(old.str("access_token")).wants(t, http.StatusUnauthorized, "invalid_token")
}

func TestClientSecretMovesToTheFirstSecretAtItsUse(t *testing.T) {
	p := newProvider(t)
	const given = "a-secret-of-a-client-that-no-file-has-0123456"
	old := p.ring.KeyID()
	check(t, p.store.AddClient(context.Background(), storage.Client{
		ID: "made", Name: "made", Type: "machine", Secrets: []string{p.ring.HashSecret(given)}, AuthMethods: []string{"client_secret_post"}, GrantTypes: []string{"client_credentials"},
	}))
	use := func(q *provider, secret string) answer {
		return q.call("/oauth/token", "client_id", "made", "client_secret", secret, "grant_type", "client_credentials")
	}
	hashedBy := func() string { return grants.HashedBy(must(p.store.Client(context.Background(), "made")).Secrets[0]) }

	p.rotate(newMaster, oldMaster)
	use(p.replica(), given).wants(t, http.StatusOK, "")
	if hashedBy() != old {
		t.Error("the hash moved while another process may still seal with the old secret, and would move it back")
	}
	p.pass(10 * time.Minute)
	q := p.replica()
	use(q, "a-wrong-secret-of-a-client-0123456789-012345").wants(t, http.StatusUnauthorized, "invalid_client")
	if hashedBy() != old {
		t.Error("a wrong secret moved the hash")
	}
	use(q, given).wants(t, http.StatusOK, "")
	if hashedBy() != p.ring.KeyID() {
		t.Error("the hash did not move")
	}
	p.rotate(newMaster)
	use(p.replica(), given).wants(t, http.StatusOK, "")
}

func TestRetiredMasterSecretOpensNothingAnywhere(t *testing.T) {
	p := newProvider(t)
	p.rotate(oldMaster, newMaster)
	b := p.browser()
	b.signIn("ada@example.com", p.authorizeURL())
	tokens, otp, machine := p.login("eve@example.com", "audience", apiAudience), p.mailed("bob@example.com"), p.machineToken()

	check(t, p.store.RetireSecret(context.Background(), p.ring.KeyIDs()[0]))
	ended := must(p.store.EndRetired(context.Background(), 1))
	if ended.Sessions != 1 || ended.Authorizations < 2 || ended.Challenges != 1 {
		t.Errorf("ended %+v", ended)
	}
	// Another process, which had the old secret in front until its next look.
	ring := must(grants.NewRing(oldMaster, newMaster))
	config := p.config
	config.Ring, config.Store = ring, must(storage.Open(context.Background(), storage.Options{URL: p.databaseURL, Ring: ring, Now: p.config.Now}))
	t.Cleanup(func() { check(t, config.Store.Close()) })
	q := p.serve(must(op.New(context.Background(), config)))
	q.refresh(tokens.str("refresh_token")).wants(t, http.StatusBadRequest, "invalid_grant")
	q.userinfo(tokens.str("access_token")).wants(t, http.StatusUnauthorized, "invalid_token")
	q.dead(t, machine.str("access_token"))
	q.token("grant_type", grantOTP, "realm", "email", "username", "bob@example.com", "otp", otp).wants(t, http.StatusForbidden, "invalid_grant")
	b.p = q
	if a := b.get(q.authorizeURL()); strings.Contains(a.Header.Get("Location"), "code=") {
		t.Error("the session lives")
	}
	q.machineToken().wants(t, http.StatusOK, "") // clients go on with their secrets

	config.Ring = must(grants.NewRing("a-master-secret-for-tests-of-32-bytes-at-least"))
	config.Store = must(storage.Open(context.Background(), storage.Options{URL: p.databaseURL, Ring: config.Ring, Now: p.config.Now}))
	t.Cleanup(func() { check(t, config.Store.Close()) })
	if _, err := op.New(context.Background(), config); !errors.Is(err, storage.ErrRetiredSecret) {
		t.Errorf("a process that has the retired secret alone: %v", err)
	}
}

func TestCompromisedKeyIsGoneEverywhere(t *testing.T) {
	p := newProvider(t)
	login := p.login("ada@example.com", "audience", apiAudience)
	jwt := login.str("access_token")
	gone := kidOf(t, jwt)
	keys := must(p.store.SigningKeys(context.Background()))
	at := slices.IndexFunc(keys, func(k storage.SigningKey) bool { return k.ID == gone })
	check(t, op.DropKey(context.Background(), p.store, keys[at]))
	q := p.replica()
	q.userinfo(jwt).wants(t, http.StatusUnauthorized, "invalid_token")
	q.dead(t, jwt)
	if len(q.keySet(t).Key(gone)) != 0 {
		t.Error("the key is published")
	}
	q.alive(t, q.login("eve@example.com", "audience", apiAudience).str("access_token")) // another signs at once
	q.refresh(login.str("refresh_token")).wants(t, http.StatusOK, "")
	if events := must(p.store.Events(context.Background(), storage.EventFilter{Type: op.EventKeyRetired})); len(events) != 1 || !strings.Contains(events[0].Detail, gone) {
		t.Errorf("events %v", events)
	}
	alerts := must(p.store.LeaseAlerts(context.Background(), p.config.Now(), 10, p.config.Now().Add(time.Minute)))
	if len(alerts) != 1 || alerts[0].Cause != grants.AlertSecretCompromised {
		t.Errorf("alerts %v", alerts)
	}
	if err := op.DropKey(context.Background(), p.store, keys[at]); !errors.Is(err, op.ErrKeyGone) {
		t.Errorf("again: %v", err)
	}
}

func TestKeysRotateByAgeOnce(t *testing.T) {
	p := newProvider(t, func(s *settings) { s.op.RotateKeys = 48 * time.Hour })
	count := func() int { return len(must(p.store.SigningKeys(context.Background()))) }
	before := count()
	p.pass(47 * time.Hour)
	p.replica()
	if count() != before {
		t.Error("rotated too early")
	}
	p.pass(2 * time.Hour)
	p.replica()
	p.replica() // finds that it was done
	if got := count(); got != 2*before {
		t.Errorf("%d keys, want %d", got, 2*before)
	}
	if old := must(p.store.SigningKeys(context.Background())); old[0].VerifyUntil.IsZero() {
		t.Error("the old key has no end")
	}
}

// TestSkewedClockSignsWithNoUnpublishedKey has a process whose own clock is far ahead of the database's.
func TestSkewedClockSignsWithNoUnpublishedKey(t *testing.T) {
	p := newProvider(t, func(s *settings) { s.databaseURL = storagetest.PostgresURL(t) })
	old := kidOf(t, p.login("ada@example.com").str("id_token"))
	fresh := must(op.RotateKeys(context.Background(), p.store, "RS256"))
	p.pass(time.Hour)
	q := p.replica()
	if got := kidOf(t, q.login("ada@example.com").str("id_token")); got != old {
		t.Errorf("signed by %s, which nobody can know yet; the new one is %s", got, fresh.ID)
	}
}

// TestDatabaseAloneOpensNothing tries every value of the database wherever a secret is taken.
func TestDatabaseAloneOpensNothing(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	b.signIn("ada@example.com", p.authorizeURL())
	p.login("ada@example.com")
	p.codes("eve@example.com")()
	p.mailed("bob@example.com")
	values := storedValues(t, p.databaseURL)
	if len(values) < 100 {
		t.Fatalf("only %d values", len(values))
	}
	for _, v := range values {
		if a := p.userinfo(v); a.StatusCode == http.StatusOK {
			t.Errorf("%q is an access token", v)
		}
		if a := p.refresh(v); a.StatusCode == http.StatusOK {
			t.Errorf("%q is a refresh token", v)
		}
		if a := p.exchange(v); a.StatusCode == http.StatusOK {
			t.Errorf("%q is an authorization code", v)
		}
		if a := p.call("/oauth/token", "client_id", "machine", "client_secret", v, "grant_type", "client_credentials"); a.StatusCode == http.StatusOK {
			t.Errorf("%q is a client secret", v)
		}
		a := p.send(http.MethodGet, p.authorizeURL(), "", "Cookie", "sallyport_session="+v)
		if strings.Contains(a.Header.Get("Location"), "code=") {
			t.Errorf("%q is a session's cookie", v)
		}
		if a := p.manage(http.MethodGet, "clients", ""); a.StatusCode != http.StatusOK { // the harness's own token works
			t.Fatalf("manage: %d", a.StatusCode)
		}
		if a := p.send(http.MethodGet, "/api/v2/clients", "", "Authorization", "Bearer "+v); a.StatusCode == http.StatusOK {
			t.Errorf("%q is an admin token", v)
		}
	}
	// With every value of the challenge's row, a ring of another secret derives other codes and links, and opens no key.
	other := must(grants.NewRing(newMaster))
	c := grants.Challenge{Seed: []byte("0123456789abcdef"), KeyID: p.ring.KeyID(), CodeLength: 6}
	mine := c
	mine.KeyID = other.KeyID()
	right, _ := p.ring.LinkToken(c)
	guessed, _ := other.LinkToken(mine)
	if _, known := other.LinkToken(c); known || right == guessed {
		t.Error("a link is derived without the master secret")
	}
	store := must(storage.Open(context.Background(), storage.Options{URL: p.databaseURL, Ring: other, Now: p.config.Now}))
	defer store.Close()
	if _, err := store.SigningKeys(context.Background()); !errors.Is(err, storage.ErrWrongSecret) {
		t.Errorf("signing keys open without the master secret: %v", err)
	}
}

// storedValues is every text and every blob of a SQLite database, each once, that can stand in a header.
func storedValues(t *testing.T, address string) []string {
	t.Helper()
	db := must(sql.Open("sqlite", strings.TrimPrefix(address, "sqlite:")))
	defer db.Close()
	seen := map[string]bool{}
	for _, table := range everyRow(t, db, "SELECT name FROM sqlite_master WHERE type = 'table'") {
		for _, v := range everyRow(t, db, fmt.Sprintf("SELECT * FROM %s", table)) {
			switch v := v.(type) {
			case string:
				seen[v] = true
				for _, part := range strings.FieldsFunc(v, func(r rune) bool { return strings.ContainsRune(`[]{}":, `, r) }) {
					seen[part] = true
				}
			case []byte:
				seen[hex.EncodeToString(v)], seen[base64.RawURLEncoding.EncodeToString(v)] = true, true
			}
		}
	}
	var out []string
	for v := range seen {
		if v != "" && !strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r > '~' || r == ';' || r == '"' || r == ',' }) {
			out = append(out, v)
		}
	}
	return out
}

// everyRow is every value of the answer to a query.
func everyRow(t *testing.T, db *sql.DB, query string) []any {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	check(t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	check(t, err)
	var all []any
	for rows.Next() {
		row := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		check(t, rows.Scan(into...))
		all = append(all, row...)
	}
	check(t, rows.Err())
	return all
}
