package storagetest

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"sallyport/storage"
)

func signingKey(id string, created time.Time) storage.SigningKey {
	return storage.SigningKey{
		ID: id, Alg: "RS256", Private: []byte("private " + id), PublishAt: created, SignFrom: created.Add(time.Hour), CreatedAt: created,
	}
}

func testKeys(t *testing.T, b *bench) {
	t.Helper()
	t.Run("keys read as they were written, oldest first", func(t *testing.T) {
		s, clock := b.open(t)
		second, first := signingKey("a", clock.Now().Add(1000)), signingKey("b", clock.Now())
		want(t, s.AddSigningKey(t.Context(), second), nil)
		want(t, s.AddSigningKey(t.Context(), first), nil)
		want(t, s.AddSigningKey(t.Context(), first), storage.ErrExists)
		got, err := s.SigningKeys(t.Context())
		want(t, err, nil)
		first.SealedBy, second.SealedBy = Ring(t).KeyID(), Ring(t).KeyID()
		if !reflect.DeepEqual(got, []storage.SigningKey{first, second}) {
			t.Fatalf("read %+v", got)
		}
	})
	t.Run("a waiting key can begin to sign at once", func(t *testing.T) {
		s, clock := b.open(t)
		want(t, s.AddSigningKey(t.Context(), signingKey("a", clock.Now())), nil)
		want(t, s.AddSigningKey(t.Context(), signingKey("b", clock.Now())), nil)
		want(t, s.StartSigningKey(t.Context(), "a", clock.Now()), nil)
		got, err := s.SigningKeys(t.Context())
		want(t, err, nil)
		at(t, "its beginning", got[0].SignFrom, clock.Now())
		at(t, "the other's beginning", got[1].SignFrom, clock.Now().Add(time.Hour))
		want(t, s.StartSigningKey(t.Context(), "c", clock.Now()), storage.ErrNotFound)
	})
	t.Run("retired keys go when they are over", func(t *testing.T) {
		s, clock := b.open(t)
		for _, id := range []string{"a", "b", "c"} {
			want(t, s.AddSigningKey(t.Context(), signingKey(id, clock.Now())), nil)
		}
		other := signingKey("other", clock.Now())
		other.Alg = "ES256"
		want(t, s.AddSigningKey(t.Context(), other), nil)
		until := clock.Now().Add(time.Hour)
		want(t, s.RetireSigningKeys(t.Context(), "RS256", "c", until), nil)
		want(t, s.RetireSigningKeys(t.Context(), "RS256", "c", until.Add(time.Hour)), nil) // an end that is set stays
		keys, err := s.SigningKeys(t.Context())
		want(t, err, nil)
		equal(t, "keys", len(keys), 4)
		at(t, "end of the first", keys[0].VerifyUntil, until)
		clock.Add(time.Hour)
		keys, err = s.SigningKeys(t.Context())
		want(t, err, nil)
		equal(t, "keys left", len(keys), 2)
		want(t, s.DeleteSigningKey(t.Context(), "c"), nil)
		want(t, s.DeleteSigningKey(t.Context(), "c"), storage.ErrNotFound)
	})
	t.Run("a key is sealed for its own id", func(t *testing.T) {
		url := b.fresh(t)
		s := Open(t, storage.Options{URL: url, Ring: Ring(t, "one")})
		want(t, s.AddSigningKey(t.Context(), signingKey("a", Start())), nil)
		_, err := Open(t, storage.Options{URL: url, Ring: Ring(t, "two")}).SigningKeys(t.Context())
		want(t, err, storage.ErrWrongSecret)
	})
	t.Run("of many that make a missing key under the lock one does", func(t *testing.T) {
		s, clock := b.open(t)
		var outcomes tally
		together(8, func(i int) {
			outcomes.add(s.WithKeyLock(t.Context(), func(ctx context.Context) error {
				keys, err := s.SigningKeys(ctx)
				if err != nil || len(keys) > 0 {
					return err
				}
				return s.AddSigningKey(ctx, signingKey(fmt.Sprint(i), clock.Now()))
			}), nil)
		})
		outcomes.want(t, map[string]int{"ok": 8})
		keys, err := s.SigningKeys(t.Context())
		want(t, err, nil)
		equal(t, "keys", len(keys), 1)
	})
	testMasterSecret(t, b)
}

func testMasterSecret(t *testing.T, b *bench) {
	t.Helper()
	t.Run("a database says whether it has a secret, to any ring", func(t *testing.T) {
		url := b.fresh(t)
		asking := Open(t, storage.Options{URL: url, Ring: Ring(t, "any")})
		has, err := asking.HasSecret(t.Context())
		want(t, err, nil)
		equal(t, "has a secret at first", has, false)
		want(t, Open(t, storage.Options{URL: url, Ring: Ring(t, "one")}).CheckSecret(t.Context()), nil)
		has, err = asking.HasSecret(t.Context())
		want(t, err, nil)
		equal(t, "has a secret", has, true)
	})
	t.Run("resealing lets an old secret go", func(t *testing.T) {
		url := b.fresh(t)
		old := Open(t, storage.Options{URL: url, Ring: Ring(t, "old")})
		want(t, old.CheckSecret(t.Context()), nil)
		want(t, old.AddSigningKey(t.Context(), signingKey("a", Start())), nil)
		want(t, old.AddSigningKey(t.Context(), signingKey("b", Start())), nil)
		both := Open(t, storage.Options{URL: url, Ring: Ring(t, "new", "old")})
		for _, wanted := range []int{3, 0} {
			n, err := both.Reseal(t.Context())
			want(t, err, nil)
			equal(t, "resealed", n, wanted)
		}
		after := Open(t, storage.Options{URL: url, Ring: Ring(t, "new")})
		want(t, after.CheckSecret(t.Context()), nil)
		keys, err := after.SigningKeys(t.Context())
		want(t, err, nil)
		equal(t, "first key", string(keys[0].Private), "private a")
		n, err := old.Reseal(t.Context())
		want(t, err, storage.ErrWrongSecret)
		equal(t, "resealed", n, 0)
	})
}
