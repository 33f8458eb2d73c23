package storage

import (
	"errors"

	"gorm.io/gorm"
)

// record is a pointer to a struct that gives its fields in the order of the columns that are read into it.
type record[R any] interface {
	*R
	fields() []any
}

// read runs a query that was built with Raw and reads all its rows. GORM's own Scan finds fields by name for each row,
// which costs more than the query.
func read[R any, P record[R]](db *gorm.DB) ([]R, error) {
	rows, err := db.Rows()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []R
	for rows.Next() {
		var r R
		if err := rows.Scan(P(&r).fields()...); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// readOne is read for a query that gives at most one row: gorm.ErrRecordNotFound without one.
func readOne[R any, P record[R]](db *gorm.DB) (R, error) {
	rows, err := read[R, P](db)
	if err == nil && len(rows) == 0 {
		err = gorm.ErrRecordNotFound
	}
	if err != nil {
		var none R
		return none, err
	}
	return rows[0], nil
}

// text, number and flag are rows of one column.
type (
	text   struct{ is string }
	number struct{ is int64 }
	flag   struct{ is bool }
)

func (r *text) fields() []any   { return []any{&r.is} }
func (r *number) fields() []any { return []any{&r.is} }
func (r *flag) fields() []any   { return []any{&r.is} }
