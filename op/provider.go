package op

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"golang.org/x/sync/errgroup"

	"sallyport/grants"
	"sallyport/grants/courier"
	"sallyport/op/admin"
	"sallyport/op/proof"
	"sallyport/op/web"
	"sallyport/storage"
	"sallyport/templates"
)

// Config is what a provider is made of. All fields without a remark are needed.
type Config struct {
	Issuer         string // used verbatim
	Store          *storage.Store
	Ring           *grants.Ring
	Engine         *grants.Engine
	Templates      *templates.Set
	Now            func() time.Time
	Log            *slog.Logger
	TrustedProxies []netip.Prefix // none
	AllowIPs       []netip.Prefix // networks that no limit counts; none
	Limiter        *web.Limiter   // of what only guards load; one of its own

	SessionIdle     time.Duration
	SessionAbsolute time.Duration
	RotateKeys      time.Duration // signing keys older than this are replaced; never
	SameSiteNone    bool          // the session cookie goes into other sites' frames (https only)

	Gravatar bool // users without a picture of their own have that of their address at Gravatar

	Email, SMS bool          // which connections exist
	Countries  []string      // that messages can be sent to; none
	StartWait  time.Duration // how long a start by SMS waits for the provider's first answer; not at all
	// Connections are what administration changed of them, for the engine too. Read from the store.
	Connections *Connections

	// CheckClient tells what is wrong with a client that the management API is about to write: key and reason, a line
	// each. It does not look at the client's grants for APIs. CheckAPI is the same for APIs. Without them it writes none.
	CheckClient func(storage.Client) error
	CheckAPI    func(storage.API) error

	Captcha proof.Captcha // our own puzzle

	AdminTokens []admin.Token // of the management API, none
	Inbox       *courier.Inbox
	Gate        web.GateConfig // how many requests are worked on at once
}

// Provider is the OpenID Provider. It holds nothing but caches: any number of them serve one issuer over one store.
type Provider struct {
	cfg      Config
	issuer   *url.URL
	https    bool
	keys     keys
	secrets  secrets
	limiter  *web.Limiter // of what only guards load
	guard    *proof.Guard
	clients  *clients
	apis     apis
	metadata []byte
	audit    auditLog
	refusals refusals

	management *admin.API
	handler    http.Handler

	readiness readiness
}

// New makes a provider and loads its signing keys, making them on the first start.
func New(ctx context.Context, cfg Config) (*Provider, error) {
	issuer, err := url.Parse(cfg.Issuer)
	if err != nil || issuer.Host == "" {
		return nil, fmt.Errorf("issuer %q is not a URL", cfg.Issuer)
	}
	if cfg.Connections == nil {
		cfg.Connections = NewConnections(cfg.Store)
	}
	if cfg.Limiter == nil {
		cfg.Limiter = web.NewLimiter(cfg.Now)
	}
	p := &Provider{
		cfg: cfg, issuer: issuer, https: issuer.Scheme == "https",
		keys:    keys{store: cfg.Store, now: cfg.Now},
		secrets: secrets{store: cfg.Store, ring: cfg.Ring, now: cfg.Now, log: cfg.Log},
		limiter: cfg.Limiter,
		clients: newClients(cfg.Store, cfg.Now),
		apis:    apis{store: cfg.Store, byAudience: expirable.NewLRU[string, storage.API](cacheItems, nil, cacheTime)},
		audit:   auditLog{store: cfg.Store, now: cfg.Now, log: cfg.Log},
	}
	p.audit.secrets = &p.secrets
	cfg.Captcha.Host = issuer.Hostname()
	p.guard = proof.New(proof.Config{Ring: cfg.Ring, Tickets: cfg.Store, Rates: p.limiter, Now: cfg.Now, Log: cfg.Log, Captcha: cfg.Captcha})
	if p.metadata, err = p.discovery(); err != nil {
		return nil, err
	}
	if err := p.secrets.follow(ctx); err != nil {
		return nil, err
	}
	if err := p.keys.load(ctx); err != nil {
		return nil, err
	}
	p.rotateByAge(ctx)
	p.management = p.newManagement()
	p.handler = p.routes()
	return p, nil
}

// Management is the management API, whose tokens may change.
func (p *Provider) Management() *admin.API { return p.management }

// Handler serves every route.
func (p *Provider) Handler() http.Handler { return p.handler }

const (
	purgeInterval = time.Minute
	purgeBatch    = 500
)

