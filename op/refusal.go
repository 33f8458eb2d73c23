package op

import (
	"encoding/json"
	"log/slog"
	"net/http"

	"sallyport/op/web"
)

// refusal keeps what a machine endpoint answers when it refuses, ours and the library's alike, for one line in the log.
type refusal struct {
	http.ResponseWriter
	status int
	body   []byte
}

const maxRefusalBytes = 1024 // ours are a sentence

// WriteHeader implements http.ResponseWriter.
func (f *refusal) WriteHeader(status int) {
	f.status = status
	f.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (f *refusal) Write(b []byte) (int, error) {
	if f.status >= http.StatusBadRequest && len(f.body)+len(b) <= maxRefusalBytes {
		f.body = append(f.body, b...)
	}
	return f.ResponseWriter.Write(b)
}

// Unwrap serves http.ResponseController.
func (f *refusal) Unwrap() http.ResponseWriter { return f.ResponseWriter }

func (f *refusal) log(r *http.Request, log *slog.Logger) {
	if f.status < http.StatusBadRequest {
		return
	}
	var told struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	_ = json.Unmarshal(f.body, &told) // what cannot be read says nothing
	web.LogRefusal(r, log, "", f.status, told.Error, told.Description)
}
