package op

import (
	"net/http"
	"path"
	"slices"
	"strings"

	"sallyport/op/admin"
	"sallyport/op/auth0"
	"sallyport/op/web"
	"sallyport/templates"
)

// The paths, Auth0's where it has one. Clients of Auth0 have them built in.
const (
	pathMetadata       = "/.well-known/openid-configuration"
	pathOAuthMetadata  = "/.well-known/oauth-authorization-server"
	pathKeys           = "/.well-known/jwks.json"
	pathAuthorize      = "/authorize"
	pathToken          = "/oauth/token"
	pathUserinfo       = "/userinfo"
	pathIntrospect     = "/oauth/introspect"
	pathRevoke         = "/oauth/revoke"
	pathPush           = "/oauth/par"
	pathDeviceCode     = "/oauth/device/code"
	pathDevice         = "/device"
	pathDeviceConfirm  = "/device/confirm"
	pathLogout         = "/oidc/logout"
	pathManagement     = admin.Prefix
	pathReturnTo       = "/v2/logout"
	pathLockSettings   = "/client/{file}"
	pathCountry        = "/user/geoloc/country"
	pathStart          = "/passwordless/start"
	pathVerify         = "/passwordless/verify"
	pathVerifyRedirect = "/passwordless/verify_redirect"
	pathCrossOrigin    = "/co/authenticate"
	pathLogin          = "/u/login"
	pathCode           = "/u/login/code"
	pathResend         = "/u/login/resend"
	pathContinue       = "/u/login/continue"
	pathOther          = "/u/login/other"
	pathLink           = "/u/login/link"
	pathApp            = "/u/login/app"
	pathLogoutConfirm  = "/u/logout"
	pathBlocks         = "/admin/blocks"
	pathStatic         = "/static/"
	pathHealth         = "/healthz"
	pathReady          = "/readyz"
)

