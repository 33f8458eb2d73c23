package admin

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strings"

	"sallyport/storage"
)

const codeNoClient = "inexistent_client"

func noClient(err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		return notFound(codeNoClient, "The client does not exist.")
	}
	return err
}

func (a *API) listClients(ctx context.Context, c *call) (reply, error) {
	q := c.query()
	p := q.page(0)
	types := q.text("app_type")
	unknown := q.flag("is_global", false) || !q.flag("is_first_party", true) // there are none of either
	if err := q.done(); err != nil {
		return reply{}, err
	}
	clients, err := a.cfg.Store.Clients(ctx)
	if err != nil {
		return reply{}, err
	}
	var views []clientView
	for _, c := range clients {
		if !unknown && (types == "" || slices.Contains(strings.Split(types, ","), appTypes[c.Type])) {
			views = append(views, a.clientView(c))
		}
	}
	return show(p, "clients", len(views), of(p, views)), nil
}

func (a *API) readClient(ctx context.Context, c *call) (reply, error) {
	q := c.query()
	f := q.fields()
	if err := q.done(); err != nil {
		return reply{}, err
	}
	client, err := a.cfg.Store.Client(ctx, c.PathValue("id"))
	if err != nil {
		return reply{}, noClient(err)
	}
	return reply{body: f.of(a.clientView(client))}, nil
}

func (a *API) createClient(ctx context.Context, c *call) (reply, error) {
	body := newObject(c.body, "")
	body.need("name")
	client := storage.Client{ID: rand.Text(), Connections: []string{"email", "sms"}}
	client, secret, err := a.readClientBody(client, body)
	if err != nil {
		return reply{}, err
	}
	if err := a.cfg.Store.AddClient(ctx, client); err != nil {
		return reply{}, err
	}
	return a.changedClient(ctx, client.ID, secret, http.StatusCreated)
}

func (a *API) updateClient(ctx context.Context, c *call) (reply, error) {
	var secret string
	id := c.PathValue("id")
	err := a.cfg.Store.UpdateClient(ctx, id, func(client *storage.Client) error {
		body := newObject(c.body, "")
		if body.has("client_secret") {
			if err := a.mayBecome(c.caller, *client); err != nil {
				return err
			}
		}
		before := *client
		var err error
		if *client, secret, err = a.readClientBody(before, body); err == nil && otherProof(before, *client) {
			err = a.mayBecome(c.caller, before)
		}
		return err
	})
	if err != nil {
		return reply{}, noClient(err)
	}
	return a.changedClient(ctx, id, secret, http.StatusOK)
}

// otherProof tells whether a change decides who can get tokens as the client.
func otherProof(before, after storage.Client) bool {
	return !slices.Equal(before.Secrets, after.Secrets) || !slices.Equal(before.AuthMethods, after.AuthMethods) ||
		slices.Contains(after.GrantTypes, "client_credentials") && !slices.Contains(before.GrantTypes, "client_credentials")
}

// mayBecome refuses a caller the credentials of a client that may do more here than the caller may.
func (a *API) mayBecome(caller Caller, client storage.Client) error {
	for _, s := range client.APIs[Audience(a.cfg.Issuer)] {
		if slices.Contains(Scopes(), s) && !caller.can(anyOf(s)) {
			return fail(http.StatusForbidden, "insufficient_scope", "The client has scopes of this API that you do not have: "+s)
		}
	}
	return nil
}

func (a *API) deleteClient(ctx context.Context, c *call) (reply, error) {
	err := a.cfg.Store.DeleteGoneClient(ctx, c.PathValue("id"))
	if errors.Is(err, storage.ErrNotFound) {
		return noContent, nil
	}
	return noContent, err
}

func (a *API) rotateSecret(ctx context.Context, c *call) (reply, error) {
	id, secret := c.PathValue("id"), newSecret()
	err := a.cfg.Store.UpdateClient(ctx, id, func(client *storage.Client) error {
		if public(client.AuthMethods) {
			return fail(http.StatusBadRequest, codeBody, "The client has no secret: its token_endpoint_auth_method is none.")
		}
		client.Secrets = []string{a.cfg.Ring.HashSecret(secret)}
		return a.mayBecome(c.caller, *client)
	})
	if err != nil {
		return reply{}, noClient(err)
	}
	return a.changedClient(ctx, id, secret, http.StatusOK)
}

// changedClient shows a client as it is now, with a secret that was made for it: this once.
func (a *API) changedClient(ctx context.Context, id, secret string, status int) (reply, error) {
	client, err := a.cfg.Store.Client(ctx, id)
	if err != nil {
		return reply{}, noClient(err)
	}
	v := a.clientView(client)
	v.ClientSecret = secret
	return reply{status: status, body: v}, nil
}

func newSecret() string { return rand.Text() + rand.Text() }

func public(methods []string) bool { return len(methods) == 0 || slices.Contains(methods, "none") }
