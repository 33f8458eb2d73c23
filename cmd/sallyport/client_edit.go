package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/cmd/sallyport/config"
	"sallyport/grants"
	"sallyport/storage"
)

// clientFlags are the keys of a client in the configuration file, as flags.
type clientFlags struct {
	client config.Client
	apis   []string
	leeway time.Duration
	jwks   string // a file
}

func (f *clientFlags) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.client.Name, "name", "", "name that people see")
	flags.StringArrayVar(&f.client.RedirectURIs, "redirect-uri", nil, "where the answer of a login may go (repeatable)")
	flags.StringArrayVar(&f.client.PostLogoutRedirectURIs, "post-logout-redirect-uri", nil, "where a logout may lead back to (repeatable)")
	flags.StringArrayVar(&f.client.WebOrigins, "web-origin", nil, "origin whose scripts may call us (repeatable)")
	flags.StringSliceVar(&f.client.GrantTypes, "grant-type", nil, "authorization_code, refresh_token, client_credentials, passwordless, implicit, device_code (repeatable)")
	flags.StringSliceVar(&f.client.ResponseTypes, "response-type", nil, "code, token, id_token, \"token id_token\" (repeatable)")
	flags.StringSliceVar(&f.client.Connections, "connection", nil, "email, sms (repeatable)")
	flags.StringSliceVar((*[]string)(&f.client.AuthMethods), "auth-method", nil, "client_secret_basic, client_secret_post, private_key_jwt, none (repeatable)")
	flags.StringVar(&f.jwks, "jwks", "", "file with the public keys of private_key_jwt: a JWK set or PEM")
	flags.StringVar(&f.client.IDTokenAlg, "id-token-alg", "", "RS256, ES256 or EdDSA")
	flags.StringVar(&f.client.EmbeddedLinks, "embedded-links", "", "refuse or allow")
	flags.StringVar(&f.client.Description, "description", "", "a line for operators")
	flags.DurationVar(&f.client.AccessTokenLifetime, "access-token-lifetime", 0, "such as 30m; 0 for the default")
	flags.DurationVar(&f.client.IDTokenLifetime, "id-token-lifetime", 0, "such as 10h; 0 for the default")
	flags.StringVar(&f.client.Refresh.Rotation, "refresh-rotation", "", "rotating, or non_rotating for clients with credentials")
	flags.DurationVar(&f.leeway, "refresh-leeway", 0, "how long the token before the current one works, 0s to 1m; -1s for the default")
	flags.DurationVar(&f.client.Refresh.Idle, "refresh-idle", 0, "a refresh token that is not used for so long ends; 0 for the default")
	flags.DurationVar(&f.client.Refresh.Absolute, "refresh-absolute", 0, "refresh tokens end so long after the login; 0 for the default")
	flags.BoolVar(&f.client.TrustForwardedFor, "trust-forwarded-for", false, "believe the header auth0-forwarded-for of requests with the client's credentials")
	flags.BoolVar(&f.client.RequirePKCE, "require-pkce", false, "give no code without a PKCE challenge (always so for spa and native)")
	flags.StringArrayVar(&f.apis, "api", nil, "AUDIENCE=SCOPE,SCOPE that it may have (repeatable)")
}

// over lays the flags that were given over a client.
func (f *clientFlags) over(c config.Client, cmd *cobra.Command) (config.Client, error) {
	flags := cmd.Flags()
	set := func(name string, do func()) {
		if flags.Changed(name) {
			do()
		}
	}
	set("name", func() { c.Name = f.client.Name })
	set("redirect-uri", func() { c.RedirectURIs = given(f.client.RedirectURIs) })
	set("post-logout-redirect-uri", func() { c.PostLogoutRedirectURIs = given(f.client.PostLogoutRedirectURIs) })
	set("web-origin", func() { c.WebOrigins = given(f.client.WebOrigins) })
	set("grant-type", func() { c.GrantTypes, c.ResponseTypes = f.client.GrantTypes, nil }) // which follow, unless they are given
	set("response-type", func() { c.ResponseTypes = f.client.ResponseTypes })
	set("connection", func() { c.Connections = f.client.Connections })
	set("auth-method", func() {
		if c.AuthMethods = f.client.AuthMethods; !c.UsesSecret() {
			c.Secrets = nil
		}
	})
	set("id-token-alg", func() { c.IDTokenAlg = f.client.IDTokenAlg })
	set("embedded-links", func() { c.EmbeddedLinks = f.client.EmbeddedLinks })
	f.settingsOver(&c, set)
	if flags.Changed("jwks") {
		if err := f.readKeys(&c); err != nil {
			return c, err
		}
	}
	if flags.Changed("api") {
		c.APIs = map[string][]string{}
		for _, api := range given(f.apis) {
			at := strings.LastIndexByte(api, '=')
			if at < 1 {
				return c, fmt.Errorf("--api %q: write AUDIENCE=SCOPE,SCOPE", api)
			}
			c.APIs[api[:at]] = strings.FieldsFunc(api[at+1:], func(r rune) bool { return r == ',' || r == ' ' })
		}
	}
	return c.WithDefaults(), nil
}

