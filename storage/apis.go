package storage

import (
	"context"
	"slices"
	"time"
)

// API is a resource server, named by its audience.
type API struct {
	Audience, Name string
	Scopes         []string
	Alg            string        // of its JWT access tokens
	TokenLifetime  time.Duration // of its access tokens
}

type apiRow struct {
	Audience      string `gorm:"primaryKey"`
	Name          string
	Scopes        list
	Alg           string
	TokenLifetime time.Duration
}

// TableName implements gorm's schema.Tabler.
func (apiRow) TableName() string { return "apis" }

// ApplyAPIs makes the given APIs the only ones. Those that are so already are not rewritten.
func (s *Store) ApplyAPIs(ctx context.Context, apis []API) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		if _, err := s.lock(ctx, settingAPIs); err != nil {
			return err
		}
		var stored []apiRow
		if err := s.query(ctx).Find(&stored).Error; err != nil {
			return failed("reading APIs", err)
		}
		for _, row := range stored {
			if slices.ContainsFunc(apis, func(a API) bool { return a.Audience == row.Audience }) {
				continue
			}
			if _, err := s.exec(ctx, "deleting API", "DELETE FROM apis WHERE audience = ?", row.Audience); err != nil {
				return err
			}
		}
		for _, a := range apis {
			if slices.ContainsFunc(stored, a.is) {
				continue
			}
			_, err := s.exec(ctx, "writing API", `INSERT INTO apis (audience, name, scopes, alg, token_lifetime) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT (audience) DO UPDATE SET name = excluded.name, scopes = excluded.scopes, alg = excluded.alg, token_lifetime = excluded.token_lifetime`,
				a.Audience, a.Name, list(a.Scopes), a.Alg, int64(a.TokenLifetime))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (a API) is(r apiRow) bool {
	return r.Audience == a.Audience && r.Name == a.Name && slices.Equal(r.Scopes, a.Scopes) && r.Alg == a.Alg && r.TokenLifetime == a.TokenLifetime
}

// API reads an API. [ErrNotFound].
func (s *Store) API(ctx context.Context, audience string) (API, error) {
	var r apiRow
	if err := s.query(ctx).Where("audience = ?", audience).Take(&r).Error; err != nil {
		return API{}, failed("reading API", err)
	}
	return API{Audience: r.Audience, Name: r.Name, Scopes: r.Scopes, Alg: r.Alg, TokenLifetime: r.TokenLifetime}, nil
}
