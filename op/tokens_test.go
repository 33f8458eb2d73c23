package op_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

// everywhere checks that a value is no token, whatever it is given as.
func (p *provider) everywhere(t *testing.T, name, token string) {
	t.Helper()
	if strings.Contains(token, "\n") {
		// no header can carry it
	} else if a := p.userinfo(token); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("%s at userinfo: %d %s", name, a.StatusCode, a.body)
	}
	if a := p.call("/userinfo", "access_token", token); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("%s at userinfo, in the form: %d %s", name, a.StatusCode, a.body)
	}
	if a := p.introspect(token); strings.TrimSpace(a.body) != `{"active":false}` {
		t.Errorf("%s at introspection: %d %s", name, a.StatusCode, a.body)
	}
	if a := p.refresh(token); a.StatusCode != http.StatusBadRequest {
		t.Errorf("%s as refresh token: %d %s", name, a.StatusCode, a.body)
	}
	if a := p.exchange(token); a.StatusCode != http.StatusBadRequest {
		t.Errorf("%s as code: %d %s", name, a.StatusCode, a.body)
	}
}

func TestIDTokenIsNoAccessToken(t *testing.T) {
	p := newProvider(t)
	a := p.login("ada@example.com")
	p.everywhere(t, "ID token", a.str("id_token"))
	p.alive(t, a.str("access_token"))
}

func TestKindsOfTokensAreNotConfused(t *testing.T) {
	p := newProvider(t)
	code := p.codes("ada@example.com")()
	a := p.login("ada@example.com")
	access, refresh := a.str("access_token"), a.str("refresh_token")
	jwt := p.login("ada@example.com", "audience", apiAudience).str("access_token")
	for _, token := range []string{code, refresh} {
		p.userinfo(token).wants(t, http.StatusUnauthorized, "invalid_token")
	}
	if in := p.introspect(code); strings.TrimSpace(in.body) != `{"active":false}` {
		t.Errorf("code at introspection: %s", in.body)
	}
	p.refresh(code).wants(t, http.StatusBadRequest, "invalid_grant")
	for name, token := range map[string]string{"access token": access, "JWT": jwt} {
		if r := p.refresh(token); r.StatusCode != http.StatusBadRequest {
			t.Errorf("%s as refresh token: %s", name, r.body)
		}
		if r := p.exchange(token); r.StatusCode != http.StatusBadRequest {
			t.Errorf("%s as code: %s", name, r.body)
		}
		if r := p.browser().get(p.authorizeURL("id_token_hint", token)); !strings.Contains(r.Header.Get("Location"), "error=invalid_request") {
			t.Errorf("%s as hint: %s", name, r.Header.Get("Location"))
		}
	}
	p.exchange(refresh).wants(t, http.StatusBadRequest, "invalid_grant")
	p.alive(t, access)
	p.alive(t, jwt)
	if r := p.exchange(code); r.StatusCode != http.StatusOK {
		t.Errorf("the code, after all: %s", r.body)
	}
}

func TestMangledAccessTokensAreRefused(t *testing.T) {
	p := newProvider(t)
	opaque := p.login("ada@example.com").str("access_token")
	jwt := p.login("ada@example.com", "audience", apiAudience).str("access_token")
	for _, token := range []string{opaque, jwt} {
		for _, bad := range mangled(token) {
			p.call("/userinfo", "access_token", bad).wants(t, http.StatusUnauthorized, "invalid_token")
		}
		p.alive(t, token)
	}
}

func TestSealedTokensOfAnotherDeploymentAreRefused(t *testing.T) {
	p, q := newProvider(t), newProvider(t, func(s *settings) { s.op.Issuer += "/" })
	a := q.login("ada@example.com", "audience", apiAudience)
	p.login("ada@example.com")
	p.everywhere(t, "a stranger's JWT", a.str("access_token"))
	p.everywhere(t, "a stranger's token", q.login("ada@example.com").str("access_token")) // same secret, other database
}

