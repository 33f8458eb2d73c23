package storage

import (
	"context"
)

// liveRefresh is the condition, on now twice, under which an authorization has a refresh token that is good.
const liveRefresh = `a.offline = TRUE AND a.revoked_at = 0 AND a.refresh_expires_at > ? AND a.refresh_ends_at > ?`

// RefreshAuthorization reads an authorization that has a good refresh token. [ErrNotFound].
func (s *Store) RefreshAuthorization(ctx context.Context, id string) (Authorization, error) {
	now := micros(s.now())
	row, err := readOne[authorizationRow](s.query(ctx).Raw("SELECT "+authorizationColumns+" FROM authorizations a WHERE a.id = ? AND "+liveRefresh, id, now, now))
	if err != nil {
		return Authorization{}, failed("reading authorization", err)
	}
	return row.authorization(), nil
}

// RefreshAuthorizations reads a user's authorizations that have a good refresh token, the newest first, at most 1000.
func (s *Store) RefreshAuthorizations(ctx context.Context, userID string) ([]Authorization, error) {
	now := micros(s.now())
	rows, err := read[authorizationRow](s.query(ctx).Raw("SELECT "+authorizationColumns+" FROM authorizations a WHERE a.user_id = ? AND "+liveRefresh+
		" ORDER BY a.created_at DESC, a.id LIMIT 1000", userID, now, now))
	out := make([]Authorization, len(rows))
	for i, r := range rows {
		out[i] = r.authorization()
	}
	return out, failed("reading authorizations", err)
}
