package web

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"sallyport/grants"
)

// MaxBodyBytes is the most that a request's body may have.
const MaxBodyBytes = 64 << 10

// Options say how [Middleware] treats requests.
type Options struct {
	TrustedProxies []netip.Prefix
	AllowIPs       []netip.Prefix // networks that no limit counts
	HTTPS          bool           // the issuer's scheme: sends HSTS
	Now            func() time.Time
	Log            *slog.Logger

	// KnownClient tells whether there is a client of an id, as far as that is known without asking anybody: only a
	// known or a short one is logged. None if nil.
	KnownClient func(id string) bool
}

// Middleware is applied once, at the root: it names the request, finds its source, sets the headers that every
// answer has, bounds the body, writes one log line, and turns a panic into a 500 that says nothing.
func Middleware(o Options, next http.Handler) http.Handler {
	always := headers(o.HTTPS)
	var warnOnce sync.Once
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := o.Now()
		info := Info{ID: rand.Text(), IP: Source(r, o.TrustedProxies), free: o.AllowIPs, known: o.KnownClient, answer: w.Header()}
		host := info.Host()
		ctx := grants.WithOrigin(r.Context(), grants.Origin{IP: host, RequestID: info.ID})
		r = r.WithContext(context.WithValue(ctx, infoKey{}, info))
		if r.Header.Get("X-Forwarded-For") != "" && !contains(o.TrustedProxies, peerAddr(r)) && local(info.IP) {
			warnOnce.Do(func() {
				o.Log.WarnContext(r.Context(), "X-Forwarded-For of an untrusted peer is ignored: set trusted_proxies if it is your proxy",
					slog.String("peer", host))
			})
		}
		maps.Copy(w.Header(), always)
		rec := &recorder{ResponseWriter: w}
		defer func() {
			if v := recover(); v != nil {
				o.Log.ErrorContext(r.Context(), "panic", slog.String("request_id", info.ID), slog.Any("value", v), slog.String("stack", string(debug.Stack())))
				if rec.status == 0 {
					(&Fault{Status: http.StatusInternalServerError, Code: "server_error", Description: "Something went wrong on our side. The error has been logged."}).WriteJSON(rec)
				}
			}
			o.Log.LogAttrs(r.Context(), slog.LevelInfo, "request", slog.String("request_id", info.ID), slog.String("ip", host), slog.String("method", method(r)),
				slog.String("path", logPath(r)), slog.Int("status", rec.status), slog.Int64("bytes", rec.bytes),
				slog.Duration("took", o.Now().Sub(begin)))
		}()
		switch {
		case r.ContentLength > MaxBodyBytes:
			w.Header().Set("Connection", "close")
			r.Body = beyond{r.Body}
		case r.Body != nil && r.Body != http.NoBody:
			r.Body = http.MaxBytesReader(rec, r.Body, MaxBodyBytes)
		}
		next.ServeHTTP(rec, r)
	})
}

// headers are what every answer has, unless it has others. Answers share the values, and so replace them only.
func headers(https bool) http.Header {
	h := http.Header{}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), otp-credentials=(self)")
	h.Set("Cache-Control", "no-store")
	if https {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	return h
}

// beyond is a body that says itself that it is too large. Nobody waits for it, nor asks for it (100 Continue).
type beyond struct{ io.Closer }

// Read implements io.Reader.
func (beyond) Read([]byte) (int, error) { return 0, &http.MaxBytesError{Limit: MaxBodyBytes} }

// method is a request's method for the log, if it is one that there is.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace, http.MethodConnect:
		return r.Method
	}
	return "…"
}

// recorder remembers what was answered, for the log.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// Unwrap serves http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
