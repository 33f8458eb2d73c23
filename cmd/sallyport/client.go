package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/cmd/sallyport/config"
	"sallyport/storage"
)

func (c *cli) clientCommand() *cobra.Command {
	return group("client", "Manage the apps that people sign in to",
		c.clientAdd(), c.clientList(), c.clientShow(), c.clientSet(), c.clientRotateSecret(), c.clientRemove())
}

func (c *cli) clientList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the clients", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(d *deployment) error {
				clients, err := d.store.Clients(cmd.Context())
				if err != nil {
					return fmt.Errorf("reading the clients: %w", err)
				}
				views := make([]clientView, len(clients))
				rows := [][]string{{"ID", "NAME", "TYPE", "STATE", "FROM"}}
				for i, client := range clients {
					views[i] = viewClient(client)
					rows = append(rows, []string{client.ID, client.Name, client.Type, views[i].state(), fromOf(client.FromFile)})
				}
				return c.print(views, func(w io.Writer) { table(w, rows...) })
			})
		},
	}
}

func (c *cli) clientShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show a client", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(d *deployment) error {
				client, err := d.store.Client(cmd.Context(), args[0])
				if err != nil {
					return clientError(args[0], err)
				}
				return c.printClient(client)
			})
		},
	}
}

func (c *cli) clientRemove() *cobra.Command {
	return &cobra.Command{
		Use: "rm ID", Short: "Remove a client and end everything it was given", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.change(cmd, args, func(d *deployment) error {
				remove := d.store.DeleteClient
				if !slices.ContainsFunc(d.cfg.Clients, func(c config.Client) bool { return c.ID == args[0] }) {
					remove = d.store.DeleteGoneClient // the file may have had it
				}
				if err := remove(cmd.Context(), args[0]); err != nil {
					return clientError(args[0], err)
				}
				return c.print(map[string]string{"removed": args[0]}, func(w io.Writer) {
					_, _ = fmt.Fprintf(w, "Client %s is gone.\n", args[0])
				})
			})
		},
	}
}

// clientError puts what the store says about a client into an operator's words.
func clientError(id string, err error) error {
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return fmt.Errorf("there is no client %q; see: sallyport client list", id)
	case errors.Is(err, storage.ErrExists):
		return fmt.Errorf("there is a client %q already; choose another id, or change it with: sallyport client set", id)
	case errors.Is(err, storage.ErrManagedByFile):
		return fmt.Errorf("client %q belongs to the configuration file; change it there and reload", id)
	}
	return fmt.Errorf("client %q: %w", id, err)
}

// list is [] in JSON, not null.
func list(s []string) []string { return append([]string{}, s...) }

func (v clientView) state() string {
	if v.Disabled {
		return "disabled"
	}
	return "enabled"
}

func (c *cli) printClient(s storage.Client) error {
	v := viewClient(s)
	return c.print(v, func(w io.Writer) {
		rows := [][]string{
			{"id", v.ID},
			{"name", v.Name},
			{"type", v.Type},
			{"state", v.state() + ", from " + fromOf(v.FromFile)},
			{"secrets", strconv.Itoa(v.Secrets)},
			{"redirect URIs", dash(v.RedirectURIs)},
			{"post-logout redirect URIs", dash(v.PostLogoutRedirectURIs)},
			{"web origins", dash(v.WebOrigins)},
			{"grant types", dash(v.GrantTypes)},
			{"connections", dash(v.Connections)},
			{"authentication", dash(v.AuthMethods)},
			{"ID tokens", v.IDTokenAlg},
			{"embedded links", v.EmbeddedLinks},
			{"lifetimes", "access token " + orDefault(v.AccessTokenLifetime) + ", ID token " + orDefault(v.IDTokenLifetime)},
			{"refresh tokens", v.Refresh.Rotation + ", leeway " + orDefault(v.Refresh.Leeway) + ", idle " + orDefault(v.Refresh.Idle) + ", absolute " + orDefault(v.Refresh.Absolute)},
		}
		if v.Description != "" {
			rows = append(rows, []string{"description", v.Description})
		}
		if v.TrustForwardedFor {
			rows = append(rows, []string{"trusts forwarded for", "yes"})
		}
		if v.RequirePKCE {
			rows = append(rows, []string{"requires PKCE", "yes"})
		}
		if keys := config.JWKS(v.JWKS).Count(); keys > 0 {
			rows = append(rows, []string{"public keys", strconv.Itoa(keys)})
		}
		for audience, scopes := range v.APIs {
			rows = append(rows, []string{"API " + audience, strings.Join(scopes, " ")})
		}
		table(w, rows...)
	})
}

func orDefault(s string) string {
	if s == "" {
		return "by default"
	}
	return s
}
