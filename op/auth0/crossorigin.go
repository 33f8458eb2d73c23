package auth0

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"sallyport/grants"
	"sallyport/op/web"
)

// CrossOrigin is POST /co/authenticate: a page of the app itself, which is of another origin than we are, proves a code and
// gets a ticket for it, with which it sends the browser to /authorize. The code is not spent by that; the ticket spends it.
//
// A ticket is bound to a cookie that this answer sets. Only a browser that shows the cookie again gets a session, so that
// nobody can be signed in here by a page of somebody else.
type CrossOrigin struct {
	Engine Verifier
	// Client reads a client that is not asked for a proof: its page's origin is one. The error is ErrBadAuthentication
	// for an unknown one; others are failures.
	Client func(ctx context.Context, id string) (Client, error)
	// Mark is that of [Verify].
	Mark func(r *http.Request, clientID string) string
	// Ticket makes a ticket of a right code, and sets its cookie.
	Ticket      func(w http.ResponseWriter, c grants.Challenge, verified string) string
	Log         *slog.Logger
	Unavailable func(error) bool
}

// members are those of the request, each needed and none beside.
var members = []string{"client_id", "credential_type", "username", "otp", "realm"}

// ServeHTTP implements http.Handler.
func (o *CrossOrigin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := o.read(r)
	var ticket string
	if err == nil {
		ticket, err = o.ticket(w, r, body)
	}
	if err != nil {
		f := web.AsFault(err, o.Unavailable)
		f.LogOf(r, o.Log, body["client_id"])
		f.WriteJSON(w)
		return
	}
	// The last two are for a handshake between windows that the cookie stands in for; auth0-js keeps them and goes on.
	web.WriteJSON(w, http.StatusOK, map[string]string{"login_ticket": ticket, "co_verifier": rand.Text(), "co_id": rand.Text()})
}

func (o *CrossOrigin) read(r *http.Request) (map[string]string, error) {
	object, err := web.Object(r)
	if err != nil {
		return nil, err
	}
	body, err := texts(object, members...)
	if err != nil {
		return nil, err
	}
	if len(body) < len(members) || len(object) > len(members) || missing(body, members...) != nil {
		return body, web.BadRequest("Invalid request body. All and only of " + strings.Join(members, ", ") + " are required.")
	}
	if body["credential_type"] != string(grants.GrantTypeOTP) {
		return body, web.BadRequest("credential_type must be " + string(grants.GrantTypeOTP))
	}
	return body, nil
}

func (o *CrossOrigin) ticket(w http.ResponseWriter, r *http.Request, body map[string]string) (string, error) {
	client, err := o.Client(r.Context(), body["client_id"])
	if err != nil && !errors.Is(err, ErrBadAuthentication) {
		return "", err
	}
	// One answer: which clients exist is not told.
	if err != nil || !slices.Contains(client.Origins, r.Header.Get("Origin")) {
		return "", errForeignOrigin()
	}
	if !client.Passwordless {
		return "", unauthorizedClient("The client may not use passwordless login.")
	}
	if err := connected(client, body["realm"]); err != nil {
		return "", err
	}
	t := typed{client: client, connection: body["realm"], address: body["username"], code: body["otp"], by: o.Mark(r, client.ID)}
	challenge, verified, err := t.verify(r, o.Engine)
	if err != nil {
		return "", refused(err, t.channel(), web.Fault{Status: http.StatusForbidden, Code: "access_denied"})
	}
	return o.Ticket(w, challenge, verified), nil
}
