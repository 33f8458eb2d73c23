package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"sallyport/grants"
)

// API is a resource server, named by its audience.
type API struct {
	ID             string // 24 hex digits; filled in when it is added without
	Audience, Name string
	Scopes         []string
	Alg            string        // of its JWT access tokens
	TokenLifetime  time.Duration // of its access tokens
	OfflineAccess  bool          // applications may have refresh tokens for it
	FromFile       bool          // owned by the configuration file, read-only elsewhere

	CreatedAt, UpdatedAt time.Time
}

type apiRow struct {
	ID            string
	Audience      string
	Name          string
	Scopes        list
	Alg           string
	TokenLifetime time.Duration
	OfflineAccess bool
	FromFile      bool
	CreatedAt     int64
	UpdatedAt     int64
}

const apiColumns = "id, audience, name, scopes, alg, token_lifetime, offline_access, from_file, created_at, updated_at"

func (r *apiRow) fields() []any {
	return []any{&r.ID, &r.Audience, &r.Name, &r.Scopes, &r.Alg, &r.TokenLifetime, &r.OfflineAccess, &r.FromFile, &r.CreatedAt, &r.UpdatedAt}
}

func (r apiRow) api() API {
	return API{
		ID: r.ID, Audience: r.Audience, Name: r.Name, Scopes: r.Scopes, Alg: r.Alg, TokenLifetime: r.TokenLifetime,
		OfflineAccess: r.OfflineAccess, FromFile: r.FromFile, CreatedAt: moment(r.CreatedAt), UpdatedAt: moment(r.UpdatedAt),
	}
}

// Same tells whether two APIs differ in nothing that a configuration file can say.
func (a API) Same(b API) bool {
	return a.Audience == b.Audience && a.Name == b.Name && slices.Equal(a.Scopes, b.Scopes) && a.Alg == b.Alg &&
		a.TokenLifetime == b.TokenLifetime && a.OfflineAccess == b.OfflineAccess
}

// apiID is the id of an API that was given none: the same in every process that reads the same file.
func apiID(audience string) string {
	sum := sha256.Sum256([]byte("api " + audience))
	return hex.EncodeToString(sum[:12])
}

// API reads an API by its audience. [ErrNotFound].
func (s *Store) API(ctx context.Context, audience string) (API, error) {
	return s.readAPI(ctx, "audience = ?", audience)
}

// APIByID reads an API by its id. [ErrNotFound].
func (s *Store) APIByID(ctx context.Context, id string) (API, error) {
	return s.readAPI(ctx, "id = ?", id)
}

func (s *Store) readAPI(ctx context.Context, where, arg string) (API, error) {
	r, err := readOne[apiRow](s.query(ctx).Raw("SELECT "+apiColumns+" FROM apis WHERE "+where, arg))
	if err != nil {
		return API{}, failed("reading API", err)
	}
	return r.api(), nil
}

// APIs reads all APIs in the order of their audiences.
func (s *Store) APIs(ctx context.Context) ([]API, error) {
	rows, err := read[apiRow](s.query(ctx).Raw("SELECT " + apiColumns + " FROM apis ORDER BY audience"))
	if err != nil {
		return nil, failed("reading APIs", err)
	}
	apis := make([]API, len(rows))
	for i, r := range rows {
		apis[i] = r.api()
	}
	return apis, nil
}

// AddAPI writes a new API, created now. [ErrExists] when its audience or id is taken.
func (s *Store) AddAPI(ctx context.Context, a API) error {
	return s.changeAPIs(ctx, func(ctx context.Context) error { return s.insertAPI(ctx, a) })
}

// UpdateAPI changes an API in one transaction; an error of change is returned as it is and changes nothing. Id,
// audience, times and who owns the API are not for change to set. [ErrNotFound], [ErrManagedByFile].
func (s *Store) UpdateAPI(ctx context.Context, id string, change func(*API) error) error {
	return s.changeAPIs(ctx, func(ctx context.Context) error {
		before, err := s.ownAPI(ctx, id)
		if err != nil {
			return err
		}
		after := before
		after.Scopes = slices.Clone(before.Scopes)
		if err := change(&after); err != nil {
			return err
		}
		after.ID, after.Audience = before.ID, before.Audience
		return s.writeAPI(ctx, after)
	})
}

// DeleteAPI removes an API with what clients had of it. Access tokens for it live to their end. [ErrNotFound], [ErrManagedByFile].
func (s *Store) DeleteAPI(ctx context.Context, id string) error {
	return s.changeAPIs(ctx, func(ctx context.Context) error {
		a, err := s.ownAPI(ctx, id)
		if err != nil {
			return err
		}
		if err := s.deleteAPI(ctx, a.Audience); err != nil {
			return err
		}
		return s.removeGrants(ctx, a.Audience)
	})
}

