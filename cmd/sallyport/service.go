package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"sallyport/cmd/sallyport/config"
	"sallyport/grants"
	"sallyport/grants/courier"
	"sallyport/op"
	"sallyport/op/proof"
	"sallyport/op/web"
	"sallyport/storage"
)

const (
	// shutdownTimeout bounds how long requests under way may take once the service is told to stop.
	shutdownTimeout = 20 * time.Second
	// refusalTime is longer than a database takes to write a wrong code down, and nothing to a person.
	refusalTime = 50 * time.Millisecond
)

// service is everything that runs while Sallyport serves.
type service struct {
	*deployment
	log      *slog.Logger
	now      func() time.Time
	listener net.Listener
	cert     *certificate // nil without TLS
	courier  *courier.Courier
	alerts   *courier.Alerts
	limiter  *web.Limiter
	watch    *grants.Watch
	provider *op.Provider
}

// newService makes the service from the outside in: it listens first, so that clients wait instead of failing, then
// opens the database and makes the parts over it. Nothing runs yet.
func newService(ctx context.Context, cfg *config.Config, now func() time.Time, log *slog.Logger) (_ *service, err error) {
	s := &service{log: log, now: now}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if cfg.TLS.Cert != "" {
		if s.cert, err = newCertificate(cfg.TLS.Cert, cfg.TLS.Key); err != nil {
			return nil, err
		}
	}
	if s.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen); err != nil {
		return nil, fmt.Errorf("listening: %w; end what listens there, or set listen to an address of this machine that is free", err)
	}
	if s.deployment, err = openDeployment(ctx, cfg, now, log); err != nil {
		return nil, err
	}
	if err := apply(ctx, s.deployment); err != nil {
		// While an update rolls out, a process of the old revision may start: it serves with what the database has.
		if !errors.Is(err, storage.ErrStaleRevision) {
			return nil, err
		}
		log.WarnContext(ctx, "the clients of the configuration file were not applied", slog.Any("error", err))
	}
	s.warnOfMissingSecrets(ctx)
	if err := s.wire(ctx, now); err != nil {
		return s, err
	}
	return s, s.noteSecrets(ctx, s.log)
}

// wire makes courier, engine and provider.
func (s *service) wire(ctx context.Context, now func() time.Time) error {
	cfg := s.cfg
	pages, err := newTemplates(cfg)
	if err != nil {
		return fmt.Errorf("preparing pages and messages: %w", err)
	}
	out, err := newTransports(cfg, now)
	if err != nil {
		return err
	}
	guard := cfg.Guard()
	guard.Ledger, guard.Alerts = s.store, storage.Alerts{Store: s.store, Log: s.log}
	s.courier, err = courier.New(courier.Config{
		Store: s.store, Ring: s.ring, Templates: pages, Mail: out.mail, SMS: out.sms, LinkURL: op.LinkURL(cfg.Issuer),
		Countries: cfg.SMS.Countries, SignupClosed: cfg.Passwordless.Signup == "closed", Guard: guard,
		CodeInSubject: cfg.Passwordless.Code.InSubject, Now: now, Log: s.log,
	})
	if err != nil {
		return fmt.Errorf("making the courier: %w", err)
	}
	connections, limits := op.NewConnections(s.store), cfg.GrantLimits()
	s.limiter = web.NewLimiter(now)
	s.watch = grants.NewWatch(grants.WatchConfig{
		Store: s.store, Spraying: limits.Spraying, FailuresPerClient: limits.FailuresPerClient, Alerts: storage.Alerts{Store: s.store, Log: s.log}, Now: now, Log: s.log,
	})
	engine, err := grants.New(grants.Config{
		Store: s.store, Ring: s.ring, Sender: s.courier, Limiter: s.limiter, Limits: limits, Now: now,
		Lifetime: cfg.Passwordless.Lifetime, CodeLength: cfg.Passwordless.Code.Length,
		MaxAttempts: cfg.Passwordless.Code.MaxAttempts, SignupClosed: cfg.Passwordless.Signup == "closed",
		RefusalTime: refusalTime, Connection: connections.Settings, Risk: s.watch.Risk, Failed: s.watch.Failed,
	})
	if err != nil {
		return fmt.Errorf("making the engine: %w", err)
	}
	tokens, err := adminTokens(cfg)
	if err != nil {
		return err
	}
	s.provider, err = op.New(ctx, op.Config{
		Issuer: cfg.Issuer, Store: s.store, Ring: s.ring, Engine: engine, Templates: pages, Now: now, Log: s.log,
		TrustedProxies: cfg.Proxies(), AllowIPs: cfg.AllowedNetworks(), Limiter: s.limiter, RotateKeys: cfg.Keys.RotateEvery,
		SessionIdle: cfg.Session.Idle, SessionAbsolute: cfg.Session.Absolute,
		SameSiteNone: cfg.Session.SameSite == "none", Gravatar: cfg.Profile.Picture == "gravatar",
		Email: out.mail != nil, SMS: out.sms != nil, Countries: cfg.SMS.Countries, Inbox: out.inbox,
		StartWait: cfg.SMS.StartWait, CheckClient: clientCheck(cfg), CheckAPI: apiCheck(cfg), AdminTokens: tokens,
		Connections: connections, Captcha: proof.Captcha{Provider: cfg.Captcha.Provider, SiteKey: cfg.Captcha.SiteKey, SecretKey: cfg.Captcha.SecretKey},
	})
	if err != nil {
		return fmt.Errorf("making the provider: %w", err)
	}
	s.alerts = courier.NewAlerts(courier.AlertsConfig{
		Store: s.store, Templates: pages, Mail: out.mail, To: cfg.Alerts.To, Place: alertPlace(cfg.Issuer, s.provider.Management().HasToken), Now: now, Log: s.log,
	})
	return nil
}

