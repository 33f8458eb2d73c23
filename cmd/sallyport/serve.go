package main

import (
	"context"
	"errors"
	"fmt"
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
the clients, APIs, admin tokens and master secrets of the configuration and the TLS certificate are read anew.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			hangups, stop := followHangups()
			defer stop()
			load := func() (*config.Config, error) { return c.loadToStart(cmd.Context()) }
			cfg, err := load()
			if err != nil {
				return c.unlessStopped(cmd.Context(), err)
			}
			s, err := c.start(cmd.Context(), cfg)
			if err != nil {
				return c.unlessStopped(cmd.Context(), err)
			}
			return s.run(cmd.Context(), c.stdout, hangups, load)
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

// unlessStopped is why a start failed. One that was told to stop has failed for no other reason, in whatever words the parts of it
// say so, unless the configuration is wrong.
func (c *cli) unlessStopped(ctx context.Context, err error) error {
	if _, wrong := errors.AsType[config.Problems](err); wrong || ctx.Err() == nil {
		return err
	}
	_, _ = fmt.Fprintln(c.stderr, "sallyport: stopped before it served")
	return nil
}

// followHangups gives the SIGHUPs from now on. It comes before the start: one that is sent meanwhile would end the process, and
// is for when it serves.
func followHangups() (hangups <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c, func() { signal.Stop(c) }
}
