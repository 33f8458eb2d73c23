package storagetest

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

// session is a fresh login of a user; its id and secret are the name.
func session(userID, name string, now time.Time) storage.Session {
	return storage.Session{
		ID: name, SecretHash: name, UserID: userID, AMR: []string{"otp"}, AuthTime: now, CreatedAt: now, SeenAt: now,
		ExpiresAt: now.Add(24 * time.Hour), IdleExpiresAt: now.Add(time.Hour),
	}
}

func signIn(t *testing.T, s *storage.Store, name string) {
	t.Helper()
	_, err := s.SignIn(t.Context(), "", session(ada, name, Start()))
	want(t, err, nil)
}

func testSessions(t *testing.T, b *bench) {
	t.Helper()
	t.Run("a session reads as it was written", func(t *testing.T) {
		s, clock := b.openWithUser(t)
		fresh := session(ada, "one", clock.Now())
		got, err := s.SignIn(t.Context(), "unknown", fresh)
		want(t, err, nil)
		read, err := s.Session(t.Context(), "one")
		want(t, err, nil)
		if !reflect.DeepEqual(got, fresh) || !reflect.DeepEqual(read, fresh) {
			t.Fatalf("got\n%+v\nread\n%+v\nwrote\n%+v", got, read, fresh)
		}
		_, err = s.Session(t.Context(), "")
		want(t, err, storage.ErrNotFound)
	})
	t.Run("signing in again keeps the session's id and changes its secret", func(t *testing.T) {
		s, clock := b.openWithUser(t)
		signIn(t, s, "one")
		clock.Add(time.Minute)
		fresh := session(ada, "two", clock.Now())
		fresh.AMR = []string{"sms"}
		got, err := s.SignIn(t.Context(), "one", fresh)
		want(t, err, nil)
		fresh.ID, fresh.CreatedAt = "one", Start()
		if !reflect.DeepEqual(got, fresh) {
			t.Fatalf("got\n%+v\nwant\n%+v", got, fresh)
		}
		_, err = s.Session(t.Context(), "one")
		want(t, err, storage.ErrNotFound)
		read, err := s.Session(t.Context(), "two")
		want(t, err, nil)
		if !reflect.DeepEqual(read, fresh) {
			t.Fatalf("read\n%+v\nwant\n%+v", read, fresh)
		}
		again, err := s.SignIn(t.Context(), "one", session(ada, "two", clock.Now().Add(time.Second)))
		want(t, err, nil)
		if !reflect.DeepEqual(again, fresh) {
			t.Fatalf("the form sent twice gave\n%+v\nwant\n%+v", again, fresh)
		}
	})
	t.Run("another user's login ends the session before", func(t *testing.T) {
		s, clock := b.openWithUser(t)
		addUser(t, s, "email|2", "bob@example.com")
		signIn(t, s, "sid")
		authorize(t, s, "a")
		got, err := s.SignIn(t.Context(), "sid", session("email|2", "two", clock.Now()))
		want(t, err, nil)
		equal(t, "id", got.ID, "two")
		_, err = s.Session(t.Context(), "sid")
		want(t, err, storage.ErrNotFound)
		equal(t, "authorization is revoked", revoked(t, s, "a"), true)
		equal(t, "events", countEvents(t, s, storage.EventSessionEnded), 1)
	})
	t.Run("a session that is over is not taken up again", func(t *testing.T) {
		s, clock := b.openWithUser(t)
		signIn(t, s, "one")
		clock.Add(time.Hour)
		got, err := s.SignIn(t.Context(), "one", session(ada, "two", clock.Now()))
		want(t, err, nil)
		equal(t, "id", got.ID, "two")
	})
	testSessionEnds(t, b)
}

