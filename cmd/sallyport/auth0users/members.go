package auth0users

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"reflect"
)

// members are those that are read of an object, at most 64.
type members struct {
	names []string
	place map[string]int
	lists map[string]members // of the objects in a list
}

// membersOf are those that a type is decoded from.
func membersOf[T any]() members {
	m := members{place: map[string]int{}}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		if name := field.Tag.Get("json"); name != "" {
			m.place[name] = len(m.names)
			m.names = append(m.names, name)
		}
	}
	return m
}

// exact makes sure that every member is what its name says. encoding/json also takes Email for email, and of two the
// last: where a provider or a person chooses names of members, one of them could pass for the address, or for its proof.
// The object is valid JSON.
func (m members) exact(object []byte) error {
	var seen uint64
	for quoted, value := range parts(object) {
		name, err := unquoted(quoted)
		if err != nil {
			return err
		}
		at, read := m.place[string(name)]
		if !read {
			if other := m.like(name); other != "" {
				return fmt.Errorf("has a member %q, which is not %s", clip(string(name)), other)
			}
			continue
		}
		if seen&(1<<at) != 0 {
			return fmt.Errorf("has the member %s twice", name)
		}
		seen |= 1 << at
		of, isList := m.lists[m.names[at]]
		if !isList {
			continue
		}
		for _, element := range parts(value) {
			if err := of.exact(element); err != nil {
				return fmt.Errorf("in %s: it %w", name, err)
			}
		}
	}
	return nil
}

// like is the member that encoding/json would take a name for.
func (m members) like(name []byte) string {
	for _, other := range m.names {
		if bytes.EqualFold(name, []byte(other)) {
			return other
		}
	}
	return ""
}

// unquoted is a name without what JSON writes around and into it.
func unquoted(quoted []byte) ([]byte, error) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return bytes.Trim(quoted, `"`), nil
	}
	var name string
	if err := json.Unmarshal(quoted, &name); err != nil {
		return nil, fmt.Errorf("has a member without a name: %w", err)
	}
	return []byte(name), nil
}

// parts are the members of a valid object, by their names as they stand, or the elements of an array; none of anything else.
func parts(of []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		if of = bytes.TrimSpace(of); len(of) == 0 || of[0] != '{' && of[0] != '[' {
			return
		}
		var name []byte
		for start := 1; start < len(of); {
			end := endOfPart(of, start)
			if part := of[start:end]; of[end] == ':' {
				name = bytes.TrimSpace(part)
			} else if !yield(name, part) {
				return
			}
			start = end + 1
		}
	}
}

// endOfPart is where a name or a value ends that starts there: at a colon, a comma or a bracket that is not inside it.
func endOfPart(of []byte, i int) int {
	for depth := 0; ; i++ {
		switch of[i] {
		case '"':
			i = endOfText(of, i)
		case '{', '[':
			depth++
		case ':', ',':
			if depth == 0 {
				return i
			}
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		}
	}
}

// endOfText is the quote that ends a text which starts there.
func endOfText(of []byte, i int) int {
	for i++; of[i] != '"'; i++ {
		if of[i] == '\\' {
			i++
		}
	}
	return i
}
