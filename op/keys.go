package op

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"sallyport/grants"
	"sallyport/storage"
)

const (
	// keyInterval is how often a process reads the signing keys anew.
	keyInterval = 30 * time.Second
	// jwksMaxAge is how long others may keep our public keys.
	jwksMaxAge = 5 * time.Minute
	// keyLeadTime passes between the publication of a new key and its first signature, so that nobody sees a
	// signature by a key that they cannot know yet.
	keyLeadTime = jwksMaxAge + keyInterval + time.Minute
	// keyTail is how long an old key stays published: longer than any token, long enough for hints.
	keyTail = 90 * 24 * time.Hour
)

// Algorithms are the signature algorithms we have keys for, the default first.
func Algorithms() []string {
	return []string{string(jose.RS256), string(jose.ES256), string(jose.EdDSA)}
}

// errNoKeys says that the keys are missing or too old to sign with.
var errNoKeys = fmt.Errorf("%w: no fresh signing keys", storage.ErrUnavailable)

// keySet is the keys at one moment.
type keySet struct {
	loaded time.Time // by this process's clock
	at     time.Time // by the database's
	keys   []key
	jwks   []byte // the public keys as a JWK set
}

type key struct {
	storage.SigningKey
	public  crypto.PublicKey
	signs   bool                   // its time had come when it was read, by the database's clock
	signers map[string]jose.Signer // by typ
}

// keys holds the newest snapshot of the signing keys. Nothing waits for a lock to sign or verify.
type keys struct {
	store *storage.Store
	now   func() time.Time
	set   atomic.Pointer[keySet]
}

// load reads the keys, first making those that do not exist yet.
func (k *keys) load(ctx context.Context) error {
	rows, err := k.store.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("reading signing keys: %w", err)
	}
	if missing := missingAlgorithms(rows); len(missing) > 0 {
		if rows, err = k.create(ctx); err != nil {
			return err
		}
	}
	// Whether a key may sign is a matter of the clock that its times were taken from: a process whose own clock is ahead must
	// not sign with what nobody can know yet.
	at, err := k.store.DatabaseTime(ctx)
	if err != nil {
		return fmt.Errorf("reading signing keys: %w", err)
	}
	set := &keySet{loaded: k.now(), at: at}
	public := jose.JSONWebKeySet{}
	for _, row := range rows {
		usable, err := openKey(row)
		if err != nil {
			return fmt.Errorf("opening signing key %s: %w", row.ID, err)
		}
		usable.signs = !at.Before(row.SignFrom)
		set.keys = append(set.keys, usable)
		public.Keys = append(public.Keys, jose.JSONWebKey{Key: usable.public, KeyID: row.ID, Algorithm: row.Alg, Use: "sig"})
	}
	if set.jwks, err = json.Marshal(public); err != nil {
		return fmt.Errorf("encoding public keys: %w", err)
	}
	k.set.Store(set)
	return nil
}

func missingAlgorithms(rows []storage.SigningKey) []string {
	return slices.DeleteFunc(Algorithms(), func(alg string) bool {
		return slices.ContainsFunc(rows, func(r storage.SigningKey) bool { return r.Alg == alg && r.VerifyUntil.IsZero() })
	})
}

