package web

import (
	"net/http"
	"slices"
)

// Foreign tells whether a POST was sent by a browser for a page of none of these origins. Browsers say for which one they
// send it, and no page can have them say another; apps that are no browser say nothing.
func Foreign(r *http.Request, origins []string) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		return !slices.Contains(origins, origin)
	}
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == "same-site"
}
