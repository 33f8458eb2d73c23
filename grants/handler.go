package grants

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

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

	// WriteError answers a refused request. It gets errors as they come, and must not tell the client of any but an
	// oidc.Error. Nil answers as the library does, and other errors than its own by 503 without their text.
	WriteError func(http.ResponseWriter, *http.Request, error)

	// Source tells where a request of an authenticated client comes from. Nil is nowhere.
	Source func(*http.Request, zop.Client) Source
}

// Source is where a token request comes from.
type Source struct {
	IP, RequestID string // for the audit log
	Payer         string // who pays for wrong codes by [Limits].FailuresPerIP: an address or an IPv6 network, empty for nobody
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
		cfg.WriteError = writeError
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			next.ServeHTTP(w, r)
			return
		}
		if err := r.ParseForm(); err != nil { // next could not tell any more: the form is parsed once
			cfg.WriteError(w, r, oidc.ErrInvalidRequest().WithParent(err).WithDescription("The form cannot be read."))
			return
		}
		grant := oidc.GrantType(r.PostForm.Get("grant_type"))
		if !slices.Contains(GrantTypes(), grant) {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		resp, err := cfg.exchange(r, grant)
		if err != nil {
			if limited, ok := errors.AsType[*FailuresError](err); ok {
				w.Header().Set("Retry-After", retryAfter(limited.RetryAfter))
			}
			cfg.WriteError(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(resp) // the client has gone
	})
}

func (h HandlerConfig) exchange(r *http.Request, grant oidc.GrantType) (any, error) {
	if err := checkForm(r.PostForm); err != nil {
		return nil, err
	}
	client, err := h.Authenticate(r)
	if err != nil {
		return nil, err
	}
	if !zop.ValidateGrantType(client, grant) {
		return nil, oidc.ErrUnauthorizedClient().WithDescription("Grant type '%s' not allowed for the client.", grant)
	}
	a, err := readAnswer(r.PostForm, grant)
	if err != nil {
		return nil, err
	}
	address, err := ParseFor(a.channel, a.username)
	if err != nil {
		return nil, wrongCode(a.channel)
	}
	granted := &Granted{
		Client: client, Scopes: strings.Fields(r.PostForm.Get("scope")), Audience: r.PostForm.Get("audience"),
		AMR: AMR(a.channel), AuthTime: h.Engine.cfg.Now(), Proof: Proof{Code: a.code},
	}
	if len(granted.Scopes) == 0 {
		granted.Scopes = DefaultScopes()
	}
	var finish func(context.Context) (any, error)
	err = h.Engine.Unhurried(r.Context(), func() (err error) {
		finish, err = h.redeem(r, granted, address)
		return err
	})
	if err != nil {
		return nil, grantError(err, a.channel)
	}
	return finish(r.Context())
}

// redeem takes the code for what is pending at an address. A code for nothing is refused as a wrong one is.
func (h HandlerConfig) redeem(r *http.Request, granted *Granted, a Address) (finish func(context.Context) (any, error), err error) {
	challenge, err := h.Engine.Pending(r.Context(), granted.Client.GetID(), string(a.Channel), a, RequesterAPI)
	if err != nil && !errors.Is(err, ErrNoChallenge) {
		return nil, err
	}
	granted.Proof.Challenge = challenge
	if h.Source != nil {
		from := h.Source(r, granted.Client)
		granted.Proof.IP, granted.Proof.RequestID, granted.Proof.Source = from.IP, from.RequestID, from.Payer
	}
	_, err = h.Engine.Redeem(r.Context(), granted.Proof, func(ctx context.Context, u User) (err error) {
		granted.User = u
		finish, err = h.Grant(ctx, granted)
		return err
	})
	return finish, err
}

// checkForm refuses a parameter that comes twice (RFC 6749, section 3.2), and what is not text.
func checkForm(form url.Values) error {
	for _, values := range form {
		if len(values) > 1 {
			return oidc.ErrInvalidRequest().WithDescription("A parameter is given more than once.")
		}
		for _, v := range values {
			if !utf8.ValidString(v) || strings.Contains(v, "\x00") {
				return oidc.ErrInvalidRequest().WithDescription("A parameter is not UTF-8 text.")
			}
		}
	}
	return nil
}

// answer is what a person answered, as the three grant types carry it.
type answer struct {
	channel        Channel
	username, code string
}

func readAnswer(form url.Values, grant oidc.GrantType) (answer, error) {
	a, parameter := answer{channel: Email, username: form.Get("username")}, "code"
	if grant == GrantTypeSMSCode {
		a.channel = SMS
	}
	if grant == GrantTypeOTP {
		a.channel, parameter = Channel(form.Get("realm")), "otp"
	}
	a.code = form.Get(parameter)
	switch {
	case a.channel != Email && a.channel != SMS:
		return a, oidc.ErrInvalidRequest().WithDescription("realm must be email or sms")
	case a.username == "":
		return a, oidc.ErrInvalidRequest().WithDescription("Missing required parameter: username")
	case a.code == "":
		return a, oidc.ErrInvalidRequest().WithDescription("Missing required parameter: %s", parameter)
	}
	return a, nil
}

// Refusal is what an app is told of a code that [Engine.Redeem] or [Engine.Verify] refused, in the words that Auth0's
// SDKs compare. Wrong, used and unknown are one and the same. It is empty for an error that is no refusal.
func Refusal(err error, c Channel) string {
	switch {
	case errors.Is(err, ErrTooManyFailures):
		return "Your account has been blocked after multiple consecutive login attempts."
	case errors.Is(err, ErrExpired):
		return "The verification code has expired. Please try to login again."
	case errors.Is(err, ErrTooManyAttempts):
		return "You've reached the maximum number of attempts. Please try to login again."
	case !Refused(err):
		return ""
	case c == SMS:
		return "Wrong phone number or verification code."
	}
	return "Wrong email or verification code."
}

// grantError is the refusal as an error of the token endpoint. Others pass.
func grantError(err error, c Channel) error {
	text := Refusal(err, c)
	switch {
	case text == "":
		return err
	case errors.Is(err, ErrTooManyFailures):
		return zop.NewStatusError((&oidc.Error{ErrorType: "too_many_attempts", Description: text}).WithParent(err), http.StatusTooManyRequests)
	}
	return zop.NewStatusError(oidc.ErrInvalidGrant().WithDescription("%s", text), http.StatusForbidden)
}

// retryAfter is a wait in the whole seconds of the header.
func retryAfter(wait time.Duration) string {
	return strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10)
}

func wrongCode(c Channel) error { return grantError(ErrWrongCode, c) }

// writeError writes the library's own errors in the library's shape, with 401 for a client that was not authenticated
// (RFC 6749, section 5.2). The text of any other error stays here: the library would make it the description.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	var status zop.StatusError
	hasStatus := errors.As(err, &status)
	if hasStatus {
		err = status // the library looks no further out
	}
	told := new(oidc.Error)
	switch {
	case !errors.As(err, &told):
		err = zop.NewStatusError(unavailable(err), http.StatusServiceUnavailable)
	case told.ErrorType == oidc.InvalidClient && !hasStatus:
		err = zop.NewStatusError(told, http.StatusUnauthorized)
	}
	if told.ErrorType == oidc.InvalidClient && r.Header.Get("Authorization") != "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="token endpoint"`)
	}
	zop.WriteError(w, r, err, nil)
}

func unavailable(err error) *oidc.Error {
	return oidc.ErrServerError().WithParent(err).WithDescription("The service is temporarily unavailable. Try again in a few seconds.")
}
