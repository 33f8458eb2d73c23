package storagetest

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"sallyport/storage"
)

// fullClient has a value in every field that a caller sets.
func fullClient(id string) storage.Client {
	return storage.Client{
		ID: id, Name: "Café ☕", Type: "web", Secrets: []string{"sha256:00", "hmac:k:11"},
		RedirectURIs:           []string{"https://b.example/cb?x=1", "https://a.example/cb"},
		PostLogoutRedirectURIs: []string{"https://a.example/out"}, WebOrigins: []string{"https://a.example"},
		GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"},
		Connections: []string{"email", "sms"}, AuthMethods: []string{"client_secret_basic"}, IDTokenAlg: "RS256",
		EmbeddedLinks: true, APIs: map[string][]string{"https://api.example": {"read", "write"}, "other": {"x"}},
		TokensValidFrom: Start().Add(-time.Hour),
		Settings: storage.ClientSettings{
			AccessTokenLifetime: time.Hour, IDTokenLifetime: 2 * time.Hour,
			Refresh:           storage.RefreshSettings{NonRotating: true, Leeway: new(time.Duration), Idle: 3 * time.Hour, Absolute: 4 * time.Hour},
			TrustForwardedFor: true, RequirePKCE: true, JWKS: json.RawMessage(`{"keys":[]}`), Description: "d", LogoURI: "https://a.example/l.png",
			InitiateLoginURI: "https://a.example/login", Metadata: map[string]string{"k": "v"},
		},
	}
}

