package auth0

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"

	"sallyport/grants"
	"sallyport/op/web"
)

// Verify is POST /passwordless/verify: it tells an app's own page whether a code is right, and spends nothing. A right
// one costs no attempt and is remembered for half a minute, so that GET /passwordless/verify_redirect can go on with it at
// once; a wrong one costs an attempt of the same budgets as everywhere. JSON only.
type Verify struct {
	Engine Verifier
	// Authenticate the client by what its request says of it, or by the Authorization header; as for [Start].
	Authenticate func(*http.Request, url.Values) (Client, error)
	// Mark names who asks for a client: the one whom the right code will be remembered for.
	Mark        func(r *http.Request, clientID string) string
	Log         *slog.Logger
	Unavailable func(error) bool
}

// ServeHTTP implements http.Handler.
func (v *Verify) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	client, err := v.verify(r)
	if err != nil {
		f := web.AsFault(err, v.Unavailable)
		f.LogOf(r, v.Log, client)
		f.WriteJSON(w)
		return
	}
	web.WriteJSON(w, http.StatusOK, struct{}{})
}

// verify gives the client's id for the log.
func (v *Verify) verify(r *http.Request) (clientID string, err error) {
	object, err := web.Object(r)
	if err != nil {
		return "", err
	}
	body, err := texts(object, "client_id", "client_secret", "client_assertion", "client_assertion_type", "connection", "email",
		"phone_number", "verification_code", "grant_type", "username", "password", "scope")
	if err != nil {
		return "", err
	}
	clientID = body["client_id"]
	if body["grant_type"] != "" || body["username"] != "" || body["password"] != "" {
		return clientID, legacy(body)
	}
	address := "email"
	if body["connection"] == string(grants.SMS) {
		address = "phone_number"
	}
	if err := missing(body, "connection", address, "verification_code"); err != nil {
		return clientID, err
	}
	client, err := v.client(r, body)
	if err != nil {
		return clientID, err
	}
	if err := connected(client, body["connection"]); err != nil {
		return client.ID, err
	}
	t := typed{client: client, connection: body["connection"], address: body[address], code: body["verification_code"], by: v.Mark(r, client.ID)}
	_, _, err = t.verify(r, v.Engine)
	return client.ID, refused(err, t.channel(), web.Fault{Status: http.StatusUnauthorized, Code: "invalid_user_password"})
}

// legacy refuses the form that this request had until 2017, when Auth0 switched it off: it would give tokens for a code
// without proof of the client.
func legacy(body map[string]string) error {
	if err := missing(body, "username", "password", "connection", "client_id"); err != nil {
		return err
	}
	return web.BadRequest("grant_type is not supported here: use POST /oauth/token")
}

// client authenticates the client. One without a secret is believed to be who it says, but for a page of another origin
// than its own.
func (v *Verify) client(r *http.Request, body map[string]string) (Client, error) {
	as := url.Values{}
	for _, name := range []string{"client_id", "client_secret", "client_assertion", "client_assertion_type"} {
		if body[name] != "" {
			as.Set(name, body[name])
		}
	}
	if !as.Has("client_id") && !as.Has("client_assertion") && r.Header.Get("Authorization") == "" {
		return Client{}, missing(body, "client_id")
	}
	c, err := v.Authenticate(r, as)
	switch {
	case errors.Is(err, ErrNoAuthentication):
		return Client{}, unauthorizedClient("invalid client")
	case errors.Is(err, ErrBadAuthentication):
		return Client{}, &web.Fault{Status: http.StatusUnauthorized, Code: "access_denied", Description: "Unauthorized"}
	case err != nil:
		return Client{}, err
	case !c.Passwordless:
		return Client{}, unauthorizedClient("The client may not use passwordless login.")
	}
	if !c.Authenticated && web.Foreign(r, c.Origins) {
		return Client{}, errForeignOrigin()
	}
	return c, nil
}

func unauthorizedClient(description string) error {
	return &web.Fault{Status: http.StatusForbidden, Code: "unauthorized_client", Description: description}
}

func errForeignOrigin() error {
	return unauthorizedClient("The origin is not one of the client's web_origins.")
}

// connected refuses a connection that the client cannot use.
func connected(c Client, connection string) error {
	switch {
	case slices.Contains(c.Disabled, connection):
		return web.BadRequest("the connection was disabled")
	case !slices.Contains(c.Connections, connection):
		return web.BadRequest("the connection was not found")
	}
	return nil
}
