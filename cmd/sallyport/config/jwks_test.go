package config_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4"

	"sallyport/cmd/sallyport/config"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func pemOf(public crypto.PublicKey) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(public))}))
}

func object(t *testing.T, keys ...jose.JSONWebKey) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(must(json.Marshal(jose.JSONWebKeySet{Keys: keys})), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestPublicKeysInEveryForm(t *testing.T) {
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))
	p256, p384 := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	edKey, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set := object(t, jose.JSONWebKey{Key: &rsaKey.PublicKey, KeyID: "one", Use: "sig", Algorithm: "RS256"}, jose.JSONWebKey{Key: &p384.PublicKey})
	for name, test := range map[string]struct {
		written any
		keys    int
	}{
		"object":       {set, 2},
		"JSON text":    {string(must(json.Marshal(set))), 2},
		"PEM text":     {pemOf(&rsaKey.PublicKey), 1},
		"two in one":   {pemOf(&p256.PublicKey) + "\n" + pemOf(edKey), 2},
		"list of PEMs": {[]any{pemOf(&p384.PublicKey), pemOf(edKey)}, 2},
	} {
		got, err := config.ReadJWKS(test.written)
		if err != nil || got.Count() != test.keys {
			t.Errorf("%s: %s, %v", name, got, err)
		}
		var read jose.JSONWebKeySet
		if err := json.Unmarshal(got, &read); err != nil || !read.Keys[0].IsPublic() {
			t.Errorf("%s: %s does not read back: %v", name, got, err)
		}
		if again, err := config.ReadJWKS(string(got)); err != nil || string(again) != string(got) {
			t.Errorf("%s: it is not the one form: %s", name, again)
		}
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	rsaKey, small := must(rsa.GenerateKey(rand.Reader, 2048)), must(rsa.GenerateKey(rand.Reader, 1024))
	p521 := must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	good := jose.JSONWebKey{Key: &rsaKey.PublicKey}
	many := make([]jose.JSONWebKey, 21)
	for i := range many {
		many[i] = good
	}
	named := jose.JSONWebKey{Key: &rsaKey.PublicKey, KeyID: "k"}
	for name, test := range map[string]struct {
		written any
		want    string
	}{
		"private JWK":     {object(t, good, jose.JSONWebKey{Key: rsaKey}), "PRIVATE key"},
		"private PEM":     {string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(rsaKey))})), "PRIVATE key"},
		"RSA private PEM": {string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey)})), "PRIVATE key"},
		"shared secret":   {object(t, jose.JSONWebKey{Key: []byte(strings.Repeat("k", 32))}), "shared secret"},
		"1024 bits":       {pemOf(&small.PublicKey), "1024 bits"},
		"P-521":           {pemOf(&p521.PublicKey), "P-256 or P-384"},
		"for encryption":  {object(t, jose.JSONWebKey{Key: &rsaKey.PublicKey, Use: "enc"}), "enc"},
		"kid twice":       {object(t, named, named), "stands twice"},
		"too many":        {object(t, many...), "21 keys"},
		"unknown kty":     {map[string]any{"keys": []any{map[string]any{"kty": "X"}}}, "key 1"},
		"no keys":         {map[string]any{"keys": []any{}}, "no public keys"},
		"no set":          {map[string]any{"kty": "RSA"}, "no public keys"},
		"words":           {"hello", "no public keys"},
		"a number":        {7, "no public keys"},
		"empty":           {"", "0 keys"},
	} {
		if got, err := config.ReadJWKS(test.written); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %s, %v; want %q", name, got, err, test.want)
		}
	}
}

func TestAdminTokensEnd(t *testing.T) {
	for expires, want := range map[string]string{
		"": "0001-01-01T00:00:00Z", "2027-12-31": "2028-01-01T00:00:00Z", "2027-12-31T12:00:00+01:00": "2027-12-31T11:00:00Z",
	} {
		got, err := config.AdminToken{Expires: expires}.Until()
		if err != nil || got.Format("2006-01-02T15:04:05Z07:00") != want {
			t.Errorf("%q ends at %v, %v", expires, got, err)
		}
	}
}
