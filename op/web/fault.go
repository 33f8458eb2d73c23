package web

import (
	"cmp"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

// Fault is an error that the client is told in these words. It is the shape of RFC 6749, section 5.2, and of Auth0's
// authentication API alike.
type Fault struct { //nolint:errname // the name that the whole package speaks by
	Status      int
	Code        string // error
	Description string // error_description, for the developer
	RetryAfter  time.Duration
	Page        string // key of the page's text, for people; empty for JSON endpoints
	Client      string // whom it is about, for the log; empty where the request says it
	Logged      string // the description for the log, where it has words that no log may have
	Quiet       bool   // the request's own line in the log says enough
	Err         error  // the cause, for the log
}

// Error implements error.
func (f *Fault) Error() string {
	if f.Err != nil {
		return f.Code + ": " + f.Err.Error()
	}
	return f.Code + ": " + f.Description
}

// Unwrap gives the cause.
func (f *Fault) Unwrap() error { return f.Err }

// BadRequest is invalid_request with status 400.
func BadRequest(description string) *Fault {
	return &Fault{Status: http.StatusBadRequest, Code: "invalid_request", Description: description, Page: "invalid"}
}

// Unavailable is what a client is told while the database cannot be reached.
func Unavailable(err error) *Fault {
	return &Fault{
		Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", RetryAfter: 5 * time.Second,
		Description: "The service is temporarily unavailable. Try again in a few seconds.", Page: "busy", Err: err,
	}
}

// AsFault makes a Fault of any error. unavailable tells errors of the database from faults of ours.
func AsFault(err error, unavailable func(error) bool) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &Fault{Status: http.StatusRequestEntityTooLarge, Code: "invalid_request", Description: "The request body is too large."}
	}
	if unavailable(err) {
		return Unavailable(err)
	}
	return &Fault{
		Status: http.StatusInternalServerError, Code: "server_error",
		Description: "Something went wrong on our side. The error has been logged.", Page: "internal", Err: err,
	}
}

// Log writes one line that the request's id, the reference on an error page, leads to: what the client did wrong in our
// own words, or the cause of a fault that is ours.
func (f *Fault) Log(r *http.Request, log *slog.Logger) { f.LogOf(r, log, f.Client) }

// LogOf is Log where it is known who the client says to be.
func (f *Fault) LogOf(r *http.Request, log *slog.Logger, client string) {
	if f.Quiet {
		return
	}
	if f.Status < http.StatusInternalServerError {
		LogRefusal(r, log, client, f.Status, f.Code, cmp.Or(f.Logged, f.Description))
		return
	}
	log.ErrorContext(r.Context(), "request failed", slog.String("request_id", From(r.Context()).ID),
		slog.String("path", logPath(r)), slog.Any("error", f.Err))
}

// LogRefusal writes the line of a refused request. A status of 303 says that the refusal went to the app by redirect.
// Without a client it is the one that the request names in its query, its form or its Authorization header. It is left
// out unless there is such a client ([Options].KnownClient), or it has the form of an id.
func LogRefusal(r *http.Request, log *slog.Logger, client string, status int, code, description string) {
	if client == "" {
		client = clientID(r)
	}
	if known := From(r.Context()).known; !clientForm.MatchString(client) && (known == nil || !known(client)) {
		client = ""
	}
	log.LogAttrs(r.Context(), slog.LevelInfo, "request refused", slog.String("request_id", From(r.Context()).ID), slog.String("path", logPath(r)),
		slog.String("client_id", client), slog.Int("status", status), slog.String("error", code), slog.String("description", Clip(description)))
}

// What a stranger can have us write is bounded: a description of ours with a few of their words, and the id of a client
// that there is, or one that is too short for a secret, which could stand in its place by mistake.
var clientForm = regexp.MustCompile(`^[!-~]{1,31}$`)

func clientID(r *http.Request) string {
	if id := r.URL.Query().Get("client_id"); id != "" {
		return id
	}
	if id := r.PostForm.Get("client_id"); id != "" {
		return id
	}
	id, _, _ := r.BasicAuth()
	return id
}

// WriteJSON answers with the fault as {"error", "error_description"}.
func (f *Fault) WriteJSON(w http.ResponseWriter) {
	f.SetHeader(w)
	WriteJSON(w, f.Status, map[string]string{"error": f.Code, "error_description": f.Description})
}

// SetHeader sets Retry-After, where the fault has one.
func (f *Fault) SetHeader(w http.ResponseWriter) { RetryAfter(w.Header(), f.RetryAfter) }

// RetryAfter sets the header, in whole seconds, where there is any time to wait.
func RetryAfter(h http.Header, d time.Duration) {
	if d > 0 {
		h.Set("Retry-After", strconv.Itoa(int((d+time.Second-1)/time.Second)))
	}
}

// WriteJSON answers with a value as JSON that nothing may keep.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client has gone
}
