package storage

import (
	"context"
	"fmt"
)

// Setting is what a connection to Postgres has for a setting.
func (s *Store) Setting(ctx context.Context, name string) (string, error) {
	row, err := readOne[text](s.query(ctx).Raw("SHOW " + name))
	return row.is, err
}

// Pages limits the size of an SQLite file to a number of pages, as a full disk does.
func (s *Store) Pages(ctx context.Context, most int64) error {
	return s.writer.WithContext(ctx).Exec(fmt.Sprintf("PRAGMA max_page_count = %d", most)).Error
}

// Pragma is what SQLite says to a question.
func (s *Store) Pragma(ctx context.Context, name string) (string, error) {
	var is string
	err := s.writer.WithContext(ctx).Raw("PRAGMA " + name).Scan(&is).Error
	return is, err
}