// run serves until ctx ends or a part fails, then stops everything in order: first the load balancers are told, then no new connections,
// then the requests under way, then the messages under way, then the background work, then the database.
func (s *service) run(ctx context.Context, stdout io.Writer, hangups <-chan os.Signal, reload func() (*config.Config, error)) error {
	defer s.close()
	server := newServer(s.provider.Handler(), s.log)
	// The parts outlive ctx: each is stopped by its own context, in order.
	base := context.WithoutCancel(ctx)
	courierCtx, stopCourier := context.WithCancel(base)
	defer stopCourier()
	workCtx, stopWork := context.WithCancel(base)
	defer stopWork()
	parts, failed := errgroup.WithContext(base)
	couriers := make(chan struct{})
	parts.Go(func() error { return s.serveHTTP(server) })
	parts.Go(func() error { defer close(couriers); return s.courier.Run(courierCtx) })
	parts.Go(func() error { return s.limiter.Run(workCtx, s.store, s.log) })
	parts.Go(func() error { return s.watch.Run(workCtx) })
	parts.Go(func() error { return s.provider.Run(workCtx) })
	parts.Go(func() error { return s.alerts.Run(workCtx) })
	_, _ = fmt.Fprintf(stdout, "Sallyport %s is ready at %s\n", buildVersion(), s.cfg.Issuer)

	s.wait(ctx, failed, hangups, reload)

	s.log.InfoContext(base, "stopping")
	s.drain(failed, server)
	last, cancel := context.WithTimeout(base, shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		s.log.WarnContext(base, "requests were cut off", slog.Any("error", err))
		_ = server.Close()
	}
	stopCourier()
	<-couriers
	stopWork()
	if err := parts.Wait(); err != nil {
		return err
	}
	s.log.InfoContext(base, "stopped")
	return nil
}

// wait returns when ctx ends or a part has failed. Until then it reloads at every hang-up.
func (s *service) wait(ctx, failed context.Context, hangups <-chan os.Signal, reload func() (*config.Config, error)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-failed.Done():
			return
		case <-hangups:
			s.reload(ctx, reload)
		}
	}
}

// drain tells load balancers to turn away, and serves on for as long as they may take to do so.
func (s *service) drain(failed context.Context, server *http.Server) {
	s.provider.Stop()
	if s.cfg.ShutdownDelay <= 0 {
		return
	}
	server.SetKeepAlivesEnabled(false)
	select {
	case <-failed.Done():
	case <-time.After(s.cfg.ShutdownDelay):
	}
}

// close gives back what the service holds.
func (s *service) close() {
	if s.listener != nil {
		_ = s.listener.Close()
	}
	if s.deployment == nil {
		return
	}
	if err := s.store.Close(); err != nil {
		s.log.Error("database could not be closed", slog.Any("error", err))
	}
}
