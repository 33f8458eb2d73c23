package op_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"sallyport/grants"
	"sallyport/storage"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// clientKeys are the registered ones of the client "signer", by their kid; made once, for RSA keys take time.
var clientKeys = sync.OnceValue(func() map[string]crypto.Signer {
	_, ed := must2(ed25519.GenerateKey(rand.Reader))
	return map[string]crypto.Signer{
		"rsa": must(rsa.GenerateKey(rand.Reader, 2048)), "p256": must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		"p384": must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), "ed": ed,
	}
})

func must2[A, B any](a A, b B, err error) (A, B) {
	if err != nil {
		panic(err)
	}
	return a, b
}

// addSigner registers the client "signer", which authenticates by assertion, or by a secret in the form.
func (p *provider) addSigner() {
	p.t.Helper()
	var set jose.JSONWebKeySet
	for kid, key := range clientKeys() {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.Public(), KeyID: kid, Use: "sig"})
	}
	set.Keys = append(set.Keys, jose.JSONWebKey{Key: clientKeys()["p256"].Public(), KeyID: "sealing", Use: "enc"})
	c := testClients(p.ring)[0]
	c.ID, c.AuthMethods = "signer", []string{"private_key_jwt", "client_secret_post"}
	c.GrantTypes = append(c.GrantTypes, "client_credentials")
	c.Settings.JWKS = must(json.Marshal(set))
	check(p.t, p.store.AddClient(context.Background(), c))
}

// assertion is what a change makes of a good one: header and claims, of which nil removes.
func (p *provider) assertion(key string, alg jose.SignatureAlgorithm, change map[string]any) string {
	p.t.Helper()
	now := p.config.Now()
	claims := map[string]any{
		"iss": "signer", "sub": "signer", "aud": p.url + "/", "jti": grants.NewID(), "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(),
	}
	options := (&jose.SignerOptions{}).WithType("JWT")
	signing := jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: clientKeys()[key], KeyID: key}}
	for name, v := range change {
		if header, ok := strings.CutPrefix(name, "header."); ok {
			options.WithHeader(jose.HeaderKey(header), v)
			if header == "kid" {
				signing.Key = clientKeys()[key]
			}
			if v == nil {
				delete(options.ExtraHeaders, jose.HeaderKey(header))
			}
			continue
		}
		claims[name] = v
	}
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	signer := must(jose.NewSigner(signing, options))
	return must(must(signer.Sign(must(json.Marshal(claims)))).CompactSerialize())
}

func asserted(assertion string, form ...string) []string {
	return append([]string{"client_assertion_type", assertionType, "client_assertion", assertion}, form...)
}

// Keys that were registered as PEM have no name; the app may give them one all the same.
func TestKeyWithoutNameFitsAnyName(t *testing.T) {
	p := newProvider(t)
	p.addSigner()
	check(t, p.store.UpdateClient(context.Background(), "signer", func(c *storage.Client) error {
		c.Settings.JWKS = must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: clientKeys()["p256"].Public()}}}))
		return nil
	}))
	p.call("/oauth/token", asserted(p.assertion("p256", jose.ES256, nil), "grant_type", "client_credentials")...).wants(t, http.StatusOK, "")
	p.call("/oauth/token", asserted(p.assertion("rsa", jose.RS256, nil), "grant_type", "client_credentials")...).wants(t, http.StatusUnauthorized, "invalid_client")
}

