package op_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
	"sallyport/storage/storagetest"
)

// other is a code of the same length that is not right.
func other(code string) string {
	last := code[len(code)-1]
	return code[:len(code)-1] + string('0'+(last-'0'+1)%10)
}

// at is a page's address with another path: the same transaction and challenge.
func at(where, path string) string {
	u := must(url.Parse(where))
	return path + "?" + u.RawQuery
}

func TestWrongCodesAreCountedAndTheLastOneEndsTheCode(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	where, page := b.begin("ada@example.com", p.authorizeURL())
	code := p.code("ada@example.com", 1)
	b.post(where, page.form("code", " ")).mustBePage(t, http.StatusUnprocessableEntity, saysWrong)
	for left := 4; left >= 1; left-- {
		a := b.post(where, page.form("code", other(code)))
		tries := "tries."
		if left == 1 {
			tries = "try."
		}
		a.mustBePage(t, http.StatusUnprocessableEntity, fmt.Sprintf("You have %d more %s", left, tries))
	}
	b.post(where, page.form("code", other(code))).mustBePage(t, http.StatusUnprocessableEntity, saysTooMany)
	b.post(where, page.form("code", code)).mustBePage(t, http.StatusUnprocessableEntity, saysTooMany)
	b.post(where, page.form("code", "")).mustBePage(t, http.StatusUnprocessableEntity, saysTooMany)
	b.get(where).mustBePage(t, http.StatusOK, saysTooMany)
	if b.cookieValue("sallyport_session") != "" {
		t.Fatal("signed in")
	}
	// A new one is asked for on the same page, and the old one stays over.
	renewed := b.post(at(where, "/u/login/resend"), page.form())
	fresh := renewed.Header.Get("Location")
	b.get(fresh).mustBePage(t, http.StatusOK, "older ones no longer work")
	b.get(where).mustBePage(t, http.StatusOK, saysUsed)
	if back := b.post(fresh, page.form("code", p.code("ada@example.com", 2))).sentBack(t); !back.Has("code") {
		t.Fatalf("%v", back)
	}
}

func TestExpiredCodeSignsNobodyIn(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	where, page := b.begin("ada@example.com", p.authorizeURL())
	code := p.code("ada@example.com", 1)
	p.pass(5 * time.Minute)
	b.post(where, page.form("code", code)).mustBePage(t, http.StatusUnprocessableEntity, saysExpired)
	b.post(where, page.form("code", other(code))).mustBePage(t, http.StatusUnprocessableEntity, saysExpired)
	b.get(where).mustBePage(t, http.StatusOK, saysExpired)
	p.pass(56 * time.Minute) // the whole transaction is over
	b.post(where, page.form("code", code)).mustBePage(t, http.StatusGone, saysEnded)
	b.get(where).mustBePage(t, http.StatusGone, saysEnded)
}

func TestCodeIsTakenAsPeopleTypeIt(t *testing.T) {
	p := newProvider(t)
	for i, spell := range []func(string) string{
		func(c string) string { return " " + c[:3] + " " + c[3:] + "\n" },
		func(c string) string { return "Your code is " + c[:3] + "-" + c[3:] },
		func(c string) string {
			return strings.Map(func(r rune) rune { return r - '0' + '０' }, c)
		},
	} {
		b, to := p.browser(), fmt.Sprintf("ada%d@example.com", i)
		where, page := b.begin(to, p.authorizeURL())
		typed := spell(p.code(to, 1))
		if back := b.post(where, page.form("code", typed)).sentBack(t); !back.Has("code") {
			t.Errorf("%q: %v", typed, back)
		}
	}
}

func TestAskingAgainSendsTheSameCodeWithTheSameTries(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	where, page := b.begin("ada@example.com", p.authorizeURL())
	code := p.code("ada@example.com", 1)
	b.post(where, page.form("code", other(code)))
	b.post(where, page.form("code", other(code)))
	again := b.post(at(where, "/u/login/resend"), page.form())
	if again.StatusCode != http.StatusSeeOther || !strings.Contains(again.Header.Get("Location"), "again=") {
		t.Fatalf("%d %s", again.StatusCode, again.Header.Get("Location"))
	}
	where = again.Header.Get("Location")
	b.get(where).mustBePage(t, http.StatusOK, `role="status"`)
	if second := p.code("ada@example.com", 2); second != code {
		t.Fatalf("%s became %s", code, second)
	}
	b.post(where, page.form("code", other(code))).mustBePage(t, http.StatusUnprocessableEntity, "You have 2 more tries.")
	if back := b.post(where, page.form("code", code)).sentBack(t); !back.Has("code") {
		t.Fatalf("%v", back)
	}
}

