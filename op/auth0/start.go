// Package auth0 is the endpoints and shapes that Auth0's SDKs expect beside the standard ones.
package auth0

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

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
	Log          *slog.Logger
	Unavailable  func(error) bool
}

// parameters are those of the request, by name.
var parameters = []string{
	"client_id", "client_secret", "client_assertion", "client_assertion_type", "connection", "email", "phone_number", "send", "authParams",
}

// ServeHTTP implements http.Handler.
func (s *Start) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req, err := read(r)
	var answer map[string]any
	if err == nil {
		answer, err = s.start(r, req)
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

func (s *Start) start(r *http.Request, req request) (map[string]any, error) {
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
	info := web.From(r.Context())
	params.ClientName, params.IP, params.UserAgent = client.Name, info.Host(), web.Clip(r.UserAgent())
	params.Language = web.Clip(r.Header.Get("X-Request-Language"))
	if params.Language == "" {
		params.Language = web.Clip(r.Header.Get("Accept-Language"))
	}
	send := req.send
	if !client.Embeds(params) {
		send = grants.SendCode
	}
	_, err = s.Engine.Start(r.Context(), grants.StartRequest{
		ClientID: client.ID, Connection: req.connection, Address: address, Requester: grants.RequesterAPI, Send: send,
		Params: params, Source: info.Network(), Authenticated: client.Authenticated, RequestID: info.ID,
	})
	if limit, ok := errors.AsType[*grants.LimitError](err); ok {
		return nil, &web.Fault{
			Status: http.StatusTooManyRequests, Code: "too_many_requests", RetryAfter: limit.RetryAfter,
			Description: "Too many codes were asked for. Try again later.",
		}
	}
	if err != nil {
		return nil, err
	}
	return s.answer(address), nil
}

// answer names the address as it was understood. Nothing in it depends on whether there is an account.
func (s *Start) answer(a grants.Address) map[string]any {
	mac, _ := s.Ring.MAC(s.Ring.KeyID(), "start id", []byte(a.Channel), []byte(a.Value))
	id := hex.EncodeToString(mac[:12])
	if a.Channel == grants.SMS {
		return map[string]any{"_id": id, "phone_number": a.Value, "phone_verified": false}
	}
	return map[string]any{"_id": id, "email": a.Value, "email_verified": false}
}

// request is the parameters of a start, checked for themselves.
type request struct {
	clientID, clientSecret   string
	assertion, assertionType string
	connection, email, phone string
	send                     grants.Send
	authParams               map[string]any
}

func parse(body map[string]any) (request, error) {
	var req request
	var unknown []string
	for name := range body {
		if !slices.Contains(parameters, name) {
			unknown = append(unknown, web.Clip(name))
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		unknown = unknown[:min(len(unknown), 5)] // enough to find the mistake
		return req, fault("bad.request", "the following properties are not allowed: "+strings.Join(unknown, ", "))
	}
	if v, ok := body["authParams"]; ok {
		if req.authParams, ok = v.(map[string]any); !ok {
			return req, fault("bad.authParams", "error in authParams - invalid type: "+typeName(v)+" (expected object)")
		}
	}
	var send string
	texts := map[string]*string{
		"client_id": &req.clientID, "client_secret": &req.clientSecret, "connection": &req.connection,
		"client_assertion": &req.assertion, "client_assertion_type": &req.assertionType,
		"email": &req.email, "phone_number": &req.phone, "send": &send,
	}
	for _, name := range parameters { // in order: of two faults the same one is told always
		to, isText := texts[name]
		v, given := body[name]
		if !isText || !given {
			continue
		}
		if *to, isText = v.(string); !isText {
			return req, fault("bad."+name, fmt.Sprintf("error in %s - invalid type: %s (expected string)", name, typeName(v)))
		}
	}
	return req, req.choose(send)
}

// choose settles connection and send: "sms" forces SMS, a missing connection follows the field that was given, and
// a mail carries a link, where one can lead back to the app, unless the code alone is asked for.
func (q *request) choose(send string) error {
	switch send {
	case "", "link":
		q.send = grants.SendLink
	case "code":
		q.send = grants.SendCode
	case "sms":
		q.connection, q.send = string(grants.SMS), grants.SendCode
	default:
		return fault("bad.send", "send must be code, link or sms")
	}
	if q.connection == "" {
		q.connection = string(grants.Email)
		if q.email == "" && q.phone != "" {
			q.connection = string(grants.SMS)
		}
	}
	if q.connection == string(grants.SMS) {
		q.send = grants.SendCode
	}
	return nil
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

var phonePattern = regexp.MustCompile(`^\+[0-9]{1,15}$`)

func (q *request) address(c Client) (grants.Address, error) {
	if q.connection != string(grants.Email) && q.connection != string(grants.SMS) || !slices.Contains(c.Connections, q.connection) {
		return grants.Address{}, fault("bad.connection", "Connection does not exist")
	}
	if q.connection == string(grants.SMS) {
		number := strings.TrimSpace(q.phone)
		if number == "" {
			return grants.Address{}, fault("bad.phone_number", "Missing required property: phone_number")
		}
		if !phonePattern.MatchString(number) {
			return grants.Address{}, fault("bad.phone_number", `String does not match pattern: ^\+[0-9]{1,15}$`)
		}
		a, err := grants.ParsePhone(number)
		return a, because("bad.phone_number", err)
	}
	if q.email == "" {
		return grants.Address{}, fault("bad.email", "Missing required property: email")
	}
	a, err := grants.ParseEmail(q.email)
	return a, because("bad.email", err)
}

func because(code string, err error) error {
	if bad, ok := errors.AsType[*grants.AddressError](err); ok {
		return fault(code, bad.Reason)
	}
	return err
}

// startParams are what authParams may set for the link of this start. Names that we do not know are ignored, as Auth0
// ignores them.
func (q *request) startParams(c Client) (grants.StartParams, error) {
	var p grants.StartParams
	var method string
	for _, param := range []struct {
		name string
		to   *string
	}{
		{"redirect_uri", &p.RedirectURI},
		{"response_type", &p.ResponseType},
		{"scope", &p.Scope},
		{"state", &p.State},
		{"nonce", &p.Nonce},
		{"audience", &p.Audience},
		{"code_challenge", &p.CodeChallenge},
		{"code_challenge_method", &method},
	} {
		v, ok := q.authParams[param.name]
		if !ok {
			continue
		}
		if *param.to, ok = v.(string); !ok || len(*param.to) > 2048 {
			return p, fault("bad.authParams", fmt.Sprintf("error in authParams - invalid value of %s (expected string)", param.name))
		}
	}
	if p.RedirectURI != "" && !c.RedirectAllowed(p.RedirectURI) {
		return p, fault("bad.authParams", "error in authParams - redirect_uri is not registered")
	}
	if p.CodeChallenge != "" && (method != "S256" || !grants.ValidCodeChallenge(p.CodeChallenge)) {
		return p, fault("bad.authParams", "error in authParams - code_challenge must be 43 characters of base64url with code_challenge_method S256")
	}
	return p, nil
}

func fault(code, description string) error {
	return &web.Fault{Status: http.StatusBadRequest, Code: code, Description: description}
}

func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case bool:
		return "boolean"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return "number"
}
