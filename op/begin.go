package op

import (
	"net/http"
	"time"

	"sallyport/grants"
	"sallyport/op/web"
	"sallyport/templates"
)

// mayBeginLogin refuses a login that nobody would see, and bounds the others. Without a person before it there is
// prompt=none, which begins none.
func (p *Provider) mayBeginLogin(r *http.Request) error {
	if unseen(r) {
		return &web.Fault{
			Status: http.StatusForbidden, Code: "interaction_required", Page: string(templates.ProblemInvalid),
			Description: "A login begins in a window of its own: in a frame or in the background, ask with prompt=none.",
		}
	}
	return p.mayBegin(r)
}

// mayBegin bounds how many rows anybody can have us write before they have asked for a code or proven anything: a login
// begun, or a request pushed by a client without credentials. A browser in which somebody has signed in before has a bound
// of its own, so that its neighbours do not keep it out; all such browsers of a network share a wider one, so that nobody
// gains by collecting them. Where that is used up, they draw on the network's own, as strangers do.
func (p *Provider) mayBegin(r *http.Request) error {
	limit := p.cfg.Engine.Config().Limits.Beginnings()
	wait, device, network := time.Duration(0), p.deviceOf(r).ID, web.From(r.Context()).Payer()
	if device != "" {
		wait = p.limiter.Take(grants.RateBegun, device, limit).Wait
	}
	shared := grants.Limit{N: limit.N * knownShare, Per: limit.Per}
	if wait == 0 && network != "" && (device == "" || p.limiter.Take("begin_known", network, shared).Wait != 0) {
		wait = p.limiter.Take(grants.RateBegun, network, limit).Wait
	}
	if wait == 0 {
		return nil
	}
	return &web.Fault{
		Status: http.StatusTooManyRequests, Code: "too_many_requests", RetryAfter: wait, Page: string(templates.ProblemLimited),
		Description: "Too many requests were begun. Try again later.",
	}
}

// knownShare is how many times the bound of a network its known browsers have together.
const knownShare = 8
