package storage

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm"
)

// Client is an application that may use this provider.
type Client struct {
	ID, Name string
	Type     string   // web, spa, native or machine
	Secrets  []string // "hmac:<key id>:<hex>" or "sha256:<hex>"; each of them is good

	RedirectURIs, PostLogoutRedirectURIs, WebOrigins []string

	GrantTypes, ResponseTypes, Connections, AuthMethods []string

	IDTokenAlg      string // RS256, ES256 or EdDSA
	EmbeddedLinks   bool
	APIs            map[string][]string // audience to the scopes that it may have there
	FromFile        bool                // owned by the configuration file, read-only elsewhere
	Disabled        bool
	TokensValidFrom time.Time // access tokens made before are refused
	Settings        ClientSettings

	CreatedAt, UpdatedAt time.Time
}

// Same tells whether two clients differ in nothing that a configuration file can say.
func (c Client) Same(d Client) bool {
	return c.ID == d.ID && c.Name == d.Name && c.Type == d.Type && slices.Equal(c.Secrets, d.Secrets) &&
		slices.Equal(c.RedirectURIs, d.RedirectURIs) && slices.Equal(c.PostLogoutRedirectURIs, d.PostLogoutRedirectURIs) &&
		slices.Equal(c.WebOrigins, d.WebOrigins) && slices.Equal(c.GrantTypes, d.GrantTypes) &&
		slices.Equal(c.ResponseTypes, d.ResponseTypes) && slices.Equal(c.Connections, d.Connections) &&
		slices.Equal(c.AuthMethods, d.AuthMethods) && c.IDTokenAlg == d.IDTokenAlg && c.EmbeddedLinks == d.EmbeddedLinks &&
		maps.EqualFunc(c.APIs, d.APIs, slices.Equal[[]string]) && c.Disabled == d.Disabled &&
		c.Settings.same(d.Settings)
}

type clientRow struct {
	ID              string
	Name            string
	Type            string
	Secrets         list
	GrantTypes      list
	ResponseTypes   list
	Connections     list
	AuthMethods     list
	IDTokenAlg      string
	EmbeddedLinks   bool
	APIs            lists `gorm:"column:apis"`
	FromFile        bool
	Disabled        bool
	TokensValidFrom int64
	Settings        object[ClientSettings]
	CreatedAt       int64 `gorm:"autoCreateTime:false"`
	UpdatedAt       int64 `gorm:"autoUpdateTime:false"`
}

// TableName implements gorm's schema.Tabler.
func (clientRow) TableName() string { return "clients" }

type clientURLRow struct {
	ClientID string
	Kind     string
	Position int
	URL      string `gorm:"column:url"`
}

// TableName implements gorm's schema.Tabler.
func (clientURLRow) TableName() string { return "client_urls" }

// urls are the client's lists of addresses by their kind in the table client_urls.
func (c *Client) urls() map[string]*[]string {
	return map[string]*[]string{"redirect": &c.RedirectURIs, "logout": &c.PostLogoutRedirectURIs, "origin": &c.WebOrigins}
}

// Client reads a client, a disabled one too. [ErrNotFound].
func (s *Store) Client(ctx context.Context, id string) (Client, error) {
	clients, err := s.readClients(ctx,
		func(db *gorm.DB) *gorm.DB { return db.Where("id = ?", id) },
		func(db *gorm.DB) *gorm.DB { return db.Where("client_id = ?", id) })
	if err != nil {
		return Client{}, err
	}
	if len(clients) == 0 {
		return Client{}, fmt.Errorf("reading client: %w", ErrNotFound)
	}
	return clients[0], nil
}

// Clients reads all clients in the order of their ids.
func (s *Store) Clients(ctx context.Context) ([]Client, error) {
	all := func(db *gorm.DB) *gorm.DB { return db }
	return s.readClients(ctx, all, all)
}

func (s *Store) readClients(ctx context.Context, which, whose func(*gorm.DB) *gorm.DB) ([]Client, error) {
	var rows []clientRow
	if err := which(s.query(ctx)).Order("id").Find(&rows).Error; err != nil {
		return nil, failed("reading clients", err)
	}
	var urls []clientURLRow
	if err := whose(s.query(ctx)).Order("client_id, kind, position").Find(&urls).Error; err != nil {
		return nil, failed("reading clients", err)
	}
	clients := make([]Client, len(rows))
	byID := make(map[string]map[string]*[]string, len(rows))
	for i, r := range rows {
		clients[i] = r.client()
		byID[r.ID] = clients[i].urls()
	}
	for _, u := range urls {
		if of := byID[u.ClientID][u.Kind]; of != nil {
			*of = append(*of, u.URL)
		}
	}
	return clients, nil
}

func (r clientRow) client() Client {
	return Client{
		ID: r.ID, Name: r.Name, Type: r.Type, Secrets: r.Secrets, GrantTypes: r.GrantTypes, ResponseTypes: r.ResponseTypes,
		Connections: r.Connections, AuthMethods: r.AuthMethods, IDTokenAlg: r.IDTokenAlg, EmbeddedLinks: r.EmbeddedLinks,
		APIs: r.APIs, FromFile: r.FromFile, Disabled: r.Disabled, TokensValidFrom: moment(r.TokensValidFrom),
		Settings: r.Settings.is, CreatedAt: moment(r.CreatedAt), UpdatedAt: moment(r.UpdatedAt),
	}
}

// AddClient writes a new client, created now. [ErrExists] when its id is taken.
func (s *Store) AddClient(ctx context.Context, c Client) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		c.CreatedAt = s.now()
		c.UpdatedAt = c.CreatedAt
		n, err := s.insertClient(ctx, c)
		if err == nil && n == 0 {
			return fmt.Errorf("adding client %q: %w", c.ID, ErrExists)
		}
		return err
	})
}

