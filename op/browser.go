package op

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"sallyport/grants"
)

// Cookies of the hosted pages. On https they carry the __Host- prefix, so that no other host can set them.
const (
	cookieBrowser = "sallyport_browser" // which browser this is: binds transactions and challenges; proves nothing else
	cookieSession = "sallyport_session" // the SSO session's secret
	cookieDevice  = "sallyport_device"  // accounts that have signed in here: their guess budgets are their own

	browserAge = 90 * 24 * time.Hour
	deviceAge  = 365 * 24 * time.Hour

	maxDeviceAccounts = 10
)

func (p *Provider) cookieName(name string) string {
	if p.https {
		return "__Host-" + name
	}
	return name
}

func (p *Provider) cookie(r *http.Request, name string) string {
	c, err := r.Cookie(p.cookieName(name))
	if err != nil || len(c.Value) > 4096 {
		return ""
	}
	return c.Value
}

func (p *Provider) setCookie(w http.ResponseWriter, name, value string, age time.Duration, sameSite http.SameSite) {
	c := &http.Cookie{ //nolint:gosec // Secure is as the issuer's scheme allows
		Name: p.cookieName(name), Value: value, Path: "/", MaxAge: int(age / time.Second), HttpOnly: true, Secure: p.https, SameSite: sameSite,
	}
	if age <= 0 {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// browserOf is the secret of the browser that asks, empty when it has none.
func (p *Provider) browserOf(r *http.Request) string { return p.cookie(r, cookieBrowser) }

// ensureBrowser gives a browser without one its secret.
func (p *Provider) ensureBrowser(w http.ResponseWriter, r *http.Request) string {
	if b := p.browserOf(r); len(b) >= 26 {
		return b
	}
	b := rand.Text()
	p.setCookie(w, cookieBrowser, b, browserAge, http.SameSiteLaxMode)
	return b
}

// hashed is the form in which cookies' secrets are stored: they are random and at least 128 bits long.
func hashed(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// csrfToken binds a form to the browser and to what the form is about.
func (p *Provider) csrfToken(browser, about string) string {
	_, mac := p.cfg.Ring.Sign("csrf", []byte(browser), []byte(about))
	return base64.RawURLEncoding.EncodeToString(mac[:16])
}

func (p *Provider) csrfRight(token, browser, about string) bool {
	if browser == "" {
		return false
	}
	for _, id := range p.cfg.Ring.KeyIDs() { // a form may be older than the newest secret
		mac, known := p.cfg.Ring.MAC(id, "csrf", []byte(browser), []byte(about))
		if known && subtle.ConstantTimeCompare([]byte(token), []byte(encode(mac[:16]))) == 1 {
			return true
		}
	}
	return false
}

// device is what the device cookie says, sealed.
type device struct {
	ID       string   `json:"id"`
	Accounts []string `json:"accounts"` // hashes of addresses that have signed in here, newest last
}

func (p *Provider) deviceOf(r *http.Request) device {
	var d device
	plain, err := unseal(p.cfg.Ring, cookieDevice, p.cookie(r, cookieDevice))
	if err != nil || json.Unmarshal([]byte(plain), &d) != nil {
		return device{}
	}
	return d
}

// knownDevice is the id of the browser as a device of an address, empty when nobody with that address has signed in
// on it.
func (p *Provider) knownDevice(r *http.Request, a grants.Address) string {
	if d := p.deviceOf(r); slices.Contains(d.Accounts, deviceAccount(a)) {
		return d.ID
	}
	return ""
}

// rememberDevice adds the address of a challenge that was just redeemed to the device cookie. A new device's id is
// derived from the challenge: one code makes one device, however often its form is sent, and so one guess budget.
func (p *Provider) rememberDevice(w http.ResponseWriter, r *http.Request, c grants.Challenge) {
	d, account := p.deviceOf(r), deviceAccount(c.Address)
	if d.ID == "" {
		mac, known := p.cfg.Ring.MAC(c.KeyID, "device", c.Seed)
		if !known {
			return // its secret has just left the ring
		}
		d.ID = encode(mac[:16])
	}
	d.Accounts = append(slices.DeleteFunc(d.Accounts, func(s string) bool { return s == account }), account)
	if over := len(d.Accounts) - maxDeviceAccounts; over > 0 {
		d.Accounts = d.Accounts[over:]
	}
	plain, _ := json.Marshal(d) //nolint:errchkjson // strings only
	p.setCookie(w, cookieDevice, seal(p.cfg.Ring, cookieDevice, string(plain)), deviceAge, http.SameSiteLaxMode)
}

func deviceAccount(a grants.Address) string { return hashed(string(a.Channel) + ":" + a.Value)[:16] }