func TestClientAssertions(t *testing.T) {
	p := newProvider(t)
	p.addSigner()
	grant := []string{"grant_type", "client_credentials"}
	for alg, key := range map[jose.SignatureAlgorithm]string{
		jose.RS256: "rsa", jose.RS384: "rsa", jose.RS512: "rsa", jose.PS256: "rsa", jose.PS384: "rsa", jose.PS512: "rsa",
		jose.ES256: "p256", jose.ES384: "p384", jose.EdDSA: "ed",
	} {
		p.call("/oauth/token", asserted(p.assertion(key, alg, nil), grant...)...).wants(t, http.StatusOK, "")
	}
	now := p.config.Now().Unix()
	for name, change := range map[string]map[string]any{
		"no kid":                   {"header.kid": nil},
		"no typ":                   {"header.typ": nil},
		"a typ of its own":         {"header.typ": "client-authentication+jwt"},
		"issuer without a slash":   {"aud": p.url},
		"the token endpoint":       {"aud": p.url + "/oauth/token"},
		"a list":                   {"aud": []string{p.url}},
		"both of ours":             {"aud": []string{p.url, p.url + "/oauth/token"}},
		"no iat":                   {"iat": nil},
		"fractions":                {"exp": float64(now) + 60.5},
		"nbf":                      {"nbf": now},
		"a clock that is ahead":    {"iat": now + 50, "nbf": now + 50},
		"as long as it may be":     {"exp": now + 595},
		"claims that nobody knows": {"x": map[string]any{"y": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			p.call("/oauth/token", asserted(p.assertion("rsa", jose.RS256, change), grant...)...).wants(t, http.StatusOK, "")
		})
	}
	p.call("/oauth/token", asserted(p.assertion("rsa", jose.RS256, nil), append(grant, "client_id", "signer")...)...).wants(t, http.StatusOK, "")
	p.call("/oauth/token", append(grant, "client_id", "signer", "client_secret", webSecret)...).wants(t, http.StatusOK, "")
	p.callJSON("/oauth/token", map[string]any{
		"grant_type": "client_credentials", "client_assertion_type": assertionType, "client_assertion": p.assertion("ed", jose.EdDSA, nil),
	}).wants(t, http.StatusOK, "")
}

// Every endpoint that takes a secret takes an assertion.
func TestClientAssertionsEverywhere(t *testing.T) {
	p := newProvider(t)
	p.addSigner()
	fresh := func() string { return p.assertion("p256", jose.ES256, nil) }
	start := map[string]any{"client_id": nil, "client_secret": nil, "client_assertion_type": assertionType, "client_assertion": fresh(), "email": "ada@example.com"}
	p.start(start).wants(t, http.StatusOK, "")
	p.start(start).wants(t, http.StatusUnauthorized, "access_denied")
	otp := p.code("ada@example.com", 1)
	login := p.call("/oauth/token", asserted(fresh(), "grant_type", grantOTP, "realm", "email", "username", "ada@example.com", "otp", otp, "scope", offline)...)
	login.wants(t, http.StatusOK, "")
	refreshed := p.call("/oauth/token", asserted(fresh(), "grant_type", "refresh_token", "refresh_token", login.str("refresh_token"))...)
	refreshed.wants(t, http.StatusOK, "")
	if a := p.call("/oauth/introspect", asserted(fresh(), "token", refreshed.str("access_token"))...); a.json()["active"] != true {
		t.Errorf("introspection: %s", a.body)
	}
	p.call("/oauth/revoke", asserted(fresh(), "token", refreshed.str("refresh_token"))...).wants(t, http.StatusOK, "")
	p.userinfo(refreshed.str("access_token")).wants(t, http.StatusUnauthorized, "invalid_token")
}

