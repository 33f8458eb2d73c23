package op

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

func fuzzed(tb testing.TB) *Provider {
	tb.Helper()
	ring, err := grants.NewRing(grants.NewID() + grants.NewID()) // of this process alone: others fuzz beside it
	if err != nil {
		tb.Fatal(err)
	}
	return &Provider{cfg: Config{Ring: ring}}
}

// FuzzRedirectURI checks that nothing but a registered address is allowed, save for the port of a native client's
// loopback address.
func FuzzRedirectURI(f *testing.F) {
	registered := []string{"https://app.example.com/cb", "https://app.example.com/cb?x=1", "http://127.0.0.1/cb", "http://[::1]:8000/cb?a=b", "com.example.app:/cb"}
	for _, seed := range append([]string{
		"https://app.example.com/cb/", "https://app.example.com/cb#x", "https://app.example.com.evil.com/cb", "https://app.example.com@evil.com/cb",
		"http://127.0.0.1:1234/cb", "http://127.0.0.1:99999999/cb", "http://127.0.0.1:80@evil.com/cb", "http://127.0.0.1:/cb", "http://127.0.0.1.evil.com/cb",
		"http://[::1]/cb?a=b", "http://[::1].evil.com/cb", "http://localhost/cb", "http://127.0.0.1:80\\@evil.com/cb", "HTTP://127.0.0.1:80/cb", "http://127.0.0.1:１/cb", "",
	}, registered...) {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, uri string, native bool) {
		c := &client{storage.Client{Type: "web", RedirectURIs: registered}}
		if native {
			c.Type = "native"
		}
		if !redirectAllowed(c, uri) {
			return
		}
		for _, r := range registered {
			if uri == r {
				return
			}
		}
		u, err := url.Parse(uri)
		if err != nil && !strings.Contains(err.Error(), "invalid port") {
			t.Fatalf("%q is allowed and no URL: %v", uri, err)
		}
		if !native {
			t.Fatalf("%q is allowed and not registered", uri)
		}
		if err != nil {
			return // a port beyond 65535: nobody listens there
		}
		host, rest := u.Hostname(), u.RequestURI()
		loopback := host == "127.0.0.1" && rest == "/cb" || host == "::1" && rest == "/cb?a=b"
		if u.Scheme != "http" || u.User != nil || u.Fragment != "" || !loopback {
			t.Fatalf("%q is allowed and differs by more than its port", uri)
		}
	})
}

// FuzzTokens checks that no value but our own, as it was given, opens as a token or code: neither a text as it comes nor
// one put into a good token in place of some of its characters.
func FuzzTokens(f *testing.F) {
	p := fuzzed(f)
	now := time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC)
	access := p.sealAccess(accessToken{ID: "a.b", ClientID: "web", IssuedAt: now, Expires: now.Add(time.Hour), Scope: "openid"})
	refresh := p.refreshToken(storage.Authorization{ID: grants.NewID(), ClientID: "web", RefreshGeneration: 3})
	code, link := seal(p.cfg.Ring, labelCode, "an id"), seal(p.cfg.Ring, labelLink, "id token 0")
	device := seal(p.cfg.Ring, labelDevice, "an id\x00web")
	for _, seed := range []string{"", ".", "a.b.c", "\n", "\x00", "=", "A", strings.Repeat("A", 5000)} {
		f.Add(seed, uint16(0), uint8(0))
		f.Add(seed, uint16(1000), uint8(1))
	}
	f.Fuzz(func(t *testing.T, text string, at uint16, cut uint8) {
		candidates := []string{text}
		for _, own := range []string{access, refresh, code, link, device} {
			from := int(at) % (len(own) + 1)
			to := min(from+int(cut), len(own))
			candidates = append(candidates, own[:from]+text+own[to:])
		}
		for _, s := range candidates {
			_, errAccess := p.openAccess(s)
			_, _, errRefresh := p.openRefresh(s, "web")
			_, _, errOther := p.openRefresh(s, "other")
			_, errCode := unseal(p.cfg.Ring, labelCode, s)
			_, errLink := unseal(p.cfg.Ring, labelLink, s)
			_, errDevice := unseal(p.cfg.Ring, labelDevice, s)
			if (errAccess == nil) != (s == access) || (errRefresh == nil) != (s == refresh) || (errCode == nil) != (s == code) || (errLink == nil) != (s == link) || (errDevice == nil) != (s == device) || errOther == nil {
				t.Errorf("%q: access token %v, refresh token %v, of another client %v, code %v, link's code %v, device code %v", s, errAccess, errRefresh, errOther, errCode, errLink, errDevice)
			}
		}
	})
}

// FuzzPlainAccessToken checks that whatever stands in a sealed value is read without a panic, and comes back as it was.
func FuzzPlainAccessToken(f *testing.F) {
	p := fuzzed(f)
	f.Add("a.b\x00web\x001\x002\x00openid\x00")
	f.Add("\x00\x00\x00\x00\x00")
	f.Add("")
	f.Fuzz(func(t *testing.T, plain string) {
		got, err := p.openAccess(seal(p.cfg.Ring, labelAccess, plain))
		if err != nil {
			return
		}
		if again, err := p.openAccess(p.sealAccess(got)); err != nil || again.ID != got.ID || again.Scope != got.Scope || again.Audience != got.Audience || again.ClientID != got.ClientID {
			t.Errorf("%+v came back as %+v, %v", got, again, err)
		}
	})
}

// FuzzDecode checks that a token has one spelling.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"", "AA", "AB", "A", "AAA=", "A\nA", "A A", "-_"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if raw, err := decode(s); err == nil && base64.RawURLEncoding.EncodeToString(raw) != s {
			t.Errorf("%q is another spelling", s)
		}
	})
}

// FuzzAssertion checks that whatever a stranger calls an assertion is read without a panic and proves nothing.
func FuzzAssertion(f *testing.F) {
	registered := json.RawMessage(`{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`)
	for _, seed := range []string{
		"", "..", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJFUzI1NiIsImtpZCI6ImEifQ.eyJpc3MiOiJhIiwic3ViIjoiYSIsImV4cCI6MWU5fQ.AAAA",
		"eyJhbGciOiJFUzI1NiIsImNyaXQiOlsiYjY0Il0sImI2NCI6ZmFsc2V9.e30.AA", `{"payload":"","signatures":[]}`,
		asserting(`{"iss":"a","sub":"a","aud":[1]}`), asserting(`{"aud":[null]}`), asserting(`{"aud":{}}`), asserting(`{"aud":null}`),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		a, err := parseAssertion(raw)
		if err == nil && (len(raw) > maxAssertionBytes || a.signedBy(registered) || a.signedBy(nil)) {
			t.Errorf("%q proves something", raw)
		}
	})
}

// asserting is an assertion of a payload that nobody signed.
func asserting(payload string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"ES256"}`)) + "." + encode([]byte(payload)) + "." + encode([]byte("signature"))
}

// FuzzUserCode checks that whatever a person types becomes a user code as they are made, or none, and that it means the
// same however it is shown.
func FuzzUserCode(f *testing.F) {
	for _, seed := range []string{"BCDF-GHJK", "bcdf ghjk", "BCDFGHJ", "", "AEIOUAEI", "\xff", "ſſſſſſſſ", "BCDF-GHJK-", newUserCode()} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code := userCodeOf(typed)
		if code == "" {
			return
		}
		if len(code) != userCodeLength || strings.Trim(code, userCodeLetters) != "" || userCodeOf(shownUserCode(typed)) != code || userCodeOf(strings.ToLower(code)) != code {
			t.Errorf("%q is %q", typed, code)
		}
	})
}