func TestAccessTokenExpires(t *testing.T) {
	p := newProvider(t)
	opaque := p.login("ada@example.com").str("access_token")
	jwt := p.login("ada@example.com", "audience", apiAudience).str("access_token")
	p.pass(9 * time.Minute)
	p.alive(t, jwt)
	p.pass(time.Minute)
	p.dead(t, jwt)
	p.alive(t, opaque)
	p.pass(50 * time.Minute)
	p.dead(t, opaque)
}

// signer makes JWTs as its owner wants them.
type signer struct {
	header map[string]any
	claims map[string]any
	sign   func(input []byte) []byte
}

func (s signer) jwt(change func(header, claims map[string]any)) string {
	header, body := maps.Clone(s.header), maps.Clone(s.claims)
	if change != nil {
		change(header, body)
	}
	input := encode(must(json.Marshal(header))) + "." + encode(must(json.Marshal(body)))
	return input + "." + encode(s.sign([]byte(input)))
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// TestForgedJWTsAreRefused tries what has broken verifiers before.
func TestForgedJWTsAreRefused(t *testing.T) {
	p := newProvider(t)
	good := p.login("ada@example.com", "audience", apiAudience, "scope", "openid email read:things").str("access_token")
	idToken := p.login("ada@example.com").str("id_token")
	f := newForger(t, p, good)
	if a := p.userinfo(f.real.jwt(nil)); a.StatusCode != http.StatusOK {
		t.Fatalf("our own way of signing is not right: %d %s", a.StatusCode, a.body)
	}
	for _, forgeries := range []map[string]string{f.byOthers(), f.byOurKeys(), f.misshapen(idToken)} {
		for name, token := range forgeries {
			t.Run(name, func(t *testing.T) { p.everywhere(t, name, token) })
		}
	}
	p.alive(t, good)
}

// forger has what an attacker has, a good token and the public keys, and, for what only a mistake of ours could make,
// our private keys.
type forger struct {
	t        *testing.T
	good     string
	kids     map[string]string
	trap     string        // a server that nobody may ask for keys
	public   []byte        // our RSA key
	modulus  []byte        // likewise
	stranger crypto.Signer // a key that is not ours
	real     signer        // signs as we do
	forged   signer        // signs with the stranger's key
	other    signer        // signs with our ES256 key
	blank    signer        // signs with zeros
}

func rs256(key crypto.Signer) func([]byte) []byte {
	return func(input []byte) []byte {
		sum := sha256.Sum256(input)
		return must(key.Sign(rand.Reader, sum[:], crypto.SHA256))
	}
}

func newForger(t *testing.T, p *provider, good string) *forger {
	t.Helper()
	ours := map[string]any{}
	f := &forger{t: t, good: good, kids: map[string]string{}, trap: trap(t), stranger: must(rsa.GenerateKey(rand.Reader, 2048))}
	for _, k := range must(p.store.SigningKeys(context.Background())) {
		ours[k.Alg], f.kids[k.Alg] = must(x509.ParsePKCS8PrivateKey(k.Private)), k.ID
	}
	rsaKey, ok1 := ours["RS256"].(*rsa.PrivateKey)
	ecKey, ok2 := ours["ES256"].(*ecdsa.PrivateKey)
	if !ok1 || !ok2 {
		t.Fatal("no keys")
	}
	f.public, f.modulus = must(x509.MarshalPKIXPublicKey(rsaKey.Public())), rsaKey.N.Bytes()
	f.real = signer{segment(t, good, 0), claims(t, good), rs256(rsaKey)}
	f.forged, f.other, f.blank = f.real, f.real, f.real
	f.forged.sign = rs256(f.stranger)
	f.other.sign = func(input []byte) []byte {
		sum := sha256.Sum256(input)
		r, s, err := ecdsa.Sign(rand.Reader, ecKey, sum[:])
		check(t, err)
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
	f.blank.sign = func([]byte) []byte { return make([]byte, 64) }
	return f
}

// mac signs with HS256.
func (f *forger) mac(key []byte) string {
	s := f.real
	s.sign = func(input []byte) []byte {
		m := hmac.New(sha256.New, key)
		m.Write(input)
		return m.Sum(nil)
	}
	return s.jwt(header("alg", "HS256"))
}

func (f *forger) unsigned(alg string) string {
	s := f.real
	s.sign = func([]byte) []byte { return nil }
	return s.jwt(header("alg", alg))
}

func (f *forger) jwk() map[string]any {
	var m map[string]any
	check(f.t, json.Unmarshal(must(json.Marshal(jose.JSONWebKey{Key: f.stranger.Public()})), &m))
	return m
}

func header(name string, value any) func(h, _ map[string]any) {
	return func(h, _ map[string]any) { h[name] = value }
}

func claim(name string, value any) func(_, c map[string]any) {
	return func(_, c map[string]any) { c[name] = value }
}

// byOthers are signed by nobody or with keys that are not ours.
func (f *forger) byOthers() map[string]string {
	return map[string]string{
		"alg none":                       f.unsigned("none"),
		"alg None":                       f.unsigned("None"),
		"alg nOnE":                       f.unsigned("nOnE"),
		"alg empty":                      f.unsigned(""),
		"HS256 with the public key, DER": f.mac(f.public),
		"HS256 with the public key, PEM": f.mac(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: f.public})),
		"HS256 with the modulus":         f.mac(f.modulus),
		"HS256 with the client's secret": f.mac([]byte(webSecret)),
		"HS256 with nothing":             f.mac(nil),
		"another key under our kid":      f.forged.jwt(nil),
		"another key, another kid":       f.forged.jwt(header("kid", "stranger")),
		"another key, no kid":            f.forged.jwt(func(h, _ map[string]any) { delete(h, "kid") }),
		"another key in jwk":             f.forged.jwt(header("jwk", f.jwk())),
		"another key in jwk, no kid":     f.forged.jwt(func(h, _ map[string]any) { delete(h, "kid"); h["jwk"] = f.jwk() }),
		"another key by jku":             f.forged.jwt(header("jku", f.trap+"/jwks.json")),
		"another key by x5u":             f.forged.jwt(header("x5u", f.trap+"/cert.pem")),
		"a certificate in x5c":           f.forged.jwt(header("x5c", []string{base64.StdEncoding.EncodeToString(f.public)})),
	}
}

