package op_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/storage"
)

const grantDevice = "urn:ietf:params:oauth:grant-type:device_code"

// tv is a device that signs in.
type tv struct {
	p                    *provider
	deviceCode, userCode string
}

func (p *provider) addTV() {
	p.t.Helper()
	c := publicClient("tv", "native")
	c.Name, c.GrantTypes = "Acme TV", []string{grantDevice, "refresh_token"}
	c.APIs = map[string][]string{apiAudience: {"read:things"}}
	check(p.t, p.store.AddClient(context.Background(), c))
}

func (p *provider) tv(more ...string) tv {
	p.t.Helper()
	form := values("client_id", "tv", "scope", "openid email")
	for i := 0; i+1 < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	a := p.send(http.MethodPost, "/oauth/device/code", form.Encode(), "Content-Type", formType)
	a.wants(p.t, http.StatusOK, "")
	return tv{p, a.str("device_code"), a.str("user_code")}
}

func (d tv) poll(more ...string) answer {
	d.p.t.Helper()
	form := values("client_id", "tv", "grant_type", grantDevice, "device_code", d.deviceCode)
	for i := 0; i+1 < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return d.p.send(http.MethodPost, "/oauth/token", form.Encode(), "Content-Type", formType)
}

// typed types a device's code, and gives where that leads.
func (b *browser) typed(userCode string) answer {
	b.p.t.Helper()
	return b.post("/device", b.get("/device").form("user_code", userCode))
}

// confirming signs in, where need be, and gives the page that asks about the device, with its address.
func (b *browser) confirming(to, userCode string) (string, answer) {
	b.p.t.Helper()
	n := 1
	for _, m := range b.p.inbox.Messages() {
		if m.To == to {
			n++
		}
	}
	at := b.typed(userCode).Header.Get("Location")
	page := b.get(at)
	if login := page.Header.Get("Location"); strings.Contains(login, "/u/login?") {
		code := b.post(login, b.get(login).form("identifier", to)).Header.Get("Location")
		at = b.post(code, b.get(code).form("code", b.p.code(to, n))).Header.Get("Location")
		page = b.get(at)
	}
	if !strings.Contains(at, "/device/confirm?tx=") || page.StatusCode != http.StatusOK {
		b.p.t.Fatalf("no confirmation: %s %d %s", at, page.StatusCode, page.body)
	}
	return at, page
}

// answers signs in and says yes or no to a device.
func (b *browser) answers(to, userCode, answer string) answer {
	b.p.t.Helper()
	at, page := b.confirming(to, userCode)
	done := b.post(at, page.form("answer", answer))
	if done.StatusCode != http.StatusSeeOther {
		b.p.t.Fatalf("%d %s", done.StatusCode, done.body)
	}
	return b.get(done.Header.Get("Location"))
}

const (
	saysApproved  = "Your device is signed in"
	saysDenied    = "The device is not signed in"
	saysBadDevice = "This code does not work."
)

func TestDeviceSignsIn(t *testing.T) {
	p := newProvider(t)
	p.addTV()
	started := p.call("/oauth/device/code", "client_id", "tv", "scope", offline+" read:things nonsense", "audience", apiAudience)
	started.wants(t, http.StatusOK, "")
	got := started.json()
	userCode := started.str("user_code")
	if got["verification_uri"] != p.url+"/device" || got["verification_uri_complete"] != p.url+"/device?user_code="+userCode || got["expires_in"] != 900.0 || got["interval"] != 5.0 ||
		len(userCode) != 9 || userCode[4] != '-' || strings.Trim(userCode, "BCDFGHJKLMNPQRSTVWXZ-") != "" {
		t.Fatalf("%s", started.body)
	}
	device, b := tv{p, started.str("device_code"), userCode}, p.browser()
	device.poll().wants(t, http.StatusForbidden, "authorization_pending")
	at, page := b.confirming("ada@example.com", strings.ToLower(strings.ReplaceAll(userCode, "-", " ")))
	if !strings.Contains(page.body, "Acme TV") || !strings.Contains(page.body, "ada") || !strings.Contains(page.body, "Approve only if you started this yourself") {
		t.Errorf("the page says %s", page.body)
	}
	p.pass(6 * time.Second)
	device.poll().wants(t, http.StatusForbidden, "authorization_pending") // being signed in is not agreeing
	b.get(b.post(at, page.form("answer", "approve")).Header.Get("Location")).mustBePage(t, http.StatusOK, saysApproved)
	tokens := device.poll()
	tokens.wants(t, http.StatusOK, "")
	id := claims(t, tokens.str("id_token"))
	if tokens.str("scope") != offline+" read:things" || id["aud"] != "tv" || id["sid"] == nil || id["amr"] == nil || claims(t, tokens.str("access_token"))["azp"] != "tv" {
		t.Errorf("%s %v", tokens.body, id)
	}
	device.poll().wants(t, http.StatusForbidden, "invalid_grant")
	refreshed := p.call("/oauth/token", "client_id", "tv", "grant_type", "refresh_token", "refresh_token", tokens.str("refresh_token"))
	refreshed.wants(t, http.StatusOK, "")
	if sub(t, p.exchange(b.get(p.authorizeURL()).sentBack(t).Get("code"))) != id["sub"] {
		t.Error("another account")
	}

	second := p.tv() // a session is enough for the next device, but not without asking
	b.answers("ada@example.com", second.userCode, "approve").mustBePage(t, http.StatusOK, saysApproved)
	second.poll().wants(t, http.StatusOK, "")
}

