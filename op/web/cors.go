package web

import (
	"net/http"
	"strings"
)

const (
	allowOrigin      = "Access-Control-Allow-Origin"
	allowCredentials = "Access-Control-Allow-Credentials"
	exposeHeaders    = "Access-Control-Expose-Headers"
)

// CORS lets the origins that allowed knows read the answers of a handler, without credentials, and answers their
// preflight requests. Other origins get no CORS header at all. Once the handler knows the client, [Info.ShareWith] narrows it to
// that one's. Methods are separated by spaces.
func CORS(allowed func(r *http.Request, origin string) bool, methods string, next http.Handler) http.Handler {
	return cors(false, allowed, methods, next)
}

// CredentialedCORS is CORS where the browser sends and keeps our cookies. The handler must hold the origin against the
// client by itself.
func CredentialedCORS(allowed func(r *http.Request, origin string) bool, methods string, next http.Handler) http.Handler {
	return cors(true, allowed, methods, next)
}

func cors(credentials bool, allowed func(r *http.Request, origin string) bool, methods string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		origin := r.Header.Get("Origin")
		if origin != "" && allowed(r, origin) {
			h.Set(allowOrigin, origin)
			h.Set(exposeHeaders, "Retry-After, WWW-Authenticate, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset")
			if credentials {
				h.Set(allowCredentials, "true")
			}
		}
		if r.Method != http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		if h.Get(allowOrigin) != "" && r.Header.Get("Access-Control-Request-Method") != "" {
			h.Set("Access-Control-Allow-Methods", strings.ReplaceAll(methods, " ", ", "))
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Auth0-Client, X-Request-Language")
			h.Set("Access-Control-Max-Age", "600")
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// Public lets every origin read the answers of a handler, without credentials: for metadata and keys.
func Public(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set(allowOrigin, "*")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		if r.Method == http.MethodOptions {
			h.Set("Access-Control-Allow-Methods", "GET")
			h.Set("Access-Control-Allow-Headers", "Content-Type, Auth0-Client, X-Request-Language")
			h.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}
