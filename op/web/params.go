package web

import (
	"errors"
	"maps"
	"mime"
	"net/http"
	"net/url"
)

// Params reads the parameters of a body that is a form, under the rules of [Form], or a JSON object, under those of
// [Object]. Of an object the members that are text are the parameters. Another member is ignored, as any parameter is
// that nobody knows, unless its name is one of known. The parameters stay available as r.PostForm and r.Form.
func Params(r *http.Request, known []string) (url.Values, error) {
	if ct, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || ct != "application/json" {
		return Form(r)
	}
	object, err := Object(r)
	if err != nil {
		return nil, err
	}
	for _, name := range known { // in order: of two faults the same one is told always
		if v, given := object[name]; given {
			if _, text := v.(string); !text {
				return nil, BadRequest("The parameter " + name + " must be a string.")
			}
		}
	}
	form := url.Values{}
	for name, v := range object {
		if text, ok := v.(string); ok {
			form.Set(name, text)
		}
	}
	r.URL.RawQuery = ""
	r.PostForm, r.Form = form, maps.Clone(form)
	return form, check(form)
}

// unread is the fault of a body that could not be read to its end.
func unread(err error) *Fault {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return &Fault{Status: http.StatusRequestEntityTooLarge, Code: "invalid_request", Description: "The request body is too large."}
	}
	return BadRequest("The body cannot be read.")
}
