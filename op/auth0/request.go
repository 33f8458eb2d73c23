package auth0

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"sallyport/grants"
	"sallyport/op/web"
)

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
		const text = "the following properties are not allowed"
		return req, &web.Fault{Status: http.StatusBadRequest, Code: "bad.request", Description: text + ": " + strings.Join(unknown, ", "), Logged: text}
	}
	if v, ok := body["authParams"]; ok {
		if req.authParams, ok = v.(map[string]any); !ok {
			return req, fault("bad.authParams", "error in authParams - invalid type: "+web.JSONType(v)+" (expected object)")
		}
	}
	var send, captcha string // the latter means nothing: there is no bot detection that would ask for it
	texts := map[string]*string{
		"client_id": &req.clientID, "client_secret": &req.clientSecret, "connection": &req.connection,
		"client_assertion": &req.assertion, "client_assertion_type": &req.assertionType, "captcha": &captcha,
		"email": &req.email, "phone_number": &req.phone, "send": &send,
	}
	for _, name := range parameters { // in order: of two faults the same one is told always
		to, isText := texts[name]
		v, given := body[name]
		if !isText || !given {
			continue
		}
		if *to, isText = v.(string); !isText {
			return req, fault("bad."+name, fmt.Sprintf("error in %s - invalid type: %s (expected string)", name, web.JSONType(v)))
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
		switch {
		case q.email != "":
			q.connection = string(grants.Email)
		case q.phone != "":
			q.connection = string(grants.SMS)
		default:
			return fault("bad.connection", "Missing required property: connection")
		}
	}
	if q.connection == string(grants.SMS) {
		q.send = grants.SendCode
	}
	return nil
}

var phonePattern = regexp.MustCompile(`^\+[0-9]{1,15}$`)

func (q *request) address(c Client) (grants.Address, error) {
	switch {
	case slices.Contains(c.Disabled, q.connection):
		return grants.Address{}, fault("bad.connection", "Connection is disabled")
	case !slices.Contains(c.Connections, q.connection):
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
		if bad, ok := errors.AsType[*grants.AddressError](err); ok {
			return a, fault("bad.phone_number", bad.Reason)
		}
		return a, err
	}
	if q.email == "" {
		return grants.Address{}, fault("bad.email", "Missing required property: email")
	}
	a, err := grants.ParseEmail(q.email)
	if _, bad := errors.AsType[*grants.AddressError](err); bad {
		const text = "error in email - email format validation failed"
		return a, &web.Fault{Status: http.StatusBadRequest, Code: "bad.email", Description: text + ": " + web.Clip(q.email), Logged: text}
	}
	return a, err
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
