package storage

import (
	"bytes"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"reflect"
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

// profileText is a column of a profile as a JSON object, or empty where there is none.
type profileText struct {
	is    Profile
	there bool
}

// Scan implements sql.Scanner.
func (p *profileText) Scan(v any) error {
	*p = profileText{there: v != "" && v != nil}
	if v == "{}" || !p.there {
		return nil // nearly all are
	}
	return decode(v, &p.is)
}

// profileOf is an identity's profile for its column.
func profileOf(i Identity) (string, error) {
	if i.Profile == nil {
		return "", nil
	}
	return encode(i.Profile)
}

// objectText is a JSON object for its column.
func objectText(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "{}"
	}
	return string(raw)
}

// sameJSON tells whether two texts are the same JSON object.
func sameJSON(a, b json.RawMessage) bool {
	if objectText(a) == objectText(b) {
		return true
	}
	x, errX := exactly(a)
	y, errY := exactly(b)
	return errX == nil && errY == nil && reflect.DeepEqual(x, y)
}

// exactly decodes without rounding numbers.
func exactly(raw json.RawMessage) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader([]byte(objectText(raw))))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
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
