package op

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sallyport/grants"
	"sallyport/op/auth0"
	"sallyport/op/web"
)

const (
	// ticketLifetime is the time from /co/authenticate to /authorize, with a press of a button between.
	ticketLifetime = time.Minute
	// crossOriginAge is how long the cookie of /co/authenticate is good: as long as any challenge.
	crossOriginAge = grants.MaxChallengeAge

	// cookieCrossOrigin names the challenge whose right code this browser has shown to /co/authenticate, sealed. Nobody
	// can set it but we, for a page of an origin that the client registered.
	cookieCrossOrigin = "sallyport_co"
)

// mark names who shows a code for a client without spending it, by network and user agent: who goes on with it must be the
// same.
func (p *Provider) mark(r *http.Request, clientID string) string {
	return hashed(clientID + "\x00" + web.From(r.Context()).Network() + "\x00" + r.UserAgent())
}

// crossOriginClient reads the client of a page that asks for a ticket.
func (p *Provider) crossOriginClient(ctx context.Context, id string) (auth0.Client, error) {
	c, err := p.clients.get(ctx, id)
	if notFound(err) {
		return auth0.Client{}, auth0.ErrBadAuthentication
	}
	if err != nil {
		return auth0.Client{}, err
	}
	web.From(ctx).ShareWith(c.WebOrigins)
	return p.auth0Client(c, false), nil
}

// newTicket makes the login ticket of a challenge whose right code was shown, and sets the cookie that it is bound to by
// the challenge. It is used once because using it spends the challenge.
func (p *Provider) newTicket(w http.ResponseWriter, c grants.Challenge, verified string) string {
	sameSite := http.SameSiteLaxMode
	if p.https { // the app's page may be of another site
		sameSite = http.SameSiteNoneMode
	}
	p.setCookie(w, cookieCrossOrigin, seal(p.cfg.Ring, cookieCrossOrigin, c.ID+" "+p.until(crossOriginAge)), crossOriginAge, sameSite)
	return seal(p.cfg.Ring, labelTicket, c.ID+" "+verified+" "+p.until(ticketLifetime))
}

// openTicket gives the challenge that a ticket is for, and what stands for its code. What is no ticket is errBadToken.
func (p *Provider) openTicket(ticket string) (challengeID, verified string, err error) {
	plain, err := unseal(p.cfg.Ring, labelTicket, ticket)
	if err != nil {
		return "", "", err
	}
	f := strings.Split(plain, " ")
	if len(f) != 3 || !p.before(f[2]) {
		return "", "", errBadToken
	}
	return f[0], f[1], nil
}

// provedHere tells whether this very browser has shown the right code of a challenge to /co/authenticate.
func (p *Provider) provedHere(r *http.Request, c grants.Challenge) bool {
	plain, err := unseal(p.cfg.Ring, cookieCrossOrigin, p.cookie(r, cookieCrossOrigin))
	if err != nil {
		return false
	}
	id, until, _ := strings.Cut(plain, " ")
	return c.ID != "" && id == c.ID && p.before(until)
}

// until writes the moment that is so far ahead, for before to read.
func (p *Provider) until(d time.Duration) string {
	return strconv.FormatInt(p.cfg.Now().Add(d).Unix(), 36)
}

func (p *Provider) before(until string) bool {
	seconds, err := strconv.ParseInt(until, 36, 64)
	return err == nil && p.cfg.Now().Before(time.Unix(seconds, 0))
}