func TestAddressCanBeChanged(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	where, page := b.begin("ade@example.com", p.authorizeURL())
	change := regexp.MustCompile(`href="(/u/login\?[^"]*)"`).FindStringSubmatch(page.body)
	if change == nil {
		t.Fatalf("no way to change the address:\n%s", page.body)
	}
	login := strings.ReplaceAll(change[1], "&amp;", "&")
	moved := b.post(login, b.get(login).form("identifier", " ADA@Example.COM ")).Header.Get("Location")
	if moved == where {
		t.Fatal("nothing changed")
	}
	b.post(moved, page.form("code", other(p.code("ada@example.com", 1)))).mustBePage(t, http.StatusUnprocessableEntity, "ada<wbr>@example.com")
	tokens := p.exchange(b.post(moved, page.form("code", p.code("ada@example.com", 1))).sentBack(t).Get("code"))
	if email := claims(t, tokens.str("id_token"))["email"]; email != "ada@example.com" {
		t.Fatalf("signed in as %v", email)
	}
}

// A form sent twice gets the same success twice, each time with an authorization code of its own.
func TestFormSentTwiceSucceedsTwiceForTenSeconds(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	where, page := b.begin("ada@example.com", p.authorizeURL())
	form := page.form("code", p.code("ada@example.com", 1))
	first := b.post(where, form)
	p.pass(9 * time.Second)
	second := b.post(where, form)
	if a, b := first.sentBack(t).Get("code"), second.sentBack(t).Get("code"); a == "" || b == "" || a == b {
		t.Fatalf("authorization codes %q and %q", a, b)
	}
	if a, b := first.cookie("sallyport_session"), second.cookie("sallyport_session"); a.Value != b.Value {
		t.Error("two sessions came of one login")
	}
	one, two := p.exchange(first.sentBack(t).Get("code")), p.exchange(second.sentBack(t).Get("code"))
	if one.StatusCode != http.StatusOK || two.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", one.body, two.body)
	}
	if a, b := claims(t, one.str("id_token")), claims(t, two.str("id_token")); a["sub"] != b["sub"] || a["sid"] != b["sid"] {
		t.Errorf("%v and %v", a, b)
	}
	p.alive(t, one.str("access_token"))
	wrong := page.form("code", other(form.Get("code")))
	b.post(where, wrong).mustBePage(t, http.StatusUnprocessableEntity, saysUsed)
	p.pass(2 * time.Second)
	b.post(where, form).mustBePage(t, http.StatusUnprocessableEntity, saysUsed)
}

// One right code makes one known device, with one guess budget, from however many copies of the browser it is sent.
func TestOneCodeMakesOneDevice(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	where, page := b.begin("ada@example.com", p.authorizeURL())
	form, at := page.form("code", p.code("ada@example.com", 1)), must(url.Parse(p.url))
	before := b.Jar.Cookies(at)
	var ids []string
	for range 3 {
		copied := p.browser()
		copied.Jar.SetCookies(at, before)
		sealed := must(base64.RawURLEncoding.DecodeString(copied.post(where, form).cookie("sallyport_device").Value))
		var device struct{ ID string }
		check(t, json.Unmarshal(must(p.ring.Open("sallyport_device", sealed, []byte("sallyport_device"))), &device))
		ids = append(ids, device.ID)
	}
	if ids[0] == "" || ids[0] != ids[1] || ids[0] != ids[2] {
		t.Errorf("devices %q", ids)
	}
}