func testSessionEnds(t *testing.T, b *bench) {
	t.Helper()
	t.Run("both limits end at exactly their last microsecond", func(t *testing.T) {
		s, clock := b.openWithUser(t)
		signIn(t, s, "one")
		live := func() error { _, err := s.Session(t.Context(), "one"); return err }
		clock.Add(time.Hour - time.Microsecond)
		want(t, live(), nil)
		clock.Add(time.Microsecond)
		want(t, live(), storage.ErrNotFound)
		want(t, s.TouchSession(t.Context(), "one", clock.Now().Add(time.Hour)), storage.ErrNotFound)
		clock.Add(-time.Microsecond)
		want(t, s.TouchSession(t.Context(), "one", Start().Add(48*time.Hour)), nil)
		clock.Add(23 * time.Hour)
		want(t, live(), nil)
		clock.Add(time.Microsecond)
		want(t, live(), storage.ErrNotFound)
	})
	t.Run("a touch is seen", func(t *testing.T) {
		s, clock := b.openWithUser(t)
		signIn(t, s, "one")
		clock.Add(time.Minute)
		want(t, s.TouchSession(t.Context(), "one", clock.Now().Add(time.Hour)), nil)
		got, err := s.Session(t.Context(), "one")
		want(t, err, nil)
		at(t, "seen", got.SeenAt, clock.Now())
		at(t, "idle limit", got.IdleExpiresAt, clock.Now().Add(time.Hour))
		want(t, s.TouchSession(t.Context(), "none", clock.Now()), storage.ErrNotFound)
	})
	t.Run("ending a session ends those of its authorizations that end with it, once", func(t *testing.T) {
		s, _ := b.openWithUser(t)
		signIn(t, s, "sid")
		authorize(t, s, "a")
		stays, other := fullAuthorization("stays"), fullAuthorization("other")
		stays.EndsWithSession, other.SessionID = false, ""
		want(t, s.Authorize(t.Context(), stays), nil)
		want(t, s.Authorize(t.Context(), other), nil)
		for range 2 {
			want(t, s.EndSession(t.Context(), "sid"), nil)
		}
		want(t, s.EndSession(t.Context(), ""), nil)
		equal(t, "revoked", revoked(t, s, "a"), true)
		equal(t, "one that stays is revoked", revoked(t, s, "stays"), false)
		equal(t, "one without a session is revoked", revoked(t, s, "other"), false)
		events, err := s.Events(t.Context(), storage.EventFilter{Type: storage.EventSessionEnded})
		want(t, err, nil)
		equal(t, "events", len(events), 1)
		equal(t, "user of the event", events[0].UserID, ada)
	})
	t.Run("what is authorized in a session that is ended at the same time ends with it", func(t *testing.T) {
		s, clock := b.openWithUser(t)
		for i := range 20 {
			id := fmt.Sprint(i)
			fresh := session(ada, "s"+id, clock.Now())
			_, err := s.SignIn(t.Context(), "", fresh)
			want(t, err, nil)
			a := fullAuthorization("a" + id)
			a.SessionID = fresh.ID
			var authorized error
			together(2, func(n int) {
				if n == 0 {
					want(t, s.EndSession(t.Context(), fresh.ID), nil)
				} else {
					authorized = s.AuthorizeInSession(t.Context(), a, clock.Now().Add(time.Hour), grants.Event{Type: "tokens.granted"})
				}
			})
			if authorized == nil {
				equal(t, "revoked", revoked(t, s, a.ID), true)
				continue
			}
			want(t, authorized, storage.ErrNotFound)
			_, _, err = s.AuthorizationWithUser(t.Context(), a.ID)
			want(t, err, storage.ErrNotFound)
		}
		signIn(t, s, "lives")
		a := fullAuthorization("lives")
		a.SessionID = "lives"
		want(t, s.AuthorizeInSession(t.Context(), a, clock.Now().Add(2*time.Hour), grants.Event{Type: "tokens.granted", Detail: "lives"}), nil)
		equal(t, "revoked", revoked(t, s, a.ID), false)
		read, err := s.Session(t.Context(), "lives")
		want(t, err, nil)
		at(t, "idle limit", read.IdleExpiresAt, clock.Now().Add(2*time.Hour))
		events, err := s.Events(t.Context(), storage.EventFilter{Type: "tokens.granted"})
		want(t, err, nil)
		equal(t, "event", slices.ContainsFunc(events, func(e grants.Event) bool { return e.Detail == "lives" }), true)
	})
	t.Run("a blocked user has no session", func(t *testing.T) {
		s, _ := b.openWithUser(t)
		want(t, s.SetBlocked(t.Context(), ada, true), nil)
		signIn(t, s, "late") // by a request that had read the user before
		_, err := s.Session(t.Context(), "late")
		want(t, err, storage.ErrNotFound)
	})
}

func testAuthRequests(t *testing.T, b *bench) {
	t.Helper()
	t.Run("a request reads as it was written until it is over", func(t *testing.T) {
		s, clock := b.open(t)
		r := storage.AuthRequest{
			ID: "r", ClientID: "c", Browser: "b", RedirectURI: "https://a.example/cb?x=%2F", Scope: "openid email", State: "s\"'\n", Nonce: "n",
			ResponseMode: "query", Audience: "aud", CodeChallenge: "cc", Prompt: "login consent", MaxAge: -1, LoginHint: "ada@example.com",
			Connection: "email", UILocales: "de en", ScreenHint: "signup", ResponseType: "token id_token", Device: "d", CreatedAt: clock.Now(), ExpiresAt: clock.Now().Add(time.Hour),
		}
		want(t, s.SaveAuthRequest(t.Context(), r), nil)
		want(t, s.SaveAuthRequest(t.Context(), r), storage.ErrExists)
		clock.Add(time.Hour - time.Microsecond)
		got, err := s.AuthRequest(t.Context(), "r")
		want(t, err, nil)
		equal(t, "request", got, r)
		clock.Add(time.Microsecond)
		_, err = s.AuthRequest(t.Context(), "r")
		want(t, err, storage.ErrNotFound)
		_, err = s.AuthRequest(t.Context(), "none")
		want(t, err, storage.ErrNotFound)
	})
}
