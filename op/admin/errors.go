package admin

import (
	"errors"
	"net/http"
	"strings"

	"sallyport/op/web"
	"sallyport/storage"
)

// Codes of errors, Auth0's errorCode.
const (
	codeBody  = "invalid_body"
	codeQuery = "invalid_query_string"
	codeURI   = "invalid_uri"
	codeFile  = "managed_by_file"
)

func fail(status int, code, message string) *web.Fault {
	return &web.Fault{Status: status, Code: code, Description: message}
}

func unauthorized(message string) error { return fail(http.StatusUnauthorized, "", message) }

func insufficient(scopes []string) error {
	return fail(http.StatusForbidden, "insufficient_scope", "Insufficient scope, expected any of: "+strings.Join(scopes, ","))
}

// unasked is the fault of a member or parameter that nobody asked for. Its name, which may be anything, is not for the log.
func unasked(bad func(string) error, name string) error {
	const text = "Additional properties not allowed"
	err := bad(text + ": " + clip(name))
	if f, ok := errors.AsType[*web.Fault](err); ok {
		f.Logged = text
	}
	return err
}

func badBody(message string) error {
	return fail(http.StatusBadRequest, codeBody, "Payload validation error: '"+message+"'.")
}

func badQuery(message string) error {
	return fail(http.StatusBadRequest, codeQuery, "Query validation error: '"+message+"'.")
}

func notFound(code, message string) error { return fail(http.StatusNotFound, code, message) }

func conflict(code, message string) error { return fail(http.StatusConflict, code, message) }

// status is that of an error which a handler has made, 0 for any other.
func status(err error) int {
	if f, ok := errors.AsType[*web.Fault](err); ok {
		return f.Status
	}
	return 0
}

// errNoCheck says that the program was put together without its checks: then nothing is taken.
var errNoCheck = errors.New("nothing to check with")

// checked holds something against the checks of the configuration file. Theirs are words for people.
func checked[T any](check func(T) error, v T) error {
	if check == nil {
		return errNoCheck
	}
	if err := check(v); err != nil {
		f := fail(http.StatusBadRequest, codeBody, err.Error())
		f.Logged = "The configuration's checks refuse it" // their words quote what was given
		return f
	}
	return nil
}

// told says what an error of the store means where the handler did not: the rest are failures.
func told(err error) error {
	switch {
	case errors.Is(err, storage.ErrManagedByFile):
		return conflict(codeFile, "This is managed by the configuration file: change it there.")
	case errors.Is(err, storage.ErrInvalid):
		return badBody("Text that cannot be stored")
	}
	return err
}

// refuse writes an error as {"statusCode", "error", "message", "errorCode"} and a line in the log.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, caller Caller, err error) {
	f := web.AsFault(told(err), func(err error) bool { return errors.Is(err, storage.ErrUnavailable) })
	if f.Code == "invalid_request" { // from package web, about a body
		f = &web.Fault{Status: f.Status, Code: codeBody, Description: f.Description, Err: f.Err}
	}
	f.LogOf(r, a.cfg.Log, caller.ClientID)
	f.SetHeader(w)
	if f.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+Prefix+`"`)
	}
	web.WriteJSON(w, f.Status, problem{StatusCode: f.Status, Error: http.StatusText(f.Status), Message: f.Description, ErrorCode: f.Code})
}

type problem struct {
	StatusCode int    `json:"statusCode"`
	Error      string `json:"error"`
	Message    string `json:"message"`
	ErrorCode  string `json:"errorCode,omitempty"`
}
