package grants

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	zop "github.com/zitadel/oidc/v3/pkg/op"
)

// The passwordless grant types at the token endpoint.
const (
	// GrantTypeOTP is Auth0's: realm (email or sms), username and otp.
	GrantTypeOTP oidc.GrantType = "http://auth0.com/oauth/grant-type/passwordless/otp"
	// GrantTypeEmailCode takes username and code.
	GrantTypeEmailCode oidc.GrantType = "http://auth0.com/oauth/grant-type/passwordless/email-code"
	// GrantTypeSMSCode takes username and code.
	GrantTypeSMSCode oidc.GrantType = "http://auth0.com/oauth/grant-type/passwordless/sms-code"
)

// GrantTypes are the passwordless grant types, for discovery.
func GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{GrantTypeOTP, GrantTypeEmailCode, GrantTypeSMSCode}
}

// DefaultScopes is what a passwordless grant without scope asks for.
func DefaultScopes() []string {
	return []string{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail, oidc.ScopePhone}
}

// HandlerConfig says how the handler is fitted into a provider.
type HandlerConfig struct {
	Engine *Engine

	// Authenticate the client of a token request, as the provider does for every other grant; see
	// [LibraryClients] for a plain zitadel provider.
	Authenticate func(*http.Request) (zop.Client, error)

	// Grant runs inside the transaction that spends the code: it writes what the provider keeps of a login. finish
	// runs after the commit and makes the token response; see [LibraryGrant] for a plain zitadel provider.
	Grant func(ctx context.Context, g *Granted) (finish func(context.Context) (any, error), err error)

	// WriteError answers a refused request. Nil is the library's zop.WriteError.
	WriteError func(http.ResponseWriter, *http.Request, error)

	// Source tells the client's address and the request's id, for the audit log. Nil leaves both empty.
	Source func(*http.Request) (ip, requestID string)
}

// Granted is a login by a right code at the token endpoint. It is a zop.IDTokenRequest.
type Granted struct {
	Client   zop.Client
	User     User
	Scopes   []string // as requested, or DefaultScopes
	Audience string   // as requested
	AMR      []string // RFC 8176
	AuthTime time.Time
	Proof    Proof
}

// GetAMR implements zop.IDTokenRequest.
func (g *Granted) GetAMR() []string { return g.AMR }

// GetAudience implements zop.TokenRequest.
func (g *Granted) GetAudience() []string { return []string{g.Client.GetID()} }

// GetAuthTime implements zop.IDTokenRequest.
func (g *Granted) GetAuthTime() time.Time { return g.AuthTime }

// GetClientID implements zop.IDTokenRequest.
func (g *Granted) GetClientID() string { return g.Client.GetID() }

// GetScopes implements zop.TokenRequest.
func (g *Granted) GetScopes() []string { return g.Scopes }

// GetSubject implements zop.TokenRequest.
func (g *Granted) GetSubject() string { return g.User.ID }

// AMR are the authentication method references (RFC 8176) of a login through a channel.
func AMR(c Channel) []string {
	if c == SMS {
		return []string{"otp", "sms"}
	}
	return []string{"otp"}
}

