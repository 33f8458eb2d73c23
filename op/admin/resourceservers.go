package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"sallyport/storage"
)

// systemID is the id of the management API itself, which is listed as Auth0 lists its own and cannot be changed.
const systemID = "management"

// resourceServerView is an API in Auth0's shape.
type resourceServerView struct {
	ID             string      `json:"id"`
	Name           string      `json:"name"`
	Identifier     string      `json:"identifier"`
	Scopes         []scopeView `json:"scopes"`
	SigningAlg     string      `json:"signing_alg"`
	OfflineAccess  bool        `json:"allow_offline_access"`
	TokenLifetime  int64       `json:"token_lifetime"`
	LifetimeForWeb int64       `json:"token_lifetime_for_web"`
	SkipConsent    bool        `json:"skip_consent_for_verifiable_first_party_clients"`
	TokenDialect   string      `json:"token_dialect"`
	IsSystem       bool        `json:"is_system,omitempty"`
}

type scopeView struct {
	Value string `json:"value"`
}

func viewAPI(api storage.API) resourceServerView {
	v := resourceServerView{
		ID: api.ID, Name: api.Name, Identifier: api.Audience, Scopes: []scopeView{}, SigningAlg: api.Alg, OfflineAccess: api.OfflineAccess,
		TokenLifetime: int64(api.TokenLifetime.Seconds()), LifetimeForWeb: int64(api.TokenLifetime.Seconds()), SkipConsent: true, TokenDialect: dialect,
	}
	for _, s := range api.Scopes {
		v.Scopes = append(v.Scopes, scopeView{Value: s})
	}
	return v
}

const dialect = "rfc9068_profile"

// itself is the management API as one of the APIs.
func (a *API) itself() storage.API {
	return storage.API{ID: systemID, Audience: Audience(a.cfg.Issuer), Name: "Management API", Scopes: Scopes(), Alg: "RS256", TokenLifetime: 24 * time.Hour}
}

func (a *API) listResourceServers(ctx context.Context, c *call) (reply, error) {
	q := c.query()
	p := q.page(0)
	identifiers := q.all("identifiers")
	if err := q.done(); err != nil {
		return reply{}, err
	}
	apis, err := a.cfg.Store.APIs(ctx)
	if err != nil {
		return reply{}, err
	}
	system := viewAPI(a.itself())
	system.IsSystem = true
	views := []resourceServerView{system}
	for _, api := range apis {
		views = append(views, viewAPI(api))
	}
	if len(identifiers) > 0 {
		views = slices.DeleteFunc(views, func(v resourceServerView) bool { return !slices.Contains(identifiers, v.Identifier) })
	}
	return show(p, "resource_servers", len(views), of(p, views)), nil
}

// findAPI reads an API by its id or its audience.
func (a *API) findAPI(ctx context.Context, id string) (storage.API, error) {
	if own := a.itself(); id == systemID || id == own.Audience {
		return own, nil
	}
	api, err := a.cfg.Store.APIByID(ctx, id)
	if errors.Is(err, storage.ErrNotFound) {
		api, err = a.cfg.Store.API(ctx, id)
	}
	if errors.Is(err, storage.ErrNotFound) {
		return api, notFound("inexistent_resource_server", "The resource server does not exist.")
	}
	return api, err
}

func (a *API) readResourceServer(ctx context.Context, c *call) (reply, error) {
	q := c.query()
	q.flag("include_fields", true)
	if err := q.done(); err != nil {
		return reply{}, err
	}
	api, err := a.findAPI(ctx, c.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	v := viewAPI(api)
	v.IsSystem = api.ID == systemID
	return reply{body: v}, nil
}

func (a *API) createResourceServer(ctx context.Context, c *call) (reply, error) {
	o := newObject(c.body, "")
	o.need("identifier")
	api := storage.API{Alg: "RS256", TokenLifetime: 24 * time.Hour}
	setText(o, "identifier", &api.Audience)
	api.Name = api.Audience
	if err := a.readAPIBody(&api, o); err != nil {
		return reply{}, err
	}
	if api.Audience == Audience(a.cfg.Issuer) {
		return reply{}, conflict("", "A resource server with the same identifier already exists.")
	}
	if err := a.cfg.Store.AddAPI(ctx, api); err != nil {
		if errors.Is(err, storage.ErrExists) {
			return reply{}, conflict("", "A resource server with the same identifier already exists.")
		}
		return reply{}, err
	}
	added, err := a.cfg.Store.API(ctx, api.Audience)
	return reply{status: http.StatusCreated, body: viewAPI(added)}, err
}

func (a *API) updateResourceServer(ctx context.Context, c *call) (reply, error) {
	api, err := a.changeable(ctx, c.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	err = a.cfg.Store.UpdateAPI(ctx, api.ID, func(api *storage.API) error { return a.readAPIBody(api, newObject(c.body, "")) })
	if err != nil {
		return reply{}, err
	}
	api, err = a.findAPI(ctx, api.ID)
	return reply{body: viewAPI(api)}, err
}

// changeable is findAPI for one that is not the management API itself.
func (a *API) changeable(ctx context.Context, id string) (storage.API, error) {
	api, err := a.findAPI(ctx, id)
	if err == nil && api.ID == systemID {
		err = fail(http.StatusBadRequest, "", "The management API cannot be changed or deleted.")
	}
	return api, err
}

func (a *API) deleteResourceServer(ctx context.Context, c *call) (reply, error) {
	api, err := a.changeable(ctx, c.PathValue("id"))
	if err == nil {
		err = a.cfg.Store.DeleteAPI(ctx, api.ID)
	} else if status(err) == http.StatusNotFound {
		err = nil
	}
	return noContent, err
}

// readAPIBody lays what a body says over an API.
func (a *API) readAPIBody(api *storage.API, o *object) error {
	setName(o, &api.Name)
	readScopes(o, api)
	if alg, ok := o.text("signing_alg"); ok {
		if api.Alg = alg; alg != "RS256" && alg != "ES256" && alg != "EdDSA" {
			o.wrong("signing_alg must be one of RS256, ES256, EdDSA: an access token is never signed by a shared secret here")
		}
	}
	if offline, ok := o.flag("allow_offline_access"); ok {
		api.OfflineAccess = offline
	}
	const minLifetime, maxLifetime = 1, 30 * 24 * 3600
	if n, ok := o.number("token_lifetime", minLifetime, maxLifetime); ok {
		api.TokenLifetime = time.Duration(n) * time.Second
	}
	o.number("token_lifetime_for_web", minLifetime, maxLifetime) // there is one lifetime for all
	o.flag("skip_consent_for_verifiable_first_party_clients")
	o.same("token_dialect", dialect)
	o.without(" in this version", "authorization_details", "consent_policy", "enforce_policies", "options", "proof_of_possession", "signing_secret",
		"token_encryption", "verificationLocation", "verification_location", "verification_key")
	if err := o.done(); err != nil {
		return err
	}
	return checked(a.cfg.CheckAPI, *api)
}

// readScopes reads [{value, description}]. The descriptions are not kept: nobody is ever shown them.
func readScopes(o *object, api *storage.API) {
	given, ok := is[[]any](o, "scopes", "array")
	if !ok {
		return
	}
	api.Scopes = nil
	for _, v := range given {
		scope := newObject(v, "scopes.")
		scope.need("value")
		value, _ := scope.text("value")
		scope.text("description")
		o.within(scope)
		if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) || slices.Contains(api.Scopes, value) {
			o.wrong("scopes have values without spaces, each once")
		}
		api.Scopes = append(api.Scopes, value)
	}
}
