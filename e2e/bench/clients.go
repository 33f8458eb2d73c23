package main

import (
	"context"

	"sallyport/grants"
	"sallyport/storage"
)

// The clients and the API of the benchmark.
const (
	webClient     = "web"
	webSecret     = "a-web-client-secret-of-32-characters-or-more" //nolint:gosec // of the benchmark only
	webRedirect   = "http://127.0.0.1:9/callback"
	machineClient = "machine"
	machineSecret = "a-machine-client-secret-of-32-characters-up"
	apiAudience   = "https://api.example.com"
)

// fill prepares an empty database.
func fill(ctx context.Context, store *storage.Store, ring *grants.Ring) error {
	if err := store.Migrate(ctx); err != nil {
		return err
	}
	if err := store.CheckSecret(ctx); err != nil {
		return err
	}
	methods := []string{"client_secret_basic", "client_secret_post"}
	clients := []storage.Client{
		{
			ID: webClient, Name: "Web App", Type: "web", Secrets: []string{ring.HashSecret(webSecret)}, AuthMethods: methods,
			RedirectURIs: []string{webRedirect}, ResponseTypes: []string{"code"}, Connections: []string{"email"},
			GrantTypes: []string{string(grants.GrantTypeOTP), "authorization_code", "refresh_token"},
		},
		{
			ID: machineClient, Name: "Machine", Type: "machine", Secrets: []string{ring.HashSecret(machineSecret)}, AuthMethods: methods,
			GrantTypes: []string{"client_credentials"}, APIs: map[string][]string{apiAudience: {"read:things"}},
		},
	}
	apis := []storage.API{{Audience: apiAudience, Name: "API", Scopes: []string{"read:things"}, Alg: "RS256", OfflineAccess: true}}
	return store.Tx(ctx, func(ctx context.Context) error {
		if err := store.ApplyClients(ctx, 1, clients); err != nil {
			return err
		}
		return store.ApplyAPIs(ctx, apis)
	})
}