// segments signs nothing: it is a token put together from parts.
func segments(header, claims any, signature []byte) string {
	part := func(v any) string { return base64.RawURLEncoding.EncodeToString(must(json.Marshal(v))) }
	return part(header) + "." + part(claims) + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func TestBadClientAssertionsAreOneAnswer(t *testing.T) {
	p := newProvider(t)
	p.addSigner()
	now := p.config.Now().Unix()
	good := map[string]any{"iss": "signer", "sub": "signer", "aud": p.url, "jti": "x", "iat": now, "exp": now + 60}
	public := must(json.Marshal(jose.JSONWebKey{Key: clientKeys()["rsa"].Public()}))
	hmacked := must(must(must(jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: public}, nil)).Sign(must(json.Marshal(good)))).CompactSerialize())
	ours := jose.JSONWebKey{Key: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), KeyID: "p256"}
	embedded := must(must(must(jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: ours}, &jose.SignerOptions{EmbedJWK: true})).
		Sign(must(json.Marshal(good)))).CompactSerialize())
	stranger := must(must(must(jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: ours}, nil)).Sign(must(json.Marshal(good)))).CompactSerialize())
	right := p.assertion("rsa", jose.RS256, nil)
	cases := map[string]string{
		"nothing":               "",
		"no JWT":                "x",
		"empty parts":           "..",
		"too long":              p.assertion("rsa", jose.RS256, map[string]any{"x": strings.Repeat("x", 9000)}),
		"alg none":              segments(map[string]any{"alg": "none"}, good, nil),
		"alg none with a kid":   segments(map[string]any{"alg": "none", "kid": "rsa"}, good, []byte("x")),
		"HMAC of a public key":  hmacked,
		"a stranger's key":      stranger,
		"a key in the header":   embedded,
		"no signature":          right[:strings.LastIndex(right, ".")+1],
		"cut":                   right[:len(right)-4],
		"another's claims":      strings.Join([]string{strings.Split(right, ".")[0], strings.Split(p.assertion("rsa", jose.RS256, nil), ".")[1], strings.Split(right, ".")[2]}, "."),
		"a key for sealing":     p.assertion("p256", jose.ES256, map[string]any{"header.kid": "sealing"}),
		"an unknown kid":        p.assertion("rsa", jose.RS256, map[string]any{"header.kid": "nobody's"}),
		"another key's kid":     p.assertion("rsa", jose.RS256, map[string]any{"header.kid": "p256"}),
		"a critical header":     p.assertion("rsa", jose.RS256, map[string]any{"header.crit": []string{"x"}, "header.x": 1}),
		"an ID token's typ":     p.assertion("rsa", jose.RS256, map[string]any{"header.typ": "at+jwt"}),
		"a DPoP proof's typ":    p.assertion("rsa", jose.RS256, map[string]any{"header.typ": "dpop+jwt"}),
		"another issuer":        p.assertion("rsa", jose.RS256, map[string]any{"iss": "web"}),
		"another subject":       p.assertion("rsa", jose.RS256, map[string]any{"sub": "web"}),
		"a number as audience":  p.assertion("rsa", jose.RS256, map[string]any{"aud": []any{p.url, 1}}),
		"an object as audience": p.assertion("rsa", jose.RS256, map[string]any{"aud": map[string]any{}}),
		"no text as audience":   p.assertion("rsa", jose.RS256, map[string]any{"aud": []any{nil}}),
		"another client":        p.assertion("rsa", jose.RS256, map[string]any{"iss": "web", "sub": "web"}),
		"an unknown client":     p.assertion("rsa", jose.RS256, map[string]any{"iss": "nobody", "sub": "nobody"}),
		"no issuer":             p.assertion("rsa", jose.RS256, map[string]any{"iss": nil, "sub": nil}),
		"a public client":       p.assertion("rsa", jose.RS256, map[string]any{"iss": "spa", "sub": "spa"}),
		"no audience":           p.assertion("rsa", jose.RS256, map[string]any{"aud": nil}),
		"no one in the list":    p.assertion("rsa", jose.RS256, map[string]any{"aud": []string{}}),
		"another audience":      p.assertion("rsa", jose.RS256, map[string]any{"aud": "https://other.example.com/"}),
		"another one beside us": p.assertion("rsa", jose.RS256, map[string]any{"aud": []string{p.url, "https://other.example.com/"}}),
		"no id":                 p.assertion("rsa", jose.RS256, map[string]any{"jti": nil}),
		"an empty id":           p.assertion("rsa", jose.RS256, map[string]any{"jti": ""}),
		"an id of no text":      p.assertion("rsa", jose.RS256, map[string]any{"jti": 1}),
		"no end":                p.assertion("rsa", jose.RS256, map[string]any{"exp": nil}),
		"over":                  p.assertion("rsa", jose.RS256, map[string]any{"exp": now - 1, "iat": now - 100}),
		"too far ahead":         p.assertion("rsa", jose.RS256, map[string]any{"exp": now + 3600}),
		"never":                 p.assertion("rsa", jose.RS256, map[string]any{"exp": 1e300}),
		"an end of no number":   p.assertion("rsa", jose.RS256, map[string]any{"exp": "tomorrow"}),
		"made in the future":    p.assertion("rsa", jose.RS256, map[string]any{"iat": now + 300}),
		"made long ago":         p.assertion("rsa", jose.RS256, map[string]any{"iat": now - 3600}),
		"not yet":               p.assertion("rsa", jose.RS256, map[string]any{"nbf": now + 300}),
	}
	first := ""
	for name, assertion := range cases {
		t.Run(name, func(t *testing.T) {
			a := p.call("/oauth/token", asserted(assertion, "grant_type", "client_credentials")...)
			a.wants(t, http.StatusUnauthorized, "invalid_client")
			if told := same(a); first == "" {
				first = told
			} else if told != first {
				t.Errorf("%s\n%s", told, first)
			}
		})
	}
	form := asserted(p.assertion("rsa", jose.RS256, nil), "grant_type", "client_credentials")
	p.call("/oauth/token", append(form, "client_id", "web")...).wants(t, http.StatusUnauthorized, "invalid_client")
	p.call("/oauth/token", append([]string{"client_assertion_type", "saml"}, form[2:]...)...).wants(t, http.StatusUnauthorized, "invalid_client")
	p.call("/oauth/token", form[2:]...).wants(t, http.StatusUnauthorized, "invalid_client")
	p.call("/oauth/token", append(form, "client_secret", webSecret)...).wants(t, http.StatusBadRequest, "invalid_request")
	p.callAs("signer", webSecret, "/oauth/token", form...).wants(t, http.StatusBadRequest, "invalid_request")
	p.call("/oauth/token", form...).wants(t, http.StatusOK, "") // none of that used it up
}

