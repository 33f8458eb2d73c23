// Package auth0 is the endpoints and shapes that Auth0's SDKs expect beside the standard ones.
package auth0

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sallyport/grants"
	"sallyport/op/web"
)

// Client is what a start needs to know of the client that asks.
type Client struct {
	ID            string
	Name          string
	Authenticated bool // it proved who it is
	Passwordless  bool // it may use a passwordless grant
	Connections   []string
	Disabled      []string // connections that it has, but that are switched off
	Origins       []string // of its pages
	Forwards      bool     // its word is taken for whose address of the network asks
	// RedirectAllowed tells whether a redirect_uri is registered.
	RedirectAllowed func(string) bool
	// Embeds tells whether a link of a start with these parameters can lead back to the app.
	Embeds func(grants.StartParams) bool
}

// ErrNoAuthentication says that a confidential client, or nobody we know, asked without proof.
var ErrNoAuthentication = errors.New("client authentication is required")

// ErrBadAuthentication says that the proof is wrong, or the client unknown.
var ErrBadAuthentication = errors.New("client authentication failed")

// Start is POST /passwordless/start: it sends a code or a link to an address, known or not, and answers the same for
// both. JSON only.
type Start struct {
	Engine interface {
		Start(context.Context, grants.StartRequest) (grants.Started, error)
	}
	Ring *grants.Ring
	// Authenticate the client by client_id with client_secret or client_assertion and client_assertion_type, or by the
	// Authorization header. Its errors are ErrNoAuthentication and ErrBadAuthentication; others are failures.
	Authenticate func(r *http.Request, as url.Values) (Client, error)
	Now          func() time.Time
	Wait         Wait // how starts by SMS wait for the provider
	Log          *slog.Logger
	Unavailable  func(error) bool
}

// parameters are those of the request, by name.
var parameters = []string{
	"client_id", "client_secret", "client_assertion", "client_assertion_type", "connection", "email", "phone_number", "send", "authParams", "captcha",
}

// ServeHTTP implements http.Handler.
func (s *Start) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req, err := read(r)
	var answer map[string]any
	if err == nil {
		answer, err = s.start(w, r, req)
	}
	if err != nil {
		f := web.AsFault(err, s.Unavailable)
		f.LogOf(r, s.Log, req.clientID)
		f.WriteJSON(w)
		return
	}
	web.WriteJSON(w, http.StatusOK, answer)
}

func read(r *http.Request) (request, error) {
	body, err := web.Object(r)
	if err != nil {
		return request{}, err
	}
	return parse(body)
}

func (s *Start) start(w http.ResponseWriter, r *http.Request, req request) (map[string]any, error) {
	client, err := s.client(r, req)
	if err != nil {
		return nil, err
	}
	address, err := req.address(client)
	if err != nil {
		return nil, err
	}
	params, err := req.startParams(client)
	if err != nil {
		return nil, err
	}
	info, pays := Asker(r, client.Authenticated, client.Forwards)
	payer := ""
	if pays {
		payer = info.Starter()
	}
	params.ClientName, params.IP, params.UserAgent = client.Name, info.Host(), web.Clip(r.UserAgent())
	params.Language = web.Clip(r.Header.Get("X-Request-Language"))
	if params.Language == "" {
		params.Language = web.Clip(r.Header.Get("Accept-Language"))
	}
	send := req.send
	if !client.Embeds(params) {
		send = grants.SendCode
	}
	started, err := s.Engine.Start(r.Context(), grants.StartRequest{
		ClientID: client.ID, Connection: req.connection, Address: address, Requester: grants.RequesterAPI, Send: send,
		Params: params, Source: payer, Proved: client.Authenticated, RequestID: info.ID,
		Tell: s.Wait.For(address.Channel),
	})
	if limit, ok := errors.AsType[*grants.LimitError](err); ok {
		s.tellBudget(w, limit.Budget)
		return nil, &web.Fault{
			Status: http.StatusTooManyRequests, Code: "too_many_requests", RetryAfter: limit.RetryAfter,
			Description: "Too many codes were asked for. Try again later.",
		}
	}
	if err != nil {
		return nil, err
	}
	s.tellBudget(w, started.Budget)
	if no := s.Wait.first(r.Context(), started.First); no != nil {
		return nil, fault("sms_provider_error", fmt.Sprintf("%s (Code: %d)", no.Words, no.Code))
	}
	return s.answer(address), nil
}

// Asker is whom a request is for, as far as the network tells, and whether they pay for it by the limits per source: not
// where the app's own server, which proved who it is, answers for them. A server that is trusted with it may say in a
// header whom it asks for, and they pay then.
func Asker(r *http.Request, authenticated, forwards bool) (info web.Info, pays bool) {
	info = web.From(r.Context())
	if !authenticated {
		return info, true
	}
	ip, err := netip.ParseAddr(strings.TrimSpace(r.Header.Get("Auth0-Forwarded-For")))
	if !forwards || err != nil {
		return info, false
	}
	info.IP = ip.Unmap().WithZone("")
	return info, true
}

// tellBudget says what is left for whom asks, in the headers that Auth0 has for it.
func (s *Start) tellBudget(w http.ResponseWriter, b grants.Budget) {
	if b.Limit.Off() {
		return
	}
	h := w.Header()
	h.Set("X-RateLimit-Limit", strconv.Itoa(b.Limit.N))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(b.Left))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(s.Now().Add(b.Resets+time.Second-1).Unix(), 10))
}

// answer names the address as it was understood. Nothing in it depends on whether there is an account.
func (s *Start) answer(a grants.Address) map[string]any {
	_, mac := s.Ring.Sign("start id", []byte(a.Channel), []byte(a.Value))
	id := hex.EncodeToString(mac[:12])
	if a.Channel == grants.SMS {
		return map[string]any{"_id": id, "phone_number": a.Value, "phone_verified": false}
	}
	return map[string]any{"_id": id, "email": a.Value, "email_verified": false}
}

func (s *Start) client(r *http.Request, req request) (Client, error) {
	if req.clientID == "" && req.assertion == "" && r.Header.Get("Authorization") == "" {
		return Client{}, fault("bad.client_id", "Missing required property: client_id")
	}
	c, err := s.Authenticate(r, url.Values{
		"client_id": {req.clientID}, "client_secret": {req.clientSecret},
		"client_assertion": {req.assertion}, "client_assertion_type": {req.assertionType},
	})
	switch {
	case errors.Is(err, ErrNoAuthentication):
		return Client{}, &web.Fault{Status: http.StatusForbidden, Code: "unauthorized_client", Description: "Client authentication is required"}
	case errors.Is(err, ErrBadAuthentication):
		return Client{}, &web.Fault{Status: http.StatusUnauthorized, Code: "access_denied", Description: "Unauthorized"}
	case err != nil:
		return Client{}, err
	case !c.Passwordless:
		return Client{}, &web.Fault{Status: http.StatusForbidden, Code: "unauthorized_client", Description: "The client may not use passwordless login."}
	}
	return c, nil
}
