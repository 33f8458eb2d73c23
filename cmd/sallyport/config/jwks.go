package config

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	jose "github.com/go-jose/go-jose/v4"
)

// JWKS is a JWK set of public keys (RFC 7517), in the one form in which it is stored. Nil without keys.
type JWKS json.RawMessage

const (
	maxJWKSBytes = 32 << 10
	maxJWKSKeys  = 20
	minRSABits   = 2048
	maxRSABits   = 8192 // a verification must not cost whoever asks for it
)

var (
	errNoJWKS  = errors.New(`these are no public keys; write a JWK set, such as {keys: [...]}, or what is between "-----BEGIN PUBLIC KEY-----" and its end`)
	errPrivate = errors.New("this is a PRIVATE key: whoever can read it can pass for the client; make a new one, keep it in the app, and write its public part here")
)

// ReadJWKS reads public keys as people write them: a JWK set as an object or as JSON text, a PEM text of one or more
// keys, or a list of such texts.
func ReadJWKS(written any) (JWKS, error) {
	switch v := written.(type) {
	case string:
		if text := strings.TrimSpace(v); strings.HasPrefix(text, "{") {
			return readSet([]byte(text))
		}
		return readPEM([]any{v})
	case []any:
		return readPEM(v)
	case map[string]any:
		text, err := json.Marshal(v)
		if err != nil {
			return nil, errNoJWKS
		}
		return readSet(text)
	}
	return nil, errNoJWKS
}

// Count is the number of keys.
func (s JWKS) Count() int {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(s, &set) != nil {
		return 0
	}
	return len(set.Keys)
}

// check finds what is wrong with a set that may have come from elsewhere than [ReadJWKS].
func (s JWKS) check() string {
	if len(s) == 0 {
		return ""
	}
	if _, err := readSet(s); err != nil {
		return err.Error()
	}
	return ""
}

func readSet(text []byte) (JWKS, error) {
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if len(text) > maxJWKSBytes {
		return nil, fmt.Errorf("the keys have more than %d bytes", maxJWKSBytes)
	}
	if err := json.Unmarshal(text, &raw); err != nil || len(raw.Keys) == 0 {
		return nil, errNoJWKS
	}
	keys := make([]jose.JSONWebKey, len(raw.Keys))
	for i, text := range raw.Keys {
		if err := keys[i].UnmarshalJSON(text); err != nil {
			return nil, fmt.Errorf("key %d is not a JWK that we know; keys are RSA, EC on P-256 or P-384, or Ed25519", i+1)
		}
	}
	return writeSet(keys)
}

func readPEM(texts []any) (JWKS, error) {
	var keys []jose.JSONWebKey
	for _, t := range texts {
		rest, ok := t.(string)
		if !ok {
			return nil, errNoJWKS
		}
		for strings.TrimSpace(rest) != "" {
			block, after := pem.Decode([]byte(rest))
			if block == nil {
				return nil, errNoJWKS
			}
			key, err := publicKey(block)
			if err != nil {
				return nil, err
			}
			keys, rest = append(keys, jose.JSONWebKey{Key: key}), string(after)
		}
	}
	return writeSet(keys)
}

func publicKey(block *pem.Block) (crypto.PublicKey, error) {
	switch block.Type {
	case "PUBLIC KEY":
		if key, err := x509.ParsePKIXPublicKey(block.Bytes); err == nil {
			return key, nil
		}
	case "RSA PUBLIC KEY":
		if key, err := x509.ParsePKCS1PublicKey(block.Bytes); err == nil {
			return key, nil
		}
	case "CERTIFICATE":
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			return cert.PublicKey, nil
		}
	}
	if strings.Contains(block.Type, "PRIVATE") {
		return nil, errPrivate
	}
	return nil, errNoJWKS
}

// writeSet writes the public keys alone: what else a JWK can say, such as a certificate or where to fetch one, is not
// kept.
func writeSet(keys []jose.JSONWebKey) (JWKS, error) {
	if len(keys) == 0 || len(keys) > maxJWKSKeys {
		return nil, fmt.Errorf("there are %d keys; write 1 to %d", len(keys), maxJWKSKeys)
	}
	set := jose.JSONWebKeySet{}
	for i, k := range keys {
		if err := checkKey(k); err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		if k.KeyID != "" && slices.ContainsFunc(set.Keys, func(o jose.JSONWebKey) bool { return o.KeyID == k.KeyID }) {
			return nil, fmt.Errorf("key %d: the kid %q stands twice", i+1, k.KeyID)
		}
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.Key, KeyID: k.KeyID, Algorithm: k.Algorithm, Use: k.Use})
	}
	text, err := json.Marshal(set)
	if err != nil {
		return nil, errNoJWKS
	}
	return JWKS(text), nil
}

func checkKey(k jose.JSONWebKey) error {
	if k.Use != "" && k.Use != "sig" {
		return fmt.Errorf("its use is %q; only keys that sign are needed", k.Use)
	}
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return fmt.Errorf("it has %d bits; RSA keys have %d to %d", bits, minRSABits, maxRSABits)
		}
		return nil
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() && key.Curve != elliptic.P384() {
			return errors.New("its curve is not P-256 or P-384")
		}
		return nil
	case ed25519.PublicKey:
		return nil
	case []byte:
		return errors.New("it is a shared secret, not a public key; use client_secret_basic for those")
	}
	if !k.IsPublic() {
		return errPrivate
	}
	return errNoJWKS
}
