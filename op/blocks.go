package op

import (
	"net/http"
	"net/url"

	"sallyport/grants"
	"sallyport/op/admin"
	"sallyport/op/web"
	"sallyport/templates"
)

const aboutBlocks = "blocks"

// tokenGuesses is how often one network may show a wrong token. Tokens have 32 characters or more: it only keeps the noise
// down, so that a right one is taken whatever was shown before.
func tokenGuesses() grants.Limit { return grants.Limit{N: 30, Per: grants.AlertPeriod} }

// blocksShown is how many blocks the page lists.
const blocksShown = 100

// blocks is the page where whoever administers sees which networks are blocked, and lifts a block. Every form carries the token
// anew: there is no session of administrators.
type blocks struct {
	p   *Provider
	api *admin.API
}

// BlocksURL is the page about a network, for the mail that tells of it.
func BlocksURL(issuer, source string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host + pathBlocks + "?" + url.Values{"ip": {source}}.Encode()
}

// serve asks for a token. The address of the page may name a network, and nothing else is taken from it.
func (b blocks) serve(w http.ResponseWriter, r *http.Request) error {
	q, err := web.Query(r)
	if err != nil {
		return err
	}
	return b.page(w, r, http.StatusOK, templates.Blocks{
		IP: sourceOf(q.Get("ip")), CSRF: b.p.csrfToken(b.p.ensureBrowser(w, r), aboutBlocks),
	})
}

func (b blocks) page(w http.ResponseWriter, r *http.Request, status int, page templates.Blocks) error {
	page.Action, page.Closed = pathBlocks, !b.api.HasToken(admin.ScopeLiftIPBlocks)
	return b.p.page(w, r, transaction{}, status, page)
}

// sourceOf is the network that limits count for what somebody typed, an IP address or an IPv6 network; empty for what is none.
func sourceOf(typed string) string {
	_, source := admin.SourceOf(typed)
	return source
}

// post shows what is blocked to the holder of a token, after lifting one block where that was asked for. It answers by the page
// itself: nothing but the token says who may see it, and lifting twice changes nothing.
func (b blocks) post(w http.ResponseWriter, r *http.Request) error {
	form, err := web.Form(r)
	if err != nil {
		return err
	}
	browser := b.p.browserOf(r)
	if !b.p.csrfRight(form.Get("csrf"), browser, aboutBlocks) {
		return problem(http.StatusForbidden, templates.ProblemCookies)
	}
	page := templates.Blocks{IP: sourceOf(form.Get("ip")), CSRF: b.p.csrfToken(browser, aboutBlocks)}
	caller, ok := b.api.TokenHolder(form.Get("token"), admin.ScopeLiftIPBlocks)
	if !ok {
		return b.refuse(w, r, page)
	}
	if form.Get("do") == "lift" {
		if page.IP == "" {
			page.Problem = templates.BlocksNoIP
			return b.page(w, r, http.StatusUnprocessableEntity, page)
		}
		if page.Lifted, err = b.api.LiftSource(r.Context(), caller, page.IP); err != nil {
			return err
		}
		page.Done = true
	}
	blocked, err := b.p.cfg.Store.BlockedSources(r.Context(), b.p.cfg.Now(), b.p.cfg.Engine.Config().Limits.FailuresPerIP, blocksShown)
	if err != nil {
		return err
	}
	page.Shown = true
	for _, s := range blocked {
		page.Blocked = append(page.Blocked, templates.BlockedIP{IP: s.Source, Failures: s.Failures, Until: s.Until})
	}
	return b.page(w, r, http.StatusOK, page)
}

// refuse answers a wrong token.
func (b blocks) refuse(w http.ResponseWriter, r *http.Request, page templates.Blocks) error {
	wait := b.p.limiter.Take("admin_token", web.From(r.Context()).Network(), tokenGuesses()).Wait
	if wait == 0 {
		page.Problem = templates.BlocksRefused
		return b.page(w, r, http.StatusForbidden, page)
	}
	web.RetryAfter(w.Header(), wait)
	page.Problem, page.Wait = templates.BlocksLimited, wait
	return b.page(w, r, http.StatusTooManyRequests, page)
}
