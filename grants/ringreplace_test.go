package grants

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestReplacedRingIsReplacedForAllThatHoldIt(t *testing.T) {
	held := newRing(t, firstSecret)
	old := held.KeyID()
	sealed, entry := held.Seal("token", []byte("x"), nil), held.HashSecret("a client's secret")

	replace := func(secrets ...string) {
		t.Helper()
		if err := held.Replace(newRing(t, secrets...)); err != nil {
			t.Fatal(err)
		}
	}
	replace(secondSecret, firstSecret)
	if held.KeyID() == old || !slices.Contains(held.KeyIDs(), old) {
		t.Errorf("key ids %q, the old one is %q", held.KeyIDs(), old)
	}
	if _, err := held.Open("token", sealed, nil); err != nil || !held.VerifySecret(entry, "a client's secret") {
		t.Error("what the moved secret made is not opened any more")
	}
	if SealedBy(held.Seal("token", nil, nil)) == old || HashedBy(held.HashSecret("another secret")) == old {
		t.Error("the old secret still seals")
	}
	replace(secondSecret)
	if _, err := held.Open("token", sealed, nil); !errors.Is(err, ErrUnsealed) || held.VerifySecret(entry, "a client's secret") {
		t.Error("a dropped secret still opens")
	}
}

func TestRetiredSecretOnlyVerifiesClientSecrets(t *testing.T) {
	r := newRing(t, firstSecret, secondSecret)
	old := r.KeyID()
	sealed, entry := r.Seal("token", []byte("x"), nil), r.HashSecret("a client's secret")
	if err := r.Retire(old, "of no ring"); err != nil {
		t.Fatal(err)
	}
	if r.KeyID() == old || slices.Contains(r.KeyIDs(), old) {
		t.Errorf("the retired secret is one of %q", r.KeyIDs())
	}
	if _, known := r.MAC(old, "code", []byte("seed")); known {
		t.Error("the retired secret derives")
	}
	if mac, known := r.Witness(old, "audit", []byte("seal")); !known || len(mac) == 0 {
		t.Error("what the retired secret has vouched for cannot be verified")
	}
	if _, known := r.Witness("of no ring", "audit", []byte("seal")); known {
		t.Error("an unknown secret vouches")
	}
	if _, err := r.Open("token", sealed, nil); !errors.Is(err, ErrUnsealed) {
		t.Errorf("the retired secret opens: %v", err)
	}
	if SealedBy(r.Seal("token", nil, nil)) == old {
		t.Error("the retired secret seals")
	}
	if !r.VerifySecret(entry, "a client's secret") || r.VerifySecret(entry, "another client's") {
		t.Error("the retired secret does not tell client secrets apart")
	}
}

// TestRetiredSecretStaysRetiredInAnotherRing replaces a ring by one that was made before the retirement, as a reload may.
func TestRetiredSecretStaysRetiredInAnotherRing(t *testing.T) {
	held, late := newRing(t, firstSecret, secondSecret), newRing(t, firstSecret, secondSecret)
	old := held.KeyID()
	if err := held.Retire(old); err != nil {
		t.Fatal(err)
	}
	if err := held.Replace(late); err != nil {
		t.Fatal(err)
	}
	if held.KeyID() == old || slices.Contains(held.KeyIDs(), old) || !held.Has(old) {
		t.Errorf("the retired secret %s is back: %q", old, held.KeyIDs())
	}
	if late.KeyID() != old {
		t.Error("the other ring was changed")
	}
	if err := held.Replace(newRing(t, firstSecret)); !errors.Is(err, ErrNoSecret) || held.KeyID() == old {
		t.Errorf("a ring of the retired secret alone: %v, %s seals", err, held.KeyID())
	}
}

func TestRingIsNeverEmpty(t *testing.T) {
	r := newRing(t, firstSecret, secondSecret)
	if err := r.Retire(r.KeyIDs()...); !errors.Is(err, ErrNoSecret) {
		t.Errorf("retiring all: %v", err)
	}
	if len(r.KeyIDs()) != 2 {
		t.Error("a refused retirement changed the ring")
	}
}

// TestRingIsWholeWhileItIsReplaced has readers at work on a ring that changes all the time: what is sealed opens, and what
// is signed names the secret that signed it.
func TestRingIsWholeWhileItIsReplaced(t *testing.T) {
	held := newRing(t, firstSecret, secondSecret)
	all := newRing(t, firstSecret, secondSecret)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 2000 {
				if _, err := held.Open("token", held.Seal("token", []byte("x"), nil), nil); err != nil {
					t.Errorf("sealed and not opened: %v", err)
					return
				}
				id, mac := held.Sign("refresh", []byte("x"))
				if want, _ := all.MAC(id, "refresh", []byte("x")); string(mac) != string(want) {
					t.Error("a MAC under another secret than the named one")
					return
				}
				if !held.VerifySecret(held.HashSecret("secret"), "secret") {
					t.Error("hashed and not verified")
					return
				}
			}
		})
	}
	wg.Go(func() {
		for i := range 500 {
			next := newRing(t, firstSecret, secondSecret)
			if i%2 == 0 {
				next = newRing(t, secondSecret, firstSecret)
			}
			if err := held.Replace(next); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
}

func TestDummySecretMatchesNothing(t *testing.T) {
	r := newRing(t, firstSecret)
	if r.VerifySecret(r.DummySecret(), "") || r.VerifySecret(r.DummySecret(), strings.Repeat("0", 64)) {
		t.Error("a secret matches the dummy")
	}
	if HashedBy(r.DummySecret()) != r.KeyID() {
		t.Error("the dummy takes another path than a real entry")
	}
}

func TestHashedByNamesOnlyTheSecretsOfTheRing(t *testing.T) {
	for entry, want := range map[string]string{"hmac:0a1b2c3d:ff": "0a1b2c3d", "sha256:ff": "", "0a1b2c3d:ff": "", "hmac:": "", "": ""} {
		if got := HashedBy(entry); got != want {
			t.Errorf("%q is hashed by %q, want %q", entry, got, want)
		}
	}
}
