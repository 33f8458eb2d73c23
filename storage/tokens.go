package storage

import (
	"context"
	"fmt"
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
	const revoked = "EXISTS (SELECT 1 FROM revoked_tokens WHERE jti = ?) AS token_revoked"
	if authorizationID == "" {
		var l struct{ TokenRevoked bool }
		err := s.query(ctx).Raw("SELECT "+revoked, jti).Scan(&l).Error
		return Liveness{TokenRevoked: l.TokenRevoked}, failed("reading revoked token", err)
	}
	var rows []authorizationUserRow
	err := s.query(ctx).Raw("SELECT "+authorizationColumns+", "+userIdentityColumns+", "+revoked+fromAuthorization, jti, authorizationID).Scan(&rows).Error
	if err != nil {
		return Liveness{}, failed("reading authorization", err)
	}
	if len(rows) == 0 {
		return Liveness{}, fmt.Errorf("reading authorization: %w", ErrNotFound)
	}
	return Liveness{Authorization: rows[0].Authorization.authorization(), User: userOfRows(rows), TokenRevoked: rows[0].TokenRevoked}, nil
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