// byOurKeys are signed with our own keys and say what we never say.
func (f *forger) byOurKeys() map[string]string {
	return map[string]string{
		"a kid of our other key":           f.real.jwt(header("kid", f.kids["ES256"])),
		"a kid that is a path":             f.real.jwt(header("kid", "../../dev/null")),
		"a kid that is SQL":                f.real.jwt(header("kid", "' OR 1=1 --")),
		"no kid":                           f.real.jwt(func(h, _ map[string]any) { delete(h, "kid") }),
		"another alg for our key":          f.real.jwt(header("alg", "RS512")),
		"PS256 for our key":                f.real.jwt(header("alg", "PS256")),
		"ES256 by our key under RSA's kid": f.other.jwt(header("alg", "ES256")),
		"ES256 of zeros":                   f.blank.jwt(func(h, _ map[string]any) { h["alg"], h["kid"] = "ES256", f.kids["ES256"] }),
		"EdDSA of zeros":                   f.blank.jwt(func(h, _ map[string]any) { h["alg"], h["kid"] = "EdDSA", f.kids["EdDSA"] }),
		"crit that nobody knows":           f.real.jwt(func(h, _ map[string]any) { h["crit"], h["x"] = []string{"x"}, 1 }),
		"typ JWT":                          f.real.jwt(header("typ", "JWT")),
		"typ AT+JWT":                       f.real.jwt(header("typ", "AT+JWT")),
		"typ logout+jwt":                   f.real.jwt(header("typ", "logout+jwt")),
		"typ application/at+jwt":           f.real.jwt(header("typ", "application/at+jwt")),
		"typ a number":                     f.real.jwt(header("typ", 1)),
		"no typ":                           f.real.jwt(func(h, _ map[string]any) { delete(h, "typ") }),
		"another issuer":                   f.real.jwt(claim("iss", "https://evil.example.com")),
		"no issuer":                        f.real.jwt(claim("iss", "")),
		"no jti":                           f.real.jwt(claim("jti", "")),
		"no audience":                      f.real.jwt(claim("aud", []string{})),
		"another client":                   f.real.jwt(claim("client_id", "other")),
		"an unknown client":                f.real.jwt(claim("client_id", "nobody")),
		"an unknown authorization":         f.real.jwt(claim("jti", "AAAAAAAAAAAAAAAAAAAAAA.x")),
		"expired":                          f.real.jwt(claim("exp", 1)),
		"no exp":                           f.real.jwt(func(_, c map[string]any) { delete(c, "exp") }),
		"exp a text":                       f.real.jwt(claim("exp", "tomorrow")),
	}
}

