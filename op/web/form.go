package web

import (
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Query reads the parameters of the address. A parameter given twice, invalid UTF-8, a NUL byte or an unreadable
// escape is a *Fault (RFC 6749, section 3.1).
func Query(r *http.Request) (url.Values, error) {
	v, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, BadRequest("The query string cannot be read.")
	}
	return v, check(v)
}

// Form reads the parameters of an application/x-www-form-urlencoded body, and of nothing else, under the same rules
// as [Query]. The body stays available as r.PostForm and r.Form.
func Form(r *http.Request) (url.Values, error) {
	if ct, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || ct != "application/x-www-form-urlencoded" {
		return nil, &Fault{
			Status: http.StatusUnsupportedMediaType, Code: "invalid_request",
			Description: "The body must be application/x-www-form-urlencoded.",
		}
	}
	if r.Header.Get("Content-Encoding") != "" {
		return nil, &Fault{Status: http.StatusUnsupportedMediaType, Code: "invalid_request", Description: "Content-Encoding is not supported."}
	}
	r.URL.RawQuery = ""
	if err := r.ParseForm(); err != nil {
		if strings.Contains(err.Error(), "too large") {
			return nil, &Fault{Status: http.StatusRequestEntityTooLarge, Code: "invalid_request", Description: "The request body is too large."}
		}
		return nil, BadRequest("The form cannot be read.")
	}
	return r.PostForm, check(r.PostForm)
}

func check(v url.Values) error {
	for name, values := range v {
		if len(values) > 1 {
			return BadRequest("A parameter is given more than once.")
		}
		if Malformed(name) || Malformed(values[0]) {
			return BadRequest("A parameter has characters that are not allowed.")
		}
	}
	return nil
}

// Unambiguous are those of the parameters that are given once, without characters that are not allowed.
func Unambiguous(v url.Values) url.Values {
	good := url.Values{}
	for name, values := range v {
		if one := (url.Values{name: values}); check(one) == nil {
			good[name] = values
		}
	}
	return good
}

// Malformed tells whether a text has what no parameter may have, and no row can hold: a NUL byte, or invalid UTF-8.
func Malformed(s string) bool { return !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 }

// Clip bounds a text of a request that is kept or logged: at most 256 bytes of valid UTF-8.
func Clip(s string) string {
	const most = 256
	if len(s) > most {
		s = s[:most]
	}
	return strings.ToValidUTF8(s, "")
}
