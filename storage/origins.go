package storage

import "context"

// OriginRegistered tells whether any enabled client has a web origin.
func (s *Store) OriginRegistered(ctx context.Context, origin string) (bool, error) {
	var n int64
	err := s.query(ctx).Raw(`SELECT COUNT(*) FROM client_urls u JOIN clients c ON c.id = u.client_id
		WHERE u.kind = 'origin' AND u.url = ? AND c.disabled = ?`, origin, false).Scan(&n).Error
	if err != nil {
		return false, failed("looking up origin", err)
	}
	return n > 0, nil
}
