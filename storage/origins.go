package storage

import "context"

// OriginRegistered tells whether any enabled client has a web origin.
func (s *Store) OriginRegistered(ctx context.Context, origin string) (bool, error) {
	known, err := readOne[flag](s.query(ctx).Raw(`SELECT EXISTS (SELECT 1 FROM client_urls u JOIN clients c ON c.id = u.client_id
		WHERE u.kind = 'origin' AND u.url = ? AND c.disabled = ?)`, origin, false))
	return known.is, failed("looking up origin", err)
}