func TestTransactionIsWorthNothingInAnotherBrowser(t *testing.T) {
	p := newProvider(t)
	victim, thief := p.browser(), p.browser()
	where, page := victim.begin("ada@example.com", p.authorizeURL())
	code := p.code("ada@example.com", 1)
	own, ownPage := thief.begin("eve@example.com", p.authorizeURL())
	tx, c := must(url.Parse(where)).Query().Get("tx"), must(url.Parse(where)).Query().Get("c")
	for _, stranger := range []*browser{p.browser(), thief} {
		for _, path := range []string{"/u/login", "/u/login/code", "/u/login/resend", "/u/login/continue", "/u/login/other"} {
			if path == "/u/login" || path == "/u/login/code" {
				stranger.get(at(where, path)).mustBePage(t, http.StatusForbidden, saysElsewhere)
			}
			for _, form := range []url.Values{page.form("code", code, "identifier", "ada@example.com"), ownPage.form("code", code, "identifier", "ada@example.com")} {
				stranger.post(at(where, path), form).mustBePage(t, http.StatusForbidden, saysElsewhere)
			}
		}
	}
	// The thief's own transaction with the victim's challenge, and the other way round.
	mixed := "/u/login/code?" + url.Values{"tx": {must(url.Parse(own)).Query().Get("tx")}, "c": {c}}.Encode()
	thief.get(mixed).mustBePage(t, http.StatusGone, saysEnded)
	thief.post(mixed, ownPage.form("code", code)).mustBePage(t, http.StatusGone, saysEnded)
	thief.post(at(mixed, "/u/login/resend"), ownPage.form()).mustBePage(t, http.StatusGone, saysEnded)
	mixed = "/u/login/code?" + url.Values{"tx": {tx}, "c": {must(url.Parse(own)).Query().Get("c")}}.Encode()
	thief.post(mixed, ownPage.form("code", p.code("eve@example.com", 1))).mustBePage(t, http.StatusForbidden, saysElsewhere)
	victim.post(mixed, page.form("code", p.code("eve@example.com", 1))).mustBePage(t, http.StatusGone, saysEnded)
	if thief.cookieValue("sallyport_session") != "" || len(p.inbox.Messages()) != 2 {
		t.Fatal("something happened")
	}
	// None of it cost the victim a try.
	victim.post(where, page.form("code", other(code))).mustBePage(t, http.StatusUnprocessableEntity, "You have 4 more tries.")
	victim.post(where, page.form("code", code)).sentBack(t)
}

func TestFormsNeedTheirTokenAndTheirOrigin(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	where, page := b.begin("ada@example.com", p.authorizeURL())
	code := p.code("ada@example.com", 1)
	_, second := b.begin("ada@example.com", p.authorizeURL("state", "second"))
	p.code("ada@example.com", 2)
	link := must(url.Parse(p.link("ada@example.com", 1))).Query()
	stranger := p.browser()
	_, foreign := stranger.begin("eve@example.com", p.authorizeURL())
	full := page.form("code", code, "identifier", "bob@example.com", "id", link.Get("id"), "token", link.Get("token"))
	with := func(csrf string) url.Values {
		v := must(url.ParseQuery(full.Encode()))
		v.Set("csrf", csrf)
		return v
	}
	same := []string{"Origin", p.url, "Sec-Fetch-Site", "same-origin"}
	for _, path := range []string{"/u/login", "/u/login/code", "/u/login/resend", "/u/login/continue", "/u/login/other", "/u/login/link"} {
		target := at(where, path)
		for name, csrf := range map[string]string{"none": "", "junk": "junk", "of another transaction": second.form().Get("csrf"), "of another browser": foreign.form().Get("csrf")} {
			if a := b.send("POST", target, with(csrf), same...); a.StatusCode != http.StatusForbidden {
				t.Errorf("%s with a token %s: %d", path, name, a.StatusCode)
			}
		}
		for name, headers := range map[string][]string{
			"cross-site": {"Origin", "https://evil.example.com", "Sec-Fetch-Site", "cross-site"}, "cross-site, no origin": {"Sec-Fetch-Site", "cross-site"},
			"cross-site, null origin": {"Origin", "null", "Sec-Fetch-Site", "cross-site"}, "same-site": {"Origin", "http://127.0.0.1:1", "Sec-Fetch-Site", "same-site"},
			"a foreign origin": {"Origin", "https://evil.example.com"}, "a null origin": {"Origin", "null"},
			"our name on another port": {"Origin", "http://127.0.0.1:1"},
		} {
			if a := b.send("POST", target, full, headers...); a.StatusCode != http.StatusForbidden {
				t.Errorf("%s from %s: %d", path, name, a.StatusCode)
			}
		}
		if a := b.send("POST", target, nil, same...); a.StatusCode != http.StatusUnsupportedMediaType {
			t.Errorf("%s without a form: %d", path, a.StatusCode)
		}
		if a := b.send("GET", target+"&"+full.Encode(), nil); a.StatusCode == http.StatusSeeOther {
			t.Errorf("GET %s does what POST does", path)
		}
	}
	if len(p.inbox.Messages()) != 3 || b.cookieValue("sallyport_session") != "" {
		t.Fatal("a refused form did something")
	}
	b.post(where, full).sentBack(t)
}