// create makes a first key for each algorithm that has none, by one process at a time.
func (k *keys) create(ctx context.Context) ([]storage.SigningKey, error) {
	now, err := k.store.DatabaseTime(ctx)
	if err != nil {
		return nil, fmt.Errorf("making signing keys: %w", err)
	}
	fresh := map[string]storage.SigningKey{} // made outside of the transaction: RSA takes its time
	for _, alg := range Algorithms() {
		made, err := NewSigningKey(alg, now)
		if err != nil {
			return nil, err
		}
		made.SignFrom = made.PublishAt
		fresh[alg] = made
	}
	var rows []storage.SigningKey
	err = k.store.WithKeyLock(ctx, func(ctx context.Context) error {
		current, err := k.store.SigningKeys(ctx)
		if err != nil {
			return err
		}
		for _, alg := range missingAlgorithms(current) {
			if err := k.store.AddSigningKey(ctx, fresh[alg]); err != nil {
				return err
			}
		}
		rows, err = k.store.SigningKeys(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("making signing keys: %w", err)
	}
	return rows, nil
}

// NewSigningKey makes a key for RS256 (2048 bits), ES256 or EdDSA (Ed25519), to be published now and to sign from
// when everybody can know it.
func NewSigningKey(alg string, now time.Time) (storage.SigningKey, error) {
	var private crypto.PrivateKey
	var err error
	switch alg {
	case string(jose.RS256):
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	case string(jose.ES256):
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case string(jose.EdDSA):
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		return storage.SigningKey{}, fmt.Errorf("%q is not one of %v", alg, Algorithms())
	}
	if err != nil {
		return storage.SigningKey{}, fmt.Errorf("making %s key: %w", alg, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return storage.SigningKey{}, fmt.Errorf("encoding %s key: %w", alg, err)
	}
	return storage.SigningKey{ID: newKeyID(), Alg: alg, Private: der, PublishAt: now, SignFrom: now.Add(keyLeadTime), CreatedAt: now}, nil
}

// newKeyID is a kid that commands do not take for a flag.
func newKeyID() string {
	for {
		if id := grants.NewID(); id[0] != '-' {
			return id
		}
	}
}

func openKey(row storage.SigningKey) (key, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(row.Private)
	if err != nil {
		return key{}, err
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return key{}, errors.New("not a signing key")
	}
	if r, ok := parsed.(*rsa.PrivateKey); ok {
		r.Precompute()
	}
	k := key{SigningKey: row, public: private.Public(), signers: map[string]jose.Signer{}}
	for _, typ := range []string{typIDToken, typAccessToken} {
		k.signers[typ], err = jose.NewSigner(
			jose.SigningKey{Algorithm: jose.SignatureAlgorithm(row.Alg), Key: jose.JSONWebKey{Key: private, KeyID: row.ID}},
			(&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
		if err != nil {
			return key{}, err
		}
	}
	return k, nil
}

// sign makes a compact JWS (RFC 7515) of the claims with the newest key of an algorithm that may sign.
func (k *keys) sign(alg, typ string, claims any) (string, error) {
	set, now := k.set.Load(), k.now()
	if set == nil || now.Sub(set.loaded) > 3*keyInterval {
		return "", errNoKeys
	}
	for _, key := range slices.Backward(set.keys) {
		if key.Alg != alg || !key.signs {
			continue
		}
		payload, err := json.Marshal(claims)
		if err != nil {
			return "", fmt.Errorf("encoding claims: %w", err)
		}
		signed, err := key.signers[typ].Sign(payload)
		if err != nil {
			return "", fmt.Errorf("signing: %w", err)
		}
		return signed.CompactSerialize()
	}
	return "", errNoKeys
}

// verify checks signature and typ of a compact JWS of ours and reads its claims. The key is the one that our own kid
// names, with that key's own algorithm; keys in headers are never looked at (RFC 8725, section 3).
func (k *keys) verify(token, typ string, claims any) error {
	set, now := k.set.Load(), k.now()
	if set == nil {
		return errNoKeys
	}
	for part := range strings.SplitSeq(token, ".") {
		if _, err := decode(part); err != nil {
			return err
		}
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA})
	if err != nil || len(signed.Signatures) != 1 {
		return errBadToken
	}
	header := signed.Signatures[0].Protected
	if got, _ := header.ExtraHeaders[jose.HeaderType].(string); got != typ {
		return errBadToken
	}
	for _, key := range set.keys {
		if key.ID != header.KeyID || key.Alg != header.Algorithm || !key.VerifyUntil.IsZero() && !now.Before(key.VerifyUntil) {
			continue
		}
		payload, err := signed.Verify(key.public)
		if err != nil || json.Unmarshal(payload, claims) != nil {
			return errBadToken
		}
		return nil
	}
	return errBadToken
}

// fresh tells whether the snapshot is young enough to sign.
func (k *keys) fresh() bool {
	set := k.set.Load()
	return set != nil && k.now().Sub(set.loaded) <= 3*keyInterval
}
