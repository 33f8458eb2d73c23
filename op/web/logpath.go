package web

import (
	"net/http"
	"strings"
)

const (
	// maxSegments is more than any path of ours has.
	maxSegments = 8
	maxWord     = 31
)

// logPath is a request's path for the log: what is not a plain short word in it, an id, or a secret that somebody pasted there, is
// left out.
func logPath(r *http.Request) string {
	segments := strings.Split(r.URL.Path, "/")
	if len(segments) > maxSegments {
		segments = append(segments[:maxSegments], "…")
	}
	for i, s := range segments {
		if !word(s) {
			segments[i] = "…"
		}
	}
	return strings.Join(segments, "/")
}

// word tells whether a segment of a path can be logged: all of ours are such, and no code, token or secret is.
func word(s string) bool {
	for i, c := range []byte(s) {
		letter, inside := 'a' <= c && c <= 'z' || c == '.', '0' <= c && c <= '9' || c == '_' || c == '-'
		if !letter && (i == 0 || !inside) {
			return false
		}
	}
	return len(s) <= maxWord
}
