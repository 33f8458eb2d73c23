package config

import (
	"reflect"
	"strings"
)

// unknown says what to do about a key that does not exist: it comes later, it was mistyped, or it belongs elsewhere.
func unknown(path, name string, t reflect.Type) string {
	if why, ok := reserved(path); ok {
		return why
	}
	keys := keysOf(t)
	if best := nearest(name, keys); best != "" {
		return "there is no such key; did you mean " + best + "?"
	}
	return "there is no such key; here are: " + strings.Join(keys, ", ")
}

// nearest is the known name that is at most a third of its letters away, or empty.
func nearest(name string, known []string) string {
	best, distance := "", 1+len(name)/3
	for _, k := range known {
		if d := edits(name, k); d < distance {
			best, distance = k, d
		}
	}
	return best
}

// edits is the Levenshtein distance, bounded by short names.
func edits(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
