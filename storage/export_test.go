package storage

import "context"

// Setting is what a connection to Postgres has for a setting.
func (s *Store) Setting(ctx context.Context, name string) (string, error) {
	row, err := readOne[text](s.query(ctx).Raw("SHOW " + name))
	return row.is, err
}