func TestErrorRowsOfDeviceTokens(t *testing.T) {
	p := newProvider(t)
	p.addTV()
	device := p.tv()
	says := func(a answer, status int, code, text string) {
		t.Helper()
		if a.wants(t, status, code); a.str("error_description") != text {
			t.Errorf("%s", a.body)
		}
	}
	says(device.poll(), 403, "authorization_pending", "User has yet to authorize device code.")
	says(device.poll(), 429, "slow_down", "You are polling faster than the specified interval of 10 seconds.")
	p.pass(6 * time.Second)
	says(device.poll(), 429, "slow_down", "You are polling faster than the specified interval of 15 seconds.")
	p.pass(16 * time.Second)
	says(device.poll(), 403, "authorization_pending", "User has yet to authorize device code.")

	denied := p.tv()
	p.browser().answers("ada@example.com", denied.userCode, "cancel").mustBePage(t, http.StatusOK, saysDenied)
	says(denied.poll(), 403, "access_denied", "User cancelled the confirmation prompt.")
	says(denied.poll(), 403, "access_denied", "User cancelled the confirmation prompt.")

	p.addClients(func() storage.Client {
		c := publicClient("radio", "native")
		c.GrantTypes = []string{grantDevice}
		return c
	}())
	late := p.tv()
	says(late.poll("client_id", "radio"), 403, "invalid_grant", "Invalid or expired device code.")
	for _, wrong := range append(mangled(late.deviceCode), "x", "BCDF-GHJK", late.userCode) {
		if a := late.poll("device_code", wrong); a.str("error") != "invalid_grant" {
			t.Errorf("%q: %s", wrong, a.body)
		}
	}
	says(late.poll(), 403, "authorization_pending", "User has yet to authorize device code.") // none of those was a poll
	p.pass(16 * time.Minute)
	replica := p.replica()
	late.p = replica
	says(late.poll(), 403, "expired_token", "The device code has expired.")

	late.poll("device_code", "").wants(t, http.StatusBadRequest, "invalid_request")
	late.poll("client_id", "spa").wants(t, http.StatusBadRequest, "unauthorized_client")
	late.poll("client_id", "nobody").wants(t, http.StatusUnauthorized, "invalid_client")
}

func TestErrorRowsOfDeviceCodes(t *testing.T) {
	p := newProvider(t, withDefaultLimits)
	p.addTV()
	for name, c := range map[string]struct {
		status int
		code   string
		form   []string
	}{
		"no client":            {401, "invalid_client", nil},
		"an unknown client":    {401, "invalid_client", []string{"client_id", "nobody"}},
		"no secret":            {401, "invalid_client", []string{"client_id", "web"}},
		"not its grant":        {400, "unauthorized_client", []string{"client_id", "spa"}},
		"another's audience":   {400, "invalid_target", []string{"client_id", "tv", "audience", "https://elsewhere.example.com"}},
		"no scope of ours":     {400, "invalid_scope", []string{"client_id", "tv", "scope", "nonsense"}},
		"a scope that is long": {400, "invalid_scope", []string{"client_id", "tv", "scope", strings.Repeat("x", 5000)}},
	} {
		t.Run(name, func(t *testing.T) {
			a := p.call("/oauth/device/code", c.form...)
			a.wants(t, c.status, c.code)
			internal(t, a)
		})
	}
	p.callJSON("/oauth/device/code", map[string]any{"client_id": "tv"}).wants(t, http.StatusOK, "")
	for range 50 {
		p.call("/oauth/device/code", "client_id", "tv")
	}
	a := p.call("/oauth/device/code", "client_id", "tv")
	if a.wants(t, http.StatusTooManyRequests, "too_many_requests"); a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

// Looking at an address, with whatever code in it, changes nothing: scanners and previews open addresses.
func TestDeviceAddressDoesNothing(t *testing.T) {
	p := newProvider(t)
	p.addTV()
	device, b := p.tv(), p.browser()
	b.signIn("ada@example.com", p.authorizeURL())
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		a := b.send(method, "/device?user_code="+device.userCode, nil)
		if a.StatusCode != http.StatusOK || a.Header.Get("Location") != "" || method == http.MethodGet && !strings.Contains(a.body, `value="`+device.userCode+`"`) {
			t.Errorf("%s: %d %s", method, a.StatusCode, a.body)
		}
	}
	for _, strange := range []string{`"><script>`, "AEIO-UAEI", strings.Repeat("B", 9), "%ff"} {
		if a := b.get("/device?user_code=" + url.QueryEscape(strange)); strings.Contains(a.body, "script>alert") || !strings.Contains(a.body, `name="user_code" value=""`) {
			t.Errorf("%q: %s", strange, a.body)
		}
	}
	device.poll().wants(t, http.StatusForbidden, "authorization_pending")
}