// Run reads the keys anew, writes and seals the audit log and purges what has expired, until ctx ends. It fails when all of this process's
// master secrets were thrown out.
func (p *Provider) Run(ctx context.Context) error {
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error { return regularly(ctx, keyInterval, p.readKeys) })
	work.Go(func() error { return regularly(ctx, purgeInterval, unfailing(p.purge)) })
	work.Go(func() error { return regularly(ctx, purgeInterval, unfailing(p.endRetired)) })
	work.Go(func() error {
		p.audit.look(ctx)
		return regularly(ctx, sealTick, unfailing(p.audit.look))
	})
	count := func(ctx context.Context) { p.refusals.write(ctx, p.cfg.Store, p.cfg.Log) }
	work.Go(func() error {
		defer count(context.WithoutCancel(ctx)) // what is left
		return regularly(ctx, refusalInterval, unfailing(count))
	})
	return work.Wait()
}

// regularly does something again and again until it fails, by itself: a long purge must not keep the keys from being read.
func regularly(ctx context.Context, every time.Duration, do func(context.Context) error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := do(ctx); err != nil {
				return err
			}
		}
	}
}

// stopped tells whether the service is being stopped, which cuts off what runs in the background: no failure then. A deadline that
// is over is one.
func stopped(ctx context.Context) bool { return errors.Is(ctx.Err(), context.Canceled) }

// unfailing is work that logs what goes wrong and goes on.
func unfailing(do func(context.Context)) func(context.Context) error {
	return func(ctx context.Context) error { do(ctx); return nil }
}

// readKeys is one look at the master secrets and the signing keys, and fails when all secrets were thrown out. It has a deadline, so
// that a database that hangs does not keep it from looking again when it answers.
func (p *Provider) readKeys(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, keyInterval/2)
	defer cancel()
	err := p.secrets.follow(ctx)
	if errors.Is(err, storage.ErrRetiredSecret) {
		return err
	}
	if err != nil && !stopped(ctx) {
		p.cfg.Log.ErrorContext(ctx, "master secrets could not be followed", slog.Any("error", err))
	}
	err = p.keys.load(ctx)
	if stopped(ctx) {
		return nil
	}
	if err != nil {
		p.cfg.Log.ErrorContext(ctx, "signing keys could not be read", slog.Any("error", err))
		return nil
	}
	p.rotateByAge(ctx)
	return nil
}

// purge removes what has expired in small batches, so that nobody waits for it long.
func (p *Provider) purge(ctx context.Context) {
	for ctx.Err() == nil {
		n, err := p.cfg.Store.Purge(ctx, p.cfg.Now(), purgeBatch)
		if stopped(ctx) {
			return
		}
		if err != nil {
			p.cfg.Log.ErrorContext(ctx, "purging failed", slog.Any("error", err))
			return
		}
		if n < purgeBatch {
			return
		}
	}
}

// endRetired ends what retired master secrets have made and the command that retired them has not come to: what was made before every
// process had heard of it above all.
func (p *Provider) endRetired(ctx context.Context) {
	ended, err := p.cfg.Store.EndRetired(ctx, purgeBatch)
	if stopped(ctx) {
		return
	}
	if err != nil {
		p.cfg.Log.ErrorContext(ctx, "what a retired master secret made could not be ended", slog.Any("error", err))
	}
	if ended != (storage.Ended{}) {
		p.cfg.Log.InfoContext(ctx, "what a retired master secret made was ended", slog.Int("sessions", ended.Sessions),
			slog.Int("authorizations", ended.Authorizations), slog.Int("challenges", ended.Challenges))
	}
}

// apis reads APIs through a cache of a few seconds.
type apis struct {
	store      *storage.Store
	byAudience *expirable.LRU[string, storage.API]
}

func (as *apis) get(ctx context.Context, audience string) (storage.API, error) {
	if api, ok := as.byAudience.Get(audience); ok {
		return api, nil
	}
	api, err := as.store.API(ctx, audience)
	if err != nil {
		return storage.API{}, err
	}
	as.byAudience.Add(audience, api)
	return api, nil
}

func unavailable(err error) bool { return errors.Is(err, storage.ErrUnavailable) }

func notFound(err error) bool { return errors.Is(err, storage.ErrNotFound) }

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func withoutOffline(scopes []string) []string {
	return slices.DeleteFunc(scopes, func(s string) bool { return s == oidc.ScopeOfflineAccess })
}
