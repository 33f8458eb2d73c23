package op

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	zop "github.com/zitadel/oidc/v3/pkg/op"

	"sallyport/grants"
	"sallyport/op/web"
	"sallyport/storage"
)

// The device flow (RFC 8628), as the device sees it. What the person sees is in devicepage.go.
const (
	deviceLifetime = 15 * time.Minute
	deviceInterval = 5 // seconds between two polls

	// User codes are letters that look like nothing else and spell nothing: 20^8 of them.
	userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeLength  = 8

	labelDevice   = "device code"
	labelUserCode = "user code"
)

// deviceStarts bounds how often an address may begin device flows for clients that prove nothing.
func deviceStarts() grants.Limit { return grants.Limit{N: 50, Per: time.Hour} }

// deviceGrant is the answer of the device authorization endpoint (RFC 8628, section 3.2).
type deviceGrant struct {
	DeviceCode   string `json:"device_code"`
	UserCode     string `json:"user_code"`
	URI          string `json:"verification_uri"`
	URIWithCode  string `json:"verification_uri_complete"`
	ExpiresIn    int    `json:"expires_in"`
	PollInterval int    `json:"interval"`
}

// serveDeviceCode begins a device flow.
func (p *Provider) serveDeviceCode(w http.ResponseWriter, r *http.Request) {
	granted, err := p.startDevice(r)
	if err != nil {
		if f, ok := errors.AsType[*web.Fault](err); ok {
			f.SetHeader(w)
		}
		p.writeError(w, r, err)
		return
	}
	web.WriteJSON(w, http.StatusOK, granted)
}

func (p *Provider) startDevice(r *http.Request) (deviceGrant, error) {
	ctx := r.Context()
	c, err := p.ownClient(r)
	if err != nil {
		return deviceGrant{}, err
	}
	if !c.grants(oidc.GrantTypeDeviceCode) {
		return deviceGrant{}, oidc.ErrUnauthorizedClient().WithDescription("The client may not use the device flow.")
	}
	asked, audience := fields(r.PostForm.Get("scope")), r.PostForm.Get("audience")
	if len(asked) == 0 {
		asked = grants.DefaultScopes()
	}
	api, err := p.audience(ctx, c, audience)
	if err != nil {
		return deviceGrant{}, err
	}
	scopes := allowedScopes(c, api, asked, true)
	if len(scopes) == 0 {
		return deviceGrant{}, errNoScope()
	}
	if c.public() {
		if wait := p.takeFrom(ctx, "device_start", deviceStarts()); wait > 0 {
			return deviceGrant{}, &web.Fault{Status: http.StatusTooManyRequests, Code: "too_many_requests", RetryAfter: wait, Description: "Too many device flows were begun. Try again later."}
		}
	}
	now := p.cfg.Now()
	d := storage.DeviceCode{
		ID: grants.NewID(), ClientID: c.ID, Scope: strings.Join(scopes, " "), Audience: audience,
		PollSeconds: deviceInterval, PollAfter: now, CreatedAt: now, ExpiresAt: now.Add(deviceLifetime),
	}
	userCode, err := p.addDeviceCode(ctx, d)
	if err != nil {
		return deviceGrant{}, err
	}
	shown := userCode[:userCodeLength/2] + "-" + userCode[userCodeLength/2:]
	return deviceGrant{
		DeviceCode: seal(p.cfg.Ring, labelDevice, d.ID+"\x00"+c.ID), UserCode: shown, URI: p.url(pathDevice), URIWithCode: p.url(pathDevice) + "?user_code=" + shown,
		ExpiresIn: int(deviceLifetime.Seconds()), PollInterval: deviceInterval,
	}, nil
}

// addDeviceCode stores a device code under a user code that no other has.
func (p *Provider) addDeviceCode(ctx context.Context, d storage.DeviceCode) (string, error) {
	for tries := 0; ; tries++ {
		userCode := newUserCode()
		_, mac := p.cfg.Ring.Sign(labelUserCode, []byte(userCode)) // there are few enough of them to be guessed from a plain hash
		d.UserCode = encode(mac)
		err := p.cfg.Store.AddDeviceCode(ctx, d)
		if err == nil || !errors.Is(err, storage.ErrExists) || tries == 3 {
			return userCode, err
		}
	}
}

func newUserCode() string {
	code := make([]byte, 0, userCodeLength)
	for len(code) < userCodeLength {
		var b [1]byte
		_, _ = rand.Read(b[:])                                                 // never fails
		if n := int(b[0]); n < 256/len(userCodeLetters)*len(userCodeLetters) { // every letter is as likely as any other
			code = append(code, userCodeLetters[n%len(userCodeLetters)])
		}
	}
	return string(code)
}

// errBadDeviceCode is the one answer to a device code that is none, used up, or another client's.
func errBadDeviceCode() error {
	return zop.NewStatusError(oidc.ErrInvalidGrant().WithDescription("Invalid or expired device code."), http.StatusForbidden)
}

