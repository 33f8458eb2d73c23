package op

import (
	"net/http"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"sallyport/op/admin"
	"sallyport/op/web"
)

// ungated tells which requests pass the gate: those that are answered from memory.
func ungated(r *http.Request) bool {
	switch r.URL.Path {
	case pathMetadata, pathOAuthMetadata, pathKeys, pathHealth, pathReady:
		return true
	}
	return strings.HasPrefix(r.URL.Path, pathStatic)
}

// busy refuses what finds no place at the gate, in the path's own shape: by one of the refusals where the path has one.
func (p *Provider) busy(management *admin.API, refusals map[string]http.Handler) http.Handler {
	told := rate.Sometimes{Interval: 10 * time.Second}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told.Do(func() { p.cfg.Log.WarnContext(r.Context(), "overload, some requests are refused") })
		refusal, own := refusals[r.URL.Path]
		switch {
		case own:
			refusal.ServeHTTP(w, r)
		case strings.HasPrefix(r.URL.Path, pathManagement):
			management.Refuse(w, r, web.Overloaded())
		case forPeople(r.URL.Path):
			p.errorPage(w, r, web.Overloaded())
		default:
			refuseBusy(w, r)
		}
	})
}

func refuseBusy(w http.ResponseWriter, _ *http.Request) { web.Overloaded().WriteJSON(w) }