// routes is the one table of every route.
func (p *Provider) routes() http.Handler {
	library := p.library()
	basic := `Basic realm="` + p.issuer.Host + `"`
	start := &auth0.Start{
		Engine: p.cfg.Engine, Ring: p.cfg.Ring, Authenticate: p.authenticateStart, Now: p.cfg.Now, Wait: auth0.Wait(p.cfg.StartWait),
		Log: p.cfg.Log, Unavailable: unavailable,
	}

	verify := &auth0.Verify{
		Engine: p.cfg.Engine, Authenticate: p.authenticateStart, Mark: p.mark, Log: p.cfg.Log, Unavailable: unavailable,
	}
	crossOrigin := &auth0.CrossOrigin{
		Engine: p.cfg.Engine, Client: p.crossOriginClient, Mark: p.mark, Ticket: p.newTicket, Log: p.cfg.Log, Unavailable: unavailable,
	}

	t := table{mux: http.NewServeMux(), methods: map[string][]string{}, refusals: map[string]http.Handler{}}
	// shared is a route whose answers, be they refusals at the gate, apps may read in browsers.
	shared := func(methods, path string, cors sharing, h http.Handler) {
		t.handle(methods+" OPTIONS", path, cors(p.clients.knowsOrigin, methods, h))
		t.refusals[path] = cors(p.clients.knewOrigin, methods, http.HandlerFunc(refuseBusy))
	}
	t.handle("GET OPTIONS", pathMetadata, web.Public(http.HandlerFunc(p.serveMetadata)))
	t.handle("GET OPTIONS", pathOAuthMetadata, web.Public(http.HandlerFunc(p.serveMetadata)))
	t.handle("GET OPTIONS", pathKeys, web.Public(http.HandlerFunc(p.serveKeys)))
	t.handle("GET", pathHealth, http.HandlerFunc(p.serveHealth))
	t.handle("GET", pathReady, http.HandlerFunc(p.serveReady))

	t.handle("GET", pathAuthorize, p.html(p.serveAuthorize))
	t.handle("POST", pathAuthorize, p.html(p.postAuthorize))
	t.handle("GET", pathLogout, p.html(p.serveLogout))
	t.handle("POST", pathLogout, p.html(p.postLogout))
	t.handle("GET", pathReturnTo, p.html(p.serveReturnTo))

	shared("POST", pathToken, web.CORS, p.machine(basic, p.offered(p.credentialed(false, p.passwordless(library)))))
	shared("POST", pathRevoke, web.CORS, p.machine(basic, p.credentialed(false, library)))
	t.handle("POST", pathIntrospect, p.machine(basic, p.credentialed(true, library)))
	t.handle("POST", pathPush, p.machine(basic, p.credentialed(false, http.HandlerFunc(p.servePush))))
	t.handle("POST", pathDeviceCode, p.machine(basic, p.credentialed(false, http.HandlerFunc(p.serveDeviceCode))))
	shared("GET POST", pathUserinfo, web.CORS, p.machine(bearerChallenge(p.issuer.Host), p.bearer(library)))
	t.handle("GET", pathLockSettings, http.HandlerFunc(p.serveLockSettings))
	shared("GET", pathCountry, web.CORS, http.HandlerFunc(p.serveCountry))
	shared("POST", pathStart, web.CORS, challenged(basic, start))

	// Basic would have browsers ask for a password, at the app's page.
	shared("POST", pathVerify, web.CORS, challenged(`Passwordless realm="`+p.issuer.Host+`"`, verify))
	t.handle("GET", pathVerifyRedirect, p.html(p.serveVerifyRedirect))
	shared("POST", pathCrossOrigin, web.CredentialedCORS, crossOrigin)

	t.handle("GET", pathLogin, p.html(p.serveLogin))
	t.handle("POST", pathLogin, p.html(p.postLogin))
	t.handle("GET", pathCode, p.html(p.serveCode))
	t.handle("POST", pathCode, p.html(p.postCode))
	t.handle("POST", pathResend, p.html(p.postResend))
	t.handle("POST", pathContinue, p.html(p.postContinue))
	t.handle("POST", pathOther, p.html(p.postOther))
	t.handle("GET", pathLink, p.html(p.serveLink))
	t.handle("POST", pathLink, p.html(p.postLink))
	t.handle("POST", pathApp, p.html(p.postAppLogin))
	t.handle("POST", pathLogoutConfirm, p.html(p.postLogoutConfirm))
	t.handle("GET", pathDevice, p.html(p.serveDevice))
	t.handle("POST", pathDevice, p.html(p.postDevice))
	t.handle("GET", pathDeviceConfirm, p.html(p.serveDeviceConfirm))
	t.handle("POST", pathDeviceConfirm, p.html(p.postDeviceConfirm))
	for path, h := range map[string]http.Handler{pathStatic: p.cfg.Templates.Assets(), pathManagement: p.management} { // with tables of their own
		t.mux.Handle(path, h)
		t.mux.Handle(strings.TrimSuffix(path, "/"), h) // no redirect
	}
	blocks := blocks{p, p.management}
	t.handle("GET", pathBlocks, p.html(blocks.serve))
	t.handle("POST", pathBlocks, p.html(blocks.post))
	if p.cfg.Inbox != nil {
		t.handle("GET", "/dev/inbox", p.inbox(p.serveInbox))
		t.handle("GET", "/dev/inbox.json", p.inbox(p.serveInboxJSON))
	}
	t.refuseOtherMethods(p)
	t.mux.HandleFunc("/", p.html(func(http.ResponseWriter, *http.Request) error {
		return problem(http.StatusNotFound, templates.ProblemNotFound)
	}))

	return web.Middleware(web.Options{
		TrustedProxies: p.cfg.TrustedProxies, AllowIPs: p.cfg.AllowIPs, HTTPS: p.https, Now: p.cfg.Now, Log: p.cfg.Log, KnownClient: p.clients.byID.Contains,
	}, web.NewGate(p.cfg.Gate).Handler(p.cleanPaths(p.sameOrigin(t.mux)), p.busy(p.management, t.refusals), ungated))
}