// DeviceToken implements zop.Server: the device_code grant (RFC 8628, section 3.4), with Auth0's statuses and words.
func (s *server) DeviceToken(ctx context.Context, r *zop.ClientRequest[oidc.DeviceAccessTokenRequest]) (*zop.Response, error) {
	p, c := s.p, asClient(r.Client)
	plain, err := unseal(p.cfg.Ring, labelDevice, r.Data.DeviceCode)
	id, owner, _ := strings.Cut(plain, "\x00")
	if err != nil || owner != c.ID {
		return nil, errBadDeviceCode()
	}
	d, err := p.cfg.Store.PollDeviceCode(ctx, id, p.cfg.Now())
	switch {
	case errors.Is(err, storage.ErrTooSoon):
		return nil, zop.NewStatusError(oidc.ErrSlowDown().WithDescription("You are polling faster than the specified interval of %d seconds.", d.PollSeconds), http.StatusTooManyRequests)
	case errors.Is(err, storage.ErrExpired):
		return nil, zop.NewStatusError(oidc.ErrExpiredDeviceCode().WithDescription("The device code has expired."), http.StatusForbidden)
	case errors.Is(err, storage.ErrReused), errors.Is(err, storage.ErrNotFound), err == nil && d.CreatedAt.Before(c.TokensValidFrom):
		return nil, errBadDeviceCode()
	case err != nil:
		return nil, p.fault(ctx, err)
	case !d.DeniedAt.IsZero():
		return nil, errDeviceDenied()
	case d.ApprovedAt.IsZero():
		return nil, zop.NewStatusError(oidc.ErrAuthorizationPending().WithDescription("User has yet to authorize device code."), http.StatusForbidden)
	}
	m, err := p.spendDevice(ctx, c, d)
	if err != nil {
		return nil, p.fault(ctx, err)
	}
	return p.respond(ctx, m)
}

func errDeviceDenied() error {
	return zop.NewStatusError(oidc.ErrAccessDenied().WithDescription("User cancelled the confirmation prompt."), http.StatusForbidden)
}

// spendDevice uses an approved device code up and writes, in the same transaction, the authorization of the login that
// approved it, if that still lives.
func (p *Provider) spendDevice(ctx context.Context, c *client, d storage.DeviceCode) (mint, error) {
	api, err := p.audience(ctx, c, d.Audience)
	if err != nil {
		return mint{}, err
	}
	scopes := allowedScopes(c, api, fields(d.Scope), true) // what the client may have can have changed
	a := p.newAuthorization(c, d.UserID, api, scopes)
	a.SessionID, a.AMR, a.AuthTime, a.Audience = d.SessionID, d.AMR, d.AuthTime, d.Audience
	var user storage.User
	err = p.cfg.Store.Tx(ctx, func(ctx context.Context) error {
		if err := p.cfg.Store.SpendDeviceCode(ctx, d.ID); err != nil {
			return err
		}
		if user, err = p.cfg.Store.User(ctx, d.UserID); err != nil {
			return err
		}
		// Whatever ended the login since, signing out or blocking, took the approval with it.
		return p.cfg.Store.AuthorizeInSession(ctx, a, p.cfg.Now().Add(p.cfg.SessionIdle), p.event(ctx, storage.EventDeviceExchanged, a))
	})
	for _, gone := range []error{storage.ErrReused, storage.ErrExpired, storage.ErrRevoked, storage.ErrNotFound} {
		if errors.Is(err, gone) {
			return mint{}, errBadDeviceCode()
		}
	}
	return mint{client: c, authorization: a, user: user, scopes: scopes, api: api}, err
}

// userCodeOf is what a person typed, as a user code: in capitals, without what stands between the letters. It is empty
// where it cannot be one.
func userCodeOf(typed string) string {
	code := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -_.\t", r) {
			return -1
		}
		return r
	}, strings.ToUpper(web.Clip(typed)))
	if len(code) != userCodeLength || strings.Trim(code, userCodeLetters) != "" {
		return ""
	}
	return code
}

// deviceOfUserCode finds what a person may still answer. storage.ErrNotFound for everything else.
func (p *Provider) deviceOfUserCode(ctx context.Context, userCode string) (storage.DeviceCode, error) {
	for _, keyID := range slices.Backward(p.cfg.Ring.KeyIDs()) {
		mac, known := p.cfg.Ring.MAC(keyID, labelUserCode, []byte(userCode))
		if !known {
			continue
		}
		d, err := p.cfg.Store.DeviceCodeByUserCode(ctx, encode(mac))
		if notFound(err) {
			continue
		}
		if err == nil && (!d.ApprovedAt.IsZero() || !d.DeniedAt.IsZero()) {
			return storage.DeviceCode{}, storage.ErrNotFound
		}
		return d, err
	}
	return storage.DeviceCode{}, storage.ErrNotFound
}
