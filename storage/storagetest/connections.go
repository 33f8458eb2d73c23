package storagetest

import (
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

func testConnections(t *testing.T, b *bench) {
	t.Helper()
	event := grants.Event{Type: "connection.changed", Time: Start()}
	t.Run("a connection that nobody changed has the deployment's settings", func(t *testing.T) {
		s, _ := b.open(t)
		for _, name := range []string{"email", "sms"} {
			c, err := s.Connection(t.Context(), name)
			want(t, err, nil)
			equal(t, "connection", c, storage.Connection{Name: name})
		}
	})
	t.Run("there are no other connections", func(t *testing.T) {
		s, _ := b.open(t)
		for _, name := range []string{"", "Email", "github"} {
			_, err := s.Connection(t.Context(), name)
			want(t, err, storage.ErrNotFound)
			want(t, s.PutConnection(t.Context(), storage.Connection{Name: name}, event), storage.ErrNotFound)
		}
		equal(t, "events", countEvents(t, s, event.Type), 0)
	})
	t.Run("a change replaces all of it, with its event", func(t *testing.T) {
		s, clock := b.open(t)
		c := storage.Connection{Name: "sms", Disabled: true, Options: storage.ConnectionOptions{DisableSignup: true, CodeLength: 8, Lifetime: 2 * time.Minute}}
		want(t, s.PutConnection(t.Context(), c, event), nil)
		c.CreatedAt, c.UpdatedAt = clock.Now(), clock.Now()
		got, err := s.Connection(t.Context(), "sms")
		want(t, err, nil)
		equal(t, "connection", got, c)
		clock.Add(time.Minute)
		want(t, s.PutConnection(t.Context(), storage.Connection{Name: "sms"}, event), nil)
		got, err = s.Connection(t.Context(), "sms")
		want(t, err, nil)
		equal(t, "connection", got, storage.Connection{Name: "sms", CreatedAt: Start(), UpdatedAt: clock.Now()})
		other, err := s.Connection(t.Context(), "email")
		want(t, err, nil)
		equal(t, "the other", other, storage.Connection{Name: "email"})
		equal(t, "events", countEvents(t, s, event.Type), 2)
	})
}
