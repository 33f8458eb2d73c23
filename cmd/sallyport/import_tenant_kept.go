package main

import (
	"sallyport/cmd/sallyport/auth0tenant"
	"sallyport/storage"
)

// kept takes one setting over from what is there.
type kept[T any] struct {
	members []string // of the export, any of which speaks of the setting
	keep    func(want *T, have T)
}

// keepUnsaid keeps what an export does not speak of.
func keepUnsaid[T any](said auth0tenant.Members, want *T, have T, settings []kept[T]) {
	for _, s := range settings {
		if !said.Any(s.members...) {
			s.keep(want, have)
		}
	}
}

var unsaidOfAPI = []kept[storage.API]{
	{[]string{"name"}, func(w *storage.API, h storage.API) { w.Name = h.Name }},
	{[]string{"scopes"}, func(w *storage.API, h storage.API) { w.Scopes = h.Scopes }},
	{[]string{"signing_alg"}, func(w *storage.API, h storage.API) { w.Alg = h.Alg }},
	{[]string{"token_lifetime"}, func(w *storage.API, h storage.API) { w.TokenLifetime = h.TokenLifetime }},
	{[]string{"allow_offline_access"}, func(w *storage.API, h storage.API) { w.OfflineAccess = h.OfflineAccess }},
}

var unsaidOfClient = []kept[storage.Client]{
	{nil, func(w *storage.Client, h storage.Client) {
		w.EmbeddedLinks, w.IDTokenAlg, w.Settings.AccessTokenLifetime = h.EmbeddedLinks, h.IDTokenAlg, h.Settings.AccessTokenLifetime
		w.Settings.RequirePKCE = h.Settings.RequirePKCE
	}},
	{[]string{"grant_types"}, func(w *storage.Client, h storage.Client) {
		w.GrantTypes, w.ResponseTypes = h.GrantTypes, h.ResponseTypes
	}},
	{[]string{"description"}, func(w *storage.Client, h storage.Client) { w.Settings.Description = h.Settings.Description }},
	{[]string{"logo_uri"}, func(w *storage.Client, h storage.Client) { w.Settings.LogoURI = h.Settings.LogoURI }},
	{[]string{"initiate_login_uri"}, func(w *storage.Client, h storage.Client) { w.Settings.InitiateLoginURI = h.Settings.InitiateLoginURI }},
	{[]string{"client_metadata"}, func(w *storage.Client, h storage.Client) { w.Settings.Metadata = h.Settings.Metadata }},
	{[]string{"callbacks"}, func(w *storage.Client, h storage.Client) { w.RedirectURIs = h.RedirectURIs }},
	{[]string{"allowed_logout_urls"}, func(w *storage.Client, h storage.Client) { w.PostLogoutRedirectURIs = h.PostLogoutRedirectURIs }},
	{[]string{"web_origins", "allowed_origins"}, func(w *storage.Client, h storage.Client) { w.WebOrigins = h.WebOrigins }},
	{[]string{"jwt_configuration"}, func(w *storage.Client, h storage.Client) { w.Settings.IDTokenLifetime = h.Settings.IDTokenLifetime }},
	{[]string{"refresh_token"}, func(w *storage.Client, h storage.Client) { w.Settings.Refresh = h.Settings.Refresh }},
	{[]string{"is_token_endpoint_ip_header_trusted"}, func(w *storage.Client, h storage.Client) {
		w.Settings.TrustForwardedFor = h.Settings.TrustForwardedFor
	}},
	{[]string{auth0tenant.EnabledClients}, func(w *storage.Client, h storage.Client) { w.Connections = h.Connections }},
}
