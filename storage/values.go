package storage

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"
)

// micros is how a moment is stored: whole microseconds since 1970 in UTC, 0 for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// moment is a stored moment as a time.
func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

// list is a column of strings as a JSON array. An empty one reads as nil.
type list []string

// Value implements driver.Valuer.
func (l list) Value() (driver.Value, error) {
	if len(l) == 0 {
		return "[]", nil
	}
	return encode([]string(l))
}

// Scan implements sql.Scanner.
func (l *list) Scan(v any) error {
	*l = nil
	if err := decode(v, (*[]string)(l)); err != nil {
		return err
	}
	if len(*l) == 0 {
		*l = nil
	}
	return nil
}

// lists is a column of named lists as a JSON object. An empty one reads as nil.
type lists map[string][]string

// Value implements driver.Valuer.
func (l lists) Value() (driver.Value, error) {
	if len(l) == 0 {
		return "{}", nil
	}
	return encode(map[string][]string(l))
}

// Scan implements sql.Scanner.
func (l *lists) Scan(v any) error {
	*l = nil
	if err := decode(v, (*map[string][]string)(l)); err != nil {
		return err
	}
	if len(*l) == 0 {
		*l = nil
	}
	return nil
}

// object is a column of one JSON object.
type object[T any] struct{ is T }

// Value implements driver.Valuer.
func (o object[T]) Value() (driver.Value, error) { return encode(o.is) }

// Scan implements sql.Scanner.
func (o *object[T]) Scan(v any) error {
	var none T
	o.is = none
	return decode(v, &o.is)
}

func encode(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

func decode(column, into any) error {
	switch v := column.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(v), into)
	case []byte:
		return json.Unmarshal(v, into)
	}
	return fmt.Errorf("a column of JSON holds a %T", column)
}