func TestTooManyStartsSayHowLongToWait(t *testing.T) {
	p := newProvider(t, func(s *settings) { s.engine.Limits.StartPerAddress = grants.Limit{N: 2, Per: 10 * time.Minute} })
	b := p.browser()
	where, page := b.begin("ada@example.com", p.authorizeURL())
	b.post(at(where, "/u/login/resend"), page.form()).sentBack(t)
	p.message("ada@example.com", 2)
	login := b.get(p.authorizeURL()).Header.Get("Location")
	for _, a := range []answer{b.post(login, b.get(login).form("identifier", "ada@example.com")), b.post(at(where, "/u/login/resend"), page.form())} {
		a.mustBePage(t, http.StatusTooManyRequests, "in 10 minutes.")
		if seconds := a.Header.Get("Retry-After"); seconds < "590" || seconds > "600" || len(seconds) != 3 {
			t.Errorf("Retry-After: %s", seconds)
		}
	}
	// The code that is out is still good, and others are not kept waiting.
	b.post(where, page.form("code", p.code("ada@example.com", 1))).sentBack(t)
	p.browser().signIn("bob@example.com", p.authorizeURL())
	if n := len(p.inbox.Messages()); n != 3 {
		t.Errorf("%d messages", n)
	}
}

// X-Forwarded-For is believed from trusted proxies only, and only its last address that is not one of them.
func TestStartsAreLimitedPerSource(t *testing.T) {
	begin := func(p *provider, i int, forwarded string) int {
		b := p.browser()
		login := b.get(p.authorizeURL()).Header.Get("Location")
		form := b.get(login).form("identifier", fmt.Sprintf("a%d@example.com", i))
		return b.send("POST", login, form, "Sec-Fetch-Site", "same-origin", "X-Forwarded-For", forwarded).StatusCode
	}
	limit := func(s *settings) { s.engine.Limits.StartPerIP = grants.Limit{N: 2, Per: time.Hour} }
	direct := newProvider(t, limit)
	for i, want := range []int{303, 303, 429, 429} {
		if got := begin(direct, i, fmt.Sprintf("198.51.100.%d", i)); got != want {
			t.Errorf("start %d of an untrusted peer: %d", i, got)
		}
	}
	proxied := newProvider(t, limit, func(s *settings) {
		s.op.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	})
	for i, c := range []struct {
		forwarded string
		want      int
	}{
		{"198.51.100.1", 303},
		{"198.51.100.1, 10.1.1.1", 303},
		{"198.51.100.1", 429},
		{"203.0.113.9, 198.51.100.1", 429},
		{"203.0.113.8, 198.51.100.1, 10.0.0.2", 429},
		{"198.51.100.2", 303},
		{"2001:db8::1", 303},
		{"2001:db8::2", 303},
		{"2001:db8::3", 429},
		{"2001:db8:0:1::1", 303},
	} {
		if got := begin(proxied, i, c.forwarded); got != c.want {
			t.Errorf("start %d for %q: %d, want %d", i, c.forwarded, got, c.want)
		}
	}
}

var changing = regexp.MustCompile(`<time[^/]*</time>|value="[^"]*"|(sent|new)=\d+|(tx|c|amp;c)=[A-Za-z0-9_-]{22}|[a-z]+(<wbr>)?@example\.com|class="face"[^<]*<`)