func testClients(t *testing.T, b *bench) {
	t.Helper()
	t.Run("a client reads as it was written, its lists in order", func(t *testing.T) {
		s, clock := b.open(t)
		c := fullClient("c")
		want(t, s.AddClient(t.Context(), c), nil)
		got, err := s.Client(t.Context(), "c")
		want(t, err, nil)
		c.CreatedAt, c.UpdatedAt = clock.Now(), clock.Now()
		if !reflect.DeepEqual(got, c) {
			t.Fatalf("read\n%+v\nwrote\n%+v", got, c)
		}
	})
	t.Run("an address is registered, for its purpose, by an enabled client only", func(t *testing.T) {
		s, _ := b.open(t)
		want(t, s.AddClient(t.Context(), fullClient("c")), nil)
		look := func(origin, logout bool) {
			t.Helper()
			for address, kind := range map[string][2]bool{
				"https://a.example": {origin, false}, "https://a.example/out": {false, logout}, "https://a.example/cb": {}, "https://A.example": {}, "": {},
			} {
				isOrigin, err := s.OriginRegistered(t.Context(), address)
				want(t, err, nil)
				isLogout, err := s.LogoutURLRegistered(t.Context(), address)
				want(t, err, nil)
				equal(t, address, [2]bool{isOrigin, isLogout}, kind)
			}
		}
		look(true, true)
		want(t, s.UpdateClient(t.Context(), "c", func(c *storage.Client) error { c.Disabled = true; return nil }), nil)
		look(false, false)
	})
	t.Run("an id is given once", func(t *testing.T) {
		s, _ := b.open(t)
		want(t, s.AddClient(t.Context(), storage.Client{ID: "c", Name: "first"}), nil)
		want(t, s.AddClient(t.Context(), storage.Client{ID: "c", Name: "second"}), storage.ErrExists)
		got, err := s.Client(t.Context(), "c")
		want(t, err, nil)
		equal(t, "name", got.Name, "first")
		_, err = s.Client(t.Context(), "C")
		want(t, err, storage.ErrNotFound)
	})
	t.Run("a change is written whole or not at all", func(t *testing.T) {
		s, clock := b.open(t)
		want(t, s.AddClient(t.Context(), fullClient("c")), nil)
		clock.Add(time.Minute)
		failure := errors.New("on purpose")
		want(t, s.UpdateClient(t.Context(), "c", func(c *storage.Client) error { c.Name = "x"; return failure }), failure)
		want(t, s.UpdateClient(t.Context(), "c", func(c *storage.Client) error {
			c.Name, c.Disabled, c.RedirectURIs = "new", true, []string{"https://c.example"}
			return nil
		}), nil)
		got, err := s.Client(t.Context(), "c")
		want(t, err, nil)
		wanted := fullClient("c")
		wanted.Name, wanted.Disabled, wanted.RedirectURIs = "new", true, []string{"https://c.example"}
		wanted.CreatedAt, wanted.UpdatedAt = Start(), clock.Now()
		wanted.TokensValidFrom = clock.Now() // disabling ends its tokens
		if !reflect.DeepEqual(got, wanted) {
			t.Fatalf("read\n%+v\nwant\n%+v", got, wanted)
		}
		want(t, s.UpdateClient(t.Context(), "none", func(*storage.Client) error { return nil }), storage.ErrNotFound)
	})
	t.Run("concurrent changes lose nothing", func(t *testing.T) {
		s, _ := b.open(t)
		want(t, s.AddClient(t.Context(), storage.Client{ID: "c"}), nil)
		var outcomes tally
		together(10, func(int) {
			outcomes.add(s.UpdateClient(t.Context(), "c", func(c *storage.Client) error { c.Secrets = append(c.Secrets, "s"); return nil }), nil)
		})
		outcomes.want(t, map[string]int{"ok": 10})
		got, err := s.Client(t.Context(), "c")
		want(t, err, nil)
		equal(t, "number of secrets", len(got.Secrets), 10)
	})
	t.Run("a deleted client takes its authorizations along", func(t *testing.T) {
		s, _ := b.open(t)
		want(t, s.AddClient(t.Context(), fullClient("c")), nil)
		addUser(t, s, "email|1", "ada@example.com")
		want(t, s.Authorize(t.Context(), storage.Authorization{ID: "a", ClientID: "c", UserID: "email|1"}), nil)
		want(t, s.Authorize(t.Context(), storage.Authorization{ID: "b", ClientID: "d", UserID: "email|1"}), nil)
		want(t, s.DeleteClient(t.Context(), "c"), nil)
		_, err := s.Client(t.Context(), "c")
		want(t, err, storage.ErrNotFound)
		equal(t, "authorization is revoked", revoked(t, s, "a"), true)
		equal(t, "another client's is revoked", revoked(t, s, "b"), false)
		want(t, s.DeleteClient(t.Context(), "c"), storage.ErrNotFound)
		want(t, s.AddClient(t.Context(), fullClient("c")), nil) // its URLs are gone too
	})
	t.Run("a client that is gone from the file can be deleted, one that is in it cannot", func(t *testing.T) {
		s, _ := b.open(t)
		want(t, s.ApplyClients(t.Context(), 1, []storage.Client{fullClient("a"), fullClient("b")}), nil)
		want(t, s.ApplyClients(t.Context(), 2, []storage.Client{fullClient("b")}), nil)
		want(t, s.DeleteClient(t.Context(), "a"), storage.ErrManagedByFile)
		want(t, s.DeleteGoneClient(t.Context(), "b"), storage.ErrManagedByFile)
		want(t, s.DeleteGoneClient(t.Context(), "a"), nil)
		want(t, s.DeleteGoneClient(t.Context(), "a"), storage.ErrNotFound)
		want(t, s.AddClient(t.Context(), fullClient("a")), nil)
	})
	testFileClients(t, b)
	t.Run("each setting reads as it was changed", func(t *testing.T) { testClientSettings(t, b) })
}