// table collects routes, the methods that each path has, and what refuses at the gate the paths that apps share.
type table struct {
	mux      *http.ServeMux
	methods  map[string][]string
	refusals map[string]http.Handler
}

// sharing lets the origins that it is given read a handler's answers: [web.CORS] or [web.CredentialedCORS].
type sharing func(allowed func(r *http.Request, origin string) bool, methods string, next http.Handler) http.Handler

func (t *table) handle(methods, path string, h http.Handler) {
	for _, m := range strings.Fields(methods) {
		t.mux.Handle(m+" "+path, h)
		t.methods[path] = append(t.methods[path], m)
		if m == http.MethodGet && forPeople(path) {
			t.mux.HandleFunc("HEAD "+path, servePreview)
		}
	}
}

// servePreview answers a HEAD for a page, without a look at what its GET may do for the person: previews and scanners
// ask so, and sign nobody in or out.
func servePreview(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
}

// refuseOtherMethods answers 405 in the path's own shape: pages for people, JSON for machines.
func (t *table) refuseOtherMethods(p *Provider) {
	for path, methods := range t.methods {
		slices.Sort(methods)
		allow := strings.Join(slices.Compact(methods), ", ")
		fault := &web.Fault{Status: http.StatusMethodNotAllowed, Code: "invalid_request", Description: "This method is not allowed here.", Page: string(templates.ProblemMethod)}
		t.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", allow)
			if forPeople(path) {
				p.html(func(http.ResponseWriter, *http.Request) error { return fault })(w, r)
				return
			}
			fault.Log(r, p.cfg.Log)
			fault.WriteJSON(w)
		})
	}
}

func forPeople(path string) bool {
	return strings.HasPrefix(path, "/u/") || path == pathBlocks || strings.HasPrefix(path, pathDevice) || path == pathAuthorize || path == pathVerifyRedirect || path == pathLogout || path == pathReturnTo || path == "/dev/inbox"
}

// cleanPaths answers 404 to a path that is not spelled as it is routed, such as /u//login. The mux would redirect it
// with its method and body (307), which no login page may do (RFC 9700, section 4.12).
func (p *Provider) cleanPaths(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := r.URL.Path
		if strings.HasPrefix(r.URL.EscapedPath(), pathManagement) {
			asked = r.URL.EscapedPath() // an id in it may have any character, a slash too
		}
		if clean := path.Clean(asked); clean != asked && clean+"/" != asked || !strings.HasPrefix(asked, "/") {
			p.errorPage(w, r, &web.Fault{Status: http.StatusNotFound, Code: "invalid_request", Description: "The path is not one of ours.", Page: string(templates.ProblemNotFound)})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// sameOrigin refuses forms that another site sends to the hosted pages, by Sec-Fetch-Site and Origin. The standard's
// own endpoints take cross-site requests by design and change nothing by a POST of their own.
func (p *Provider) sameOrigin(next http.Handler) http.Handler {
	protection, own := http.NewCrossOriginProtection(), origin(p.cfg.Issuer)
	_ = protection.AddTrustedOrigin(own) // a proxy may change Host; the issuer was parsed before
	denied := p.html(func(http.ResponseWriter, *http.Request) error {
		return problem(http.StatusForbidden, templates.ProblemCookies)
	})
	protection.SetDenyHandler(denied)
	protected := protection.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch from := r.Header.Get("Origin"); {
		case !strings.HasPrefix(r.URL.Path, "/u/") && !strings.HasPrefix(r.URL.Path, pathDevice) && r.URL.Path != pathBlocks:
			next.ServeHTTP(w, r)
		case r.Method == http.MethodPost && from != "" && from != own: // which the protection would compare with Host, that anybody can write
			denied.ServeHTTP(w, r)
		default:
			protected.ServeHTTP(w, r)
		}
	})
}
