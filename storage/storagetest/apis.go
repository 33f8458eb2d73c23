package storagetest

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"sallyport/storage"
)

// fullAPI has a value in every field that a caller sets.
func fullAPI(audience string) storage.API {
	return storage.API{
		ID: "id of " + audience, Audience: audience, Name: "One", Scopes: []string{"b", "a"}, Alg: "ES256", TokenLifetime: 90 * time.Minute, OfflineAccess: true,
	}
}

func testAPIs(t *testing.T, b *bench) {
	t.Helper()
	t.Run("an API reads as it was written, by audience and by id", func(t *testing.T) {
		s, clock := b.open(t)
		a := fullAPI("https://one.example")
		want(t, s.AddAPI(t.Context(), a), nil)
		a.CreatedAt, a.UpdatedAt = clock.Now(), clock.Now()
		byAudience, err := s.API(t.Context(), a.Audience)
		want(t, err, nil)
		byID, err := s.APIByID(t.Context(), a.ID)
		want(t, err, nil)
		all, err := s.APIs(t.Context())
		want(t, err, nil)
		for name, got := range map[string]storage.API{"by audience": byAudience, "by id": byID, "among all": all[0]} {
			if !reflect.DeepEqual(got, a) {
				t.Fatalf("%s read %+v, wrote %+v", name, got, a)
			}
		}
		_, err = s.APIByID(t.Context(), "none")
		want(t, err, storage.ErrNotFound)
	})
	t.Run("an audience and an id are given once", func(t *testing.T) {
		s, _ := b.open(t)
		want(t, s.AddAPI(t.Context(), storage.API{Audience: "a", ID: "1"}), nil)
		want(t, s.AddAPI(t.Context(), storage.API{Audience: "a", ID: "2"}), storage.ErrExists)
		want(t, s.AddAPI(t.Context(), storage.API{Audience: "b", ID: "1"}), storage.ErrExists)
		want(t, s.AddAPI(t.Context(), storage.API{Audience: "c"}), nil)
		want(t, s.AddAPI(t.Context(), storage.API{Audience: "d"}), nil)
		c, err := s.API(t.Context(), "c")
		want(t, err, nil)
		equal(t, "digits of an id", len(c.ID), 24)
	})
	t.Run("a change is written whole or not at all, and cannot rename", func(t *testing.T) {
		s, clock := b.open(t)
		a := fullAPI("a")
		want(t, s.AddAPI(t.Context(), a), nil)
		clock.Add(time.Minute)
		failure := errors.New("on purpose")
		want(t, s.UpdateAPI(t.Context(), a.ID, func(a *storage.API) error { a.Name = "x"; return failure }), failure)
		want(t, s.UpdateAPI(t.Context(), a.ID, func(a *storage.API) error {
			*a = storage.API{Audience: "b", ID: "b", Name: "new", Scopes: []string{"s"}, Alg: "RS256", TokenLifetime: time.Hour}
			return nil
		}), nil)
		got, err := s.APIByID(t.Context(), a.ID)
		want(t, err, nil)
		a.Name, a.Scopes, a.Alg, a.TokenLifetime, a.OfflineAccess = "new", []string{"s"}, "RS256", time.Hour, false
		a.CreatedAt, a.UpdatedAt = Start(), clock.Now()
		if !reflect.DeepEqual(got, a) {
			t.Fatalf("read %+v, want %+v", got, a)
		}
		want(t, s.UpdateAPI(t.Context(), "none", func(*storage.API) error { return nil }), storage.ErrNotFound)
	})
	t.Run("a deleted API is gone", func(t *testing.T) {
		s, _ := b.open(t)
		want(t, s.AddAPI(t.Context(), fullAPI("a")), nil)
		want(t, s.AddAPI(t.Context(), fullAPI("b")), nil)
		want(t, s.DeleteAPI(t.Context(), fullAPI("a").ID), nil)
		want(t, s.DeleteAPI(t.Context(), fullAPI("a").ID), storage.ErrNotFound)
		all, err := s.APIs(t.Context())
		want(t, err, nil)
		equal(t, "APIs", len(all), 1)
		equal(t, "the other", all[0].Audience, "b")
	})
	testFileAPIs(t, b)
}

