package admin

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sallyport/op/web"
)

// object reads the members of a JSON object, one by one, each by its kind. What was never asked for is not allowed. The
// first thing that is wrong is kept until [object.done].
type object struct {
	members map[string]any
	path    string // where it stands in the body, empty or with a dot at its end
	asked   map[string]bool
	fault   error
}

// newObject reads a value that must be an object.
func newObject(v any, path string) *object {
	o := &object{path: path, asked: map[string]bool{}}
	var ok bool
	if o.members, ok = v.(map[string]any); !ok {
		o.wrong("Expected type object but found type %s", web.JSONType(v))
	}
	return o
}

func (o *object) wrong(format string, args ...any) {
	if o.fault == nil {
		o.fault = badBody(fmt.Sprintf(format, args...))
	}
}

// done gives the first fault, that of a member that nobody asked for included.
func (o *object) done() error {
	for _, name := range slices.Sorted(maps.Keys(o.members)) {
		if !o.asked[name] {
			o.fault = cmp.Or(o.fault, unasked(badBody, o.path+name))
		}
	}
	return o.fault
}

func (o *object) get(name string) (v any, given bool) {
	o.asked[name] = true
	v, given = o.members[name]
	return v, given
}

// has tells whether a member is there, null or not.
func (o *object) has(name string) bool {
	_, given := o.members[name]
	return given
}

func (o *object) need(name string) {
	if !o.has(name) {
		o.wrong("Missing required property: %s", o.path+name)
	}
}

// is reads a member of one kind; null is none.
func is[T any](o *object, name, want string) (value T, given bool) {
	v, given := o.get(name)
	if !given {
		return value, false
	}
	value, ok := v.(T)
	if !ok {
		o.wrong("Expected type %s but found type %s: %s", want, web.JSONType(v), o.path+name)
	}
	return value, ok
}

// text reads a string of at most 2048 bytes.
func (o *object) text(name string) (string, bool) {
	const most = 2048
	s, ok := is[string](o, name, "string")
	if len(s) > most {
		o.wrong("String is too long (%d chars), maximum %d: %s", len(s), most, o.path+name)
	}
	return s, ok
}

// clearable is text for which null stands for the empty one.
func (o *object) clearable(name string) (string, bool) {
	if v, given := o.get(name); given && v == nil {
		return "", true
	}
	return o.text(name)
}

func (o *object) flag(name string) (value, given bool) { return is[bool](o, name, "boolean") }

// number reads a whole number within bounds.
func (o *object) number(name string, least, most int64) (int64, bool) {
	n, ok := is[json.Number](o, name, "integer")
	if !ok {
		return 0, false
	}
	i, err := n.Int64()
	if err != nil || i < least || i > most {
		o.wrong("Value must be a whole number from %d to %d: %s", least, most, o.path+name)
		return 0, false
	}
	return i, true
}

// texts reads a list of strings.
func (o *object) texts(name string) ([]string, bool) {
	list, ok := is[[]any](o, name, "array")
	if !ok {
		return nil, false
	}
	out := make([]string, 0, len(list))
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			o.wrong("Expected type string but found type %s: %s", web.JSONType(v), o.path+name)
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}

// object reads a member that is an object. Without one it is empty and given is false.
func (o *object) object(name string) (inner *object, given bool) {
	v, given := o.get(name)
	if !given {
		v = map[string]any{}
	}
	inner = newObject(v, o.path+name+".")
	if inner.fault != nil && o.fault == nil {
		o.fault = inner.fault
	}
	return inner, given
}

// within ends the reading of an inner object: its fault is the outer one's.
func (o *object) within(inner *object) {
	if err := inner.done(); err != nil && o.fault == nil {
		o.fault = err
	}
}

// same accepts a member that says what is so anyway, as a client sends it that writes back what it has read.
func (o *object) same(name string, value any) {
	v, given := o.get(name)
	if !given {
		return
	}
	if b, err := json.Marshal(v); err != nil || string(b) != encoded(value) {
		o.wrong("%s can only be %s here", o.path+name, encoded(value))
	}
}

// without accepts members that ask for nothing, and says of others that they are not supported.
func (o *object) without(why string, names ...string) {
	for _, name := range names {
		v, given := o.get(name)
		switch v := v.(type) {
		case nil:
			given = false
		case bool:
			given = given && v
		case string:
			given = given && v != ""
		case []any:
			given = given && len(v) > 0
		case map[string]any:
			given = given && len(v) > 0
		}
		if given {
			o.wrong("%s is not supported%s", o.path+name, why)
		}
	}
}

func encoded(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

// clip bounds a word of the caller's that stands in an answer.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		s = s[:most]
	}
	return strings.ToValidUTF8(s, "")
}