// misshapen are made of the parts of good ones.
func (f *forger) misshapen(idToken string) map[string]string {
	parts := strings.Split(f.good, ".")
	return map[string]string{
		"signature cut off":         parts[0] + "." + parts[1] + ".",
		"no signature":              parts[0] + "." + parts[1],
		"changed payload":           parts[0] + "." + encode(must(json.Marshal(map[string]any{"sub": "x"}))) + "." + parts[2],
		"another token's signature": parts[0] + "." + parts[1] + "." + strings.Split(idToken, ".")[2],
		"trailing garbage":          f.good + "AAAA",
		"trailing dot":              f.good + ".",
		"a fourth part":             f.good + ".AAAA",
		"padding":                   f.good + "==",
		"a space inside":            parts[0] + ". " + parts[1] + "." + parts[2],
		"a line break inside":       parts[0] + "." + parts[1] + ".\n" + parts[2],
		"JSON serialization":        `{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`,
		"two dots":                  "..",
		"an encrypted one":          "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..AAAA.AAAA.AAAA",
	}
}

func TestHashAndAlgorithmOfIDTokens(t *testing.T) {
	p := newProvider(t)
	for alg, half := range map[string]func(string) []byte{
		"RS256": func(s string) []byte { sum := sha256.Sum256([]byte(s)); return sum[:16] },
		"ES256": func(s string) []byte { sum := sha256.Sum256([]byte(s)); return sum[:16] },
		"EdDSA": func(s string) []byte { sum := sha512.Sum512([]byte(s)); return sum[:32] },
	} {
		t.Run(alg, func(t *testing.T) {
			c := testClients(p.ring)[0]
			c.ID, c.IDTokenAlg = "alg-"+alg, alg
			check(t, p.store.AddClient(context.Background(), c))
			to := strings.ToLower(alg) + "@example.com"
			p.start(map[string]any{"client_id": c.ID, "email": to})
			a := p.token("client_id", c.ID, "grant_type", grantEmail, "username", to, "code", p.code(to, 1))
			if got := claims(t, a.str("id_token"))["at_hash"]; got != encode(half(a.str("access_token"))) {
				t.Errorf("at_hash %v", got)
			}
			if got := segment(t, a.str("id_token"), 0)["alg"]; got != alg {
				t.Errorf("alg %v", got)
			}
			if !verifies(t, p.keySet(t), a.str("id_token")) {
				t.Error("the published keys do not verify it")
			}
			if claims(t, a.str("id_token"))["aud"] != c.ID {
				t.Error("aud is not the client")
			}
		})
	}
}

func (p *provider) keySet(t *testing.T) *jose.JSONWebKeySet {
	t.Helper()
	var set jose.JSONWebKeySet
	check(t, json.Unmarshal([]byte(p.send(http.MethodGet, "/.well-known/jwks.json", "").body), &set))
	return &set
}

// verifies tells whether a relying party with a key set would believe a JWT.
func verifies(t *testing.T, set *jose.JSONWebKeySet, token string) bool {
	t.Helper()
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA})
	check(t, err)
	for _, k := range set.Key(signed.Signatures[0].Protected.KeyID) {
		if _, err := signed.Verify(k.Key); err == nil && k.Algorithm == signed.Signatures[0].Protected.Algorithm {
			return true
		}
	}
	return false
}
