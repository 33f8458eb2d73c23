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

// busy refuses what finds no place at the gate, in the path's own shape.
func (p *Provider) busy(management *admin.API) http.Handler {
	told := rate.Sometimes{Interval: 10 * time.Second}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told.Do(func() { p.cfg.Log.WarnContext(r.Context(), "overload, some requests are refused") })
		fault := web.Overloaded()
		switch {
		case strings.HasPrefix(r.URL.Path, pathManagement):
			management.Refuse(w, r, fault)
		case forPeople(r.URL.Path):
			p.errorPage(w, r, fault)
		default:
			fault.WriteJSON(w)
		}
	})
}