func (f *clientFlags) settingsOver(c *config.Client, set func(string, func())) {
	set("description", func() { c.Description = f.client.Description })
	set("access-token-lifetime", func() { c.AccessTokenLifetime = f.client.AccessTokenLifetime })
	set("id-token-lifetime", func() { c.IDTokenLifetime = f.client.IDTokenLifetime })
	set("refresh-rotation", func() { c.Refresh.Rotation = f.client.Refresh.Rotation })
	set("refresh-leeway", func() {
		if c.Refresh.Leeway = &f.leeway; f.leeway == -time.Second {
			c.Refresh.Leeway = nil
		}
	})
	set("refresh-idle", func() { c.Refresh.Idle = f.client.Refresh.Idle })
	set("refresh-absolute", func() { c.Refresh.Absolute = f.client.Refresh.Absolute })
	set("trust-forwarded-for", func() { c.TrustForwardedFor = f.client.TrustForwardedFor })
	set("require-pkce", func() { c.RequirePKCE = f.client.RequirePKCE })
}

// readKeys takes the public keys from their file; no file takes them away.
func (f *clientFlags) readKeys(c *config.Client) error {
	c.JWKS = nil
	if f.jwks == "" {
		return nil
	}
	text, err := os.ReadFile(f.jwks)
	if err != nil {
		return fmt.Errorf("--jwks: %w", err)
	}
	if c.JWKS, err = config.ReadJWKS(string(text)); err != nil {
		return fmt.Errorf("--jwks: %w", err)
	}
	return nil
}

// given drops the empty value, with which a list is emptied: --web-origin "".
func given(values []string) []string {
	if len(values) == 1 && values[0] == "" {
		return nil
	}
	return values
}

