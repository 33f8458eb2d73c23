package op

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"sallyport/op/web"
	"sallyport/templates"
)

// formAction keeps a page's forms to ourselves, but for the pages whose form leads to an app: browsers hold form-action
// against every redirect that follows a form, and where an app's callback moves on to is the app's affair.
func formAction(page templates.Page) string {
	switch page.(type) {
	case templates.Code, templates.Proof, templates.Link, templates.LinkAPI, templates.AppLogin, templates.Confirm, templates.FormPost, templates.Logout:
		return ""
	}
	return "form-action 'self'; "
}

// sources are where a page's scripts and styles come from: us, and on the page with its widget a captcha's provider.
func sources(page templates.Page) string {
	if asking, ok := page.(templates.Proof); ok && asking.Widget.Policy != "" {
		return asking.Widget.Policy
	}
	return "script-src 'self'; style-src 'self'"
}

// page writes a hosted page, in the person's language, with the policy that it needs: nothing from elsewhere, no
// inline script or style.
// A page that sends a message to the app's window is the only one that others may frame: the app's registered origins.
func (p *Provider) page(w http.ResponseWriter, r *http.Request, t transaction, status int, page templates.Page) error {
	var body bytes.Buffer
	lang := p.cfg.Templates.Language(languages(t.UILocales, r)...)
	if err := p.cfg.Templates.Render(&body, lang, page); err != nil {
		return fmt.Errorf("rendering page: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", lang)
	ancestors := "'none'"
	if _, message := page.(templates.WebMessage); message {
		ancestors = strings.Join(framers(t.client), " ")
		h.Del("X-Frame-Options")
	}
	h.Set("Content-Security-Policy", "default-src 'none'; "+sources(page)+"; img-src 'self' data:; "+
		formAction(page)+"base-uri 'none'; frame-ancestors "+ancestors)
	h.Set("Referrer-Policy", "same-origin") // with no-referrer a form's Origin is null, and sameOrigin refuses it in older browsers
	if t.ResponseMode != modeWebMessage {   // there the window that opened us waits for the answer
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the browser has gone
	return nil
}

// html makes a handler of one that gives errors back: they become pages.
func (p *Provider) html(handle func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		// Browsers hold it against redirects too, which would cut an app's page off from the window that it opened.
		w.Header().Del("Cross-Origin-Opener-Policy")
		if err := handle(w, r); err != nil {
			p.errorPage(w, r, web.AsFault(err, unavailable))
		}
	}
}

func (p *Provider) errorPage(w http.ResponseWriter, r *http.Request, f *web.Fault) {
	f.Log(r, p.cfg.Log)
	f.SetHeader(w)
	w.Header().Set("Cache-Control", "no-store")
	kind := templates.ProblemKind(f.Page)
	if kind == "" {
		kind = templates.ProblemInvalid
	}
	page := templates.Problem{Kind: kind, Reference: web.From(r.Context()).ID}
	if err := p.page(w, r, transaction{}, f.Status, page); err != nil {
		p.cfg.Log.ErrorContext(r.Context(), "error page failed", slog.Any("error", err))
		w.WriteHeader(http.StatusInternalServerError)
	}
}
