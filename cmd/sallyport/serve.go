package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"sallyport/cmd/sallyport/config"
)

func (c *cli) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "serve", Short: "Serve, until it is told to stop", Args: cobra.NoArgs,
		Long: `Serve, until SIGTERM or an interrupt: then requests and messages that are under way are finished first. On SIGHUP
the clients and APIs of the configuration file and the TLS certificate are read anew.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			load := func() (*config.Config, error) { return c.loadToStart(cmd.Context()) }
			cfg, err := load()
			if err != nil {
				return err
			}
			s, err := c.start(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			return c.serve(cmd.Context(), s, load)
		},
	}
}

// start makes a service that listens already and has said what is odd about its configuration.
func (c *cli) start(ctx context.Context, cfg *config.Config) (*service, error) {
	log := newLog(c.stderr, cfg)
	// Libraries that log by themselves do it in the same form, and only what matters: zitadel/oidc repeats every refusal as
	// a warning, which has a line of ours already.
	slog.SetDefault(slog.New(logHandler(c.stderr, cfg, slog.LevelError)))
	for _, w := range cfg.Warnings() {
		log.WarnContext(ctx, "configuration", slog.String("warning", w.String()))
	}
	return newService(ctx, cfg, c.now, log)
}

// serve runs a service to its end. reload reads the configuration again.
func (c *cli) serve(ctx context.Context, s *service, reload func() (*config.Config, error)) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	return s.run(ctx, c.stdout, hangups, reload)
}
