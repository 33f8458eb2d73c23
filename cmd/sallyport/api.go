package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"sallyport/cmd/sallyport/config"
	"sallyport/storage"
)

func (c *cli) apiCommand() *cobra.Command {
	return group("api", "Manage the APIs that access tokens can be for",
		c.apiAdd(), c.apiList(), c.apiShow(), c.apiSet(), c.apiRemove())
}

// apiFlags are the keys of an API in the configuration file, as flags.
type apiFlags struct {
	api     config.API
	offline bool
}

func (f *apiFlags) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.api.Name, "name", "", "name that people see (default: the audience)")
	flags.StringSliceVar(&f.api.Scopes, "scope", nil, "scope that tokens for it can have (repeatable)")
	flags.StringVar(&f.api.Alg, "alg", "", "RS256, ES256 or EdDSA")
	flags.DurationVar(&f.api.TokenLifetime, "token-lifetime", 0, "of its access tokens (default: 1h)")
	flags.BoolVar(&f.offline, "allow-offline-access", true, "applications may have refresh tokens for it")
}

// over lays the flags that were given over an API.
func (f *apiFlags) over(a config.API, cmd *cobra.Command) config.API {
	flags := cmd.Flags()
	if flags.Changed("name") {
		a.Name = f.api.Name
	}
	if flags.Changed("scope") {
		a.Scopes = given(f.api.Scopes)
	}
	if flags.Changed("alg") {
		a.Alg = f.api.Alg
	}
	if flags.Changed("token-lifetime") {
		a.TokenLifetime = f.api.TokenLifetime
	}
	if flags.Changed("allow-offline-access") {
		a.OfflineAccess = &f.offline
	}
	return a.WithDefaults()
}

func (c *cli) apiAdd() *cobra.Command {
	var f apiFlags
	cmd := &cobra.Command{
		Use: "add AUDIENCE", Short: "Add an API; its audience is the name that tokens carry", Args: cobra.ExactArgs(1),
		Example: `  sallyport api add https://api.example.com --name Orders --scope read:orders,write:orders`,
		RunE: func(cmd *cobra.Command, args []string) error {
			api := f.over(config.API{Audience: args[0]}, cmd)
			return c.change(cmd, args, func(d *deployment) error {
				if err := problemsOf(api.Check(d.cfg.Issuer)); err != nil {
					return err
				}
				if err := d.store.AddAPI(cmd.Context(), storedAPI(api)); err != nil {
					return apiError(api.Audience, err)
				}
				return c.showAPI(cmd, d, api.Audience)
			})
		},
	}
	f.bind(cmd)
	return cmd
}

func (c *cli) apiList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the APIs", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(d *deployment) error {
				apis, err := d.store.APIs(cmd.Context())
				if err != nil {
					return fmt.Errorf("reading the APIs: %w", err)
				}
				views := make([]apiView, len(apis))
				rows := [][]string{{"AUDIENCE", "NAME", "ALG", "FROM"}}
				for i, a := range apis {
					views[i] = viewAPI(a)
					rows = append(rows, []string{a.Audience, a.Name, a.Alg, fromOf(a.FromFile)})
				}
				return c.print(views, func(w io.Writer) { table(w, rows...) })
			})
		},
	}
}

func (c *cli) apiShow() *cobra.Command {
	return &cobra.Command{
		Use: "show AUDIENCE", Short: "Show an API", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(d *deployment) error { return c.showAPI(cmd, d, args[0]) })
		},
	}
}

func (c *cli) apiSet() *cobra.Command {
	var f apiFlags
	cmd := &cobra.Command{
		Use: "set AUDIENCE", Short: "Change an API; a list that is given replaces the old one", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.change(cmd, args, func(d *deployment) error {
				stored, err := d.store.API(cmd.Context(), args[0])
				if err != nil {
					return apiError(args[0], err)
				}
				err = d.store.UpdateAPI(cmd.Context(), stored.ID, func(a *storage.API) error {
					next := f.over(describedAPI(*a), cmd)
					if err := problemsOf(next.Check(d.cfg.Issuer)); err != nil {
						return err
					}
					*a = storedAPI(next)
					return nil
				})
				if err != nil {
					return apiError(args[0], err)
				}
				return c.showAPI(cmd, d, args[0])
			})
		},
	}
	f.bind(cmd)
	return cmd
}

func (c *cli) apiRemove() *cobra.Command {
	return &cobra.Command{
		Use: "rm AUDIENCE", Short: "Remove an API; tokens for it live to their end", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.change(cmd, args, func(d *deployment) error {
				stored, err := d.store.API(cmd.Context(), args[0])
				if err == nil {
					err = d.store.DeleteAPI(cmd.Context(), stored.ID)
				}
				if err != nil {
					return apiError(args[0], err)
				}
				return c.print(map[string]string{"removed": args[0]}, func(w io.Writer) {
					_, _ = fmt.Fprintf(w, "API %s is gone.\n", args[0])
				})
			})
		},
	}
}

// apiError puts what the store says about an API into an operator's words.
func apiError(audience string, err error) error {
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return fmt.Errorf("there is no API %q; see: sallyport api list", audience)
	case errors.Is(err, storage.ErrExists):
		return fmt.Errorf("there is an API %q already; change it with: sallyport api set", audience)
	case errors.Is(err, storage.ErrManagedByFile):
		return fmt.Errorf("API %q belongs to the configuration file; change it there and reload", audience)
	}
	return fmt.Errorf("API %q: %w", audience, err)
}

// apiView is an API as commands show it.
type apiView struct {
	ID            string     `json:"id"`
	Audience      string     `json:"audience"`
	Name          string     `json:"name"`
	Scopes        []string   `json:"scopes"`
	Alg           string     `json:"alg"`
	TokenLifetime string     `json:"token_lifetime"`
	OfflineAccess bool       `json:"allow_offline_access"`
	FromFile      bool       `json:"from_file"`
	CreatedAt     *time.Time `json:"created_at"`
	UpdatedAt     *time.Time `json:"updated_at"`
}

func viewAPI(a storage.API) apiView {
	return apiView{
		ID: a.ID, Audience: a.Audience, Name: a.Name, Scopes: list(a.Scopes), Alg: a.Alg, TokenLifetime: a.TokenLifetime.String(),
		OfflineAccess: a.OfflineAccess, FromFile: a.FromFile, CreatedAt: moment(a.CreatedAt), UpdatedAt: moment(a.UpdatedAt),
	}
}

func (c *cli) showAPI(cmd *cobra.Command, d *deployment, audience string) error {
	a, err := d.store.API(cmd.Context(), audience)
	if err != nil {
		return apiError(audience, err)
	}
	v := viewAPI(a)
	return c.print(v, func(w io.Writer) {
		table(w,
			[]string{"audience", v.Audience}, []string{"name", v.Name}, []string{"from", fromOf(v.FromFile)}, []string{"scopes", dash(v.Scopes)},
			[]string{"algorithm", v.Alg}, []string{"token lifetime", v.TokenLifetime}, []string{"offline access", strconv.FormatBool(v.OfflineAccess)})
	})
}

// fromOf tells who owns a client or an API.
func fromOf(file bool) string {
	if file {
		return "file"
	}
	return "command"
}