// Whether an address has an account, a blocked one or none is told by no page, only by the mailbox.
func TestClosedSignUpAndBlockedUsersSeeTheSamePages(t *testing.T) {
	p := newProvider(t, func(s *settings) { s.engine.SignupClosed = true })
	ctx := context.Background()
	for id, address := range map[string]string{"email|aaaaaaaaaaaaaaaaaaaaaaaa": "ada@example.com", "email|bbbbbbbbbbbbbbbbbbbbbbbb": "bob@example.com"} {
		check(t, p.store.CreateUser(ctx, id, storage.Identity{Connection: "email", Address: grants.Address{Channel: grants.Email, Value: address}, VerifiedAt: time.Now()}))
	}
	check(t, p.store.SetBlocked(ctx, "email|bbbbbbbbbbbbbbbbbbbbbbbb", true))
	seen := func(to string) string {
		b := p.browser()
		login := b.get(p.authorizeURL()).Header.Get("Location")
		started := b.post(login, b.get(login).form("identifier", to))
		where := started.Header.Get("Location")
		page := b.get(where)
		out := fmt.Sprint(started.StatusCode, started.Cookies(), page.StatusCode) + page.body
		for range 6 {
			a := b.post(where, page.form("code", "000000"))
			out += fmt.Sprint(a.StatusCode, a.Header.Get("Retry-After"), a.Cookies()) + a.body
		}
		again := b.post(at(where, "/u/login/resend"), page.form())
		out += fmt.Sprint(again.StatusCode) + b.get(again.Header.Get("Location")).body
		return changing.ReplaceAllString(out, "*")
	}
	known, blocked, unknown := seen("ada@example.com"), seen("bob@example.com"), seen("eve@example.com")
	if known != blocked || known != unknown {
		t.Errorf("the pages differ:\n%s\n----\n%s\n----\n%s", known, blocked, unknown)
	}
	p.code("ada@example.com", 1)
	if m := p.message("eve@example.com", 1); codePattern.MatchString(m.Text) {
		t.Errorf("an address without an account got a code: %s", m.Text)
	}
	for _, m := range p.inbox.Messages() {
		if m.To == "bob@example.com" {
			t.Errorf("a blocked user got %q", m.Text)
		}
	}
}

func TestUserBlockedAfterTheCodeWentOutIsRefused(t *testing.T) {
	p := newProvider(t)
	p.browser().signIn("ada@example.com", p.authorizeURL())
	b := p.browser()
	where, page := b.begin("ada@example.com", p.authorizeURL())
	form := page.form("code", p.code("ada@example.com", 2))
	user := must(p.store.UserByAddress(context.Background(), grants.Address{Channel: grants.Email, Value: "ada@example.com"}))
	check(t, p.store.SetBlocked(context.Background(), user.ID, true))
	a := b.post(where, form)
	a.mustBePage(t, http.StatusForbidden, saysRefused)
	if a.cookie("sallyport_session") != nil || a.cookie("sallyport_device") != nil {
		t.Error("a refused login sets cookies")
	}
	b.post(where, form).mustBePage(t, http.StatusUnprocessableEntity, saysUsed)
	check(t, p.store.SetBlocked(context.Background(), user.ID, false))
	b.post(where, form).mustBePage(t, http.StatusUnprocessableEntity, saysUsed)
}

// An attacker can use up the guesses of unknown browsers only: a browser that has signed in has its own, and everybody
// else gets longer codes.
func TestAttackerCannotLockAnybodyOut(t *testing.T) {
	p := newProvider(t, func(s *settings) { s.engine.Limits.FailuresPerAddress = grants.Limit{N: 3, Per: time.Hour} })
	known, unknown, attacker := p.browser(), p.browser(), p.browser()
	known.signIn("ada@example.com", p.authorizeURL())
	before, beforePage := unknown.begin("ada@example.com", p.authorizeURL())
	waiting := p.code("ada@example.com", 2)
	where, page := attacker.begin("ada@example.com", p.authorizeURL())
	wrong := other(p.code("ada@example.com", 3))
	for range 3 {
		attacker.post(where, page.form("code", wrong)).mustBePage(t, http.StatusUnprocessableEntity, saysWrong)
	}
	attacker.post(where, page.form("code", wrong)).mustBePage(t, http.StatusUnprocessableEntity, saysTooMany)
	attacker.post(where, page.form("code", p.code("ada@example.com", 3))).mustBePage(t, http.StatusUnprocessableEntity, saysTooMany)
	unknown.post(before, beforePage.form("code", waiting)).mustBePage(t, http.StatusUnprocessableEntity, saysTooMany)

	where, page = known.begin("ada@example.com", p.authorizeURL("prompt", "login"))
	if code := p.code("ada@example.com", 4); len(code) != 6 {
		t.Errorf("the known browser types %d digits", len(code))
	}
	known.post(where, page.form("code", p.code("ada@example.com", 4))).sentBack(t)

	renewed := unknown.post(at(before, "/u/login/resend"), beforePage.form()).Header.Get("Location")
	long := p.code("ada@example.com", 5)
	if len(long) != grants.LongCodeLength || !strings.Contains(unknown.get(renewed).body, `data-length="10"`) {
		t.Errorf("the unknown browser types %d digits", len(long))
	}
	unknown.post(renewed, beforePage.form("code", other(long))).mustBePage(t, http.StatusUnprocessableEntity, "You have 4 more tries.")
	unknown.post(renewed, beforePage.form("code", long)).sentBack(t)

	// The cookie of a known browser is worth nothing for another account, nor when it is not ours.
	stranger := p.browser()
	stranger.signIn("eve@example.com", p.authorizeURL())
	for _, b := range []*browser{stranger, p.browser()} {
		b.Jar.SetCookies(must(url.Parse(p.url)), []*http.Cookie{{Name: "sallyport_browser", Value: strings.Repeat("b", 26)}})
		if b != stranger {
			b.Jar.SetCookies(must(url.Parse(p.url)), []*http.Cookie{{Name: "sallyport_device", Value: stranger.cookieValue("sallyport_device") + "A"}})
		}
		n := len(p.inbox.Messages()) - 1 // all but Eve's are Ada's
		b.begin("ada@example.com", p.authorizeURL("prompt", "login"))
		if code := p.code("ada@example.com", n+1); len(code) != grants.LongCodeLength {
			t.Errorf("a browser that has not signed in as Ada types %d digits", len(code))
		}
	}
}

