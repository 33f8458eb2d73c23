package op

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	zop "github.com/zitadel/oidc/v3/pkg/op"

	"sallyport/op/web"
)

// server is what the library calls for the machine endpoints. It embeds UnimplementedServer, not LegacyServer: what
// is not written here, above all the jwt-bearer grant, is refused.
type server struct {
	zop.UnimplementedServer
	p *Provider
}

// library is the machine endpoints, routed and parsed by zitadel/oidc.
func (p *Provider) library() http.Handler {
	return zop.RegisterServer(&server{p: p}, zop.Endpoints{
		Token:         zop.NewEndpoint(pathToken),
		Introspection: zop.NewEndpoint(pathIntrospect),
		Revocation:    zop.NewEndpoint(pathRevoke),
		Userinfo:      zop.NewEndpoint(pathUserinfo),
	}, zop.WithServerCORSOptions(nil))
}

// VerifyClient implements zop.Server.
func (s *server) VerifyClient(ctx context.Context, r *zop.Request[zop.ClientCredentials]) (zop.Client, error) {
	if r.Form.Get("grant_type") == string(oidc.GrantTypeClientCredentials) {
		return s.p.provenClient(ctx, r.Header, r.Form)
	}
	return s.p.verifyClient(ctx, r.Header, r.Form)
}

// verifyClient authenticates the client of a request; a public one is believed to be who it says.
func (p *Provider) verifyClient(ctx context.Context, h http.Header, form url.Values) (*client, error) {
	cr, err := readCredentials(h, form)
	if err != nil {
		return nil, err
	}
	return p.knownClient(ctx, cr)
}

// ownClient is verifyClient where the request costs whom it comes from something. Any page can have its visitors' browsers
// say that they are a client that proves nothing: only the client's own pages may, and what is no browser.
func (p *Provider) ownClient(r *http.Request) (*client, error) {
	cr, err := readCredentials(r.Header, r.PostForm)
	if err != nil {
		return nil, err
	}
	c, err := p.knownClient(r.Context(), cr)
	if err == nil && cr.method == oidc.AuthMethodNone && web.Foreign(r, c.WebOrigins) {
		err = zop.NewStatusError(oidc.ErrUnauthorizedClient().WithDescription("The origin is not one of the client's web_origins."), http.StatusForbidden)
	}
	return c, err
}

// provenClient is verifyClient where saying who one is is not enough.
func (p *Provider) provenClient(ctx context.Context, h http.Header, form url.Values) (*client, error) {
	cr, err := readCredentials(h, form)
	if err != nil {
		return nil, err
	}
	if cr.method == oidc.AuthMethodNone {
		return nil, errInvalidClient()
	}
	return p.knownClient(ctx, cr)
}

func (p *Provider) knownClient(ctx context.Context, cr credentials) (*client, error) {
	c, err := p.authenticateClient(ctx, cr)
	if err != nil {
		return nil, p.fault(ctx, err)
	}
	return c, nil
}

// asClient gives back our client from the library's hands.
func asClient(c zop.Client) *client {
	ours, ok := c.(*client)
	if !ok {
		panic("op: the library gave a client that is not ours")
	}
	return ours
}

// fault makes of any error one that the library may show: its own pass; ours become server_error or, when the
// database is away, temporarily_unavailable, in constant words. The library copies err.Error() into answers, so
// nothing else may reach it.
func (p *Provider) fault(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var known *oidc.Error
	var status zop.StatusError
	if errors.As(err, &known) || errors.As(err, &status) {
		return err
	}
	f := web.AsFault(err, unavailable)
	if f.Status >= http.StatusInternalServerError {
		p.cfg.Log.ErrorContext(ctx, "request failed", slog.String("request_id", web.From(ctx).ID), slog.Any("error", err))
	}
	web.From(ctx).RetryAfter(f.RetryAfter)
	e := oidc.ErrServerError().WithDescription("%s", f.Description)
	switch f.Status {
	case http.StatusServiceUnavailable:
		e.ErrorType = "temporarily_unavailable"
	case http.StatusTooManyRequests:
		e.ErrorType = "too_many_requests"
	}
	return zop.NewStatusError(e, f.Status)
}

