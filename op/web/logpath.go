package web

import (
	"net/http"
	"regexp"
	"strings"
)

// word is a segment of a path that can be logged: all of ours are such, and no code, token or secret is.
var word = regexp.MustCompile(`^([a-z.][a-z0-9_.-]{0,30})?$`)

// maxSegments is more than any path of ours has.
const maxSegments = 8

// logPath is a request's path for the log: what is not a plain short word in it, an id, or a secret that somebody pasted there, is
// left out.
func logPath(r *http.Request) string {
	segments := strings.Split(r.URL.Path, "/")
	if len(segments) > maxSegments {
		segments = append(segments[:maxSegments], "…")
	}
	for i, s := range segments {
		if !word.MatchString(s) {
			segments[i] = "…"
		}
	}
	return strings.Join(segments, "/")
}
