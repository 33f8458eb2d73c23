package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"sallyport/cmd/sallyport/config"
	"sallyport/cmd/sallyport/demo"
)

// The demo's client. Its secret is no secret: the demo runs on loopback only.
const (
	demoClient = "demo"
	demoSecret = "demo-secret"
)

func (c *cli) demoCommand() *cobra.Command {
	var addr string
	cmd := &cobra.Command{
		Use: "demo", Short: "Serve with a demo app to sign in to; for a first look, on this machine only", Args: cobra.NoArgs,
		Long: `Serve on http://localhost:8080, with a demo app on http://127.0.0.1:8081 to sign in to. Mails and SMS are not sent but
shown at http://localhost:8080/dev/inbox. Everything is kept in sallyport-demo.db and sallyport-demo.secret in the working
folder; remove both to start anew. Other commands look there with SALLYPORT_DATABASE_URL=sqlite:sallyport-demo.db and
SALLYPORT_SECRET_FILE=sallyport-demo.secret. A file that --config names is laid over that.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if host, port, err := net.SplitHostPort(addr); err == nil && host == "" {
				addr = net.JoinHostPort("127.0.0.1", port)
			}
			load := func() (*config.Config, error) {
				cfg, err := c.demoConfig("http://" + addr)
				if err != nil {
					return nil, err
				}
				return cfg, c.checkStart(cmd.Context(), cfg)
			}
			cfg, err := load()
			if err != nil {
				return c.unlessStopped(cmd.Context(), err)
			}
			return c.demo(cmd.Context(), cfg, load, addr)
		},
	}
	cmd.Flags().StringVar(&addr, "app", "127.0.0.1:8081", "where the demo app listens")
	return cmd
}

// demoConfig is the defaults, with files and a client of the demo's own.
func (c *cli) demoConfig(app string) (*config.Config, error) {
	base := config.Default()
	base.Database.URL = "sqlite:sallyport-demo.db"
	base.SecretFile = "sallyport-demo.secret"
	var text []byte
	if c.file != "" {
		var err error
		if text, err = os.ReadFile(c.file); err != nil {
			return nil, fmt.Errorf("reading the configuration: %w", err)
		}
	}
	cfg, err := config.Parse(base, c.file, text, c.environ)
	if err != nil {
		return nil, err
	}
	if !cfg.Loopback() {
		return nil, errors.New("the demo's secret is known to everybody, so it needs an issuer on loopback; use serve")
	}
	if !slices.ContainsFunc(cfg.Clients, func(client config.Client) bool { return client.ID == demoClient }) {
		cfg.Clients = append(cfg.Clients, config.Client{
			ID: demoClient, Name: "Demo app", Type: config.Web, Secrets: []string{demoSecret},
			RedirectURIs: []string{demo.RedirectURI(app)}, PostLogoutRedirectURIs: []string{app + "/"},
			GrantTypes: append([]string{config.AuthorizationCode, config.RefreshToken, config.ClientCredentials}, config.PasswordlessGrants...),
		}.WithDefaults())
	}
	return cfg, nil
}

// demo runs the service and the demo app until ctx ends or one of them fails.
func (c *cli) demo(ctx context.Context, cfg *config.Config, load func() (*config.Config, error), addr string) error {
	var inbox string
	if cfg.MailTransport() == config.TransportInbox || cfg.SMSTransport() == config.TransportInbox {
		inbox = inboxURL(cfg)
	}
	app, err := demo.New(demo.Config{
		Issuer: cfg.Issuer, ClientID: demoClient, ClientSecret: demoSecret, URL: "http://" + addr, Inbox: inbox, Now: c.now, Log: newLog(c.stderr, cfg),
	})
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return c.unlessStopped(ctx, fmt.Errorf("listening for the demo app: %w", err))
	}
	server := &http.Server{
		Handler: app.Handler(), ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout, WriteTimeout: answerTimeout, IdleTimeout: idleTimeout,
	}
	hangups, stop := followHangups()
	defer stop()
	s, err := c.start(ctx, cfg)
	if err != nil {
		return c.unlessStopped(ctx, errors.Join(err, listener.Close()))
	}
	_, _ = fmt.Fprintf(c.stdout, "\n  Sign in to the demo app:  http://%s\n", addr)
	if inbox != "" {
		_, _ = fmt.Fprintf(c.stdout, "  Mails and SMS wait here:  %s\n", inbox)
	}
	if cfg.SQLitePath() != "" && len(cfg.Secret) == 0 { // the URL of another database may hold a password
		_, _ = fmt.Fprintf(c.stdout, "  Commands on this demo:    SALLYPORT_DATABASE_URL=%s SALLYPORT_SECRET_FILE=%s sallyport user list\n", cfg.Database.URL, cfg.SecretFile)
	}
	_, _ = fmt.Fprint(c.stdout, "  Stop with Ctrl-C.\n\n")
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving the demo app: %w", err)
		}
		return nil
	})
	both.Go(func() error {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if err := server.Shutdown(last); err != nil {
			return server.Close()
		}
		return nil
	})
	both.Go(func() error {
		if err := s.run(ctx, c.stdout, hangups, load); err != nil {
			return err
		}
		return errStopped
	})
	if err := both.Wait(); !errors.Is(err, errStopped) {
		return err
	}
	return nil
}

// errStopped ends the demo app when the service has ended in peace.
var errStopped = errors.New("stopped")
