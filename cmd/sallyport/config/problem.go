package config

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	Origin string `json:"origin,omitempty"` // "sallyport.yaml:12", the name of a variable, or empty for a default
	Key    string `json:"key,omitempty"`    // "mail.smtp.addr"
	Text   string `json:"text"`             // what is wrong, and what would be right
}

// String is the problem on one line.
func (p Problem) String() string {
	var parts []string
	for _, part := range []string{p.Origin, p.Key, p.Text} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ": ")
}

// Problems are all that is wrong with a configuration.
type Problems []Problem //nolint:errname // it is the list that people read, and an error only on the way to them

// Error implements error: every problem on a line of its own.
func (ps Problems) Error() string {
	if len(ps) == 1 {
		return "the configuration has a problem: " + ps[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "the configuration has %d problems:", len(ps))
	for _, p := range ps {
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}

// report gathers problems while a configuration is read.
type report struct {
	origins  map[string]string
	problems Problems
}

// add notes a problem of a key. The origin is that of the key or of the nearest key around it.
func (r *report) add(key, format string, args ...any) {
	r.problems = append(r.problems, Problem{Origin: r.origin(key), Key: key, Text: fmt.Sprintf(format, args...)})
}

func (r *report) origin(key string) string {
	for key != "" {
		if o, ok := r.origins[key]; ok {
			return o
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return ""
}

func (r *report) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(line(a.Origin), line(b.Origin)), cmp.Compare(a.Key, b.Key))
	})
	return r.problems
}

// line is the line of an origin in the file, and past all lines for any other origin.
func line(origin string) int {
	if n, err := strconv.Atoi(origin[strings.LastIndexByte(origin, ':')+1:]); err == nil {
		return n
	}
	return math.MaxInt
}

// oneOf notes a problem unless the value is one of those allowed.
func (r *report) oneOf(key, value string, allowed ...string) {
	for _, a := range allowed {
		if value == a {
			return
		}
	}
	if why, ok := laterValues[key+"="+value]; ok {
		r.add(key, "%q %s; write one of: %s", value, why, strings.Join(allowed, ", "))
		return
	}
	r.add(key, "%q is not known; write one of: %s", value, strings.Join(allowed, ", "))
}
