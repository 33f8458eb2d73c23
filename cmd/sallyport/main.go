// Command sallyport is the whole service in one binary: it serves, and it is the tool of whoever operates it.
//
// This package holds flags, wiring and shutdown. [run] is the program as a function of its surroundings; every command
// has a file of its own. Configuration is package config, everything else lies below op.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"sallyport/cmd/sallyport/config"
)

// version is set by the build.
var version = ""

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ())
	stop()
	os.Exit(code)
}

// run is the program: it returns the exit code, 0 when all went well. It ends soon after ctx does.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, environ []string) int {
	c := &cli{
		stdin: stdin, stdout: stdout, stderr: stderr, environ: environ,
		now: func() time.Time { return time.Now().UTC() },
	}
	root := c.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		_, _ = fmt.Fprintln(stderr, "sallyport:", err)
		return 1
	}
	return 0
}

// cli is what all commands share.
type cli struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
	now            func() time.Time

	file   string // --config
	asJSON bool   // --json
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "sallyport",
		Short:         "Sallyport signs people in without passwords, as an OpenID Connect provider",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see: %s --help", err, cmd.CommandPath())
	})
	root.PersistentFlags().StringVar(&c.file, "config", "", "configuration file (default: the one SALLYPORT_CONFIG names, else "+config.DefaultFile+" if there is one)")
	root.PersistentFlags().BoolVar(&c.asJSON, "json", false, "print JSON")
	root.AddCommand(
		c.serveCommand(), c.demoCommand(), c.migrateCommand(), c.doctorCommand(), c.configCommand(),
		c.clientCommand(), c.apiCommand(), c.connectionCommand(), c.userCommand(), c.blockCommand(), c.importCommand(), c.keyCommand(), c.auditCommand(), c.versionCommand(),
	)
	return root
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs}
	// Without this, an unknown subcommand would print help and succeed.
	g.RunE = func(cmd *cobra.Command, _ []string) error {
		return fmt.Errorf("a command is needed; see: %s --help", cmd.CommandPath())
	}
	g.AddCommand(commands...)
	return g
}

// configFile is the file to read: the one that was named, else the usual one if it is there.
func (c *cli) configFile() string {
	if c.file != "" {
		return c.file
	}
	for _, entry := range c.environ {
		if name, value, _ := strings.Cut(entry, "="); name == config.EnvFile && value != "" {
			return value
		}
	}
	if _, err := os.Stat(config.DefaultFile); err == nil {
		return config.DefaultFile
	}
	return ""
}

// load reads the configuration.
func (c *cli) load() (*config.Config, error) { return config.Load(c.configFile(), c.environ) }

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := buildVersion()
			return c.print(map[string]string{"version": v}, func(w io.Writer) {
				_, _ = fmt.Fprintln(w, "sallyport", v)
			})
		},
	}
}

// buildVersion is what the build said, else the commit that the toolchain noted.
func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				return "dev-" + s.Value[:12]
			}
		}
	}
	return "dev"
}
