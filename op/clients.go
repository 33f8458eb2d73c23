package op

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/golang-lru/v2/expirable"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	zop "github.com/zitadel/oidc/v3/pkg/op"

	"sallyport/grants"
	"sallyport/op/web"
	"sallyport/storage"
)

const (
	// cacheTime is how long a process may go on with what it has read of a client: a change is everywhere after it.
	cacheTime  = 5 * time.Second
	cacheItems = 10_000
)

// public tells whether anybody can say to be the client, without proof.
func (c *client) public() bool {
	return len(c.AuthMethods) == 0 || slices.Contains(c.AuthMethods, string(oidc.AuthMethodNone))
}

// needsPKCE tells whether a code of /authorize takes a challenge.
func (c *client) needsPKCE() bool { return c.public() || c.Settings.RequirePKCE }

func (c *client) grants(t oidc.GrantType) bool {
	return slices.Contains(c.Client.GrantTypes, string(t))
}

// clients reads clients through a cache of a few seconds.
type clients struct {
	store   *storage.Store
	now     func() time.Time
	byID    *expirable.LRU[string, *client]
	origins *expirable.LRU[string, lookedUp] // never expire: they stand in for the database
}

// lookedUp is whether an origin was registered, and when that was read.
type lookedUp struct {
	known bool
	at    time.Time
}

func newClients(store *storage.Store, now func() time.Time) *clients {
	return &clients{
		store: store, now: now,
		byID:    expirable.NewLRU[string, *client](cacheItems, nil, cacheTime),
		origins: expirable.NewLRU[string, lookedUp](cacheItems, nil, 0),
	}
}

// get reads an enabled client, storage.ErrNotFound otherwise.
func (cs *clients) get(ctx context.Context, id string) (*client, error) {
	if id == "" || !utf8.ValidString(id) || strings.ContainsRune(id, 0) { // Postgres fails to look for such text
		return nil, storage.ErrNotFound
	}
	c, ok := cs.byID.Get(id)
	if !ok {
		row, err := cs.store.Client(ctx, id)
		if err != nil {
			return nil, err
		}
		c = &client{row}
		cs.byID.Add(id, c)
	}
	if c.Disabled {
		return nil, storage.ErrNotFound
	}
	return c, nil
}

// maxOriginBytes bounds what is looked up for strangers: a scheme, a host name and a port.
const maxOriginBytes = 300

// knowsOrigin tells whether any client has registered a web origin. While the database does not say, it is what it said last: pages
// of apps can read that the service is away.
func (cs *clients) knowsOrigin(r *http.Request, origin string) bool {
	if len(origin) > maxOriginBytes || !utf8.ValidString(origin) {
		return false
	}
	now := cs.now()
	before, ok := cs.origins.Get(origin)
	if ok && now.Sub(before.at).Abs() < cacheTime {
		return before.known
	}
	known, err := cs.store.OriginRegistered(r.Context(), origin)
	if err != nil {
		return before.known
	}
	cs.origins.Add(origin, lookedUp{known, now})
	return known
}

// knewOrigin is what knowsOrigin said last of an origin, without asking anybody: for what is refused under overload.
func (cs *clients) knewOrigin(_ *http.Request, origin string) bool {
	before, _ := cs.origins.Get(origin)
	return before.known
}

// credentials are how a client says who it is, and by which method.
type credentials struct {
	id, secret string
	assertion  *assertion
	method     oidc.AuthMethod
}

// errInvalidClient is the one answer to an unknown client, a wrong secret and a method that is not the client's.
func errInvalidClient() error {
	return zop.NewStatusError(oidc.ErrInvalidClient().WithDescription("Client authentication failed."), http.StatusUnauthorized)
}

func errTwoMethods() error {
	return oidc.ErrInvalidRequest().WithDescription("Use one client authentication method, not two.")
}

// proofGuesses is how many wrong proofs to be a client one network may show. Secrets have 32 characters or more, and nobody's are
// guessed: it only keeps the noise down. So a right one is taken whatever was shown before, and neighbours keep no client out.
func proofGuesses() grants.Limit { return grants.Limit{N: 100, Per: time.Hour} }