func TestLoginByTextMessage(t *testing.T) {
	p := newProvider(t)
	back := p.browser().signIn("+4915112345678", p.authorizeURL("scope", "openid phone"))
	info := p.userinfo(p.exchange(back.Get("code")).str("access_token"))
	if info.str("phone_number") != "+4915112345678" || info.json()["phone_number_verified"] != true || info.json()["email"] != nil || !strings.HasPrefix(info.str("sub"), "sms|") {
		t.Fatalf("%s", info.body)
	}
	if m := p.message("+4915112345678", 1); strings.Contains(m.Text, "/u/login/link") {
		t.Errorf("a text message has a link: %s", m.Text)
	}
	// The same number, spelled differently, is the same person; no account of it is another's.
	again := p.browser()
	where, page := again.begin("0049 151 123-45678", p.authorizeURL("scope", "openid phone"))
	second := p.exchange(again.post(where, page.form("code", p.code("+4915112345678", 2))).sentBack(t).Get("code"))
	if claims(t, second.str("id_token"))["sub"] != info.str("sub") {
		t.Error("two accounts of one number")
	}
}

// The link or code of one tab signs in; what is open in the others goes on with that.
func TestOtherTabsGoOnWithTheLoginOfOne(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	first, page1 := b.begin("ada@example.com", p.authorizeURL("state", "one"))
	second, page2 := b.begin("ada@example.com", p.authorizeURL("state", "two", "prompt", "login"))
	login := b.get(p.authorizeURL("state", "three")).Header.Get("Location")
	b.post(first, page1.form("code", p.code("ada@example.com", 1))).sentBack(t)
	moved := b.get(second)
	if moved.StatusCode != http.StatusSeeOther || !strings.HasPrefix(moved.Header.Get("Location"), p.url+"/u/login?tx=") {
		t.Fatalf("%d %s", moved.StatusCode, moved.body)
	}
	for state, where := range map[string]string{"two": moved.Header.Get("Location"), "three": login} {
		confirm := b.get(where)
		confirm.mustBePage(t, http.StatusOK, "ada<wbr>@example.com")
		if back := b.post(at(where, "/u/login/continue"), confirm.form()).sentBack(t); back.Get("state") != state || !back.Has("code") {
			t.Errorf("%v", back)
		}
		elsewhere := b.post(at(where, "/u/login/other"), confirm.form()).Header.Get("Location")
		b.get(elsewhere).mustBePage(t, http.StatusOK, `name="identifier"`)
	}
	if b.post(second, page2.form("code", p.code("ada@example.com", 1))).sentBack(t).Get("state") != "two" {
		t.Error("the code, typed in the second tab within seconds, does not go on there")
	}
}