// removeGrants takes an API from all clients: one of the same audience is not theirs by that.
func (s *Store) removeGrants(ctx context.Context, audience string) error {
	clients, err := s.Clients(ctx)
	if err != nil {
		return err
	}
	for _, c := range clients {
		if _, has := c.APIs[audience]; !has {
			continue
		}
		before, err := s.lockClient(ctx, c.ID)
		if errors.Is(err, ErrNotFound) {
			continue // deleted just now
		}
		if err != nil {
			return err
		}
		after := before
		after.APIs = maps.Clone(before.APIs)
		delete(after.APIs, audience)
		if err := s.writeClient(ctx, before, after); err != nil {
			return err
		}
	}
	return nil
}

// ApplyAPIs makes the given APIs the ones that the configuration file owns. Those that are so already are not
// rewritten, those that the file has no longer go. [ErrExists], with its audience, when an API of the same audience
// does not belong to the file; nothing changes then.
func (s *Store) ApplyAPIs(ctx context.Context, apis []API) error {
	return s.changeAPIs(ctx, func(ctx context.Context) error {
		stored, err := s.APIs(ctx)
		if err != nil {
			return err
		}
		for _, b := range stored {
			if !b.FromFile || slices.ContainsFunc(apis, func(a API) bool { return a.Audience == b.Audience }) {
				continue
			}
			if err := s.deleteAPI(ctx, b.Audience); err != nil {
				return err
			}
			if err := s.appendAPIApplied(ctx, b.Audience, "removed"); err != nil {
				return err
			}
		}
		for _, a := range apis {
			if err := s.applyAPI(ctx, stored, a); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) applyAPI(ctx context.Context, stored []API, a API) error {
	i := slices.IndexFunc(stored, func(b API) bool { return a.Audience == b.Audience })
	switch {
	case i < 0:
		a.FromFile = true
		if err := s.insertAPI(ctx, a); err != nil {
			return err
		}
		return s.appendAPIApplied(ctx, a.Audience, "added")
	case !stored[i].FromFile:
		return fmt.Errorf("applying API %q, which was added by other means: %w", a.Audience, ErrExists)
	case stored[i].Same(a) && stored[i].ID != "":
		return nil
	}
	if a.ID = stored[i].ID; a.ID == "" {
		a.ID = apiID(a.Audience) // a row from before APIs had ids
	}
	if err := s.writeAPI(ctx, a); err != nil {
		return err
	}
	return s.appendAPIApplied(ctx, a.Audience, "changed")
}

// appendAPIApplied writes that the configuration file changed an API.
func (s *Store) appendAPIApplied(ctx context.Context, audience, how string) error {
	return s.Append(ctx, grants.Event{Type: EventAPIApplied, Detail: audience + ": " + how + " by the configuration file"})
}

// changeAPIs runs what changes APIs, one at a time, in a transaction.
func (s *Store) changeAPIs(ctx context.Context, change func(context.Context) error) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		if _, err := s.lock(ctx, settingAPIs); err != nil {
			return err
		}
		return change(ctx)
	})
}

func (s *Store) ownAPI(ctx context.Context, id string) (API, error) {
	a, err := s.APIByID(ctx, id)
	if err == nil && a.FromFile {
		err = fmt.Errorf("API %q: %w", a.Audience, ErrManagedByFile)
	}
	return a, err
}

func (s *Store) insertAPI(ctx context.Context, a API) error {
	if a.ID == "" {
		a.ID = apiID(a.Audience)
	}
	now := micros(s.now())
	n, err := s.exec(ctx, "writing API", "INSERT INTO apis ("+apiColumns+`) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
		WHERE NOT EXISTS (SELECT 1 FROM apis WHERE audience = ? OR id = ?)`,
		a.ID, a.Audience, a.Name, list(a.Scopes), a.Alg, int64(a.TokenLifetime), a.OfflineAccess, a.FromFile, now, now, a.Audience, a.ID)
	if err == nil && n == 0 {
		return fmt.Errorf("adding API %q: %w", a.Audience, ErrExists)
	}
	return err
}

func (s *Store) writeAPI(ctx context.Context, a API) error {
	_, err := s.exec(ctx, "writing API", `UPDATE apis SET id = ?, name = ?, scopes = ?, alg = ?, token_lifetime = ?, offline_access = ?, updated_at = ?
		WHERE audience = ?`, a.ID, a.Name, list(a.Scopes), a.Alg, int64(a.TokenLifetime), a.OfflineAccess, micros(s.now()), a.Audience)
	return err
}

func (s *Store) deleteAPI(ctx context.Context, audience string) error {
	_, err := s.exec(ctx, "deleting API", "DELETE FROM apis WHERE audience = ?", audience)
	return err
}
