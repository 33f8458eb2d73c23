package op

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"sallyport/grants"
	"sallyport/storage"
	"sallyport/templates"
)

// answerFromSession answers for a session that lives already: no page, one write.
func (p *Provider) answerFromSession(w http.ResponseWriter, r *http.Request, c *client, req storage.AuthRequest, s storage.Session) error {
	if req.Device != "" {
		p.toDeviceConfirm(w, r, req)
		return nil
	}
	if err := p.canAnswer(req); err != nil {
		return err
	}
	a, err := p.browserAuthorization(r.Context(), c, req, s)
	if err != nil {
		return err
	}
	if implicit(req.ResponseType) {
		// Nobody will ask again whether the session lives, as the exchange of a code does.
		err = p.cfg.Store.AuthorizeInSession(r.Context(), a, p.cfg.Now().Add(p.cfg.SessionIdle), p.event(r.Context(), storage.EventTokensGranted, a))
		if notFound(err) {
			return p.answerError(w, r, c, req, oidc.ErrLoginRequired().WithDescription("The session has just ended."))
		}
	} else if err = p.cfg.Store.Authorize(r.Context(), a); err == nil {
		err = p.touch(r.Context(), s)
		if notFound(err) { // it may end at this very moment
			err = nil
		}
	}
	if err != nil {
		return err
	}
	return p.answerGranted(w, r, granted{client: c, request: req, authorization: a})
}

// touch moves a session's idle end, at most every twentieth of its idle time: most requests write nothing.
func (p *Provider) touch(ctx context.Context, s storage.Session) error {
	end := p.cfg.Now().Add(p.cfg.SessionIdle)
	if end.Sub(s.IdleExpiresAt) < p.cfg.SessionIdle/20 {
		return nil
	}
	return p.cfg.Store.TouchSession(ctx, s.ID, end)
}

// browserAuthorization is the authorization that the answer to an authorization request stands for.
func (p *Provider) browserAuthorization(ctx context.Context, c *client, req storage.AuthRequest, s storage.Session) (storage.Authorization, error) {
	api, err := p.audience(ctx, c, req.Audience)
	if refused, ok := errors.AsType[*oidc.Error](err); ok && refused.ErrorType == oidc.InvalidTarget {
		return storage.Authorization{}, problem(http.StatusBadRequest, templates.ProblemInvalid) // gone since the request began
	}
	if err != nil {
		return storage.Authorization{}, err
	}
	a := p.newAuthorization(c, s.UserID, api, fields(req.Scope))
	a.SessionID, a.AMR, a.AuthTime = s.ID, s.AMR, s.AuthTime
	a.RedirectURI, a.Audience, a.Nonce, a.CodeChallenge = req.RedirectURI, req.Audience, req.Nonce, req.CodeChallenge
	if !implicit(req.ResponseType) {
		a.CodeExpiresAt = p.cfg.Now().Add(codeLifetime)
		a.ExpiresAt = a.CodeExpiresAt.Add(unusedCode) // until the exchange
	}
	return a, nil
}

// signIn stores the login of a right proof, in the transaction that spends it: the session and the authorization.
// The session's secret is derived from the challenge, so that a form sent twice sets the same cookie twice.
func (p *Provider) signIn(ctx context.Context, r *http.Request, c *client, req storage.AuthRequest, ch grants.Challenge, userID string) (storage.Authorization, error) {
	now := p.cfg.Now()
	fresh, err := p.sessionSecret(ch)
	if err != nil {
		return storage.Authorization{}, err
	}
	current := ""
	if secret := p.cookie(r, cookieSession); secret != "" {
		current = hashed(secret)
	}
	s, err := p.cfg.Store.SignIn(ctx, current, storage.Session{
		ID: grants.NewID(), SecretHash: hashed(fresh), UserID: userID, AMR: grants.AMR(ch.Address.Channel),
		AuthTime: now, CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(p.cfg.SessionAbsolute), IdleExpiresAt: now.Add(p.cfg.SessionIdle),
	})
	if errors.Is(err, storage.ErrExists) {
		return storage.Authorization{}, grants.ErrUsed // a form sent again after its session ended
	}
	if err != nil {
		return storage.Authorization{}, err
	}
	if req.Device != "" { // what the device is given, it is given when the person agrees
		return storage.Authorization{}, nil
	}
	a, err := p.browserAuthorization(ctx, c, req, s)
	if err != nil {
		return a, err
	}
	a.ChallengeID = ch.ID
	return a, p.authorizeNow(ctx, a, req)
}

// authorizeNow writes an authorization, and in the audit log that it stands for tokens that go out at once.
func (p *Provider) authorizeNow(ctx context.Context, a storage.Authorization, req storage.AuthRequest) error {
	if err := p.cfg.Store.Authorize(ctx, a); err != nil || !implicit(req.ResponseType) {
		return err
	}
	return p.cfg.Store.Append(ctx, p.event(ctx, storage.EventTokensGranted, a))
}

// finish sends the browser that has just signed in back to its app.
func (p *Provider) finish(w http.ResponseWriter, r *http.Request, g granted, ch grants.Challenge) error {
	sameSite := http.SameSiteLaxMode
	if p.cfg.SameSiteNone && p.https {
		sameSite = http.SameSiteNoneMode
	}
	secret, err := p.sessionSecret(ch)
	if err != nil {
		return err
	}
	p.setCookie(w, cookieSession, secret, p.cfg.SessionAbsolute, sameSite)
	p.rememberDevice(w, r, ch)
	if g.request.Device != "" {
		p.toDeviceConfirm(w, r, g.request)
		return nil
	}
	return p.answerGranted(w, r, g)
}

func (p *Provider) sessionSecret(ch grants.Challenge) (string, error) {
	mac, err := p.derived("session", ch)
	return encode(mac), err
}

// derived is what stands for a challenge beside its code. A secret can leave the ring between proof and answer: the answer
// is then that we cannot give one.
func (p *Provider) derived(label string, ch grants.Challenge) ([]byte, error) {
	mac, known := p.cfg.Ring.MAC(ch.KeyID, label, ch.Seed)
	if !known {
		return nil, fmt.Errorf("%w: the secret of the challenge has left the ring", storage.ErrUnavailable)
	}
	return mac, nil
}

// session reads the live session of the browser that asks and its user; both are zero when there is none.
func (p *Provider) session(r *http.Request) (storage.Session, storage.User, error) {
	secret := p.cookie(r, cookieSession)
	if secret == "" {
		return storage.Session{}, storage.User{}, nil
	}
	s, err := p.cfg.Store.Session(r.Context(), hashed(secret))
	if notFound(err) {
		return storage.Session{}, storage.User{}, nil
	}
	if err != nil {
		return storage.Session{}, storage.User{}, err
	}
	user, err := p.cfg.Store.User(r.Context(), s.UserID)
	if notFound(err) || err == nil && user.Blocked {
		return storage.Session{}, storage.User{}, nil
	}
	return s, user, err
}

// earlier is the earlier of moments.
func earlier(times ...time.Time) time.Time { return slices.MinFunc(times, time.Time.Compare) }
