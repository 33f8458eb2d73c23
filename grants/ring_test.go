package grants

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
)

const (
	firstSecret  = "the first secret is long enough now"
	secondSecret = "the second secret is long enough too"
)

func newRing(tb testing.TB, secrets ...string) *Ring {
	tb.Helper()
	r, err := NewRing(secrets...)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func TestNewRingWantsLongDifferentSecrets(t *testing.T) {
	for why, secrets := range map[string][]string{
		"none":                  {},
		"empty":                 {""},
		"31 bytes":              {strings.Repeat("a", 31)},
		"a short one after one": {firstSecret, "short"},
		"one twice":             {firstSecret, secondSecret, firstSecret},
	} {
		_, err := NewRing(secrets...)
		if err == nil {
			t.Errorf("%s: no error", why)
			continue
		}
		for _, s := range secrets {
			if s != "" && strings.Contains(err.Error(), s) {
				t.Errorf("%s: the error tells a secret: %v", why, err)
			}
		}
	}
	if _, err := NewRing(strings.Repeat("a", 32)); err != nil {
		t.Errorf("32 bytes: %v", err)
	}
}

func TestKeyIDsNameSecretsInOrder(t *testing.T) {
	one, two := newRing(t, firstSecret), newRing(t, secondSecret)
	both := newRing(t, secondSecret, firstSecret)
	if got, want := both.KeyIDs(), []string{two.KeyID(), one.KeyID()}; !slices.Equal(got, want) {
		t.Errorf("key ids are %q, want %q", got, want)
	}
	if one.KeyID() == two.KeyID() || len(one.KeyID()) != 2*keyIDBytes || both.KeyID() != two.KeyID() {
		t.Errorf("key ids %q and %q", one.KeyID(), two.KeyID())
	}
}

func TestOpenGivesBackWhatWasSealed(t *testing.T) {
	r := newRing(t, firstSecret)
	for _, plain := range [][]byte{nil, {}, []byte("x"), bytes.Repeat([]byte("long"), 10_000)} {
		sealed := r.Seal("token", plain, []byte("access"))
		got, err := r.Open("token", sealed, []byte("access"))
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("opened %d bytes, %v, of %d", len(got), err, len(plain))
		}
		if SealedBy(sealed) != r.KeyID() {
			t.Errorf("sealed by %q", SealedBy(sealed))
		}
		if bytes.Equal(sealed, r.Seal("token", plain, []byte("access"))) {
			t.Error("two seals are the same bytes")
		}
	}
}

func TestOpenRefusesEveryChange(t *testing.T) {
	r := newRing(t, firstSecret, secondSecret)
	sealed := r.Seal("token", []byte("plain text"), []byte("access"))
	refused := func(what, label string, value, associated []byte) {
		t.Helper()
		if plain, err := r.Open(label, value, associated); !errors.Is(err, ErrUnsealed) || plain != nil {
			t.Errorf("%s: opened %q, %v", what, plain, err)
		}
	}
	for i := range sealed {
		for bit := range 8 {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1 << bit
			refused("changed", "token", changed, []byte("access"))
		}
		refused("cut at the end", "token", sealed[:i], []byte("access"))
		refused("cut at the beginning", "token", sealed[i+1:], []byte("access"))
	}
	refused("lengthened", "token", append(bytes.Clone(sealed), 0), []byte("access"))
	refused("doubled", "token", append(bytes.Clone(sealed), sealed...), []byte("access"))
	refused("prefixed", "token", append([]byte{0}, sealed...), []byte("access"))
	refused("other label", "tokens", sealed, []byte("access"))
	refused("no label", "", sealed, []byte("access"))
	refused("other associated data", "token", sealed, []byte("refresh"))
	refused("no associated data", "token", sealed, nil)
	refused("nothing", "token", nil, []byte("access"))

	other := newRing(t, secondSecret)
	forged := other.Seal("token", []byte("plain text"), []byte("access"))
	copy(forged, sealed[:keyIDBytes]) // names the first secret, made with the second
	refused("under another key's name", "token", forged, []byte("access"))
	if _, err := other.Open("token", sealed, []byte("access")); !errors.Is(err, ErrUnsealed) {
		t.Errorf("another ring: %v", err)
	}
}

func TestSealedByOfTooShortIsEmpty(t *testing.T) {
	if got := SealedBy([]byte{1, 2, 3}); got != "" {
		t.Errorf("sealed by %q", got)
	}
	if got := SealedBy([]byte{1, 2, 3, 4}); got != "01020304" {
		t.Errorf("sealed by %q", got)
	}
}

func TestRotationKeepsOldValuesUntilTheSecretGoes(t *testing.T) {
	before, added := newRing(t, firstSecret), newRing(t, firstSecret, secondSecret)
	moved, dropped := newRing(t, secondSecret, firstSecret), newRing(t, secondSecret)

	old := before.Seal("token", []byte("old"), nil)
	for name, r := range map[string]*Ring{"added": added, "moved": moved} {
		if plain, err := r.Open("token", old, nil); err != nil || string(plain) != "old" {
			t.Errorf("%s: %q, %v", name, plain, err)
		}
	}
	if SealedBy(added.Seal("token", nil, nil)) != before.KeyID() {
		t.Error("an added secret seals before it is first")
	}
	fresh := moved.Seal("token", []byte("new"), nil)
	if SealedBy(fresh) != dropped.KeyID() {
		t.Error("the first secret does not seal")
	}
	if plain, err := added.Open("token", fresh, nil); err != nil || string(plain) != "new" {
		t.Errorf("a replica that has it last: %q, %v", plain, err)
	}
	if _, err := dropped.Open("token", old, nil); !errors.Is(err, ErrUnsealed) {
		t.Errorf("dropped: %v", err)
	}
	c := Challenge{KeyID: before.KeyID(), Seed: randomBytes(seedBytes), CodeLength: 6}
	want, _ := before.Code(c)
	if got, known := moved.Code(c); !known || got != want {
		t.Errorf("the moved ring derives %q, %v, want %q", got, known, want)
	}
	if got, known := dropped.Code(c); known || got != "" {
		t.Errorf("the dropped secret derives %q, %v", got, known)
	}
}

