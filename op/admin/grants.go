package admin

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"

	"sallyport/storage"
)

// grantView is what a client may have of an API. It has no row of its own: it is an entry of the client's.
type grantView struct {
	ID          string   `json:"id"`
	ClientID    string   `json:"client_id"`
	Audience    string   `json:"audience"`
	Scope       []string `json:"scope"`
	SubjectType string   `json:"subject_type"`
}

func viewGrant(c storage.Client, audience string) grantView {
	sum := sha256.Sum256([]byte(c.ID + "\x00" + audience))
	return grantView{ID: "cgr_" + hex.EncodeToString(sum[:8]), ClientID: c.ID, Audience: audience, Scope: list(c.APIs[audience]), SubjectType: subjectClient}
}

const subjectClient = "client"

// grants reads the grants of all clients.
func (a *API) grants(ctx context.Context) ([]grantView, error) {
	clients, err := a.cfg.Store.Clients(ctx)
	if err != nil {
		return nil, err
	}
	var out []grantView
	for _, c := range clients {
		for _, audience := range slices.Sorted(maps.Keys(c.APIs)) {
			out = append(out, viewGrant(c, audience))
		}
	}
	return out, nil
}

func (a *API) findGrant(ctx context.Context, id string) (grantView, error) {
	all, err := a.grants(ctx)
	if err != nil {
		return grantView{}, err
	}
	i := slices.IndexFunc(all, func(g grantView) bool { return g.ID == id })
	if i < 0 {
		return grantView{}, notFound("inexistent_client_grant", "The grant does not exist.")
	}
	return all[i], nil
}

func (a *API) listGrants(ctx context.Context, c *call) (reply, error) {
	q := c.query()
	p := q.page(0)
	client, audience := q.text("client_id"), q.text("audience")
	none := cmp.Or(q.text("subject_type"), subjectClient) != subjectClient || q.flag("allow_any_organization", false)
	if err := q.done(); err != nil {
		return reply{}, err
	}
	all, err := a.grants(ctx)
	if err != nil {
		return reply{}, err
	}
	all = slices.DeleteFunc(all, func(g grantView) bool {
		return none || client != "" && g.ClientID != client || audience != "" && g.Audience != audience
	})
	return show(p, "client_grants", len(all), of(p, all)), nil
}

func (a *API) readGrant(ctx context.Context, c *call) (reply, error) {
	if err := c.query().done(); err != nil {
		return reply{}, err
	}
	g, err := a.findGrant(ctx, c.PathValue("id"))
	return reply{body: g}, err
}

func (a *API) createGrant(ctx context.Context, c *call) (reply, error) {
	o := newObject(c.body, "")
	for _, name := range []string{"client_id", "audience", "scope"} {
		o.need(name)
	}
	id, _ := o.text("client_id")
	audience, _ := o.text("audience")
	scopes := readGrantBody(o)
	if err := o.done(); err != nil {
		return reply{}, err
	}
	g, err := a.changeGrant(ctx, c, id, func(client *storage.Client) error {
		if _, there := client.APIs[audience]; there {
			return conflict("", "A resource with the same client id and audience already exists.")
		}
		return a.grant(ctx, client, audience, scopes)
	}, audience)
	return reply{status: http.StatusCreated, body: g}, err
}

func (a *API) updateGrant(ctx context.Context, c *call) (reply, error) {
	g, err := a.findGrant(ctx, c.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	o := newObject(c.body, "")
	o.need("scope")
	scopes := readGrantBody(o)
	if err := o.done(); err != nil {
		return reply{}, err
	}
	g, err = a.changeGrant(ctx, c, g.ClientID, func(client *storage.Client) error { return a.grant(ctx, client, g.Audience, scopes) }, g.Audience)
	return reply{body: g}, err
}

func (a *API) deleteGrant(ctx context.Context, c *call) (reply, error) {
	g, err := a.findGrant(ctx, c.PathValue("id"))
	if status(err) == http.StatusNotFound {
		return noContent, nil
	}
	if err != nil {
		return reply{}, err
	}
	_, err = a.changeGrant(ctx, c, g.ClientID, func(client *storage.Client) error {
		client.APIs = maps.Clone(client.APIs)
		delete(client.APIs, g.Audience)
		return nil
	}, g.Audience)
	return noContent, err
}

func readGrantBody(o *object) []string {
	scopes, _ := o.texts("scope")
	o.same("subject_type", subjectClient)
	o.without(" in this version", "allow_all_scopes", "allow_any_organization", "authorization_details_types", "is_system")
	if v, given := o.text("organization_usage"); given && v != "deny" {
		o.wrong("organization_usage can only be deny here")
	}
	return scopes
}

// grant says what a client may have of an API. Who asks may have it too, where it is this API.
func (a *API) grant(ctx context.Context, client *storage.Client, audience string, scopes []string) error {
	client.APIs = maps.Clone(client.APIs)
	if client.APIs == nil {
		client.APIs = map[string][]string{}
	}
	api, err := a.findAPI(ctx, audience)
	if status(err) == http.StatusNotFound || err == nil && api.Audience != audience {
		return badBody("audience: there is no such resource server: " + clip(audience))
	}
	if err != nil {
		return err
	}
	for _, s := range scopes {
		if !slices.Contains(api.Scopes, s) {
			return badBody("scope: the resource server has no scope " + clip(s))
		}
	}
	client.APIs[audience] = slices.Compact(slices.Sorted(slices.Values(scopes)))
	return nil
}

// changeGrant changes a grant of a client. Nobody can give, by a grant of this API, more than they have.
func (a *API) changeGrant(ctx context.Context, c *call, id string, change func(*storage.Client) error, audience string) (grantView, error) {
	var g grantView
	err := a.cfg.Store.UpdateClient(ctx, id, func(client *storage.Client) error {
		if err := change(client); err != nil {
			return err
		}
		g = viewGrant(*client, audience)
		if audience != Audience(a.cfg.Issuer) {
			return nil
		}
		return a.mayBecome(c.caller, *client)
	})
	return g, noClient(err)
}