func TestCodeWorksInAnyOpenTransactionOfItsBrowserAndClientOnly(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	where, page := b.begin("ada@example.com", p.authorizeURL())
	code := p.code("ada@example.com", 1)
	into := func(more ...string) (string, answer) {
		login := b.get(p.authorizeURL(more...)).Header.Get("Location")
		u := must(url.Parse(login))
		return "/u/login/code?" + url.Values{"tx": {u.Query().Get("tx")}, "c": {must(url.Parse(where)).Query().Get("c")}}.Encode(), b.get(login)
	}
	foreign, foreignPage := into("client_id", "other", "redirect_uri", "http://127.0.0.1:9/other")
	b.post(foreign, foreignPage.form("code", code)).mustBePage(t, http.StatusGone, saysEnded)
	second, secondPage := into("state", "second")
	if back := b.post(second, secondPage.form("code", code)).sentBack(t); back.Get("state") != "second" {
		t.Fatalf("%v", back)
	}
	p.pass(time.Minute)
	b.post(where, page.form("code", code)).mustBePage(t, http.StatusUnprocessableEntity, saysUsed)
}

// Whoever asks for an address, nobody else's challenge is shared, ended or spent by it.
func TestChallengeBelongsToWhoAsked(t *testing.T) {
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			p := newProvider(t, func(s *settings) {
				if database == "postgres" {
					s.databaseURL = storagetest.PostgresURL(t)
				}
			})
			const ada = "ada@example.com"
			type asker struct {
				b     *browser
				where string
				page  answer
				code  string
			}
			var askers []asker
			for _, more := range [][]string{nil, nil, {"client_id", "other", "redirect_uri", "http://127.0.0.1:9/other"}, {"client_id", "spa", "redirect_uri", "http://127.0.0.1:9/spa"}} {
				b := p.browser()
				where, page := b.begin(ada, p.authorizeURL(more...))
				askers = append(askers, asker{b, where, page, p.code(ada, len(askers)+1)})
			}
			api := p.mailed(ada)
			otp := func(code string) answer {
				return p.token("grant_type", grantOTP, "realm", "email", "username", ada, "otp", code)
			}
			for i, a := range askers {
				otp(a.code).wants(t, http.StatusForbidden, "invalid_grant")
				for j, foreign := range askers {
					if i != j && foreign.code != a.code {
						a.b.post(a.where, a.page.form("code", foreign.code)).mustBePage(t, http.StatusUnprocessableEntity, saysWrong)
					}
				}
				a.b.post(a.where, a.page.form("code", api)).mustBePage(t, http.StatusUnprocessableEntity, "You have 1 more try.")
			}
			for i, a := range askers {
				if back := a.b.post(a.where, a.page.form("code", a.code)).sentBack(t); !back.Has("code") {
					t.Errorf("asker %d: %v", i, back)
				}
			}
			if last := otp(api); last.StatusCode != http.StatusOK {
				t.Errorf("the API's own: %d %s", last.StatusCode, last.body)
			}
		})
	}
}

var dataWait = regexp.MustCompile(`data-wait="(\d+)"`)

// heldBack is for how many seconds the page holds back the button for another message, 0 without.
func (a answer) heldBack() int {
	if m := dataWait.FindStringSubmatch(a.body); m != nil {
		return must(strconv.Atoi(m[1]))
	}
	return 0
}

func TestWaitForAnotherMessageCountsFromTheLastOne(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	where, page := b.begin("ada@example.com", p.authorizeURL())
	within := func(a answer, least, most int) {
		t.Helper()
		if got := a.heldBack(); got < least || got > most {
			t.Errorf("held back for %d seconds, not %d to %d", got, least, most)
		}
	}
	within(page, 25, 30)
	p.pass(15 * time.Second)
	within(b.get(where), 10, 15)
	form := regexp.MustCompile(`action="(/u/login/code[^"]*)"`).FindStringSubmatch(page.body)
	wrong := b.post(html.UnescapeString(form[1]), page.form("code", not(p.code("ada@example.com", 1))))
	wrong.mustBePage(t, http.StatusUnprocessableEntity, "")
	within(wrong, 10, 15)
	p.pass(15 * time.Second)
	within(b.get(where), 0, 0)
	within(b.get(strings.Replace(where, "sent=", "sent=9", 1)), 0, 0) // an address that somebody changed
	again := b.post(at(where, "/u/login/resend"), page.form())
	within(b.get(again.Header.Get("Location")), 25, 30)
}