// A page of an attacker can neither type a code nor agree for a person, nor can another browser or an older form.
func TestDeviceFormsAreTheBrowsersOwn(t *testing.T) {
	p := newProvider(t)
	p.addTV()
	device, b, thief := p.tv(), p.browser(), p.browser()
	form := b.get("/device").form("user_code", device.userCode)
	crossSite := []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example.com"}
	if a := b.send("POST", "/device", form, crossSite...); a.StatusCode != http.StatusForbidden {
		t.Errorf("a foreign page typed a code: %d", a.StatusCode)
	}
	for name, csrf := range map[string]string{"none": "", "another browser's": thief.get("/device").form().Get("csrf"), "nonsense": "AAAA"} {
		other := url.Values{"user_code": {device.userCode}, "csrf": {csrf}}
		if a := b.post("/device", other); a.StatusCode != http.StatusForbidden {
			t.Errorf("csrf %s: %d", name, a.StatusCode)
		}
	}
	at, page := b.confirming("ada@example.com", device.userCode)
	if a := b.send("POST", at, page.form("answer", "approve"), crossSite...); a.StatusCode != http.StatusForbidden {
		t.Errorf("a foreign page agreed: %d", a.StatusCode)
	}
	if a := thief.post(at, page.form("answer", "approve")); a.StatusCode != http.StatusForbidden {
		t.Errorf("another browser agreed: %d", a.StatusCode)
	}
	login := strings.Replace(at, "/device/confirm", "/u/login", 1) + "&other=1"
	if a := b.post(at, b.get(login).form("answer", "approve")); a.StatusCode != http.StatusForbidden {
		t.Errorf("a form of the login agreed: %d", a.StatusCode)
	}
	if a := b.post(at, url.Values{"answer": {"approve"}, "csrf": {form.Get("csrf")}}); a.StatusCode != http.StatusForbidden {
		t.Errorf("the first form agreed: %d", a.StatusCode)
	}
	b.signIn("eve@example.com", p.authorizeURL("prompt", "login")) // in another tab
	if a := b.post(at, page.form("answer", "approve")); a.StatusCode != http.StatusForbidden {
		t.Errorf("a form that names Ada agreed for Eve: %d", a.StatusCode)
	}
	if other := b.get(at); !strings.Contains(other.body, "eve") {
		t.Errorf("the page does not name Eve: %s", other.body)
	}
	signedOut := p.browser()
	signedOut.copyCookies(b, "sallyport_browser")
	if a := signedOut.post(at, b.get(at).form("answer", "approve")); a.StatusCode != http.StatusForbidden {
		t.Errorf("nobody agreed: %d", a.StatusCode)
	}
	device.poll().wants(t, http.StatusForbidden, "authorization_pending")
}

// Of codes that lead nowhere the page says one thing, and it counts how often somebody tries.
func TestGuessingUserCodes(t *testing.T) {
	p := newProvider(t, withDefaultLimits)
	p.addTV()
	used, answered, open := p.tv(), p.tv(), p.tv()
	b := p.browser()
	b.answers("ada@example.com", used.userCode, "approve")
	used.poll().wants(t, http.StatusOK, "")
	b.answers("ada@example.com", answered.userCode, "cancel")
	stranger := p.browser()
	body := ""
	for name, code := range map[string]string{"unknown": "BBBB-BBBB", "used": used.userCode, "answered": answered.userCode, "no code": "x", "nothing": ""} {
		a := stranger.typed(code)
		a.mustBePage(t, http.StatusUnprocessableEntity, saysBadDevice)
		if same := strings.ReplaceAll(a.body, `value="`+code+`"`, ""); body == "" {
			body = same
		} else if body != same {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	for range 30 {
		stranger.typed("BBBB-BBBC")
	}
	if a := stranger.typed(open.userCode); a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
		t.Errorf("a right code after many wrong ones: %d", a.StatusCode)
	}
	p.pass(16 * time.Minute)
	replica := p.replica() // whose limit is its own
	if a := replica.browser().typed(open.userCode); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("expired: %d", a.StatusCode)
	}
}

