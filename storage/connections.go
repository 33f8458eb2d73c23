package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sallyport/grants"
)

// Connection is a way to prove an address: there are "email" and "sms", and no others.
type Connection struct {
	Name     string
	Disabled bool // no application can use it
	Options  ConnectionOptions

	CreatedAt, UpdatedAt time.Time // zero while nothing of it was ever changed
}

// ConnectionOptions are what a connection does otherwise than the deployment. The zero value is the deployment's own
// settings throughout.
type ConnectionOptions struct {
	DisableSignup bool          `json:"disable_signup,omitempty"` // addresses without an account get none
	CodeLength    int           `json:"code_length,omitempty"`    // digits
	Lifetime      time.Duration `json:"lifetime,omitempty"`       // of codes and links
}

type connectionRow struct {
	Name      string
	Disabled  bool
	Options   object[ConnectionOptions]
	CreatedAt int64
	UpdatedAt int64
}

func (r *connectionRow) fields() []any {
	return []any{&r.Name, &r.Disabled, &r.Options, &r.CreatedAt, &r.UpdatedAt}
}

// Connection reads a connection; one that nobody has changed has the deployment's settings. [ErrNotFound] for a name
// that is none.
func (s *Store) Connection(ctx context.Context, name string) (Connection, error) {
	if name != string(grants.Email) && name != string(grants.SMS) {
		return Connection{}, fmt.Errorf("reading connection: %w", ErrNotFound)
	}
	r, err := readOne[connectionRow](s.query(ctx).Raw("SELECT name, disabled, options, created_at, updated_at FROM connections WHERE name = ?", name))
	if err = failed("reading connection", err); errors.Is(err, ErrNotFound) {
		return Connection{Name: name}, nil
	}
	if err != nil {
		return Connection{}, err
	}
	return Connection{
		Name: r.Name, Disabled: r.Disabled, Options: r.Options.is, CreatedAt: moment(r.CreatedAt), UpdatedAt: moment(r.UpdatedAt),
	}, nil
}

// PutConnection changes a connection as a whole, now, with its event. [ErrNotFound] for a name that is none.
func (s *Store) PutConnection(ctx context.Context, c Connection, e grants.Event) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		if _, err := s.Connection(ctx, c.Name); err != nil {
			return err
		}
		now := micros(s.now())
		_, err := s.exec(ctx, "writing connection", `INSERT INTO connections (name, disabled, options, created_at, updated_at) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET disabled = excluded.disabled, options = excluded.options, updated_at = excluded.updated_at`,
			c.Name, c.Disabled, object[ConnectionOptions]{c.Options}, now, now)
		if err != nil {
			return err
		}
		return s.Append(ctx, e)
	})
}
