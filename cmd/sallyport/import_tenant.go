package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/cmd/sallyport/auth0tenant"
	"sallyport/cmd/sallyport/config"
	"sallyport/grants"
	"sallyport/storage"
)

func (c *cli) importTenant() *cobra.Command {
	var t tenantImport
	cmd := &cobra.Command{
		Use: "auth0-tenant DIR", Short: "Bring in clients, APIs and connections of an Auth0 tenant", Args: cobra.ExactArgs(1),
		Long: `Bring in what Auth0's deploy CLI has exported to a folder, in either of its forms: applications, APIs, their grants, and the
options of the e-mail and SMS connections. Export with AUTH0_EXPORT_IDENTIFIERS=true: applications keep their client_id.

An export has no secrets. Each application that needs one gets a new one, which is printed once. What cannot be taken over is
listed with the reason, and nothing else is left out for it. What is there already stays as it is; --update makes it what
the export says, where it says something. Running the command again changes nothing.

Grants for the tenant's management API come in only with --management-grants: they let applications administer this deployment.`,
		Example: `  sallyport import auth0-tenant ./tenant --dry-run`,
		RunE: func(cmd *cobra.Command, args []string) error {
			export, err := auth0tenant.Read(args[0])
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), func(d *deployment) error {
				t.deployment, t.now = d, c.now
				if !t.dryRun {
					if err := c.note(cmd, args, d); err != nil {
						return err
					}
				}
				if err := t.run(cmd.Context(), export); err != nil {
					return err
				}
				return c.print(t.result, t.text)
			})
		},
	}
	cmd.Flags().BoolVar(&t.dryRun, "dry-run", false, "say what would happen, and write nothing")
	cmd.Flags().BoolVar(&t.update, "update", false, "change what is there already")
	cmd.Flags().BoolVar(&t.managementGrants, "management-grants", false, "let applications administer this deployment that may administer the tenant")
	cmd.Flags().StringVar(&t.tenantDomain, "tenant-domain", "", "the domain of the tenant's management API, where it does not end in .auth0.com")
	return cmd
}

// What becomes of an object of an import.
const (
	importedNew       = "added"
	importedUnchanged = "unchanged"
	importedUpdated   = "updated"
	importedKept      = "kept" // although the export has it otherwise
	importedRefused   = "refused"
)

// tenantResult is what became of an export.
type tenantResult struct {
	DryRun bool               `json:"dry_run,omitempty"`
	Items  []tenantItem       `json:"items"`
	Notes  []auth0tenant.Note `json:"notes"`
}

type tenantItem struct {
	Kind   string `json:"kind"`
	ID     string `json:"id"`
	Name   string `json:"name,omitempty"`
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
	Secret string `json:"client_secret,omitempty"` // this once
}

type tenantImport struct {
	*deployment
	now              func() time.Time
	dryRun, update   bool
	managementGrants bool
	tenantDomain     string
	result           tenantResult
}