func testFileAPIs(t *testing.T, b *bench) {
	t.Helper()
	t.Run("the file's APIs are applied, unchanged ones not rewritten, gone ones go, others stay", func(t *testing.T) {
		s, clock := b.open(t)
		one, two := fullAPI("one"), storage.API{Audience: "two"}
		want(t, s.AddAPI(t.Context(), fullAPI("other")), nil)
		want(t, s.ApplyAPIs(t.Context(), []storage.API{one, two}), nil)
		clock.Add(time.Minute)
		two.OfflineAccess = true
		want(t, s.ApplyAPIs(t.Context(), []storage.API{one, two}), nil)
		got, err := s.APIs(t.Context())
		want(t, err, nil)
		equal(t, "APIs", len(got), 3)
		equal(t, "other is the file's", got[1].FromFile, false)
		equal(t, "the first is the file's", got[0].FromFile, true)
		at(t, "unchanged one's update", got[0].UpdatedAt, Start())
		at(t, "changed one's update", got[2].UpdatedAt, clock.Now())
		equal(t, "change", got[2].OfflineAccess, true)
		want(t, s.ApplyAPIs(t.Context(), []storage.API{one}), nil)
		_, err = s.API(t.Context(), "two")
		want(t, err, storage.ErrNotFound)
		_, err = s.API(t.Context(), "other")
		want(t, err, nil)
	})
	t.Run("what clients had of an API goes with it", func(t *testing.T) {
		s, clock := b.open(t)
		for _, audience := range []string{"a", "b"} {
			want(t, s.AddAPI(t.Context(), fullAPI(audience)), nil)
		}
		want(t, s.AddClient(t.Context(), storage.Client{ID: "both", APIs: map[string][]string{"a": {"b"}, "b": {"a", "b"}}}), nil)
		want(t, s.AddClient(t.Context(), storage.Client{ID: "other", APIs: map[string][]string{"b": {"a"}}}), nil)
		clock.Add(time.Minute)
		want(t, s.DeleteAPI(t.Context(), fullAPI("a").ID), nil)
		want(t, s.AddAPI(t.Context(), fullAPI("a")), nil)
		both, err := s.Client(t.Context(), "both")
		want(t, err, nil)
		equal(t, "what is left", fmt.Sprint(both.APIs), "map[b:[a b]]")
		other, err := s.Client(t.Context(), "other")
		want(t, err, nil)
		at(t, "the other is written", other.UpdatedAt, Start())
	})
	t.Run("an audience that is not the file's is refused by name", func(t *testing.T) {
		s, _ := b.open(t)
		want(t, s.AddAPI(t.Context(), storage.API{Audience: "mine"}), nil)
		err := s.ApplyAPIs(t.Context(), []storage.API{{Audience: "new"}, {Audience: "mine"}})
		want(t, err, storage.ErrExists)
		if !strings.Contains(err.Error(), `"mine"`) {
			t.Fatalf("error does not name the API: %v", err)
		}
		_, err = s.API(t.Context(), "new")
		want(t, err, storage.ErrNotFound)
	})
	t.Run("the file's APIs are read-only elsewhere", func(t *testing.T) {
		s, _ := b.open(t)
		want(t, s.ApplyAPIs(t.Context(), []storage.API{fullAPI("a")}), nil)
		want(t, s.DeleteAPI(t.Context(), fullAPI("a").ID), storage.ErrManagedByFile)
		want(t, s.UpdateAPI(t.Context(), fullAPI("a").ID, func(*storage.API) error { return nil }), storage.ErrManagedByFile)
	})
	t.Run("many processes apply one file at once", func(t *testing.T) {
		s, _ := b.open(t)
		var outcomes tally
		together(8, func(int) {
			outcomes.add(s.ApplyAPIs(t.Context(), []storage.API{fullAPI("a"), {Audience: "b"}}), nil)
		})
		outcomes.want(t, map[string]int{"ok": 8})
	})
}
