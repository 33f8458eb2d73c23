package op

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"sallyport/grants"
)

// metadata is the provider's metadata (OpenID Connect Discovery 1.0, section 3; RFC 8414, section 2). It names only
// what exists.
type metadata struct {
	*oidc.DiscoveryConfiguration
	IssInResponse                bool     `json:"authorization_response_iss_parameter_supported"` // RFC 9207
	ClaimsParameterSupported     bool     `json:"claims_parameter_supported"`
	RequestParameterSupported    bool     `json:"request_parameter_supported"`
	RevocationAuthMethods        []string `json:"revocation_endpoint_auth_methods_supported"`
	IntrospectionEndpointMethods []string `json:"introspection_endpoint_auth_methods_supported"`

	PushEndpoint string `json:"pushed_authorization_request_endpoint"` // RFC 9126, section 5
	PushRequired bool   `json:"require_pushed_authorization_requests"`

	// Of client assertions, at each endpoint that takes them.
	TokenSigningAlgs      []jose.SignatureAlgorithm `json:"token_endpoint_auth_signing_alg_values_supported"`
	RevocationSigningAlgs []jose.SignatureAlgorithm `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	IntrospectSigningAlgs []jose.SignatureAlgorithm `json:"introspection_endpoint_auth_signing_alg_values_supported"`
}

// grantTypes are those that the token endpoint takes.
func grantTypes() []oidc.GrantType {
	return append([]oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken, oidc.GrantTypeClientCredentials, oidc.GrantTypeDeviceCode}, grants.GrantTypes()...)
}

// discovery makes the document once: nothing in it depends on the request.
func (p *Provider) discovery() ([]byte, error) {
	confidential := []string{string(oidc.AuthMethodBasic), string(oidc.AuthMethodPost), string(oidc.AuthMethodPrivateKeyJWT)}
	body, err := json.Marshal(metadata{
		DiscoveryConfiguration: &oidc.DiscoveryConfiguration{
			Issuer:                            p.cfg.Issuer,
			AuthorizationEndpoint:             p.url(pathAuthorize),
			TokenEndpoint:                     p.url(pathToken),
			IntrospectionEndpoint:             p.url(pathIntrospect),
			UserinfoEndpoint:                  p.url(pathUserinfo),
			RevocationEndpoint:                p.url(pathRevoke),
			DeviceAuthorizationEndpoint:       p.url(pathDeviceCode),
			EndSessionEndpoint:                p.url(pathLogout),
			JwksURI:                           p.url(pathKeys),
			ScopesSupported:                   Scopes(),
			ResponseTypesSupported:            responseTypes(),
			ResponseModesSupported:            responseModes(),
			GrantTypesSupported:               append(grantTypes(), oidc.GrantTypeImplicit),
			SubjectTypesSupported:             []string{"public"},
			IDTokenSigningAlgValuesSupported:  Algorithms(),
			TokenEndpointAuthMethodsSupported: []oidc.AuthMethod{oidc.AuthMethodBasic, oidc.AuthMethodPost, oidc.AuthMethodPrivateKeyJWT, oidc.AuthMethodNone},
			ClaimTypesSupported:               []string{"normal"},
			ClaimsSupported:                   claimNames(),
			CodeChallengeMethodsSupported:     []oidc.CodeChallengeMethod{oidc.CodeChallengeMethodS256},
		},
		IssInResponse:                true,
		RevocationAuthMethods:        append(confidential, string(oidc.AuthMethodNone)),
		IntrospectionEndpointMethods: confidential,
		PushEndpoint:                 p.url(pathPush),
		TokenSigningAlgs:             assertionAlgorithms(),
		RevocationSigningAlgs:        assertionAlgorithms(),
		IntrospectSigningAlgs:        assertionAlgorithms(),
	})
	if err != nil {
		return nil, fmt.Errorf("encoding metadata: %w", err)
	}
	return body, nil
}

// url is the public address of a path: the issuer, verbatim, and the path with one slash between.
func (p *Provider) url(path string) string { return strings.TrimSuffix(p.cfg.Issuer, "/") + path }

func (p *Provider) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	document(w, p.metadata)
}

func (p *Provider) serveKeys(w http.ResponseWriter, _ *http.Request) {
	document(w, p.keys.set.Load().jwks)
}

// document answers with JSON that everybody may keep for a while.
func document(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(jwksMaxAge.Seconds())))
	_, _ = w.Write(body) // the client has gone
}