func (s *Store) insertClient(ctx context.Context, c Client) (int64, error) {
	n, err := s.exec(ctx, "adding client", `INSERT INTO clients (id, name, type, secrets, grant_types, response_types, connections, auth_methods,
		id_token_alg, embedded_links, apis, from_file, disabled, tokens_valid_from, settings, created_at, updated_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
		c.ID, c.Name, c.Type, list(c.Secrets), list(c.GrantTypes), list(c.ResponseTypes), list(c.Connections), list(c.AuthMethods),
		c.IDTokenAlg, c.EmbeddedLinks, lists(c.APIs), c.FromFile, c.Disabled, micros(c.TokensValidFrom),
		object[ClientSettings]{c.Settings}, micros(c.CreatedAt), micros(c.UpdatedAt))
	if err != nil || n == 0 {
		return n, err
	}
	return n, s.insertURLs(ctx, c)
}

func (s *Store) insertURLs(ctx context.Context, c Client) error {
	for kind, urls := range c.urls() {
		for i, u := range *urls {
			_, err := s.exec(ctx, "writing client's URLs", "INSERT INTO client_urls (client_id, kind, position, url) VALUES (?, ?, ?, ?)", c.ID, kind, i, u)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// writeClient writes a client that is there already, updated now. Disabling it ends the access tokens it has.
func (s *Store) writeClient(ctx context.Context, before, c Client) error {
	c.ID, c.CreatedAt, c.UpdatedAt = before.ID, before.CreatedAt, s.now()
	if c.TokensValidFrom.Before(before.TokensValidFrom) {
		c.TokensValidFrom = before.TokensValidFrom
	}
	if c.Disabled && !before.Disabled {
		c.TokensValidFrom = c.UpdatedAt
	}
	_, err := s.exec(ctx, "writing client", `UPDATE clients SET name = ?, type = ?, secrets = ?, grant_types = ?, response_types = ?, connections = ?,
		auth_methods = ?, id_token_alg = ?, embedded_links = ?, apis = ?, disabled = ?, tokens_valid_from = ?, settings = ?, updated_at = ? WHERE id = ?`,
		c.Name, c.Type, list(c.Secrets), list(c.GrantTypes), list(c.ResponseTypes), list(c.Connections), list(c.AuthMethods),
		c.IDTokenAlg, c.EmbeddedLinks, lists(c.APIs), c.Disabled, micros(c.TokensValidFrom),
		object[ClientSettings]{c.Settings}, micros(c.UpdatedAt), c.ID)
	if err != nil {
		return err
	}
	if _, err := s.exec(ctx, "writing client's URLs", "DELETE FROM client_urls WHERE client_id = ?", c.ID); err != nil {
		return err
	}
	return s.insertURLs(ctx, c)
}

// UpdateClient changes a client in one transaction; an error of change is returned as it is and changes nothing. The
// id, times of creation and update, and who owns the client are not for change to set. [ErrNotFound],
// [ErrManagedByFile].
func (s *Store) UpdateClient(ctx context.Context, id string, change func(*Client) error) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		before, err := s.lockOwnClient(ctx, id)
		if err != nil {
			return err
		}
		after, err := s.Client(ctx, id) // a copy that shares nothing with before
		if err != nil {
			return err
		}
		if err := change(&after); err != nil {
			return err
		}
		return s.writeClient(ctx, before, after)
	})
}

// DeleteClient removes a client and revokes its authorizations. [ErrNotFound], [ErrManagedByFile].
func (s *Store) DeleteClient(ctx context.Context, id string) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		if _, err := s.lockOwnClient(ctx, id); err != nil {
			return err
		}
		return s.deleteClient(ctx, id)
	})
}

// DeleteGoneClient is [Store.DeleteClient] for a client that the configuration file has owned and has no longer, which
// is disabled then. [ErrNotFound], [ErrManagedByFile] while the client is enabled.
func (s *Store) DeleteGoneClient(ctx context.Context, id string) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		c, err := s.lockClient(ctx, id)
		if err != nil {
			return err
		}
		if c.FromFile && !c.Disabled {
			return fmt.Errorf("client %q: %w", id, ErrManagedByFile)
		}
		return s.deleteClient(ctx, id)
	})
}

// deleteClient removes a row, with which its URLs go, and all that the client was given.
func (s *Store) deleteClient(ctx context.Context, id string) error {
	if _, err := s.exec(ctx, "deleting client", "DELETE FROM clients WHERE id = ?", id); err != nil {
		return err
	}
	_, err := s.exec(ctx, "revoking authorizations", "UPDATE authorizations SET revoked_at = ? WHERE client_id = ? AND revoked_at = 0", micros(s.now()), id)
	return err
}

// lockClient reads a client and holds its row until the transaction ends.
func (s *Store) lockClient(ctx context.Context, id string) (Client, error) {
	if _, err := read[text](s.query(ctx).Raw("SELECT id FROM clients WHERE id = ?"+s.forUpdate(), id)); err != nil {
		return Client{}, failed("reading client", err)
	}
	return s.Client(ctx, id)
}

// lockOwnClient is lockClient for one that the configuration file does not own.
func (s *Store) lockOwnClient(ctx context.Context, id string) (Client, error) {
	c, err := s.lockClient(ctx, id)
	if err != nil {
		return Client{}, err
	}
	if c.FromFile {
		return Client{}, fmt.Errorf("client %q: %w", id, ErrManagedByFile)
	}
	return c, nil
}
