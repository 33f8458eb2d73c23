package storage

import "context"

// OriginRegistered tells whether any enabled client has a web origin.
func (s *Store) OriginRegistered(ctx context.Context, origin string) (bool, error) {
	return s.urlRegistered(ctx, "origin", origin)
}

// LogoutURLRegistered tells whether any enabled client has an address after a logout.
func (s *Store) LogoutURLRegistered(ctx context.Context, address string) (bool, error) {
	return s.urlRegistered(ctx, "logout", address)
}

func (s *Store) urlRegistered(ctx context.Context, kind, address string) (bool, error) {
	known, err := readOne[flag](s.query(ctx).Raw(`SELECT EXISTS (SELECT 1 FROM client_urls u JOIN clients c ON c.id = u.client_id
		WHERE u.kind = ? AND u.url = ? AND c.disabled = ?)`, kind, address, false))
	return known.is, failed("looking up "+kind, err)
}
