// Package static holds the stylesheet, script and icon of the hosted pages and serves them for ever.
//
// A file is served as /static/<name>.<hash of its content>.<ext>, so that browsers may keep it without asking again:
// other content has another path. It never reads the disk and never answers anything but the files it was given.
package static

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

// Files are the files as they are in this folder.
//
//go:embed *.css *.js *.svg
var Files embed.FS

// Prefix is where the files are served.
const Prefix = "/static/"

// Handler serves the embedded files below [Prefix]. Pages that carry an operator's colour or logo need the
// [Bundle] that holds those too.
func Handler() http.Handler { return embedded() }

// Path is where the embedded file of this name ("sallyport.css") is served; it is empty for an unknown name.
func Path(name string) string { return embedded().Path(name) }

var embedded = sync.OnceValue(New)

// Bundle is a set of files, served by the hash of their content. It may be used by many goroutines once all files
// are added.
type Bundle struct {
	files map[string]file // by name
}

type file struct {
	path    string
	content []byte
}

// New is a bundle of the embedded files.
func New() *Bundle {
	b := &Bundle{files: map[string]file{}}
	entries, err := Files.ReadDir(".")
	if err != nil {
		panic(fmt.Errorf("reading the embedded files: %w", err)) // the compiler put them there
	}
	for _, e := range entries {
		content, err := Files.ReadFile(e.Name())
		if err != nil {
			panic(fmt.Errorf("reading the embedded file %s: %w", e.Name(), err))
		}
		b.Add(e.Name(), content)
	}
	return b
}

// Add puts a file into the bundle, in the place of one of the same name. The extension tells its type.
func (b *Bundle) Add(name string, content []byte) {
	sum := sha256.Sum256(content)
	ext := path.Ext(name)
	hashed := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:8]) + ext
	b.files[name] = file{path: Prefix + hashed, content: content}
}

// Path is where the file of this name is served; it is empty for an unknown name.
func (b *Bundle) Path(name string) string { return b.files[name].path }

// ServeHTTP answers GET and HEAD for the files of the bundle, 404 for others. While replicas of two releases run side
// by side, a page of one may ask the other for a file: any hash of a known name gets the present content, but only
// its own hash may be kept.
func (b *Bundle) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	f, ok := b.files[unhashed(r.URL.Path)]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", contentType(f.path))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", policy(f))
	h.Set("Cache-Control", "no-store")
	if r.URL.Path == f.path {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
}

// policy keeps an image that is opened as a page of its own from running anything; an operator's logo may have styles, which
// Firefox holds against it inside a page as well. A script has none of that: as a worker it would be cut off from its origin by a sandbox.
func policy(f file) string {
	const none = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	switch path.Ext(f.path) {
	case ".js":
		return none
	case ".svg":
		if bytes.Contains(f.content, []byte("style")) {
			return none + "; style-src 'unsafe-inline'; sandbox"
		}
	}
	return none + "; sandbox"
}

// unhashed is the name of the file that a path asks for: "/static/app.0123.css" is "app.css".
func unhashed(urlPath string) string {
	base, ok := strings.CutPrefix(urlPath, Prefix)
	ext := path.Ext(base)
	base = strings.TrimSuffix(base, ext)
	hash := path.Ext(base)
	if !ok || hash == "" {
		return ""
	}
	return strings.TrimSuffix(base, hash) + ext
}

// contentType does not ask the system's table, which differs from host to host.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".webp":
		return "image/webp"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" { // png, jpeg, gif are built in
		return t
	}
	return "application/octet-stream"
}
