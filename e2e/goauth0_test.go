package e2e

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	auth0 "github.com/auth0/go-auth0/authentication"
	"github.com/auth0/go-auth0/authentication/oauth"
	"github.com/auth0/go-auth0/authentication/passwordless"
	"golang.org/x/oauth2"
)

// TestGoSDK runs Auth0's package for Go.
func TestGoSDK(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		t.Helper()
		s := newTenant(t, url)
		t.Run("e-mail", s.goEmail)
		t.Run("SMS", s.goSMS)
		t.Run("refused number", s.goRefusedNumber)
		t.Run("wrong codes", s.goWrongCode)
		t.Run("pushed authorization request", s.goPushed)
		t.Run("client credentials", s.goClientCredentials)
		t.Run("users", s.goUsers)
		t.Run("link", s.goLink)
		t.Run("block", s.goBlock)
		t.Run("user blocks", s.goUserBlocks)
		t.Run("sessions", s.goSessions)
		t.Run("clients", s.goClients)
		t.Run("connections", s.goConnections)
		t.Run("logs", s.goLogs)
	})
}

// sdk is the authentication client of a client of the tenant.
func (s *tenant) sdk(t *testing.T, clientID string, options ...auth0.Option) *auth0.Authentication {
	t.Helper()
	a, err := auth0.New(t.Context(), s.domain, append([]auth0.Option{auth0.WithClientID(clientID)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (s *tenant) web(t *testing.T) *auth0.Authentication {
	t.Helper()
	return s.sdk(t, "web", auth0.WithClientSecret(clientSecret))
}

// fault expects an error of the SDK's own.
func fault(t *testing.T, err error, status int, code, text string) {
	t.Helper()
	var e *auth0.Error
	if !errors.As(err, &e) || e.StatusCode != status || e.Err != code || e.Message != text {
		t.Fatalf("error %v, want %d %s: %s", err, status, code, text)
	}
}

// goCode starts a login by e-mail and gives the code that arrives.
func (s *tenant) goCode(t *testing.T, email string) string {
	t.Helper()
	before := len(s.inbox(email))
	started, err := s.web(t).Passwordless.SendEmail(t.Context(), passwordless.SendEmailRequest{Email: email, Connection: "email", Send: "code"})
	if err != nil || len(started.ID) != 24 || started.Email != email {
		t.Fatalf("start: %+v %v", started, err)
	}
	return received(t, before+1, func() []mail { return s.inbox(email) }).code()
}

// goLogIn signs somebody in by e-mail.
func (s *tenant) goLogIn(t *testing.T, email string) *oauth.TokenSet {
	t.Helper()
	tokens, err := s.web(t).Passwordless.LoginWithEmail(t.Context(), passwordless.LoginWithEmailRequest{
		Email: email, Code: s.goCode(t, email), Scope: "openid profile email offline_access",
	}, oauth.IDTokenValidationOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func (s *tenant) goEmail(t *testing.T) {
	a, email := s.web(t), "go-ada@example.com"
	tokens := s.goLogIn(t, email)
	info, err := a.UserInfo(t.Context(), tokens.AccessToken)
	if err != nil || info.Email != email || !info.EmailVerified || info.Nickname != "go-ada" || !strings.HasPrefix(info.Sub, "email|") {
		t.Fatalf("userinfo: %+v %v", info, err)
	}
	refreshed, err := a.OAuth.RefreshToken(t.Context(), oauth.RefreshTokenRequest{RefreshToken: tokens.RefreshToken}, oauth.IDTokenValidationOptions{})
	if err != nil || refreshed.RefreshToken == tokens.RefreshToken || refreshed.AccessToken == tokens.AccessToken {
		t.Fatalf("refresh: %v", err)
	}
	if err := a.OAuth.RevokeRefreshToken(t.Context(), oauth.RevokeRefreshTokenRequest{Token: refreshed.RefreshToken}); err != nil {
		t.Fatal(err)
	}
	_, err = a.OAuth.RefreshToken(t.Context(), oauth.RefreshTokenRequest{RefreshToken: refreshed.RefreshToken}, oauth.IDTokenValidationOptions{})
	var e *auth0.Error
	if !errors.As(err, &e) || e.Err != "invalid_grant" {
		t.Errorf("a revoked token: %v", err)
	}
	if _, err := a.UserInfo(t.Context(), refreshed.AccessToken); !errors.As(err, &e) || e.StatusCode != http.StatusUnauthorized {
		t.Errorf("userinfo after the revocation: %v", err)
	}
}

func (s *tenant) goSMS(t *testing.T) {
	number := "+4915112345010"
	a := s.web(t)
	started, err := a.Passwordless.SendSMS(t.Context(), passwordless.SendSMSRequest{PhoneNumber: number, Connection: "sms"})
	if err != nil || len(started.ID) != 24 || started.PhoneNumber != number {
		t.Fatalf("start: %+v %v", started, err)
	}
	tokens, err := a.Passwordless.LoginWithSMS(t.Context(), passwordless.LoginWithSMSRequest{
		PhoneNumber: number, Code: received(t, 1, func() []mail { return s.inbox(number) }).code(), Scope: "openid phone",
	}, oauth.IDTokenValidationOptions{})
	if err != nil {
		t.Fatal(err)
	}
	info, err := a.UserInfo(t.Context(), tokens.AccessToken)
	if err != nil || info.PhoneNumber != number || !info.PhoneNumberVerified || !strings.HasPrefix(info.Sub, "sms|") {
		t.Fatalf("userinfo: %+v %v", info, err)
	}
}

func (s *tenant) goRefusedNumber(t *testing.T) {
	s.texts.behave(func(_ int, w http.ResponseWriter) bool {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"code":21211,"message":"The number is not a valid phone number.","status":400}`)
		return true
	})
	t.Cleanup(func() { s.texts.behave(nil) })
	_, err := s.web(t).Passwordless.SendSMS(t.Context(), passwordless.SendSMSRequest{PhoneNumber: "+4915112345012", Connection: "sms"})
	fault(t, err, http.StatusBadRequest, "sms_provider_error", "The number is not a valid phone number. (Code: 21211)")
}

func (s *tenant) goWrongCode(t *testing.T) {
	a, email, number := s.web(t), "go-bob@example.com", "+4915112345011"
	login := func(code string) error {
		_, err := a.Passwordless.LoginWithEmail(t.Context(), passwordless.LoginWithEmailRequest{Email: email, Code: code, Scope: "openid"}, oauth.IDTokenValidationOptions{})
		return err
	}
	const refusal = "Wrong email or verification code."
	right := s.goCode(t, email)
	fault(t, login(wrong(right)), http.StatusForbidden, "invalid_grant", refusal)
	if err := login(right); err != nil {
		t.Fatal(err)
	}
	fault(t, login(right), http.StatusForbidden, "invalid_grant", refusal)

	if _, err := a.Passwordless.SendSMS(t.Context(), passwordless.SendSMSRequest{PhoneNumber: number, Connection: "sms"}); err != nil {
		t.Fatal(err)
	}
	_, err := a.Passwordless.LoginWithSMS(t.Context(), passwordless.LoginWithSMSRequest{
		PhoneNumber: number, Code: wrong(received(t, 1, func() []mail { return s.inbox(number) }).code()),
	}, oauth.IDTokenValidationOptions{})
	fault(t, err, http.StatusForbidden, "invalid_grant", "Wrong phone number or verification code.")
	_, err = a.Passwordless.SendEmail(t.Context(), passwordless.SendEmailRequest{Email: "nobody", Connection: "email", Send: "code"})
	fault(t, err, http.StatusBadRequest, "bad.email", "error in email - email format validation failed: nobody")
}

// wrong is another code of the same length.
func wrong(code string) string {
	digit := (code[len(code)-1]-'0'+1)%10 + '0'
	return code[:len(code)-1] + string(digit)
}

func (s *tenant) goPushed(t *testing.T) {
	a, verifier, callback := s.web(t), oauth2.GenerateVerifier(), s.app+"/callback"
	pushed, err := a.OAuth.PushedAuthorization(t.Context(), oauth.PushedAuthorizationRequest{
		RedirectURI: callback, ResponseType: "code", Scope: "openid email", Nonce: "nonce", Connection: "email",
		CodeChallenge: oauth2.S256ChallengeFromVerifier(verifier), ExtraParameters: map[string]string{"code_challenge_method": "S256"},
	})
	if err != nil {
		t.Fatal(err)
	}
	authorize := s.url + "/authorize?" + url.Values{"client_id": {"web"}, "request_uri": {pushed.RequestURI}}.Encode()
	back := must(url.Parse(s.visit(newPerson(t, s.url), authorize, "go-cas@example.com")))
	tokens, err := a.OAuth.LoginWithAuthCodeWithPKCE(t.Context(), oauth.LoginWithAuthCodeWithPKCERequest{
		Code: back.Query().Get("code"), CodeVerifier: verifier, RedirectURI: callback,
	}, oauth.IDTokenValidationOptions{Nonce: "nonce"})
	if err != nil || tokens.IDToken == "" {
		t.Fatalf("%s: %v", back, err)
	}
}

func (s *tenant) goClientCredentials(t *testing.T) {
	request := oauth.LoginWithClientCredentialsRequest{Audience: "https://api.example.com"}
	for name, a := range map[string]*auth0.Authentication{
		"secret": s.sdk(t, "machine", auth0.WithClientSecret(clientSecret)),
		"key":    s.sdk(t, "signer", auth0.WithClientAssertion(s.signerKey, "RS256")),
	} {
		if tokens, err := a.OAuth.LoginWithClientCredentials(t.Context(), request, oauth.IDTokenValidationOptions{}); err != nil || tokens.AccessToken == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	impostor := s.sdk(t, "machine", auth0.WithClientSecret("another-secret"))
	_, err := impostor.OAuth.LoginWithClientCredentials(t.Context(), request, oauth.IDTokenValidationOptions{})
	var e *auth0.Error
	if !errors.As(err, &e) || e.StatusCode != http.StatusUnauthorized {
		t.Errorf("a wrong secret: %v", err)
	}
}
