package admin

import (
	"time"

	"sallyport/storage"
)

// appTypes are Auth0's names of the types of clients.
var appTypes = map[string]string{"web": "regular_web", "spa": "spa", "native": "native", "machine": "non_interactive"}

// TokenDefaults are the lifetimes of a client that says none.
type TokenDefaults struct {
	IDToken, RefreshIdle, RefreshAbsolute, RefreshLeeway time.Duration
}

// clientView is a client in Auth0's shape.
type clientView struct {
	ClientID         string            `json:"client_id"`
	ClientSecret     string            `json:"client_secret,omitempty"` // once, when it is made
	Name             string            `json:"name"`
	Description      string            `json:"description,omitempty"`
	AppType          string            `json:"app_type"`
	LogoURI          string            `json:"logo_uri,omitempty"`
	InitiateLoginURI string            `json:"initiate_login_uri,omitempty"`
	IsFirstParty     bool              `json:"is_first_party"`
	OIDCConformant   bool              `json:"oidc_conformant"`
	Global           bool              `json:"global"`
	Callbacks        []string          `json:"callbacks"`
	LogoutURLs       []string          `json:"allowed_logout_urls"`
	WebOrigins       []string          `json:"web_origins"`
	AllowedOrigins   []string          `json:"allowed_origins"`
	GrantTypes       []string          `json:"grant_types"`
	AuthMethod       string            `json:"token_endpoint_auth_method"`
	TrustsForwarded  bool              `json:"is_token_endpoint_ip_header_trusted"`
	JWT              jwtView           `json:"jwt_configuration"`
	Refresh          refreshView       `json:"refresh_token"`
	Metadata         map[string]string `json:"client_metadata,omitempty"`
}

type jwtView struct {
	Alg           string `json:"alg"`
	Lifetime      int64  `json:"lifetime_in_seconds"`
	SecretEncoded bool   `json:"secret_encoded"`
}

type refreshView struct {
	Rotation     string `json:"rotation_type"`
	Expiration   string `json:"expiration_type"`
	Leeway       int64  `json:"leeway"`
	Lifetime     int64  `json:"token_lifetime"`
	IdleLifetime int64  `json:"idle_token_lifetime"`
	Infinite     bool   `json:"infinite_token_lifetime"`
	InfiniteIdle bool   `json:"infinite_idle_token_lifetime"`
}

func (a *API) clientView(c storage.Client) clientView {
	v := clientView{
		ClientID: c.ID, Name: c.Name, Description: c.Settings.Description, AppType: appTypes[c.Type], LogoURI: c.Settings.LogoURI,
		InitiateLoginURI: c.Settings.InitiateLoginURI, IsFirstParty: true, OIDCConformant: true,
		Callbacks: list(c.RedirectURIs), LogoutURLs: list(c.PostLogoutRedirectURIs), WebOrigins: list(c.WebOrigins), AllowedOrigins: list(c.WebOrigins),
		GrantTypes: list(c.GrantTypes), AuthMethod: "none", TrustsForwarded: c.Settings.TrustForwardedFor, Metadata: c.Settings.Metadata,
		JWT: jwtView{Alg: c.IDTokenAlg, Lifetime: seconds(c.Settings.IDTokenLifetime, a.cfg.Defaults.IDToken)},
		Refresh: refreshView{
			Rotation: rotating, Expiration: "expiring", Leeway: seconds(0, a.cfg.Defaults.RefreshLeeway),
			Lifetime:     seconds(c.Settings.Refresh.Absolute, a.cfg.Defaults.RefreshAbsolute),
			IdleLifetime: seconds(c.Settings.Refresh.Idle, a.cfg.Defaults.RefreshIdle),
		},
	}
	if len(c.AuthMethods) > 0 {
		v.AuthMethod = c.AuthMethods[0]
	}
	if v.JWT.Alg == "" {
		v.JWT.Alg = "RS256"
	}
	if c.Settings.Refresh.NonRotating {
		v.Refresh.Rotation = nonRotating
	}
	if l := c.Settings.Refresh.Leeway; l != nil {
		v.Refresh.Leeway = int64(l.Seconds())
	}
	return v
}

const (
	rotating    = "rotating"
	nonRotating = "non-rotating"
)

func seconds(d, otherwise time.Duration) int64 {
	if d == 0 {
		d = otherwise
	}
	return int64(d.Seconds())
}

// list is a list that is shown as [] when it is empty.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
