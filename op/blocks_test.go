package op_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/op"
	"sallyport/op/admin"
	"sallyport/storage"
)

const (
	saysBlocks  = "Blocked addresses"
	saysNoToken = "This token opens nothing here."
)

func sha256Hex(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// blockable is a provider at which two wrong codes block a network for an hour, and such a block.
func blockable(t *testing.T, change ...func(*settings)) *provider {
	t.Helper()
	p := newProvider(t, append([]func(*settings){proxied, func(s *settings) { s.engine.Limits.FailuresPerIP = grants.Limit{N: 2, Per: time.Hour} }}, change...)...)
	p.start(map[string]any{"client_id": "spa", "client_secret": nil, "email": "ada@example.com"}).wants(t, http.StatusOK, "")
	code := p.code("ada@example.com", 1)
	for range 2 {
		p.guessFrom("203.0.113.9", "ada@example.com", not(code)).wants(t, http.StatusForbidden, "invalid_grant")
	}
	p.blockedIs(t, true)
	return p
}

func (p *provider) blockedIs(t *testing.T, blocked bool) {
	t.Helper()
	want := http.StatusForbidden
	if blocked {
		want = http.StatusTooManyRequests
	}
	if a := p.guessFrom("203.0.113.9", "nobody@example.com", "123456"); a.StatusCode != want {
		t.Errorf("a guess from the network: %d, want %d", a.StatusCode, want)
	}
}

func TestBlockIsLiftedByTheHolderOfAToken(t *testing.T) {
	p := blockable(t)
	b := p.browser()
	page := b.get("/admin/blocks?ip=203.0.113.9&token=" + adminToken)
	page.mustBePage(t, http.StatusOK, saysBlocks)
	if strings.Contains(page.body, adminToken) || strings.Contains(page.body, "2 wrong codes") || !strings.Contains(page.body, `value="203.0.113.9"`) {
		t.Errorf("before a token is shown: %s", page.body)
	}
	shown := b.post("/admin/blocks", page.form("token", adminToken, "ip", "203.0.113.9", "do", "show"))
	shown.mustBePage(t, http.StatusOK, saysBlocks)
	if !strings.Contains(shown.body, "<bdi>203.0.113.9</bdi>") || !strings.Contains(shown.body, "2 wrong codes.") || strings.Contains(shown.body, adminToken) {
		t.Errorf("shown: %s", shown.body)
	}
	p.blockedIs(t, true)
	lifted := b.post("/admin/blocks", page.form("token", adminToken, "ip", "203.0.113.9", "do", "lift"))
	lifted.mustBePage(t, http.StatusOK, "The block of 203.0.113.9 is lifted.")
	p.blockedIs(t, false)
	b.post("/admin/blocks", page.form("token", adminToken, "ip", "203.0.113.9", "do", "lift")).mustBePage(t, http.StatusOK, "203.0.113.9 was not blocked.")
	e := must(p.store.Events(t.Context(), storage.EventFilter{Type: admin.EventBudgetsReset}))
	if len(e) != 1 || e[0].Detail != "by token test: 203.0.113.9" || e[0].IP != "127.0.0.1" || e[0].RequestID == "" {
		t.Errorf("events: %+v", e)
	}
	if strings.Contains(p.log.String(), adminToken) {
		t.Error("the token is in the log")
	}
}

func TestPageOfBlocksGivesNothingWithoutAToken(t *testing.T) {
	now := time.Now()
	p := blockable(t, func(s *settings) {
		s.op.AdminTokens = []admin.Token{
			{Name: "reader", Hash: "sha256:" + sha256Hex("reader-"+adminToken), Scopes: []string{"read:anomaly_blocks", "delete:users"}},
			{Name: "old", Hash: "sha256:" + sha256Hex("old-"+adminToken), Scopes: []string{"*"}, Expires: now.Add(-time.Hour)},
			{Name: "right", Hash: "sha256:" + sha256Hex("right-"+adminToken), Scopes: []string{"delete:anomaly_blocks"}},
		}
	})
	b := p.browser()
	page := b.get("/admin/blocks")
	for name, token := range map[string]string{
		"none": "", "wrong": adminToken + "x", "without the scope": "reader-" + adminToken, "expired": "old-" + adminToken,
		"a user's": p.login("eve@example.com").str("access_token"), "its hash": "sha256:" + sha256Hex("right-"+adminToken),
	} {
		for _, do := range []string{"show", "lift", ""} {
			a := b.post("/admin/blocks?token=right-"+adminToken, page.form("token", token, "ip", "203.0.113.9", "do", do))
			a.mustBePage(t, http.StatusForbidden, saysNoToken)
			if strings.Contains(a.body, "2 wrong codes") {
				t.Errorf("%s: %s", name, a.body)
			}
		}
	}
	form := page.form("token", "right-"+adminToken, "ip", "203.0.113.9", "do", "lift")
	for name, a := range map[string]answer{
		"a form of another site":    b.send(http.MethodPost, "/admin/blocks", form, "Origin", evilOrigin, "Sec-Fetch-Site", "cross-site"),
		"one that hides its origin": b.send(http.MethodPost, "/admin/blocks", form, "Sec-Fetch-Site", "cross-site"),
		"another browser's form":    p.browser().post("/admin/blocks", form),
		"a form without its token":  b.post("/admin/blocks", values("token", "right-"+adminToken, "ip", "203.0.113.9", "do", "lift")),
	} {
		if a.StatusCode != http.StatusForbidden || strings.Contains(a.body, "lifted") {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
	p.blockedIs(t, true)
	for _, bad := range []string{"", "nonsense", "fe80::1%eth0", "203.0.113.9, 1.2.3.4"} {
		b.post("/admin/blocks", page.form("token", "right-"+adminToken, "ip", bad, "do", "lift")).mustBePage(t, http.StatusUnprocessableEntity, "Enter an IP address")
	}
	b.post("/admin/blocks", form).mustBePage(t, http.StatusOK, "is lifted")
	p.blockedIs(t, false)
}

// What strangers of a network try keeps nobody out who has a right token: behind a proxy that nobody told us of, that network
// is everybody.
func TestGuessesAtAnAdminTokenAreLimited(t *testing.T) {
	p := newProvider(t, proxied)
	b := p.browser()
	page := b.get("/admin/blocks")
	try := func(ip, token string) answer {
		return b.send(http.MethodPost, "/admin/blocks", page.form("token", token, "do", "show"), "X-Forwarded-For", ip, "Origin", p.url, "Sec-Fetch-Site", "same-origin")
	}
	for n := range 30 {
		try("203.0.113.9", strconv.Itoa(n)).mustBePage(t, http.StatusForbidden, saysNoToken)
	}
	limited := try("203.0.113.9", "30")
	limited.mustBePage(t, http.StatusTooManyRequests, "Too many tries")
	if limited.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	try("203.0.113.10", "31").mustBePage(t, http.StatusForbidden, saysNoToken)
	try("203.0.113.9", adminToken).mustBePage(t, http.StatusOK, "Nothing is blocked.")
}

func TestPageOfBlocksIsClosedWithoutTokens(t *testing.T) {
	p := newProvider(t, func(s *settings) { s.op.AdminTokens = []admin.Token{} })
	a := p.browser().get("/admin/blocks?ip=2001:db8:1:2:3::4")
	a.mustBePage(t, http.StatusOK, "sallyport block lift --ip 2001:db8:1:2::/64")
	if strings.Contains(a.body, "<form") {
		t.Errorf("%s", a.body)
	}
	evil := p.browser().get("/admin/blocks?ip=%3Cscript%3Ealert(1)%3C/script%3E")
	if evil.mustBePage(t, http.StatusOK, saysBlocks); strings.Contains(evil.body, "alert(1)") {
		t.Errorf("%s", evil.body)
	}
}

func TestLinkToThePageNamesTheNetworkAlone(t *testing.T) {
	for source, want := range map[string]string{
		"203.0.113.9": "https://login.example.com/admin/blocks?ip=203.0.113.9", "2001:db8::/64": "https://login.example.com/admin/blocks?ip=2001%3Adb8%3A%3A%2F64",
	} {
		if got := op.BlocksURL("https://login.example.com/", source); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Nobody's own server, no machine of this network and no proxy is blocked, whatever comes through them.
func TestNoDoorBlocksAServerOrAPrivatePeer(t *testing.T) {
	p := newProvider(t, proxied, func(s *settings) { s.engine.Limits.FailuresPerIP = grants.Limit{N: 1, Per: time.Hour} })
	mailed := func(to string, client map[string]any) (wrong string) {
		t.Helper()
		p.start(client).wants(t, http.StatusOK, "")
		return not(p.code(to, 1))
	}
	guess := func(ip, to, wrong, client, secret string) {
		t.Helper()
		form := values("client_id", client, "client_secret", secret, "grant_type", grantOTP, "realm", "email", "username", to, "otp", wrong)
		if secret == "" {
			form.Del("client_secret")
		}
		p.send(http.MethodPost, "/oauth/token", form.Encode(), "Content-Type", formType, "X-Forwarded-For", ip).wants(t, http.StatusForbidden, "invalid_grant")
		body := map[string]any{"client_id": client, "client_secret": secret, "connection": "email", "email": to, "verification_code": wrong}
		if secret == "" {
			delete(body, "client_secret")
		}
		p.json("/passwordless/verify", body, nil, "X-Forwarded-For", ip).wants(t, http.StatusUnauthorized, "")
	}
	for n, ip := range []string{"127.0.0.1", "::1", "10.1.2.3", "192.168.1.1", "172.16.0.9", "100.64.0.1", "169.254.1.1", "fd00::1", "fe80::1", "::ffff:10.1.2.3"} {
		to := fmt.Sprintf("private%d@example.com", n)
		guess(ip, to, mailed(to, map[string]any{"client_id": "spa", "client_secret": nil, "email": to}), "spa", "")
	}
	guess("198.51.100.1", "server@example.com", mailed("server@example.com", map[string]any{"email": "server@example.com"}), "web", webSecret)
	if e := must(p.store.Events(t.Context(), storage.EventFilter{Type: storage.EventIPBlocked})); len(e) != 0 {
		t.Errorf("%+v", e)
	}
	blocked := must(p.store.BlockedSources(t.Context(), time.Now(), grants.Limit{N: 1, Per: time.Hour}, 10))
	if len(blocked) != 0 {
		t.Errorf("%+v", blocked)
	}
	wrong := mailed("public@example.com", map[string]any{"client_id": "spa", "client_secret": nil, "email": "public@example.com"})
	p.guessFrom("198.51.100.1", "public@example.com", wrong).wants(t, http.StatusForbidden, "invalid_grant")
	p.guessFrom("198.51.100.1", "public@example.com", wrong).wants(t, http.StatusTooManyRequests, "too_many_attempts")
}