// An assertion authenticates once, wherever and however often it is sent at the same time. One with a wrong signature
// uses nothing up.
func TestClientAssertionIsGoodOnce(t *testing.T) {
	onBothDatabases(t, func(t *testing.T, database func(*settings)) {
		t.Helper()
		p := newProvider(t, database)
		p.addSigner()
		right := p.assertion("rsa", jose.RS256, nil)
		parts := strings.Split(right, ".")
		forged := parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 256))
		p.call("/oauth/token", asserted(forged, "grant_type", "client_credentials")...).wants(t, http.StatusUnauthorized, "invalid_client")
		servers := []*provider{p, p.replica()}
		var wg sync.WaitGroup
		var won atomic.Int32
		for i := range 20 {
			wg.Go(func() {
				if a := servers[i%2].call("/oauth/token", asserted(right, "grant_type", "client_credentials")...); a.StatusCode == http.StatusOK {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("good %d times", won.Load())
		}
		p.call("/oauth/revoke", asserted(right, "token", "x")...).wants(t, http.StatusUnauthorized, "invalid_client")
	})
}

// A client whose assertion is refused uses up no code of a person.
func TestRefusedAssertionSpendsNothing(t *testing.T) {
	p := newProvider(t)
	p.addSigner()
	form := []string{"grant_type", grantOTP, "realm", "email", "username", "ada@example.com", "scope", "openid"}
	p.start(map[string]any{"client_id": "signer", "email": "ada@example.com"}).wants(t, http.StatusOK, "")
	form = append(form, "otp", p.code("ada@example.com", 1))
	for range 10 {
		p.call("/oauth/token", asserted(p.assertion("rsa", jose.RS256, map[string]any{"aud": "x"}), form...)...).wants(t, http.StatusUnauthorized, "invalid_client")
	}
	p.call("/oauth/token", asserted(p.assertion("rsa", jose.RS256, nil), form...)...).wants(t, http.StatusOK, "")
}

// A client that has only a secret, or nothing registered, cannot assert, and one without the method neither.
func TestAssertionsNeedTheMethod(t *testing.T) {
	p := newProvider(t)
	p.addSigner()
	check(t, p.store.UpdateClient(context.Background(), "signer", func(c *storage.Client) error {
		c.AuthMethods = []string{"client_secret_post"}
		return nil
	}))
	p.replica().call("/oauth/token", asserted(p.assertion("rsa", jose.RS256, nil), "grant_type", "client_credentials")...).
		wants(t, http.StatusUnauthorized, "invalid_client")
}
