package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"sallyport/cmd/sallyport/config"
	"sallyport/grants"
	"sallyport/storage"
)

func (c *cli) connectionCommand() *cobra.Command {
	return group("connection", "Manage the connections: email and sms", c.connectionList(), c.connectionShow(), c.connectionSet())
}

func (c *cli) connectionList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the connections", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(d *deployment) error {
				var views []connectionView
				rows := [][]string{{"NAME", "STATE", "SIGN-UP", "CODE", "LIFETIME"}}
				for _, name := range []string{string(grants.Email), string(grants.SMS)} {
					con, err := d.store.Connection(cmd.Context(), name)
					if err != nil {
						return connectionError(name, err)
					}
					v := viewConnection(con, d.cfg)
					views = append(views, v)
					rows = append(rows, []string{v.Name, v.state(), v.Signup, strconv.Itoa(v.CodeLength), v.Lifetime})
				}
				return c.print(views, func(w io.Writer) { table(w, rows...) })
			})
		},
	}
}

func (c *cli) connectionShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show a connection", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(d *deployment) error {
				con, err := d.store.Connection(cmd.Context(), args[0])
				if err != nil {
					return connectionError(args[0], err)
				}
				return c.printConnection(con, d.cfg)
			})
		},
	}
}

// connectionFlags are what can be changed of a connection.
type connectionFlags struct {
	disabled bool
	signup   string
	length   int
	lifetime time.Duration
}

func (c *cli) connectionSet() *cobra.Command {
	var f connectionFlags
	cmd := &cobra.Command{
		Use: "set NAME", Short: "Change a connection, within seconds in every process", Args: cobra.ExactArgs(1),
		Example: `  sallyport connection set sms --disabled
  sallyport connection set email --signup closed --code-length 8`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.change(cmd, args, func(d *deployment) error {
				con, err := f.save(cmd, d, args[0], c.now())
				if err != nil {
					return connectionError(args[0], err)
				}
				return c.printConnection(con, d.cfg)
			})
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.disabled, "disabled", false, "no application can use it; --disabled=false ends that")
	flags.StringVar(&f.signup, "signup", "", "closed: addresses without an account get none; open: as passwordless.signup says")
	flags.IntVar(&f.length, "code-length", 0, "digits of a code, 6 to 10; 0: as passwordless.code.length says")
	flags.DurationVar(&f.lifetime, "lifetime", 0, "of codes and links, 1s to 10m; 0: as passwordless.lifetime says")
	return cmd
}

// save writes the flags that were given over a connection, with an event of the audit log.
func (f *connectionFlags) save(cmd *cobra.Command, d *deployment, name string, now time.Time) (con storage.Connection, err error) {
	err = d.store.Tx(cmd.Context(), func(ctx context.Context) error {
		if con, err = d.store.Connection(ctx, name); err != nil {
			return err
		}
		if con, err = f.over(con, cmd); err != nil {
			return err
		}
		return d.store.PutConnection(ctx, con, grants.Event{Type: eventConnectionChanged, Time: now, Detail: name})
	})
	return con, err
}

// eventConnectionChanged says that a connection was changed by command.
const eventConnectionChanged = "connection.changed"

func (f *connectionFlags) over(con storage.Connection, cmd *cobra.Command) (storage.Connection, error) {
	flags := cmd.Flags()
	if flags.Changed("disabled") {
		con.Disabled = f.disabled
	}
	if flags.Changed("signup") {
		if f.signup != "open" && f.signup != "closed" {
			return con, fmt.Errorf("--signup: %q is not known; write open or closed", f.signup)
		}
		con.Options.DisableSignup = f.signup == "closed"
	}
	if flags.Changed("code-length") {
		con.Options.CodeLength = f.length
	}
	if flags.Changed("lifetime") {
		con.Options.Lifetime = f.lifetime
	}
	return con, problemsOf(config.CheckConnection(con.Options.CodeLength, con.Options.Lifetime))
}

func connectionError(name string, err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("there is no connection %q; there are email and sms", name)
	}
	return fmt.Errorf("connection %q: %w", name, err)
}

// connectionView is a connection as commands show it: what holds, wherever it was set.
type connectionView struct {
	Name       string     `json:"name"`
	Disabled   bool       `json:"disabled"`
	Transport  string     `json:"transport"`
	Signup     string     `json:"signup"`
	CodeLength int        `json:"code_length"`
	Lifetime   string     `json:"lifetime"`
	UpdatedAt  *time.Time `json:"updated_at"`
}

func viewConnection(con storage.Connection, cfg *config.Config) connectionView {
	v := connectionView{
		Name: con.Name, Disabled: con.Disabled, Transport: cfg.MailTransport(), Signup: cfg.Passwordless.Signup,
		CodeLength: cfg.Passwordless.Code.Length, Lifetime: cfg.Passwordless.Lifetime.String(), UpdatedAt: moment(con.UpdatedAt),
	}
	if con.Name == string(grants.SMS) {
		v.Transport = cfg.SMSTransport()
	}
	if con.Options.DisableSignup {
		v.Signup = "closed"
	}
	if con.Options.CodeLength != 0 {
		v.CodeLength = con.Options.CodeLength
	}
	if con.Options.Lifetime != 0 {
		v.Lifetime = con.Options.Lifetime.String()
	}
	return v
}

func (v connectionView) state() string {
	switch {
	case v.Disabled:
		return "disabled"
	case v.Transport == config.TransportNone:
		return "without transport"
	}
	return "enabled"
}

func (c *cli) printConnection(con storage.Connection, cfg *config.Config) error {
	v := viewConnection(con, cfg)
	return c.print(v, func(w io.Writer) {
		table(w,
			[]string{"name", v.Name}, []string{"state", v.state()}, []string{"transport", v.Transport}, []string{"sign-up", v.Signup},
			[]string{"code length", strconv.Itoa(v.CodeLength)}, []string{"lifetime", v.Lifetime})
	})
}
