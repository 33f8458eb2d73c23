package storagetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

// ids of secrets by the names that Ring gives them.
func secretID(t *testing.T, name string) string { t.Helper(); return Ring(t, name).KeyID() }

func use(t *testing.T, s *storage.Store, name string) storage.SecretUse {
	t.Helper()
	uses, err := s.SecretUses(t.Context())
	want(t, err, nil)
	at := slices.IndexFunc(uses, func(u storage.SecretUse) bool { return u.ID == secretID(t, name) })
	if at < 0 {
		return storage.SecretUse{}
	}
	return uses[at]
}

// seal is what a process does at each look at the secrets.
func seal(t *testing.T, s *storage.Store, names ...string) {
	t.Helper()
	known, err := s.FollowSecrets(t.Context())
	want(t, err, nil)
	want(t, s.NoteSealing(t.Context(), Ring(t, names...), known), nil)
}

func testSecrets(t *testing.T, b *bench) {
	t.Helper()
	t.Run("a secret seals while some process says so, and a while after", func(t *testing.T) {
		s, clock := b.open(t)
		state := func(name string) bool {
			t.Helper()
			all, err := s.Secrets(t.Context())
			want(t, err, nil)
			at := slices.IndexFunc(all, func(k storage.Secret) bool { return k.ID == secretID(t, name) })
			return at >= 0 && all[at].Sealing(clock.Now())
		}
		seal(t, s, "old")
		equal(t, "old seals at first", state("old"), true)
		equal(t, "new seals before anybody said so", state("new"), false)
		clock.Add(4 * time.Minute)
		before := s.Commits()
		seal(t, s, "old")
		equal(t, "writes of a word that was given lately", s.Commits()-before, uint64(0))
		seal(t, s, "new", "old") // a process that is a step ahead
		equal(t, "new seals", state("new"), true)
		clock.Add(2 * time.Minute)
		seal(t, s, "old") // and one that lags
		clock.Add(6 * time.Minute)
		equal(t, "old seals still", state("old"), true)
		clock.Add(2 * time.Minute)
		equal(t, "old seals without a word", state("old"), false)
	})
	t.Run("what was made while a secret sealed depends on it", func(t *testing.T) { testSecretUse(t, b) })
	t.Run("a retired secret takes along what it made, and nothing else", func(t *testing.T) { testRetireSecret(t, b) })
	t.Run("the last secret cannot be retired", func(t *testing.T) {
		s, _ := b.open(t)
		_, err := s.RetireSecret(t.Context(), Ring(t).KeyID())
		want(t, err, storage.ErrRetiredSecret)
		_, err = s.RetireSecret(t.Context(), "00000000")
		want(t, err, storage.ErrNotFound)
	})
	t.Run("a client's secret moves once, and only from where it was", func(t *testing.T) {
		s, _ := b.open(t)
		c := fullClient("c")
		c.Secrets = []string{"hmac:old:1", "hmac:old:2"}
		want(t, s.AddClient(t.Context(), c), nil)
		for _, moves := range []bool{true, false} {
			moved, err := s.MoveSecret(t.Context(), "c", "hmac:old:2", "hmac:new:2")
			want(t, err, nil)
			equal(t, "moved", moved, moves)
		}
		got, err := s.Client(t.Context(), "c")
		want(t, err, nil)
		equal(t, "secrets", slices.Equal(got.Secrets, []string{"hmac:old:1", "hmac:new:2"}), true)
	})
}