// writeError is the library's writer, for errors in front of it.
func (p *Provider) writeError(w http.ResponseWriter, r *http.Request, err error) {
	var f *web.Fault
	if errors.As(err, &f) {
		f.WriteJSON(w)
		return
	}
	zop.WriteError(w, r, p.fault(r.Context(), err), nil)
}

// offered refuses a grant type that discovery does not name, before the library looks at it: it has some that are always
// on. Without fresh keys nothing is issued, so nothing may be spent either.
func (p *Provider) offered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		grant := oidc.GrantType(r.PostForm.Get("grant_type"))
		switch {
		case grant == "":
			p.writeError(w, r, oidc.ErrInvalidRequest().WithDescription("The grant_type is missing."))
		case !slices.Contains(grantTypes(), grant):
			p.writeError(w, r, oidc.ErrUnsupportedGrantType().WithDescription("The grant_type is not supported."))
		case !p.keys.fresh():
			p.writeError(w, r, errNoKeys)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// credentialed refuses requests without readable client credentials; the library would answer some of them by 400, and
// 401 is what RFC 6749, section 5.2, asks for.
func (p *Provider) credentialed(proof bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cr, err := readCredentials(r.Header, r.PostForm)
		if err == nil && proof && cr.method == oidc.AuthMethodNone {
			err = errInvalidClient()
		}
		if err != nil {
			p.writeError(w, r, err)
			return
		}
		if r.URL.Path != pathToken {
			r.Form.Del("grant_type") // means nothing here; the library would hold it against the client
		}
		next.ServeHTTP(w, r)
	})
}

// parameters are those that a machine endpoint reads: in a JSON body they must be text.
var parameters = append([]string{
	"access_token", "client_assertion", "client_assertion_type", "client_id", "client_secret", "code", "code_verifier", "device_code", "grant_type",
	"otp", "refresh_token", "token", "token_type_hint", "username",
}, pushable...)

// machine is what every machine endpoint has in front of it: POST parameters from the body only, a form or JSON, none twice, none
// malformed; answers that nothing keeps (RFC 6749, section 5.1), and a challenge in every 401 (section 5.2; RFC 6750,
// section 3).
func (p *Provider) machine(challenge string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Pragma", "no-cache")
		r.URL.RawQuery = ""
		told := &refusal{ResponseWriter: w}
		defer func() { told.log(r, p.cfg.Log) }()
		w = challenging(told, map[int]string{http.StatusUnauthorized: challenge})
		if len(r.Header.Values("Authorization")) > 1 {
			p.writeError(w, r, web.BadRequest("There is more than one Authorization header."))
			return
		}
		if r.Method == http.MethodPost && (r.ContentLength != 0 || r.Header.Get("Content-Type") != "") {
			if _, err := web.Params(r, parameters); err != nil {
				p.writeError(w, r, err)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// challenged puts a challenge into every 401 of a handler.
func challenged(challenge string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(challenging(w, map[int]string{http.StatusUnauthorized: challenge}), r)
	})
}

// challenger adds WWW-Authenticate to the refusals that it has a challenge for, unless another has, and Retry-After
// to a 503.
type challenger struct {
	http.ResponseWriter
	challenges map[int]string // by status
}

func challenging(w http.ResponseWriter, challenges map[int]string) http.ResponseWriter {
	return &challenger{ResponseWriter: w, challenges: challenges}
}

// WriteHeader implements http.ResponseWriter.
func (c *challenger) WriteHeader(status int) {
	h := c.Header()
	if challenge, ok := c.challenges[status]; ok && h.Get("WWW-Authenticate") == "" {
		h.Set("WWW-Authenticate", challenge)
	}
	if status == http.StatusServiceUnavailable && h.Get("Retry-After") == "" {
		h.Set("Retry-After", "5")
	}
	c.ResponseWriter.WriteHeader(status)
}
