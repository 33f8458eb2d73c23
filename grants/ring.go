package grants

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"
)

// ErrUnsealed says that a sealed value was not made by this ring, for this label and this associated data: it was
// changed, cut, lengthened, made for another purpose, or its key has left the ring.
var ErrUnsealed = errors.New("value cannot be opened")

const (
	// MinSecretBytes is the least length of a master secret.
	MinSecretBytes = 32
	keyIDBytes     = 4
)

// Ring is the deployment's master secrets. The first seals and derives, all open. Every purpose has a key of its own,
// derived by HKDF-SHA-256 (RFC 5869) with the purpose's label, so a value made for one purpose is worth nothing for
// another. A Ring is safe for concurrent use.
type Ring struct {
	secrets []ringSecret
}

type ringSecret struct {
	id   string
	key  []byte
	keys sync.Map // label -> *ringKey
}

type ringKey struct {
	mac  []byte
	aead cipher.AEAD
}

// NewRing makes a ring of one or more secrets of at least [MinSecretBytes] bytes each.
func NewRing(secrets ...string) (*Ring, error) {
	if len(secrets) == 0 {
		return nil, errors.New("a secret is needed")
	}
	r := &Ring{secrets: make([]ringSecret, len(secrets))}
	seen := map[string]bool{}
	for i, s := range secrets {
		if len(s) < MinSecretBytes {
			return nil, fmt.Errorf("secret %d has %d bytes, at least %d are needed", i+1, len(s), MinSecretBytes)
		}
		id := hex.EncodeToString(derive([]byte(s), "sallyport key id", keyIDBytes))
		if seen[id] {
			return nil, fmt.Errorf("secret %d stands twice in the list", i+1)
		}
		seen[id] = true
		r.secrets[i].id, r.secrets[i].key = id, []byte(s)
	}
	return r, nil
}

// KeyID names the first secret. It says nothing about the secret and may be stored and shown.
func (r *Ring) KeyID() string { return r.secrets[0].id }

// KeyIDs names every secret of the ring, first to last.
func (r *Ring) KeyIDs() []string {
	ids := make([]string, len(r.secrets))
	for i := range r.secrets {
		ids[i] = r.secrets[i].id
	}
	return ids
}

// MAC is the HMAC-SHA-256 (RFC 2104) of the parts under the label's key of the secret named keyID. Each part is
// preceded by its length, so that no two lists of parts are the same bytes. It reports false when the ring has no
// such secret.
func (r *Ring) MAC(keyID, label string, parts ...[]byte) ([]byte, bool) {
	s := r.secret(keyID)
	if s == nil {
		return nil, false
	}
	m := hmac.New(sha256.New, s.purpose(label).mac)
	for _, p := range parts {
		_, _ = m.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		_, _ = m.Write(p)
	}
	return m.Sum(nil), true
}

// Seal encrypts and authenticates with XChaCha20-Poly1305 under the label's key of the first secret. The result is
// key id, nonce and ciphertext. Open needs the same label and associated data.
func (r *Ring) Seal(label string, plain, associated []byte) []byte {
	s := &r.secrets[0]
	aead := s.purpose(label).aead
	id, _ := hex.DecodeString(s.id)
	out := make([]byte, keyIDBytes+aead.NonceSize(), keyIDBytes+aead.NonceSize()+len(plain)+aead.Overhead())
	copy(out, id)
	_, _ = rand.Read(out[keyIDBytes:])
	return aead.Seal(out, out[keyIDBytes:], plain, associated)
}

// Open returns what Seal was given, or [ErrUnsealed].
func (r *Ring) Open(label string, sealed, associated []byte) ([]byte, error) {
	if len(sealed) < keyIDBytes+chacha20poly1305.NonceSizeX+chacha20poly1305.Overhead {
		return nil, ErrUnsealed
	}
	s := r.secret(hex.EncodeToString(sealed[:keyIDBytes]))
	if s == nil {
		return nil, ErrUnsealed
	}
	nonce, rest := sealed[keyIDBytes:keyIDBytes+chacha20poly1305.NonceSizeX], sealed[keyIDBytes+chacha20poly1305.NonceSizeX:]
	plain, err := s.purpose(label).aead.Open(nil, nonce, rest, associated)
	if err != nil {
		return nil, ErrUnsealed
	}
	return plain, nil
}

// SealedBy names the secret that made a sealed value, known to the ring or not. It is empty when the value is too
// short to be one.
func SealedBy(sealed []byte) string {
	if len(sealed) < keyIDBytes {
		return ""
	}
	return hex.EncodeToString(sealed[:keyIDBytes])
}

// HashSecret is how a client secret or an admin token is stored: "hmac:", key id, ":", and the HMAC in hex. Such secrets
// are long and random, so a fast keyed hash is enough.
func (r *Ring) HashSecret(secret string) string {
	mac, _ := r.MAC(r.KeyID(), "secret", []byte(secret))
	return "hmac:" + r.KeyID() + ":" + hex.EncodeToString(mac)
}

// VerifySecret compares a secret with a stored entry, "hmac:<key id>:<hex>" or "sha256:<hex>", in constant time.
// An empty secret and an entry of any other form, a plain one above all, never match.
func (r *Ring) VerifySecret(entry, secret string) bool {
	if secret == "" {
		return false
	}
	kind, rest, _ := strings.Cut(entry, ":")
	switch kind {
	case "hmac":
		id, sum, _ := strings.Cut(rest, ":")
		want, err := hex.DecodeString(sum)
		mac, known := r.MAC(id, "secret", []byte(secret))
		return err == nil && known && hmac.Equal(mac, want)
	case "sha256":
		want, err := hex.DecodeString(rest)
		sum := sha256.Sum256([]byte(secret))
		return err == nil && hmac.Equal(sum[:], want)
	}
	return false
}

func (r *Ring) secret(id string) *ringSecret {
	for i := range r.secrets {
		if r.secrets[i].id == id {
			return &r.secrets[i]
		}
	}
	return nil
}

func (s *ringSecret) purpose(label string) *ringKey {
	if k, ok := s.keys.Load(label); ok {
		return k.(*ringKey) //nolint:errcheck,forcetypeassert // only ringKeys are stored
	}
	aead, err := chacha20poly1305.NewX(derive(s.key, "sallyport seal "+label, chacha20poly1305.KeySize))
	if err != nil {
		panic(err) // the key has the size that NewX asks for
	}
	k, _ := s.keys.LoadOrStore(label, &ringKey{mac: derive(s.key, "sallyport mac "+label, sha256.Size), aead: aead})
	return k.(*ringKey) //nolint:errcheck,forcetypeassert // as above
}

func derive(secret []byte, info string, n int) []byte {
	key, err := hkdf.Key(sha256.New, secret, nil, info, n)
	if err != nil {
		panic(err) // only for lengths that nobody asks for
	}
	return key
}