func testSecretUse(t *testing.T, b *bench) {
	t.Helper()
	url, clock := b.fresh(t), NewClock()
	old := Open(t, storage.Options{URL: url, Ring: Ring(t, "old"), Now: clock.Now})
	want(t, old.CheckSecret(t.Context()), nil)
	addUser(t, old, ada, "ada@example.com")
	seal(t, old, "old")
	want(t, old.AddSigningKey(t.Context(), signingKey("a", clock.Now())), nil)
	c := fullClient("c")
	c.Secrets = []string{Ring(t, "old").HashSecret("s"), "sha256:00"}
	c.Settings.AccessTokenLifetime = 2 * time.Hour
	want(t, old.AddClient(t.Context(), c), nil)
	for _, id := range []string{"refreshed later", "stays", "revoked"} {
		a := fullAuthorization(id)
		a.RefreshedAt, a.RefreshExpiresAt, a.CodeSpentAt = time.Time{}, clock.Now().Add(20*time.Hour), clock.Now()
		want(t, old.Authorize(t.Context(), a), nil)
	}
	want(t, old.RevokeAuthorization(t.Context(), "revoked", exchanged()), nil)
	want(t, old.Authorize(t.Context(), fullAuthorization("its code was never exchanged")), nil)
	signIn(t, old, "one")

	got := use(t, old, "old")
	got.Secret, got.Until = storage.Secret{}, time.Time{}
	equal(t, "use of the old secret", got, storage.SecretUse{CheckValue: true, SigningKeys: 1, ClientSecrets: 1, RefreshTokens: 2, Sessions: 1})

	clock.Add(30 * time.Minute)
	fresh := Open(t, storage.Options{URL: url, Ring: Ring(t, "new", "old"), Now: clock.Now})
	seal(t, fresh, "new", "old")
	_, _, err := fresh.RotateRefresh(t.Context(), "refreshed later", 1, clock.Now(), time.Second, clock.Now().Add(20*time.Hour), rotated())
	want(t, err, nil)
	_, err = fresh.Reseal(t.Context())
	want(t, err, nil)
	got = use(t, fresh, "old")
	equal(t, "refresh tokens of the old secret", got.RefreshTokens, 1)
	equal(t, "refresh tokens of the new secret", use(t, fresh, "new").RefreshTokens, 1)
	equal(t, "is needed for", slices.Equal(got.Holds(clock.Now()), []string{"1 client secrets", "1 refresh tokens", "access tokens until 2026-03-04T07:13:07Z"}), true)

	clock.Add(3 * time.Hour)
	_, err = fresh.MoveSecret(t.Context(), "c", c.Secrets[0], Ring(t, "new").HashSecret("s"))
	want(t, err, nil)
	_, _, err = fresh.RotateRefresh(t.Context(), "stays", 1, clock.Now(), time.Second, clock.Now().Add(time.Hour), rotated())
	want(t, err, nil)
	equal(t, "nothing holds the old secret", len(use(t, fresh, "old").Holds(clock.Now())), 0)
}

func testRetireSecret(t *testing.T, b *bench) {
	t.Helper()
	url, clock := b.fresh(t), NewClock()
	old := Open(t, storage.Options{URL: url, Ring: Ring(t, "old"), Now: clock.Now})
	want(t, old.CheckSecret(t.Context()), nil)
	addUser(t, old, ada, "ada@example.com")
	seal(t, old, "old")
	want(t, old.AddSigningKey(t.Context(), signingKey("a", clock.Now())), nil)
	lasting := func(name string) storage.Session {
		s := session(ada, name, clock.Now())
		s.IdleExpiresAt = s.ExpiresAt
		return s
	}
	begin := func(s *storage.Store, name string) {
		t.Helper()
		_, err := s.SignIn(t.Context(), "", lasting(name))
		want(t, err, nil)
		a := fullAuthorization(name)
		a.CreatedAt, a.RefreshedAt = clock.Now(), clock.Now()
		want(t, s.Authorize(t.Context(), a), nil)
	}
	begin(old, "by the old")
	clock.Add(time.Hour)

	ring := Ring(t, "old", "new") // as it is when somebody finds out: the compromised one still seals
	s := Open(t, storage.Options{URL: url, Ring: ring, Now: clock.Now})
	moved := Ring(t, "new", "old")
	known, err := s.Secrets(t.Context())
	want(t, err, nil)
	want(t, s.NoteSealing(t.Context(), moved, known), nil)
	begin(s, "by the new")

	ended, err := s.RetireSecret(t.Context(), secretID(t, "old"))
	want(t, err, nil)
	equal(t, "ended", ended, storage.Ended{Sessions: 1, Authorizations: 1})
	equal(t, "the token of the old one is revoked", revoked(t, s, "by the old"), true)
	equal(t, "the token of the new one is revoked", revoked(t, s, "by the new"), false)
	_, err = s.Session(t.Context(), "by the old")
	want(t, err, storage.ErrNotFound)
	_, err = s.Session(t.Context(), "by the new")
	want(t, err, nil)

	_, err = s.FollowSecrets(t.Context())
	want(t, err, nil)
	equal(t, "the first secret", ring.KeyID(), secretID(t, "new"))
	want(t, Open(t, storage.Options{URL: url, Ring: Ring(t, "new"), Now: clock.Now}).CheckSecret(t.Context()), nil)
	_, err = old.FollowSecrets(t.Context())
	want(t, err, storage.ErrRetiredSecret)

	events, err := s.Events(context.Background(), storage.EventFilter{Type: storage.EventSecretRetired})
	want(t, err, nil)
	equal(t, "events", len(events), 1)
	alerts, err := s.LeaseAlerts(t.Context(), clock.Now(), 10, clock.Now().Add(time.Minute))
	want(t, err, nil)
	equal(t, "alerts", len(alerts) == 1 && alerts[0].Cause == grants.AlertSecretCompromised, true)

	ended, err = s.RetireSecret(t.Context(), secretID(t, "old")) // again
	want(t, err, nil)
	equal(t, "ended again", ended, storage.Ended{})
}
