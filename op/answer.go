package op

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"sallyport/op/web"
	"sallyport/storage"
	"sallyport/templates"
)

// The ways in which an answer reaches the app: in the address of its redirect_uri (OAuth 2.0 Multiple Response Type
// Encoding Practices, section 2.1), in a form that its redirect_uri gets by POST (OAuth 2.0 Form Post Response Mode), or
// as a message to the window that opened or framed us (draft-sakimura-oauth-wmrm).
const (
	modeQuery      = "query"
	modeFragment   = "fragment"
	modeFormPost   = "form_post"
	modeWebMessage = "web_message"
)

func responseModes() []string { return []string{modeQuery, modeFragment, modeFormPost, modeWebMessage} }

// granted is an authorization request that was granted, and what its answer is made of.
type granted struct {
	client        *client
	request       storage.AuthRequest
	authorization storage.Authorization
}

// answerGranted gives the app what it asked for.
func (p *Provider) answerGranted(w http.ResponseWriter, r *http.Request, g granted) error {
	response := url.Values{"code": {seal(p.cfg.Ring, labelCode, g.authorization.ID)}}
	if implicit(g.request.ResponseType) {
		var err error
		if response, err = p.frontChannel(r.Context(), g); err != nil {
			return err
		}
	}
	return p.answer(w, r, g.client, g.request, response)
}

// answerError tells the app what is wrong with its request (RFC 6749, section 4.1.2.1). The redirect_uri was checked
// before.
func (p *Provider) answerError(w http.ResponseWriter, r *http.Request, c *client, req storage.AuthRequest, err error) error {
	e := oidc.DefaultToServerError(p.fault(r.Context(), err), "")
	web.LogRefusal(r, p.cfg.Log, c.ID, http.StatusSeeOther, string(e.ErrorType), e.Description)
	return p.answer(w, r, c, req, url.Values{"error": {string(e.ErrorType)}, "error_description": {e.Description}})
}

// answer is the one writer of answers to authorization requests, good and bad, in every response mode. It adds the state
// and the issuer (RFC 9207).
func (p *Provider) answer(w http.ResponseWriter, r *http.Request, c *client, req storage.AuthRequest, response url.Values) error {
	response.Set("iss", p.cfg.Issuer)
	if req.State != "" {
		response.Set("state", req.State)
	}
	t := transaction{AuthRequest: req, client: c}
	switch req.ResponseMode {
	case modeFragment:
		http.Redirect(w, r, withFragment(req.RedirectURI, response), http.StatusSeeOther)
	case modeFormPost:
		page := templates.FormPost{App: c.Name, Action: req.RedirectURI}
		for _, name := range slices.Sorted(maps.Keys(response)) {
			page.Fields = append(page.Fields, templates.Field{Name: name, Value: response.Get(name)})
		}
		return p.page(w, r, t, http.StatusOK, page)
	case modeWebMessage:
		if !messageable(c, req.RedirectURI) { // since the request began, perhaps
			return problemOf(c.ID, http.StatusBadRequest, templates.ProblemBadRedirect)
		}
		body, err := messageBody(response)
		if err != nil {
			return err
		}
		return p.page(w, r, t, http.StatusOK, templates.WebMessage{App: c.Name, Origin: origin(req.RedirectURI), Response: body})
	default:
		http.Redirect(w, r, withQuery(req.RedirectURI, response), http.StatusSeeOther)
	}
	return nil
}

// checkMode refuses a response mode that we do not have, or that cannot carry the answer.
func checkMode(q url.Values) error {
	switch mode := q.Get("response_mode"); {
	case mode != "" && !slices.Contains(responseModes(), mode):
		return oidc.ErrInvalidRequest().WithDescription("The response_mode must be one of %s.", strings.Join(responseModes(), ", "))
	case mode == modeFormPost && origin(q.Get("redirect_uri")) == "":
		return oidc.ErrInvalidRequest().WithDescription("The response_mode form_post needs an http or https redirect_uri.")
	}
	return nil
}

// responseMode is how a request is answered, its errors too. What asks for tokens is never answered in the query, which
// servers log and browsers pass on (OAuth 2.0 Multiple Response Type Encoding Practices, section 5).
func responseMode(q url.Values) string {
	mode, tokens := q.Get("response_mode"), implicit(responseType(q.Get("response_type")))
	if mode != "" && checkMode(q) == nil && (!tokens || mode != modeQuery) {
		return mode
	}
	if tokens {
		return modeFragment
	}
	return modeQuery
}

// messageable tells whether a client may be answered by web_message: its page must be of an origin that it registered
// for scripts, because whoever has that origin reads the message.
func messageable(c *client, redirectURI string) bool {
	return slices.Contains(framers(c), origin(redirectURI))
}

// framers are the origins whose pages may frame an answer: the client's web origins.
func framers(c *client) []string {
	return slices.DeleteFunc(slices.Clone(c.WebOrigins), func(s string) bool { return s == "" || origin(s) != s })
}

var plainHost = regexp.MustCompile(`^([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]+)?$`)

// origin is where an address belongs to as browsers write it, empty unless it is a plain http or https address.
func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	host := strings.ToLower(u.Host)
	host = strings.TrimSuffix(host, map[string]string{"http": ":80", "https": ":443"}[u.Scheme])
	if !plainHost.MatchString(host) {
		return ""
	}
	return u.Scheme + "://" + host
}

func messageBody(response url.Values) (string, error) {
	single := make(map[string]string, len(response))
	for name := range response {
		single[name] = response.Get(name)
	}
	body, err := json.Marshal(single)
	if err != nil {
		return "", fmt.Errorf("encoding message: %w", err)
	}
	return string(body), nil
}
