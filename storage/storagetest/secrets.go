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
	t.Run("a secret that a process has, and that does not seal, is known", func(t *testing.T) {
		s, clock := b.open(t)
		seal(t, s, "old")
		clock.Add(time.Hour)
		want(t, s.NoteKnown(t.Context(), secretID(t, "old"), secretID(t, "new")), nil)
		clock.Add(time.Hour)
		seal(t, s, "new", "old")
		got := use(t, s, "new")
		equal(t, "the new one seals since", got.Since, clock.Now())
		equal(t, "the old one seals since", use(t, s, "old").Since, time.Time{})
	})
	t.Run("what was made while a secret sealed depends on it", func(t *testing.T) { testSecretUse(t, b) })
	t.Run("a retired secret takes along what it made, and nothing else", func(t *testing.T) { testRetireSecret(t, b) })
	t.Run("what a retired secret made before everybody knew ends too, and what another made after that stays", func(t *testing.T) { testRetireLag(t, b) })
	t.Run("the last secret cannot be retired", func(t *testing.T) {
		s, _ := b.open(t)
		want(t, s.RetireSecret(t.Context(), Ring(t).KeyID()), storage.ErrRetiredSecret)
		want(t, s.RetireSecret(t.Context(), "00000000"), storage.ErrNotFound)
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
	equal(t, "use of the old secret", got, storage.SecretUse{CheckValue: true, SigningKeys: 1, ClientSecrets: 1, Clients: "c", RefreshTokens: 2, Sessions: 1})

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
	equal(t, "is needed for", slices.Equal(got.Holds(clock.Now()), []string{"1 client secret (c)", "1 refresh token", "access tokens until 2026-03-04T07:13:07Z"}), true)

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
	signInFor(t, old, clock, "by the old")
	for _, more := range []string{"1", "2", "3", "4", "5"} {
		signInFor(t, old, clock, "by the old, "+more)
	}
	clock.Add(time.Hour)

	ring := Ring(t, "old", "new") // as it is when somebody finds out: the compromised one still seals
	s := Open(t, storage.Options{URL: url, Ring: ring, Now: clock.Now})
	moved := Ring(t, "new", "old")
	known, err := s.Secrets(t.Context())
	want(t, err, nil)
	want(t, s.NoteSealing(t.Context(), moved, known), nil)
	signInFor(t, s, clock, "by the new")

	want(t, s.RetireSecret(t.Context(), secretID(t, "old")), nil)
	end := func(wanted storage.Ended) {
		t.Helper()
		ended, err := s.EndRetired(t.Context(), 2) // there are more rows than that
		want(t, err, nil)
		equal(t, "ended", ended, wanted)
	}
	cut, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.EndRetired(cut, 2)
	equal(t, "somebody cut it off", err != nil, true)
	end(storage.Ended{Sessions: 6, Authorizations: 6})
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

	want(t, s.RetireSecret(t.Context(), secretID(t, "old")), nil) // again
	end(storage.Ended{})
	events, err = s.Events(context.Background(), storage.EventFilter{Type: storage.EventSecretRetired})
	want(t, err, nil)
	equal(t, "events of both", len(events), 1)
}

// testRetireLag has a process go on with the old secret until its next look, while another has the new one already.
func testRetireLag(t *testing.T, b *bench) {
	t.Helper()
	url, clock := b.fresh(t), NewClock()
	s := Open(t, storage.Options{URL: url, Ring: Ring(t, "old", "new"), Now: clock.Now})
	want(t, s.CheckSecret(t.Context()), nil)
	addUser(t, s, ada, "ada@example.com")
	seal(t, s, "old")
	clock.Add(time.Hour)
	seal(t, s, "old")
	want(t, s.RetireSecret(t.Context(), secretID(t, "old")), nil)
	end := func(wanted storage.Ended) {
		t.Helper()
		ended, err := s.EndRetired(t.Context(), 2)
		want(t, err, nil)
		equal(t, "ended", ended, wanted)
	}
	end(storage.Ended{})
	clock.Add(30 * time.Second)
	signInFor(t, s, clock, "by a process that lags")
	clock.Add(31 * time.Second)
	signInFor(t, s, clock, "of the new one")
	end(storage.Ended{Sessions: 1, Authorizations: 1})
	want(t, s.RetireSecret(t.Context(), secretID(t, "old")), nil) // again
	end(storage.Ended{})
	_, err := s.Session(t.Context(), "of the new one")
	want(t, err, nil)
	equal(t, "the token of the new one is revoked", revoked(t, s, "of the new one"), false)
	equal(t, "refresh tokens that need the old one", use(t, s, "old").RefreshTokens, 0)
}

// signInFor begins a session, and an authorization in it, that last.
func signInFor(t *testing.T, s *storage.Store, clock *Clock, name string) {
	t.Helper()
	lasting := session(ada, name, clock.Now())
	lasting.IdleExpiresAt = lasting.ExpiresAt
	_, err := s.SignIn(t.Context(), "", lasting)
	want(t, err, nil)
	a := fullAuthorization(name)
	a.CreatedAt, a.RefreshedAt = clock.Now(), clock.Now()
	want(t, s.Authorize(t.Context(), a), nil)
}
