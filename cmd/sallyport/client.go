package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/cmd/sallyport/config"
	"sallyport/grants"
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
					rows = append(rows, []string{client.ID, client.Name, client.Type, views[i].state(), views[i].from()})
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
			return c.with(cmd.Context(), func(d *deployment) error {
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

// storedClient is a described client as it is stored: plain secrets are hashed, hashed ones stay as they are.
func storedClient(c config.Client, ring *grants.Ring) storage.Client {
	secrets := make([]string, len(c.Secrets))
	for i, s := range c.Secrets {
		secrets[i] = s
		if !config.HashedSecret(s) {
			secrets[i] = ring.HashSecret(s)
		}
	}
	return storage.Client{
		ID: c.ID, Name: c.Name, Type: c.Type, Secrets: secrets,
		RedirectURIs: c.RedirectURIs, PostLogoutRedirectURIs: c.PostLogoutRedirectURIs, WebOrigins: c.WebOrigins,
		GrantTypes: c.GrantTypes, ResponseTypes: c.ResponseTypes, Connections: c.Connections, AuthMethods: c.AuthMethods,
		IDTokenAlg: c.IDTokenAlg, EmbeddedLinks: c.EmbeddedLinks == "allow", APIs: c.APIs,
	}
}

// describedClient is a stored client as flags and validation see it.
func describedClient(s storage.Client) config.Client {
	links := "refuse"
	if s.EmbeddedLinks {
		links = "allow"
	}
	return config.Client{
		ID: s.ID, Name: s.Name, Type: s.Type, Secrets: s.Secrets,
		RedirectURIs: s.RedirectURIs, PostLogoutRedirectURIs: s.PostLogoutRedirectURIs, WebOrigins: s.WebOrigins,
		GrantTypes: s.GrantTypes, ResponseTypes: s.ResponseTypes, Connections: s.Connections, AuthMethods: s.AuthMethods,
		IDTokenAlg: s.IDTokenAlg, EmbeddedLinks: links, APIs: s.APIs,
	}
}

// clientView is a client as commands show it. Secrets are counted, never shown.
type clientView struct {
	ID                     string              `json:"id"`
	Name                   string              `json:"name"`
	Type                   string              `json:"type"`
	Secrets                int                 `json:"secrets"`
	RedirectURIs           []string            `json:"redirect_uris"`
	PostLogoutRedirectURIs []string            `json:"post_logout_redirect_uris"`
	WebOrigins             []string            `json:"web_origins"`
	GrantTypes             []string            `json:"grant_types"`
	ResponseTypes          []string            `json:"response_types"`
	Connections            []string            `json:"connections"`
	AuthMethods            []string            `json:"token_endpoint_auth_method"`
	IDTokenAlg             string              `json:"id_token_signed_response_alg"`
	EmbeddedLinks          string              `json:"embedded_links"`
	APIs                   map[string][]string `json:"apis"`
	FromFile               bool                `json:"from_file"`
	Disabled               bool                `json:"disabled"`
	TokensValidFrom        *time.Time          `json:"tokens_valid_from"`
	CreatedAt              *time.Time          `json:"created_at"`
	UpdatedAt              *time.Time          `json:"updated_at"`
}

func viewClient(s storage.Client) clientView {
	d := describedClient(s)
	return clientView{
		ID: d.ID, Name: d.Name, Type: d.Type, Secrets: len(d.Secrets),
		RedirectURIs: list(d.RedirectURIs), PostLogoutRedirectURIs: list(d.PostLogoutRedirectURIs), WebOrigins: list(d.WebOrigins),
		GrantTypes: list(d.GrantTypes), ResponseTypes: list(d.ResponseTypes), Connections: list(d.Connections), AuthMethods: list(d.AuthMethods),
		IDTokenAlg: d.IDTokenAlg, EmbeddedLinks: d.EmbeddedLinks, APIs: d.APIs,
		FromFile: s.FromFile, Disabled: s.Disabled,
		TokensValidFrom: moment(s.TokensValidFrom), CreatedAt: moment(s.CreatedAt), UpdatedAt: moment(s.UpdatedAt),
	}
}

// list is [] in JSON, not null.
func list(s []string) []string { return append([]string{}, s...) }

func (v clientView) state() string {
	if v.Disabled {
		return "disabled"
	}
	return "enabled"
}

func (v clientView) from() string {
	if v.FromFile {
		return "file"
	}
	return "command"
}

func (c *cli) printClient(s storage.Client) error {
	v := viewClient(s)
	return c.print(v, func(w io.Writer) {
		rows := [][]string{
			{"id", v.ID},
			{"name", v.Name},
			{"type", v.Type},
			{"state", v.state() + ", from " + v.from()},
			{"secrets", strconv.Itoa(v.Secrets)},
			{"redirect URIs", dash(v.RedirectURIs)},
			{"post-logout redirect URIs", dash(v.PostLogoutRedirectURIs)},
			{"web origins", dash(v.WebOrigins)},
			{"grant types", dash(v.GrantTypes)},
			{"connections", dash(v.Connections)},
			{"authentication", dash(v.AuthMethods)},
			{"ID tokens", v.IDTokenAlg},
			{"embedded links", v.EmbeddedLinks},
		}
		for audience, scopes := range v.APIs {
			rows = append(rows, []string{"API " + audience, strings.Join(scopes, " ")})
		}
		table(w, rows...)
	})
}