func testFileClients(t *testing.T, b *bench) {
	t.Helper()
	t.Run("the file's clients are applied, unchanged ones not rewritten, gone ones disabled", func(t *testing.T) {
		s, clock := b.open(t)
		a, c := fullClient("a"), fullClient("b")
		want(t, s.AddClient(t.Context(), storage.Client{ID: "other"}), nil)
		want(t, s.ApplyClients(t.Context(), 1, []storage.Client{a, c}), nil)
		clock.Add(time.Minute)
		a.Name = "changed"
		want(t, s.ApplyClients(t.Context(), 1, []storage.Client{a, c}), nil)
		got, err := s.Clients(t.Context())
		want(t, err, nil)
		equal(t, "clients", len(got), 3)
		equal(t, "changed name", got[0].Name, "changed")
		at(t, "changed one's update", got[0].UpdatedAt, clock.Now())
		at(t, "unchanged one's update", got[1].UpdatedAt, Start())
		equal(t, "owned by the file", got[1].FromFile, true)
		equal(t, "other is owned by the file", got[2].FromFile, false)

		clock.Add(time.Minute)
		want(t, s.ApplyClients(t.Context(), 2, []storage.Client{a}), nil)
		gone, err := s.Client(t.Context(), "b")
		want(t, err, nil)
		equal(t, "disabled", gone.Disabled, true)
		at(t, "its tokens end", gone.TokensValidFrom, clock.Now())
		other, err := s.Client(t.Context(), "other")
		want(t, err, nil)
		equal(t, "other is disabled", other.Disabled, false)

		ended := clock.Now()
		clock.Add(time.Minute)
		want(t, s.ApplyClients(t.Context(), 2, []storage.Client{a, c}), nil)
		back, err := s.Client(t.Context(), "b")
		want(t, err, nil)
		equal(t, "disabled when back", back.Disabled, false)
		at(t, "old tokens stay ended", back.TokensValidFrom, ended)
	})
	t.Run("a lower revision changes nothing", func(t *testing.T) {
		s, _ := b.open(t)
		want(t, s.ApplyClients(t.Context(), 2, []storage.Client{{ID: "a"}}), nil)
		want(t, s.ApplyClients(t.Context(), 1, nil), storage.ErrStaleRevision)
		c, err := s.Client(t.Context(), "a")
		want(t, err, nil)
		equal(t, "disabled", c.Disabled, false)
	})
	t.Run("an id that is not the file's is refused by name", func(t *testing.T) {
		s, _ := b.open(t)
		want(t, s.AddClient(t.Context(), storage.Client{ID: "mine"}), nil)
		err := s.ApplyClients(t.Context(), 1, []storage.Client{{ID: "new"}, {ID: "mine"}})
		want(t, err, storage.ErrExists)
		if !strings.Contains(err.Error(), `"mine"`) {
			t.Fatalf("error does not name the client: %v", err)
		}
		_, err = s.Client(t.Context(), "new")
		want(t, err, storage.ErrNotFound)
	})
	t.Run("the file's clients are read-only elsewhere", func(t *testing.T) {
		s, _ := b.open(t)
		want(t, s.ApplyClients(t.Context(), 1, []storage.Client{{ID: "a"}}), nil)
		want(t, s.DeleteClient(t.Context(), "a"), storage.ErrManagedByFile)
		want(t, s.UpdateClient(t.Context(), "a", func(*storage.Client) error { return nil }), storage.ErrManagedByFile)
	})
	t.Run("many processes apply one file at once", func(t *testing.T) {
		s, _ := b.open(t)
		var outcomes tally
		together(8, func(int) {
			outcomes.add(s.ApplyClients(t.Context(), 1, []storage.Client{fullClient("a"), fullClient("b")}), nil)
		})
		outcomes.want(t, map[string]int{"ok": 8})
	})
}

// Each setting is one that a change of the file writes.
func testClientSettings(t *testing.T, b *bench) {
	t.Helper()
	s, clock := b.open(t)
	c := fullClient("c")
	want(t, s.ApplyClients(t.Context(), 1, []storage.Client{c}), nil)
	second := time.Second
	for name, change := range map[string]func(*storage.ClientSettings){
		"access token lifetime": func(s *storage.ClientSettings) { s.AccessTokenLifetime++ },
		"id token lifetime":     func(s *storage.ClientSettings) { s.IDTokenLifetime++ },
		"rotation":              func(s *storage.ClientSettings) { s.Refresh.NonRotating = !s.Refresh.NonRotating },
		"leeway":                func(s *storage.ClientSettings) { s.Refresh.Leeway = &second },
		"no leeway":             func(s *storage.ClientSettings) { s.Refresh.Leeway = nil },
		"idle":                  func(s *storage.ClientSettings) { s.Refresh.Idle++ },
		"absolute":              func(s *storage.ClientSettings) { s.Refresh.Absolute++ },
		"trust":                 func(s *storage.ClientSettings) { s.TrustForwardedFor = !s.TrustForwardedFor },
		"PKCE":                  func(s *storage.ClientSettings) { s.RequirePKCE = !s.RequirePKCE },
		"keys":                  func(s *storage.ClientSettings) { s.JWKS = nil },
		"metadata":              func(s *storage.ClientSettings) { s.Metadata = map[string]string{"k": "w"} },
	} {
		clock.Add(time.Minute)
		change(&c.Settings)
		want(t, s.ApplyClients(t.Context(), 1, []storage.Client{c}), nil)
		got, err := s.Client(t.Context(), "c")
		want(t, err, nil)
		if !reflect.DeepEqual(got.Settings, c.Settings) {
			t.Fatalf("%s: read %+v, wrote %+v", name, got.Settings, c.Settings)
		}
	}
}