// run writes a plan, all of it in one transaction.
func (t *tenantImport) run(ctx context.Context, export *auth0tenant.Export) error {
	stored, err := t.store.APIs(ctx)
	if err != nil {
		return fmt.Errorf("reading the APIs: %w", err)
	}
	on := auth0tenant.Deployment{
		Issuer: t.cfg.Issuer, Loopback: t.cfg.Loopback(), Management: t.cfg.ManagementAPI(), APIs: t.cfg.APIs,
		TenantDomain: t.tenantDomain, ManagementGrants: t.managementGrants,
	}
	for _, a := range stored {
		on.APIs = append(on.APIs, describedAPI(a))
	}
	plan := export.Plan(on)
	err = t.store.Tx(ctx, func(ctx context.Context) error {
		t.result = tenantResult{DryRun: t.dryRun, Items: []tenantItem{}, Notes: append([]auth0tenant.Note{}, plan.Notes...)}
		for _, a := range plan.APIs {
			if err := t.api(ctx, a); err != nil {
				return err
			}
		}
		for _, c := range plan.Connections {
			if err := t.connection(ctx, c); err != nil {
				return err
			}
		}
		for _, c := range plan.Clients {
			if err := t.client(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("importing: %w", err)
	}
	return nil
}

// settle writes one object as it has to be: when it is new, or differs and may be changed.
func (t *tenantImport) settle(item tenantItem, there, same, fromFile bool, add, change func() error) error {
	var do func() error
	switch {
	case !there:
		item.Status, do = importedNew, add
	case same:
		item.Status = importedUnchanged
	case fromFile:
		item.Status, item.Reason = importedRefused, "it belongs to the configuration file"
	case t.update:
		item.Status, do = importedUpdated, change
	default:
		item.Status, item.Reason = importedKept, "it differs from the export; --update changes it"
	}
	if do == nil {
		item.Secret = ""
	}
	if item.Secret != "" && t.dryRun {
		item.Secret, item.Reason = "", "it gets a new secret"
	}
	if do != nil && !t.dryRun {
		if err := do(); errors.Is(err, storage.ErrExists) {
			item.Status, item.Reason, item.Secret = importedRefused, "its id is taken", ""
		} else if err != nil {
			return err
		}
	}
	t.result.Items = append(t.result.Items, item)
	return nil
}

func (t *tenantImport) api(ctx context.Context, a auth0tenant.API) error {
	want := storedAPI(a.API)
	want.ID = a.ID
	have, err := t.store.API(ctx, a.Audience)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	if err == nil {
		keepUnsaid(a.Said, &want, have, unsaidOfAPI)
	}
	item := tenantItem{Kind: "api", ID: a.Audience, Name: a.Name}
	return t.settle(item, err == nil, have.Same(want), have.FromFile,
		func() error { return t.store.AddAPI(ctx, want) },
		func() error {
			return t.store.UpdateAPI(ctx, have.ID, func(api *storage.API) error { *api = want; return nil })
		})
}

func (t *tenantImport) connection(ctx context.Context, c auth0tenant.Connection) error {
	have, err := t.store.Connection(ctx, c.Name)
	if err != nil {
		return err
	}
	want := have
	if c.DisableSignup != nil {
		want.Options.DisableSignup = *c.DisableSignup
	}
	want.Options.CodeLength = cmp.Or(c.CodeLength, have.Options.CodeLength)
	want.Options.Lifetime = cmp.Or(c.Lifetime, have.Options.Lifetime)
	put := func() error {
		return t.store.PutConnection(ctx, want, grants.Event{Type: eventConnectionChanged, Time: t.now(), Detail: c.Name})
	}
	return t.settle(tenantItem{Kind: "connection", ID: c.Name}, !have.UpdatedAt.IsZero(), have == want, false, put, put)
}

func (t *tenantImport) client(ctx context.Context, c auth0tenant.Client) error {
	have, err := t.store.Client(ctx, c.ID)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	there, item := err == nil, tenantItem{Kind: "client", ID: c.ID, Name: c.Name}
	if len(have.Settings.JWKS) > 0 && len(c.JWKS) == 0 { // set after an earlier import: an export has no keys
		c.JWKS, c.AuthMethods, c.Secrets = config.JWKS(have.Settings.JWKS), have.AuthMethods, nil
	}
	if c.UsesSecret() && len(c.Secrets) == 0 && len(have.Secrets) == 0 {
		item.Secret = newSecret()
		c.Secrets = []string{item.Secret}
	}
	want := t.wanted(c, have)
	if there && !have.Same(want) {
		if err := clientCheck(t.cfg)(want); err != nil {
			item.Status, item.Reason, item.Secret = importedRefused, "with what was set here it cannot be so: "+strings.ReplaceAll(err.Error(), "\n", "; "), ""
			t.result.Items = append(t.result.Items, item)
			return nil
		}
	}
	return t.settle(item, there, have.Same(want), have.FromFile,
		func() error { return t.store.AddClient(ctx, want) },
		func() error {
			return t.store.UpdateClient(ctx, c.ID, func(s *storage.Client) error { *s = want; return nil })
		})
}

// wanted is the client as it is to be stored. What the export does not speak of stays as it is.
func (t *tenantImport) wanted(c auth0tenant.Client, have storage.Client) storage.Client {
	want := storedClient(c.Client, t.ring)
	want.Settings.LogoURI, want.Settings.InitiateLoginURI, want.Settings.Metadata = c.LogoURI, c.InitiateLoginURI, c.Metadata
	if have.ID == "" {
		return want
	}
	want.FromFile, want.Disabled, want.TokensValidFrom = have.FromFile, have.Disabled, have.TokensValidFrom
	want.CreatedAt, want.UpdatedAt = have.CreatedAt, have.UpdatedAt
	keepUnsaid(c.Said, &want, have, unsaidOfClient)
	want.APIs = maps.Clone(have.APIs) // grants that were given here stay
	if want.APIs == nil {
		want.APIs = map[string][]string{}
	}
	maps.Copy(want.APIs, c.APIs)
	if c.UsesSecret() && (len(c.Secrets) == 0 || t.knows(have, c.Secrets[0])) {
		want.Secrets = have.Secrets
	}
	return want
}

// text is the result for people.
func (t *tenantImport) text(w io.Writer) {
	if t.dryRun {
		_, _ = fmt.Fprint(w, "This is a dry run: nothing is written.\n\n")
	}
	rows, secrets := [][]string{{"KIND", "ID", "NAME", "STATUS"}}, [][]string{{"CLIENT", "SECRET"}}
	for _, i := range t.result.Items {
		status := i.Status
		if i.Reason != "" {
			status += ": " + i.Reason
		}
		rows = append(rows, []string{i.Kind, i.ID, i.Name, status})
		if i.Secret != "" {
			secrets = append(secrets, []string{i.ID, i.Secret})
		}
	}
	table(w, rows...)
	if len(secrets) > 1 {
		_, _ = fmt.Fprint(w, "\nThese secrets are shown only now. Keep them safe.\n\n")
		table(w, secrets...)
	}
	if len(t.result.Notes) > 0 {
		_, _ = fmt.Fprint(w, "\nNot taken over, or not as it was:\n\n")
	}
	for _, n := range t.result.Notes {
		refused := ""
		if n.Refused {
			refused = "refused: "
		}
		_, _ = fmt.Fprintf(w, "%s %s: %s\n", n.Kind, plain(n.Name), plain(refused+n.Text))
	}
}

func (t *tenantImport) knows(have storage.Client, secret string) bool {
	for _, entry := range have.Secrets {
		if t.ring.VerifySecret(entry, secret) {
			return true
		}
	}
	return false
}
