package op

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/text/language"

	"sallyport/grants"
	"sallyport/op/web"
)

// lockSettings are what Auth0's Lock wants to know of its client. All of it is public.
type lockSettings struct {
	ID           string         `json:"id"`
	Tenant       string         `json:"tenant"`
	Subscription string         `json:"subscription"` // Lock shows its maker's badge for "free" and "dev"
	Strategies   []lockStrategy `json:"strategies"`
}

type lockStrategy struct {
	Name        string           `json:"name"`
	Connections []lockConnection `json:"connections"`
}

type lockConnection struct {
	Name string `json:"name"`
}

// serveLockSettings is the script that Lock loads to learn which connections its client has.
func (p *Provider) serveLockSettings(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin") // pages of any app load it
	id, isScript := strings.CutSuffix(r.PathValue("file"), ".js")
	if !isScript {
		id = ""
	}
	body, err := p.lockSettings(r, id)
	if err != nil {
		f := web.AsFault(err, unavailable)
		if notFound(err) {
			f = &web.Fault{Status: http.StatusNotFound, Code: "invalid_request", Description: "The client is unknown."}
		}
		f.Log(r, p.cfg.Log)
		f.SetHeader(w)
		w.WriteHeader(f.Status)
		_, _ = fmt.Fprintf(w, "// %s\n", f.Description) // the browser has gone
		return
	}
	h.Set("Cache-Control", "public, max-age=60")
	_, _ = fmt.Fprintf(w, "Auth0.setClient(%s);\n", body)
}

func (p *Provider) lockSettings(r *http.Request, id string) ([]byte, error) {
	c, err := p.clients.get(r.Context(), id)
	if err != nil {
		return nil, err
	}
	settings := lockSettings{ID: c.ID, Tenant: p.issuer.Hostname(), Subscription: "none", Strategies: []lockStrategy{}}
	for _, channel := range []grants.Channel{grants.Email, grants.SMS} {
		if p.connects(c, channel) {
			settings.Strategies = append(settings.Strategies, lockStrategy{Name: string(channel), Connections: []lockConnection{{Name: string(channel)}}})
		}
	}
	body, err := json.Marshal(settings) // <, > and & are escaped in it, and so are line separators
	if err != nil {
		return nil, fmt.Errorf("encoding settings: %w", err)
	}
	return body, nil
}

// serveCountry tells Lock which country's code to offer first: the region of the browser's language, where messages can
// be sent to it, else the first of those. It looks nobody's address up.
func (p *Provider) serveCountry(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Accept-Language")
	web.WriteJSON(w, http.StatusOK, map[string]string{"country_code": countryOf(web.Clip(r.Header.Get("Accept-Language")), p.cfg.Countries)})
}

func countryOf(acceptLanguage string, open []string) string {
	tags, _, _ := language.ParseAcceptLanguage(acceptLanguage) // one that cannot be read, or is too long, names no country
	for _, tag := range tags {
		if region, _ := tag.Region(); slices.Contains(open, region.String()) {
			return region.String()
		}
	}
	if len(open) > 0 {
		return open[0]
	}
	return "US"
}
