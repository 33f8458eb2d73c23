package storage

import (
	"context"
	"time"

	"sallyport/grants"
)

// Liveness is all that one must know to call an access token live.
type Liveness struct {
	Authorization Authorization
	User          User
	TokenRevoked  bool
}

// Live reads, in one statement, an authorization with its user and whether a token (its jti) was revoked by itself.
// An empty authorizationID asks for the token alone. [ErrNotFound] when the authorization or its user is not there.
func (s *Store) Live(ctx context.Context, authorizationID, jti string) (Liveness, error) {
	if authorizationID != "" {
		return s.liveness(ctx, authorizationID, jti)
	}
	revoked, err := readOne[flag](s.query(ctx).Raw("SELECT EXISTS (SELECT 1 FROM revoked_tokens WHERE jti = ?)", jti))
	return Liveness{TokenRevoked: revoked.is}, failed("reading revoked token", err)
}

// RevokeToken remembers until expiresAt that a token, named by its jti, is revoked. A second time nothing is written.
func (s *Store) RevokeToken(ctx context.Context, jti string, expiresAt time.Time, event grants.Event) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		n, err := s.exec(ctx, "revoking token", "INSERT INTO revoked_tokens (jti, expires_at) VALUES (?, ?) ON CONFLICT (jti) DO NOTHING", jti, micros(expiresAt))
		if err != nil || n == 0 {
			return err
		}
		return s.Append(ctx, event)
	})
}
