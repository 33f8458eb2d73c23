package op

import (
	"net/http"
	"slices"
)

// topNavigation tells whether a browser says that it shows the answer of this GET in its whole window, to a person, now:
// it is no frame, no image, no script's request and no page fetched in advance. Browsers that do not say it are not
// believed to.
func topNavigation(r *http.Request) bool {
	h := r.Header
	return r.Method == http.MethodGet && h.Get("Sec-Fetch-Mode") == "navigate" && h.Get("Sec-Fetch-Dest") == "document" &&
		h.Get("Sec-Purpose") == "" && h.Get("Purpose") == ""
}

// unseen tells whether a browser says that nobody sees the answer of this GET as a page of its own: any page can have its
// visitors' browsers ask so, for an image or in a frame. Old browsers say nothing of it, nor does what is no browser.
func unseen(r *http.Request) bool { return r.Header.Get("Sec-Fetch-Dest") != "" && !topNavigation(r) }

// source is the origin of the page that a request comes from, as far as the browser tells; no page can tell another's.
func source(r *http.Request) string {
	if o := r.Header.Get("Origin"); o != "" {
		return origin(o)
	}
	return origin(r.Header.Get("Referer"))
}

// fromApp tells whether a request is a navigation that a page of the client began: one of a web origin of its, or of the
// origin of a redirect_uri.
func fromApp(r *http.Request, c *client) bool {
	from := source(r)
	if from == "" || !topNavigation(r) {
		return false
	}
	return slices.Contains(c.WebOrigins, from) || slices.ContainsFunc(c.Client.RedirectURIs, func(uri string) bool { return origin(uri) == from })
}