// What switches every limit off is heard by those that have no key of their own.
func TestDevicesHaveNoLimitsWhereAllAreOff(t *testing.T) {
	p := newProvider(t)
	p.addTV()
	for range 51 {
		p.tv()
	}
	stranger := p.browser()
	for range 31 {
		stranger.typed("BBBB-BBBC").mustBePage(t, http.StatusUnprocessableEntity, saysBadDevice)
	}
}

// What was agreed to counts no more when the login that agreed is over, or the account, however that ended and whatever
// has become of the account since.
func TestDeviceOfAnEndedLogin(t *testing.T) {
	for name, end := range map[string]func(*provider, *browser, storage.User){
		"signed out": func(_ *provider, b *browser, _ storage.User) { b.post("/u/logout", b.get("/oidc/logout").form()) },
		"ended by an administrator": func(p *provider, _ *browser, u storage.User) {
			for _, s := range must(p.store.UserSessions(t.Context(), u.ID)) {
				check(t, p.store.EndSession(t.Context(), s.ID))
			}
		},
		"blocked": func(p *provider, _ *browser, u storage.User) { check(t, p.store.SetBlocked(t.Context(), u.ID, true)) },
		"blocked and let in again": func(p *provider, _ *browser, u storage.User) {
			check(t, p.store.SetBlocked(t.Context(), u.ID, true))
			check(t, p.store.SetBlocked(t.Context(), u.ID, false))
		},
		"deleted": func(p *provider, _ *browser, u storage.User) { check(t, p.store.DeleteUser(t.Context(), u.ID)) },
		"another account's login": func(p *provider, b *browser, _ storage.User) {
			b.signIn("eve@example.com", p.authorizeURL("prompt", "login"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			p.addTV()
			b, device, offlineDevice := p.browser(), p.tv(), p.tv("scope", offline)
			b.answers("ada@example.com", device.userCode, "approve")
			b.answers("ada@example.com", offlineDevice.userCode, "approve")
			end(p, b, must(p.store.Users(t.Context(), "", 1))[0])
			device.poll().wants(t, http.StatusForbidden, "invalid_grant")
			offlineDevice.poll().wants(t, http.StatusForbidden, "invalid_grant")
		})
	}
}

// The database alone signs nobody in: it has neither of the codes.
func TestDeviceCodesAreNotInTheDatabase(t *testing.T) {
	p := newProvider(t)
	p.addTV()
	device := p.tv()
	b := p.browser()
	at, _ := b.confirming("ada@example.com", device.userCode)
	req := must(p.store.AuthRequest(context.Background(), must(url.Parse(at)).Query().Get("tx")))
	row := must(p.store.DeviceCode(context.Background(), req.Device))
	bare := strings.ReplaceAll(device.userCode, "-", "")
	for _, kept := range []string{row.ID, row.UserCode, req.State, req.ID} {
		if strings.Contains(kept, bare) || strings.Contains(kept, device.userCode) || strings.Contains(device.deviceCode, kept) && kept != "" {
			t.Errorf("%q is kept", kept)
		}
	}
	device.poll("device_code", row.ID).wants(t, http.StatusForbidden, "invalid_grant")
}

func TestRacingDevicesAndAnswers(t *testing.T) {
	onBothDatabases(t, func(t *testing.T, database func(*settings)) {
		t.Helper()
		p := newProvider(t, database)
		p.addTV()
		replica, device, b := p.replica(), p.tv(), p.browser()
		at, page := b.confirming("ada@example.com", device.userCode)
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() { b.post(at, page.form("answer", []string{"approve", "cancel"}[i%2])) })
		}
		wg.Wait()
		approved := strings.Contains(b.get(at).body, saysApproved)
		var won atomic.Int32
		for i := range 20 {
			wg.Go(func() {
				if a := (tv{[]*provider{p, replica}[i%2], device.deviceCode, ""}).poll(); a.StatusCode == http.StatusOK {
					won.Add(1)
				} else if a.StatusCode != http.StatusForbidden {
					t.Errorf("%d %s", a.StatusCode, a.body)
				}
			})
		}
		wg.Wait()
		if want := map[bool]int32{true: 1}[approved]; won.Load() != want {
			t.Errorf("approved %v, %d tokens", approved, won.Load())
		}
	})
}