func TestMACSeparatesLabelsPartsAndKeys(t *testing.T) {
	r := newRing(t, firstSecret, secondSecret)
	id := r.KeyIDs()
	seen := map[string]string{}
	for name, mac := range map[string]func() ([]byte, bool){
		"ab":             func() ([]byte, bool) { return r.MAC(id[0], "x", []byte("ab")) },
		"a b":            func() ([]byte, bool) { return r.MAC(id[0], "x", []byte("a"), []byte("b")) },
		"a zeros b":      func() ([]byte, bool) { return r.MAC(id[0], "x", []byte("a"+strings.Repeat("\x00", 8)+"b")) },
		"a, its length":  func() ([]byte, bool) { return r.MAC(id[0], "x", []byte("a\x00\x00\x00\x00\x00\x00\x00\x01b")) },
		"ab and nothing": func() ([]byte, bool) { return r.MAC(id[0], "x", []byte("ab"), nil) },
		"nothing and ab": func() ([]byte, bool) { return r.MAC(id[0], "x", nil, []byte("ab")) },
		"nothing":        func() ([]byte, bool) { return r.MAC(id[0], "x") },
		"an empty part":  func() ([]byte, bool) { return r.MAC(id[0], "x", nil) },
		"other label":    func() ([]byte, bool) { return r.MAC(id[0], "y", []byte("ab")) },
		"other key":      func() ([]byte, bool) { return r.MAC(id[1], "x", []byte("ab")) },
	} {
		sum, known := mac()
		if !known || len(sum) != sha256.Size {
			t.Errorf("%s: %d bytes, %v", name, len(sum), known)
		}
		if other, twice := seen[string(sum)]; twice {
			t.Errorf("%s and %s have one MAC", name, other)
		}
		seen[string(sum)] = name
	}
	for _, unknown := range []string{"", "00000000", id[0][:6], strings.ToUpper(id[0]) + " "} {
		if sum, known := r.MAC(unknown, "x", nil); known || sum != nil {
			t.Errorf("key %q is known", unknown)
		}
	}
}

func TestRingIsSafeForConcurrentUse(t *testing.T) {
	r := newRing(t, firstSecret)
	sealed := r.Seal("before", []byte("x"), nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := r.Open("before", sealed, nil); err != nil {
				t.Error(err)
			}
			if _, err := r.Open("fresh", r.Seal("fresh", nil, nil), nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestVerifySecretTakesHashesOnly(t *testing.T) {
	r := newRing(t, firstSecret)
	const secret = "a client's secret, long and random"
	plainSum := sha256.Sum256([]byte(secret))
	sum := hex.EncodeToString(plainSum[:])
	entry := r.HashSecret(secret)
	for _, good := range []string{entry, "sha256:" + sum} {
		if !r.VerifySecret(good, secret) {
			t.Errorf("%q does not match", good)
		}
		for _, wrong := range []string{"", secret + "x", secret[1:], strings.ToUpper(secret), good, sum} {
			if r.VerifySecret(good, wrong) {
				t.Errorf("%q matches %q", good, wrong)
			}
		}
	}
	emptySum := sha256.Sum256(nil)
	for _, bad := range []string{
		"", ":", secret, "plain:" + secret, "sha256", "sha256:", "sha256:" + sum[:62], "sha256:" + sum + "00", "sha256:zz", "SHA256:" + sum,
		"hmac", "hmac:", "hmac::", "hmac:" + r.KeyID() + ":", "hmac:00000000:" + sum, "hmac:" + r.KeyID() + ":" + sum, entry[:len(entry)-2], entry + "00",
	} {
		if r.VerifySecret(bad, secret) {
			t.Errorf("entry %q matches", bad)
		}
	}
	if r.VerifySecret("sha256:"+hex.EncodeToString(emptySum[:]), "") {
		t.Error("an empty secret matches its own hash")
	}
	if strings.Contains(entry, secret) || newRing(t, secondSecret).VerifySecret(entry, secret) {
		t.Error("the entry tells the secret, or another ring verifies it")
	}
	if !newRing(t, secondSecret, firstSecret).VerifySecret(entry, secret) {
		t.Error("the entry does not outlive the rotation")
	}
}

// sealedOnce is "plain", sealed for "token" by the first secret: values of today must open tomorrow.
const sealedOnce = "1dfb4231156afe8bfb99299750a232c9dfcbdea3cc24c418dc91ee52" +
	"a901decd07c7c12f1f1e3f0860f693b9663b158112"

func FuzzRingOpen(f *testing.F) {
	r := newRing(f, firstSecret, secondSecret)
	sealed, err := hex.DecodeString(sealedOnce)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add(sealed[:keyIDBytes])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, value []byte) {
		plain, err := r.Open("token", value, nil)
		switch {
		case bytes.Equal(value, sealed):
			if err != nil || string(plain) != "plain" {
				t.Fatalf("%q, %v", plain, err)
			}
		case !errors.Is(err, ErrUnsealed) || plain != nil:
			t.Fatalf("%x opens as %q, %v", value, plain, err)
		}
	})
}
