package op

import (
	"net/http"

	"sallyport/op/web"
	"sallyport/templates"
)

// mayBegin bounds how many rows anybody can have us write before they have asked for a code or proven anything: a login
// begun, or a request pushed by a client without credentials. A browser in which somebody has signed in before has a bound
// of its own, so that its neighbours do not keep it out.
func (p *Provider) mayBegin(r *http.Request) error {
	payer := p.deviceOf(r).ID
	if payer == "" {
		payer = web.From(r.Context()).Payer()
	}
	limit := p.cfg.Engine.Config().Limits.StartPerIP
	limit.N *= beginningsPerStart
	if payer == "" || limit.Off() {
		return nil
	}
	if wait := p.limiter.Take("begin", payer, limit).Wait; wait > 0 {
		return &web.Fault{
			Status: http.StatusTooManyRequests, Code: "too_many_requests", RetryAfter: wait, Page: string(templates.ProblemLimited),
			Description: "Too many requests were begun. Try again later.",
		}
	}
	return nil
}

// beginningsPerStart is how many logins a source may begin for each code that it may ask for: people open pages, go back
// and come again.
const beginningsPerStart = 20