// Handler answers the passwordless grant types and passes every other request to next. It belongs in front of the
// token endpoint, behind whatever bounds the body's size.
//
// A wrong, a used and an unknown code are answered alike, 403 invalid_grant; an expired one and too many tries have
// descriptions of their own, which exist alike for unknown addresses.
func Handler(cfg HandlerConfig, next http.Handler) http.Handler {
	if cfg.WriteError == nil {
		cfg.WriteError = func(w http.ResponseWriter, r *http.Request, err error) { zop.WriteError(w, r, err, nil) }
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.ParseForm() != nil {
			next.ServeHTTP(w, r)
			return
		}
		grant := oidc.GrantType(r.PostForm.Get("grant_type"))
		if !slices.Contains(GrantTypes(), grant) {
			next.ServeHTTP(w, r)
			return
		}
		resp, err := cfg.exchange(r, grant)
		if err != nil {
			cfg.WriteError(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(resp) // the client has gone
	})
}

func (cfg HandlerConfig) exchange(r *http.Request, grant oidc.GrantType) (any, error) {
	client, err := cfg.Authenticate(r)
	if err != nil {
		return nil, err
	}
	if !zop.ValidateGrantType(client, grant) {
		return nil, oidc.ErrUnauthorizedClient().WithDescription("Grant type '%s' not allowed for the client.", grant)
	}
	channel, username, code, err := grantParams(r, grant)
	if err != nil {
		return nil, err
	}
	address, err := parseFor(channel, username)
	if err != nil {
		return nil, wrongCode(channel)
	}
	ctx := r.Context()
	challenge, err := cfg.Engine.Pending(ctx, client.GetID(), string(channel), address, RequesterAPI)
	if err != nil {
		return nil, grantError(err, channel)
	}
	proof := Proof{Challenge: challenge, Code: code}
	if cfg.Source != nil {
		proof.IP, proof.RequestID = cfg.Source(r)
	}
	var finish func(context.Context) (any, error)
	_, err = cfg.Engine.Redeem(ctx, proof, func(ctx context.Context, u User) error {
		granted := &Granted{
			Client: client, User: u, Scopes: strings.Fields(r.PostForm.Get("scope")), Audience: r.PostForm.Get("audience"),
			AMR: AMR(channel), AuthTime: cfg.Engine.cfg.Now(), Proof: proof,
		}
		if len(granted.Scopes) == 0 {
			granted.Scopes = DefaultScopes()
		}
		finish, err = cfg.Grant(ctx, granted)
		return err
	})
	if err != nil {
		return nil, grantError(err, channel)
	}
	return finish(ctx)
}

// grantParams reads the parameters of the three grant types.
func grantParams(r *http.Request, grant oidc.GrantType) (channel Channel, username, code string, err error) {
	form := r.PostForm
	username, code = form.Get("username"), form.Get("code")
	switch grant {
	case GrantTypeEmailCode:
		channel = Email
	case GrantTypeSMSCode:
		channel = SMS
	default:
		code = form.Get("otp")
		channel = Channel(form.Get("realm"))
		if channel != Email && channel != SMS {
			return "", "", "", oidc.ErrInvalidRequest().WithDescription("realm must be email or sms")
		}
	}
	if username == "" {
		return "", "", "", oidc.ErrInvalidRequest().WithDescription("Missing required parameter: username")
	}
	if code == "" {
		name := "code"
		if grant == GrantTypeOTP {
			name = "otp"
		}
		return "", "", "", oidc.ErrInvalidRequest().WithDescription("Missing required parameter: %s", name)
	}
	return channel, username, code, nil
}

func parseFor(c Channel, s string) (Address, error) {
	if c == SMS {
		return ParsePhone(s)
	}
	return ParseEmail(s)
}

// grantError is what the client is told of an error of the engine, in the words that Auth0's SDKs compare. Others pass.
func grantError(err error, c Channel) error {
	switch {
	case errors.Is(err, ErrExpired):
		return invalidGrant("The verification code has expired. Please try to login again.")
	case errors.Is(err, ErrTooManyAttempts):
		return invalidGrant("You've reached the maximum number of attempts. Please try to login again.")
	case errors.Is(err, ErrNoChallenge), errors.Is(err, ErrWrongCode), errors.Is(err, ErrUsed),
		errors.Is(err, ErrBlocked), errors.Is(err, ErrSignupClosed):
		return wrongCode(c)
	}
	return err
}

func wrongCode(c Channel) error {
	if c == SMS {
		return invalidGrant("Wrong phone number or verification code.")
	}
	return invalidGrant("Wrong email or verification code.")
}

func invalidGrant(description string) error {
	return zop.NewStatusError(oidc.ErrInvalidGrant().WithDescription("%s", description), http.StatusForbidden)
}
