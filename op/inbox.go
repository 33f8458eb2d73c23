package op

import (
	"net/http"

	"sallyport/op/web"
	"sallyport/templates"
)

// inbox lets through only what comes from this machine itself, without a proxy, by the issuer's own name: the inbox of
// development shows codes.
func (p *Provider) inbox(handle func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return p.html(func(w http.ResponseWriter, r *http.Request) error {
		if p.cfg.Inbox == nil || !web.Direct(r) || r.Host != p.issuer.Host {
			return problem(http.StatusNotFound, templates.ProblemNotFound)
		}
		return handle(w, r)
	})
}

func (p *Provider) serveInbox(w http.ResponseWriter, r *http.Request) error {
	page := templates.Inbox{}
	for _, m := range p.cfg.Inbox.Messages() {
		page.Messages = append(page.Messages, templates.InboxMessage{Channel: m.Channel, To: m.To, Subject: m.Subject, Text: m.Text, At: m.At})
	}
	return p.page(w, r, transaction{}, http.StatusOK, page)
}

func (p *Provider) serveInboxJSON(w http.ResponseWriter, _ *http.Request) error {
	web.WriteJSON(w, http.StatusOK, p.cfg.Inbox.Messages())
	return nil
}