// refuseClient counts a proof that is none, and has a network wait that goes on and on. The answer is the same for clients that
// there are and others.
func (p *Provider) refuseClient(ctx context.Context, clientID string, refused error) error {
	p.refusals.count(ctx, clientID, p.cfg.Now())
	wait := p.takeFrom(ctx, "client_proof", proofGuesses())
	if wait == 0 {
		return refused
	}
	return &web.Fault{
		Status: http.StatusTooManyRequests, Code: "too_many_requests", RetryAfter: wait,
		Description: "Too many wrong client credentials. Try again later, or with the right ones.",
	}
}

// authenticateClient is the one check behind every machine endpoint (RFC 6749, section 2.3). Refusals are counted. Once it is
// who it says, pages of other origins than its own cannot read what follows.
func (p *Provider) authenticateClient(ctx context.Context, cr credentials) (*client, error) {
	c, err := p.clients.get(ctx, cr.id)
	if errors.Is(err, storage.ErrNotFound) {
		p.cfg.Ring.VerifySecret(p.cfg.Ring.DummySecret(), cr.secret) // takes as long as a known client does
		return nil, p.refuseClient(ctx, "", errInvalidClient())
	}
	if err != nil {
		return nil, err
	}
	proven, err := p.proveClient(ctx, c, cr)
	var refused *oidc.Error
	if errors.As(err, &refused) {
		err = p.refuseClient(ctx, c.ID, err)
	}
	if err == nil {
		web.From(ctx).ShareWith(c.WebOrigins) // not before: who may read a refusal would tell which clients there are
	}
	return proven, err
}

// proveClient holds the credentials of a request against a client's own.
func (p *Provider) proveClient(ctx context.Context, c *client, cr credentials) (*client, error) {
	if !slices.Contains(c.AuthMethods, string(cr.method)) {
		return nil, p.refuseKnown(ctx)
	}
	switch cr.method {
	case oidc.AuthMethodNone:
		return c, nil
	case oidc.AuthMethodPrivateKeyJWT:
		if err := p.verifyAssertion(ctx, c, cr.assertion); err != nil {
			return nil, err
		}
		return c, nil
	case oidc.AuthMethodBasic, oidc.AuthMethodPost:
	}
	right := ""
	for _, entry := range c.Secrets {
		if p.cfg.Ring.VerifySecret(entry, cr.secret) {
			right = entry
		}
	}
	if right == "" {
		return nil, p.refuseKnown(ctx)
	}
	p.moveSecret(ctx, c, right, cr.secret)
	return c, nil
}

// refuseKnown refuses a client that exists, which is mostly at hand. It looks for one that does not exist first, as is done for
// every unknown one, so that the time does not tell them apart.
func (p *Provider) refuseKnown(ctx context.Context) error {
	if _, err := p.cfg.Store.Client(ctx, ""); !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	return errInvalidClient()
}

// readCredentials finds the one authentication method of a request, in the Authorization header or in the form. What it
// gives is not checked yet.
func readCredentials(h http.Header, form url.Values) (credentials, error) {
	if form.Get("client_assertion") != "" || form.Get("client_assertion_type") != "" {
		return readAssertion(h, form)
	}
	cr := credentials{id: form.Get("client_id"), secret: form.Get("client_secret"), method: oidc.AuthMethodNone}
	if cr.secret != "" {
		cr.method = oidc.AuthMethodPost
	}
	authorization := h.Get("Authorization")
	if authorization == "" {
		if cr.id == "" {
			return credentials{}, zop.NewStatusError(oidc.ErrInvalidClient().WithDescription("Client authentication is required."), http.StatusUnauthorized)
		}
		return cr, nil
	}
	if cr.secret != "" {
		return credentials{}, errTwoMethods()
	}
	id, secret, ok := (&http.Request{Header: h}).BasicAuth()
	id, err1 := url.QueryUnescape(id) // RFC 6749, section 2.3.1: both are form-encoded first
	secret, err2 := url.QueryUnescape(secret)
	if !ok || err1 != nil || err2 != nil || secret == "" || !utf8.ValidString(id+secret) || strings.ContainsRune(id+secret, 0) {
		return credentials{}, errInvalidClient()
	}
	if cr.id != "" && cr.id != id {
		return credentials{}, oidc.ErrInvalidRequest().WithDescription("client_id differs from the client that authenticates.")
	}
	return credentials{id: id, secret: secret, method: oidc.AuthMethodBasic}, nil
}
