package op

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"sallyport/op/web"
)

// redirectAllowed compares exact strings, before any decoding (RFC 9700, section 2.1). Only a native client may vary
// the port, on 127.0.0.1 and [::1] (RFC 8252, section 7.3).
func redirectAllowed(c *client, uri string) bool {
	if uri == "" {
		return false
	}
	if slices.Contains(c.Client.RedirectURIs, uri) {
		return true
	}
	if c.Type != "native" {
		return false
	}
	bare, ok := withoutLoopbackPort(uri)
	return ok && slices.ContainsFunc(c.Client.RedirectURIs, func(registered string) bool {
		other, ok := withoutLoopbackPort(registered)
		return ok && other == bare
	})
}

// withoutLoopbackPort cuts the port out of http://127.0.0.1:1234/x and http://[::1]:1234/x, byte by byte.
func withoutLoopbackPort(uri string) (string, bool) {
	for _, host := range []string{"http://127.0.0.1", "http://[::1]"} {
		rest, ok := strings.CutPrefix(uri, host)
		if !ok {
			continue
		}
		if port, ok := strings.CutPrefix(rest, ":"); ok {
			digits := len(port) - len(strings.TrimLeft(port, "0123456789"))
			if _, err := strconv.ParseUint(port[:digits], 10, 16); err != nil {
				return "", false
			}
			rest = port[digits:]
		}
		if rest != "" && !strings.ContainsRune("/?", rune(rest[0])) {
			return "", false
		}
		return host + rest, true
	}
	return "", false
}

// redirectCode answers with a code (RFC 6749, section 4.1.2).
func (p *Provider) redirectCode(w http.ResponseWriter, r *http.Request, redirectURI, state, code string) {
	p.redirect(w, r, redirectURI, state, url.Values{"code": {code}})
}

// redirectError sends an error to the client's redirect_uri, which was checked before (RFC 6749, section 4.1.2.1).
func (p *Provider) redirectError(w http.ResponseWriter, r *http.Request, q url.Values, err error) {
	e := oidc.DefaultToServerError(p.fault(r.Context(), err), "")
	web.LogRefusal(r, p.cfg.Log, q.Get("client_id"), http.StatusSeeOther, string(e.ErrorType), e.Description)
	p.redirect(w, r, q.Get("redirect_uri"), q.Get("state"), url.Values{"error": {string(e.ErrorType)}, "error_description": {e.Description}})
}

// redirect answers an authorization request, with its state and the issuer (RFC 9207).
func (p *Provider) redirect(w http.ResponseWriter, r *http.Request, redirectURI, state string, response url.Values) {
	response.Set("iss", p.cfg.Issuer)
	if state != "" {
		response.Set("state", state)
	}
	http.Redirect(w, r, withQuery(redirectURI, response), http.StatusSeeOther)
}

// withQuery adds parameters to an address that is kept as it is registered, byte by byte.
func withQuery(uri string, more url.Values) string {
	separator := "?"
	if strings.Contains(uri, "?") {
		separator = "&"
	}
	return uri + separator + more.Encode()
}
