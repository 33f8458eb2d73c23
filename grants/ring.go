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
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/chacha20poly1305"
)

// ErrUnsealed says that a sealed value was not made by this ring, for this label and this associated data: it was
// changed, cut, lengthened, made for another purpose, or its key has left the ring.
var ErrUnsealed = errors.New("value cannot be opened")

// ErrNoSecret says that a ring would be left without any secret that seals.
var ErrNoSecret = errors.New("no secret would be left")

const (
	// MinSecretBytes is the least length of a master secret.
	MinSecretBytes = 32
	keyIDBytes     = 4

	labelSecret = "secret" // of client secrets
)

// Ring is the deployment's master secrets. The first seals and derives, all open. Every purpose has a key of its own,
// derived by HKDF-SHA-256 (RFC 5869) with the purpose's label, so a value made for one purpose is worth nothing for
// another. A Ring is safe for concurrent use, and can be replaced while it is in use: all that hold it have the new
// secrets from one moment to the next, without a lock.
type Ring struct {
	current atomic.Pointer[[]*ringSecret]
}

type ringSecret struct {
	id      string
	key     []byte
	retired bool      // good for hashes of client secrets alone, see [Ring.Retire]
	keys    *sync.Map // label -> *ringKey
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
	all := make([]*ringSecret, len(secrets))
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
		all[i] = &ringSecret{id: id, key: []byte(s), keys: &sync.Map{}}
	}
	r := &Ring{}
	r.current.Store(&all)
	return r, nil
}

// Replace puts the secrets of another ring in place of this one's. What is retired in either stays so: the other ring may have been
// made before the retirement. [ErrNoSecret] when none would be left that is not; nothing changes then.
func (r *Ring) Replace(next *Ring) error {
	return r.change(func(before []*ringSecret) []*ringSecret {
		return retired(*next.current.Load(), func(s *ringSecret) bool {
			return slices.ContainsFunc(before, func(b *ringSecret) bool { return b.id == s.id && b.retired })
		})
	})
}

// Demote moves a secret to the end, so that another one seals. It reports false, and changes nothing, when the ring has no such
// secret that opens, or no other.
func (r *Ring) Demote(keyID string) bool {
	for {
		before := r.current.Load()
		if r.secret(keyID) == nil || len(r.KeyIDs()) < 2 {
			return false
		}
		after := slices.Clone(*before)
		at := slices.IndexFunc(after, func(s *ringSecret) bool { return s.id == keyID })
		after = append(slices.Delete(after, at, at+1), (*before)[at])
		if r.current.CompareAndSwap(before, &after) {
			return true
		}
	}
}

// Retire throws secrets out that somebody else knows: they seal, derive and open nothing any more. They go on to verify
// hashes of client secrets, of which the secret itself must be shown, so that clients live through it, and see [Ring.Witness].
// Names of secrets that the ring does not have change nothing. [ErrNoSecret] when no other would be left; nothing changes then.
func (r *Ring) Retire(keyIDs ...string) error {
	return r.change(func(before []*ringSecret) []*ringSecret {
		return retired(before, func(s *ringSecret) bool { return slices.Contains(keyIDs, s.id) })
	})
}

// change puts other secrets in place of those that there are, made from them.
func (r *Ring) change(made func([]*ringSecret) []*ringSecret) error {
	for {
		before := r.current.Load()
		after := made(*before)
		if !slices.ContainsFunc(after, func(s *ringSecret) bool { return !s.retired }) {
			return ErrNoSecret
		}
		if r.current.CompareAndSwap(before, &after) {
			return nil
		}
	}
}

// retired is a copy of secrets, of which more are retired.
func retired(all []*ringSecret, too func(*ringSecret) bool) []*ringSecret {
	out := make([]*ringSecret, len(all))
	for i, s := range all {
		c := *s
		c.retired = s.retired || too(s)
		out[i] = &c
	}
	return out
}

// KeyID names the first secret. It says nothing about the secret and may be stored and shown.
func (r *Ring) KeyID() string { return r.first().id }

// KeyIDs names every secret of the ring that opens, first to last.
func (r *Ring) KeyIDs() []string {
	var ids []string
	for _, s := range *r.current.Load() {
		if !s.retired {
			ids = append(ids, s.id)
		}
	}
	return ids
}

// Has tells whether the ring has a secret of that name, retired or not.
func (r *Ring) Has(keyID string) bool { return r.named(keyID) != nil }

// Sign is [Ring.MAC] under the first secret, which it names.
func (r *Ring) Sign(label string, parts ...[]byte) (keyID string, mac []byte) {
	s := r.first()
	return s.id, s.sum(label, parts)
}

// MAC is the HMAC-SHA-256 (RFC 2104) of the parts under the label's key of the secret named keyID. Each part is
// preceded by its length, so that no two lists of parts are the same bytes. It reports false when the ring has no
// such secret.
func (r *Ring) MAC(keyID, label string, parts ...[]byte) ([]byte, bool) {
	s := r.secret(keyID)
	if s == nil {
		return nil, false
	}
	return s.sum(label, parts), true
}

// Witness is [Ring.MAC] also of a retired secret: to verify what it has vouched for until another one does.
func (r *Ring) Witness(keyID, label string, parts ...[]byte) ([]byte, bool) {
	s := r.named(keyID)
	if s == nil {
		return nil, false
	}
	return s.sum(label, parts), true
}

func (s *ringSecret) sum(label string, parts [][]byte) []byte {
	m := hmac.New(sha256.New, s.purpose(label).mac)
	for _, p := range parts {
		_, _ = m.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		_, _ = m.Write(p)
	}
	return m.Sum(nil)
}

// Seal encrypts and authenticates with XChaCha20-Poly1305 under the label's key of the first secret. The result is
// key id, nonce and ciphertext. Open needs the same label and associated data.
func (r *Ring) Seal(label string, plain, associated []byte) []byte {
	s := r.first()
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
	id, mac := r.Sign(labelSecret, []byte(secret))
	return "hmac:" + id + ":" + hex.EncodeToString(mac)
}

// PlainHash is the form of an entry that needs no master secret: "sha256:" and the SHA-256 in hex.
func PlainHash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// HashedBy names the secret that a stored entry is hashed with. It is empty for an entry that needs none.
func HashedBy(entry string) string {
	rest, _ := strings.CutPrefix(entry, "hmac:")
	id, _, ok := strings.Cut(rest, ":")
	if !ok || rest == entry {
		return ""
	}
	return id
}

// DummySecret is an entry that no secret matches and that takes as long to compare with as a real one.
func (r *Ring) DummySecret() string {
	return "hmac:" + r.KeyID() + ":" + strings.Repeat("00", sha256.Size)
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
		s := r.named(id)
		return err == nil && s != nil && hmac.Equal(s.sum(labelSecret, [][]byte{[]byte(secret)}), want)
	case "sha256":
		want, err := hex.DecodeString(rest)
		sum := sha256.Sum256([]byte(secret))
		return err == nil && hmac.Equal(sum[:], want)
	}
	return false
}

// first is the secret that seals and derives. A ring always has one.
func (r *Ring) first() *ringSecret {
	all := *r.current.Load()
	return all[slices.IndexFunc(all, func(s *ringSecret) bool { return !s.retired })]
}

// secret is the named one, nil when the ring has none of that name that opens.
func (r *Ring) secret(id string) *ringSecret {
	if s := r.named(id); s != nil && !s.retired {
		return s
	}
	return nil
}

func (r *Ring) named(id string) *ringSecret {
	for _, s := range *r.current.Load() {
		if s.id == id {
			return s
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