func (c *cli) clientAdd() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Add a client; prints its id and its secret, once",
		Long: `Add a client. Its type decides the defaults: web (a server that keeps a secret), spa (runs in a browser),
native (runs on a person's device) or machine (acts for itself). The secret is shown once and never again.`,
		Example: `  sallyport client add --name Shop --redirect-uri https://shop.example.com/callback
  sallyport client add --type machine --grant-type passwordless,refresh_token --name "Phone app's server"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := f.over(f.client, cmd)
			if err != nil {
				return err
			}
			if client.ID == "" {
				client.ID = newClientID()
				if client.Name == "" {
					client.Name = client.ID
				}
			}
			var secret string
			if client.UsesSecret() && !client.Public() {
				secret = newSecret()
				client.Secrets = []string{secret}
			}
			return c.change(cmd, append(args, client.ID), func(d *deployment) error {
				if err := d.checkClient(cmd.Context(), client); err != nil {
					return err
				}
				if client.LacksRedirectURI() {
					return errNoRedirectURI
				}
				if err := d.store.AddClient(cmd.Context(), storedClient(client, d.ring)); err != nil {
					return clientError(client.ID, err)
				}
				return c.printSecret(client.ID, secret)
			})
		},
	}
	cmd.Flags().StringVar(&f.client.ID, "id", "", "id (default: a random one)")
	cmd.Flags().StringVar(&f.client.Type, "type", config.Web, "web, spa, native or machine")
	f.bind(cmd)
	return cmd
}

func (c *cli) clientSet() *cobra.Command {
	var f clientFlags
	var disabled bool
	cmd := &cobra.Command{
		Use: "set ID", Short: "Change a client; a list that is given replaces the old one", Args: cobra.ExactArgs(1),
		Example: `  sallyport client set shop --redirect-uri https://shop.example.com/cb --redirect-uri http://localhost:3000/cb
  sallyport client set shop --disabled`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.change(cmd, args, func(d *deployment) error {
				var changed storage.Client
				err := d.store.UpdateClient(cmd.Context(), args[0], func(s *storage.Client) error {
					next, err := f.edited(*s, cmd, d)
					if err != nil {
						return err
					}
					if cmd.Flags().Changed("disabled") {
						next.Disabled = disabled
					}
					if next.Disabled && !s.Disabled {
						next.TokensValidFrom = c.now()
					}
					*s, changed = next, next
					return nil
				})
				if err != nil {
					return clientError(args[0], err)
				}
				return c.printClient(changed)
			})
		},
	}
	cmd.Flags().BoolVar(&disabled, "disabled", false, "nobody signs in to it, and its tokens are dead; --disabled=false ends that")
	f.bind(cmd)
	return cmd
}

// edited is a stored client with the flags that were given.
func (f *clientFlags) edited(s storage.Client, cmd *cobra.Command, d *deployment) (storage.Client, error) {
	client, err := f.over(describedClient(s), cmd)
	if err != nil {
		return s, err
	}
	if err := d.checkClient(cmd.Context(), client); err != nil {
		return s, err
	}
	// One that has been without is not in the way of other changes.
	if client.LacksRedirectURI() && (cmd.Flags().Changed("redirect-uri") || cmd.Flags().Changed("grant-type")) {
		return s, errNoRedirectURI
	}
	next := storedClient(client, d.ring)
	next.Disabled, next.TokensValidFrom = s.Disabled, s.TokensValidFrom
	next.CreatedAt, next.UpdatedAt = s.CreatedAt, s.UpdatedAt
	next.Settings.LogoURI, next.Settings.InitiateLoginURI, next.Settings.Metadata = s.Settings.LogoURI, s.Settings.InitiateLoginURI, s.Settings.Metadata
	return next, nil
}

func (c *cli) clientRotateSecret() *cobra.Command {
	var keep, revoke bool
	cmd := &cobra.Command{
		Use: "rotate-secret ID", Short: "Give a client a new secret; prints it, once", Args: cobra.ExactArgs(1),
		Long: `Give a client a new secret in the place of the old ones. With --keep the old ones work as well: roll the new one out,
then run it without --keep. With --revoke, access tokens that were given before are dead too.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			secret := newSecret()
			return c.change(cmd, args, func(d *deployment) error {
				err := d.store.UpdateClient(cmd.Context(), args[0], func(s *storage.Client) error {
					if describedClient(*s).Public() {
						return fmt.Errorf("a client of type %s has no secret", s.Type)
					}
					fresh := []string{d.ring.HashSecret(secret)}
					if keep {
						fresh = append(fresh, s.Secrets...)
					}
					s.Secrets = fresh
					if revoke {
						s.TokensValidFrom = c.now()
					}
					return nil
				})
				if err != nil {
					return clientError(args[0], err)
				}
				return c.printSecret(args[0], secret)
			})
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "the old secrets work as well")
	cmd.Flags().BoolVar(&revoke, "revoke", false, "access tokens given before are dead")
	return cmd
}

// errNoRedirectURI refuses a client that nobody could sign in to.
var errNoRedirectURI = errors.New("a client with the grant type authorization_code needs a place to go back to; " +
	"add --redirect-uri, or choose other grant types with --grant-type")

// checkClient is the validation of the configuration file, for flags. The APIs that were added by other means count.
func (d *deployment) checkClient(ctx context.Context, client config.Client) error {
	apis, err := d.store.APIs(ctx)
	if err != nil {
		return fmt.Errorf("reading the APIs: %w", err)
	}
	known := append(slices.Clip(d.cfg.APIs), d.cfg.ManagementAPI())
	for _, a := range apis {
		known = append(known, describedAPI(a))
	}
	return problemsOf(client.Check(d.cfg.Loopback(), known))
}

// newClientID is a random id that no command takes for a flag.
func newClientID() string {
	for {
		if id := grants.NewID(); !strings.HasPrefix(id, "-") {
			return id
		}
	}
}

// newSecret is 256 random bits in base64url, 43 characters.
func newSecret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)
}

func (c *cli) printSecret(id, secret string) error {
	v := map[string]string{"client_id": id}
	if secret != "" {
		v["client_secret"] = secret
	}
	return c.print(v, func(w io.Writer) {
		_, _ = fmt.Fprintf(w, "client_id      %s\n", id)
		if secret != "" {
			_, _ = fmt.Fprintf(w, "client_secret  %s\n\nThe secret is shown only now. Keep it safe.\n", secret)
		}
	})
}
