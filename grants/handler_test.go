package grants_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	zop "github.com/zitadel/oidc/v3/pkg/op"

	"sallyport/grants"
)

// endpoint is a world with the token endpoint of a plain provider in front of it.
type endpoint struct {
	*world
	url      string
	server   zop.Server
	provider *zop.Provider
	passed   int // requests that reached the provider itself
}

func newEndpoint(tb testing.TB, change ...func(*grants.HandlerConfig)) *endpoint {
	tb.Helper()
	e := &endpoint{world: newWorld(tb)}
	e.mount(change...)
	return e
}

func (e *endpoint) mount(change ...func(*grants.HandlerConfig)) {
	e.t.Helper()
	issuer, server, provider, handler := plainProvider(e.store)
	e.server, e.provider = server, provider
	cfg := grants.HandlerConfig{
		Engine: e.engine, Authenticate: grants.LibraryClients(server), Grant: grants.LibraryGrant(provider),
		Source: func(*http.Request, zop.Client) grants.Source {
			return grants.Source{IP: "192.0.2.7", RequestID: "request-7"}
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	passwordless := grants.Handler(cfg, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.passed++
		handler.ServeHTTP(w, r)
	}))
	bounded := http.MaxBytesHandler(passwordless, 1<<16)
	ts := httptest.NewServer(zop.NewIssuerInterceptor(provider.IssuerFromRequest).Handler(bounded))
	e.t.Cleanup(ts.Close)
	*issuer, e.url = ts.URL, ts.URL+"/oauth/token"
}

type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) field(name string) string {
	var fields map[string]any
	if json.Unmarshal([]byte(r.body), &fields) != nil {
		return ""
	}
	text, _ := fields[name].(string)
	return text
}

func (e *endpoint) post(form url.Values, change ...func(*http.Request)) reply {
	e.t.Helper()
	return e.postBody(form.Encode(), change...)
}

func (e *endpoint) postBody(body string, change ...func(*http.Request)) reply {
	e.t.Helper()
	req, err := http.NewRequestWithContext(e.t.Context(), http.MethodPost, e.url, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, f := range change {
		f(req)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		e.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	resp.Header.Del("Date")
	return reply{resp.StatusCode, resp.Header, string(raw)}
}

func basic(id, secret string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret)) }
}

// ask is a token request with every parameter; pairs of name and value replace, and an empty value leaves out.
func ask(grant oidc.GrantType, username, code string, pairs ...string) url.Values {
	form := url.Values{"grant_type": {string(grant)}, "username": {username}, "code": {code}, "client_id": {"app"}, "client_secret": {"app's secret"}}
	if grant == grants.GrantTypeOTP {
		form.Del("code")
		form.Set("otp", code)
		form.Set("realm", "email")
	}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			form.Del(pairs[i])
		}
	}
	return form
}

func (e *endpoint) wantOK(r reply) reply {
	e.t.Helper()
	if r.status != http.StatusOK || r.field("id_token") == "" || r.field("access_token") == "" || r.field("token_type") != "Bearer" {
		e.t.Fatalf("%d %s", r.status, r.body)
	}
	if r.header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(r.header.Get("Content-Type"), "application/json") {
		e.t.Errorf("header %v", r.header)
	}
	return r
}

func (e *endpoint) wantRefused(r reply, status int, code, description string) {
	e.t.Helper()
	if r.status != status || r.field("error") != code || r.field("error_description") != description {
		e.t.Errorf("%d %s, want %d %s %q", r.status, r.body, status, code, description)
	}
	if r.header.Get("Cache-Control") != "no-store" || r.header.Get("Content-Type") != "application/json" {
		e.t.Errorf("header %v", r.header)
	}
}

const (
	wrongMail = "Wrong email or verification code."
	wrongSMS  = "Wrong phone number or verification code."
	expired   = "The verification code has expired. Please try to login again."
	exhausted = "You've reached the maximum number of attempts. Please try to login again."
)

func claims(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("token %q", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEveryGrantTypeGivesTokens(t *testing.T) {
	e := newEndpoint(t)
	for name, step := range map[string]struct {
		to   grants.Address
		form func(code string) url.Values
		amr  string
	}{
		"email-code": {ada, func(code string) url.Values { return ask(grants.GrantTypeEmailCode, "Ada@Example.com", code) }, "[otp]"},
		"sms-code":   {cell, func(code string) url.Values { return ask(grants.GrantTypeSMSCode, "+49 170 1234567", code) }, "[otp sms]"},
		"otp email":  {eve, func(code string) url.Values { return ask(grants.GrantTypeOTP, eve.Value, code) }, "[otp]"},
		"otp sms": {
			grants.Address{Channel: grants.SMS, Value: "+12025550123"},
			func(code string) url.Values {
				return ask(grants.GrantTypeOTP, "001 (202) 555-0123", code, "realm", "sms")
			},
			"[otp sms]",
		},
	} {
		code := e.code(e.start(api(step.to)))
		r := e.wantOK(e.post(step.form(code[:3] + " " + code[3:])))
		got := claims(t, r.field("id_token"))
		if sub, _ := got["sub"].(string); !strings.HasPrefix(sub, string(step.to.Channel)+"|") {
			t.Errorf("%s: sub %v", name, got["sub"])
		}
		if got["azp"] != "app" || fmt.Sprint(got["aud"]) != "[app]" || fmt.Sprint(got["amr"]) != step.amr || got["auth_time"] != float64(noon.Unix()) {
			t.Errorf("%s: claims %v", name, got)
		}
		if r.field("refresh_token") != "" {
			t.Errorf("%s: a refresh token without offline_access", name)
		}
		if got := r.field("scope"); got != "openid profile email phone" {
			t.Errorf("%s: scope %q", name, got)
		}
	}
	if e.passed != 0 {
		t.Errorf("%d requests reached the provider", e.passed)
	}
	events := e.store.events(grants.EventSucceeded)
	if len(events) != 4 || events[0].IP != "192.0.2.7" || events[0].RequestID != "request-7" || events[0].ClientID != "app" || events[0].UserID == "" {
		t.Errorf("events %+v", events)
	}
}

func TestClientAuthenticatesByBasicOrBody(t *testing.T) {
	e := newEndpoint(t)
	without := []string{"client_id", "", "client_secret", ""}
	code := e.code(e.start(api(ada)))
	for name, r := range map[string]reply{
		"wrong secret":        e.post(ask(grants.GrantTypeEmailCode, ada.Value, code, "client_secret", "wrong")),
		"no secret":           e.post(ask(grants.GrantTypeEmailCode, ada.Value, code, "client_secret", "")),
		"unknown client":      e.post(ask(grants.GrantTypeEmailCode, ada.Value, code, "client_id", "nobody")),
		"no client":           e.post(ask(grants.GrantTypeEmailCode, ada.Value, code, without...)),
		"wrong basic":         e.post(ask(grants.GrantTypeEmailCode, ada.Value, code, without...), basic("app", "wrong")),
		"empty basic":         e.post(ask(grants.GrantTypeEmailCode, ada.Value, code, without...), basic("", "")),
		"bad escape in basic": e.post(ask(grants.GrantTypeEmailCode, ada.Value, code, without...), func(r *http.Request) { r.SetBasicAuth("app", "%zz") }),
		"secret in the query": e.post(ask(grants.GrantTypeEmailCode, ada.Value, code, without...), func(r *http.Request) {
			r.URL.RawQuery = url.Values{"client_id": {"app"}, "client_secret": {"app's secret"}}.Encode()
		}),
	} {
		if r.status != http.StatusUnauthorized || r.field("error") != "invalid_client" || r.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
		if challenged := r.header.Get("WWW-Authenticate") != ""; challenged != strings.Contains(name, "basic") {
			t.Errorf("%s: WWW-Authenticate %q", name, r.header.Get("WWW-Authenticate"))
		}
		for _, inner := range []string{"not found", "secret"} {
			if strings.Contains(strings.ReplaceAll(r.body, "client_secret", ""), inner) {
				t.Errorf("%s: tells %s", name, r.body)
			}
		}
	}
	e.wantRefused(e.post(ask(grants.GrantTypeEmailCode, ada.Value, code), basic("app", "app's secret")),
		http.StatusBadRequest, "invalid_request", "client authentication must not use more than one method")
	if c := e.store.challenges()[0]; c.Attempts != 0 {
		t.Errorf("%d attempts are counted for clients that were not authenticated", c.Attempts)
	}
	e.wantOK(e.post(ask(grants.GrantTypeEmailCode, ada.Value, code, without...), basic("app", "app's secret")))

	special := api(ada)
	special.ClientID = "special: 100%"
	code = e.code(e.start(special))
	e.wantOK(e.post(ask(grants.GrantTypeEmailCode, ada.Value, code, without...), basic("special: 100%", "s&cret +/=%")))
}

func TestPublicClientNeedsNoSecret(t *testing.T) {
	e := newEndpoint(t)
	start := api(ada)
	start.ClientID = "spa"
	code := e.code(e.start(start))
	e.wantOK(e.post(ask(grants.GrantTypeEmailCode, ada.Value, code, "client_id", "spa", "client_secret", "")))
}

func TestClientWithoutTheGrantIsRefused(t *testing.T) {
	e := newEndpoint(t)
	start := api(ada)
	start.ClientID = "plain"
	code := e.code(e.start(start))
	r := e.post(ask(grants.GrantTypeEmailCode, ada.Value, code, "client_id", "plain", "client_secret", "plain's secret"))
	e.wantRefused(r, http.StatusBadRequest, "unauthorized_client", "Grant type '"+string(grants.GrantTypeEmailCode)+"' not allowed for the client.")
}

func TestCodeOfAnotherClientIsWrong(t *testing.T) {
	e := newEndpoint(t)
	code := e.code(e.start(api(ada)))
	r := e.post(ask(grants.GrantTypeEmailCode, ada.Value, code, "client_id", "spa", "client_secret", ""))
	e.wantRefused(r, http.StatusForbidden, "invalid_grant", wrongMail)
}

func TestCodeOfABrowserIsWrongAtTheEndpoint(t *testing.T) {
	e := newEndpoint(t)
	code := e.code(e.start(browser(ada, "tab")))
	e.wantRefused(e.post(ask(grants.GrantTypeEmailCode, ada.Value, code)), http.StatusForbidden, "invalid_grant", wrongMail)
}

func TestMissingAndWrongParameters(t *testing.T) {
	e := newEndpoint(t)
	e.start(api(ada))
	for name, step := range map[string]struct {
		form url.Values
		want string
	}{
		"no username":          {ask(grants.GrantTypeEmailCode, "", "123456"), "Missing required parameter: username"},
		"no code":              {ask(grants.GrantTypeEmailCode, ada.Value, ""), "Missing required parameter: code"},
		"no code for SMS":      {ask(grants.GrantTypeSMSCode, cell.Value, ""), "Missing required parameter: code"},
		"no otp":               {ask(grants.GrantTypeOTP, ada.Value, ""), "Missing required parameter: otp"},
		"code instead of otp":  {ask(grants.GrantTypeOTP, ada.Value, "", "code", "123456"), "Missing required parameter: otp"},
		"otp instead of code":  {ask(grants.GrantTypeEmailCode, ada.Value, "", "otp", "123456"), "Missing required parameter: code"},
		"no realm":             {ask(grants.GrantTypeOTP, ada.Value, "123456", "realm", ""), "realm must be email or sms"},
		"unknown realm":        {ask(grants.GrantTypeOTP, ada.Value, "123456", "realm", "Username-Password"), "realm must be email or sms"},
		"realm in capitals":    {ask(grants.GrantTypeOTP, ada.Value, "123456", "realm", "EMAIL"), "realm must be email or sms"},
		"username twice":       {url.Values{"grant_type": {string(grants.GrantTypeEmailCode)}, "username": {ada.Value, eve.Value}, "code": {"1"}}, "A parameter is given more than once."},
		"grant type twice":     {url.Values{"grant_type": {string(grants.GrantTypeEmailCode), "password"}}, "A parameter is given more than once."},
		"username not text":    {ask(grants.GrantTypeEmailCode, "ada\xff@example.com", "1"), "A parameter is not UTF-8 text."},
		"audience with a NUL":  {ask(grants.GrantTypeEmailCode, ada.Value, "1", "audience", "a\x00b"), "A parameter is not UTF-8 text."},
		"client id with a NUL": {ask(grants.GrantTypeEmailCode, ada.Value, "1", "client_id", "\x00"), "A parameter is not UTF-8 text."},
	} {
		t.Run(name, func(t *testing.T) {
			e.t = t
			e.wantRefused(e.post(step.form), http.StatusBadRequest, "invalid_request", step.want)
		})
	}
	e.t = t
	if c := e.store.challenges()[0]; c.Attempts != 0 {
		t.Errorf("%d attempts are counted", c.Attempts)
	}
}

func TestWrongUsedUnknownAndNoPendingCodeAreOneAnswer(t *testing.T) {
	e := newEndpoint(t)
	guess := func(grant oidc.GrantType, username, code string, pairs ...string) reply {
		return e.post(ask(grant, username, code, pairs...))
	}
	c := e.start(api(ada))
	code := e.code(c)
	answers := map[string]reply{"wrong": guess(grants.GrantTypeEmailCode, ada.Value, wrongCodeFor(code))}
	e.wantOK(guess(grants.GrantTypeEmailCode, ada.Value, code))
	answers["used"] = guess(grants.GrantTypeEmailCode, ada.Value, code)
	answers["wrong after use"] = guess(grants.GrantTypeEmailCode, ada.Value, wrongCodeFor(code))
	answers["nothing pending"] = guess(grants.GrantTypeEmailCode, "nobody@example.com", code)
	answers["not an address"] = guess(grants.GrantTypeEmailCode, "nobody", code)
	answers["a number"] = guess(grants.GrantTypeEmailCode, cell.Value, code)
	answers["not a code"] = guess(grants.GrantTypeEmailCode, ada.Value, "x")
	answers["otp"] = guess(grants.GrantTypeOTP, ada.Value, code)
	answers["very long"] = guess(grants.GrantTypeEmailCode, strings.Repeat("a", 1<<14)+"@example.com", strings.Repeat("1", 1<<14))

	old := e.start(api(eve))
	e.pass(3 * time.Minute) // less than half a lifetime remains, see below
	e.pass(5 * time.Minute)
	fresh := e.start(api(eve))
	if fresh.ID == old.ID {
		t.Fatal("no new challenge")
	}
	answers["ended"] = guess(grants.GrantTypeEmailCode, eve.Value, e.code(old))

	e.store.block(grants.Address{Channel: grants.Email, Value: "blocked@example.com"})
	blocked := e.start(api(grants.Address{Channel: grants.Email, Value: "blocked@example.com"}))
	answers["blocked"] = guess(grants.GrantTypeEmailCode, "blocked@example.com", e.code(blocked))

	for name, r := range answers {
		e.wantRefused(r, http.StatusForbidden, "invalid_grant", wrongMail)
		same := r.body == answers["wrong"].body && len(r.header) == len(answers["wrong"].header)
		for k, v := range answers["wrong"].header {
			same = same && slices.Equal(r.header[k], v)
		}
		if !same {
			t.Errorf("%s: %v %s\nwrong: %v %s", name, r.header, r.body, answers["wrong"].header, answers["wrong"].body)
		}
	}
	e.wantRefused(guess(grants.GrantTypeSMSCode, cell.Value, "123456"), http.StatusForbidden, "invalid_grant", wrongSMS)
	e.wantRefused(guess(grants.GrantTypeOTP, cell.Value, "123456", "realm", "sms"), http.StatusForbidden, "invalid_grant", wrongSMS)
}

func TestClosedSignUpAnswersLikeAWrongCode(t *testing.T) {
	e := newEndpoint(t)
	e.world = newWorld(t, func(c *grants.Config) { c.SignupClosed = true })
	e.mount()
	code := e.code(e.start(api(ada)))
	wrong := e.post(ask(grants.GrantTypeEmailCode, ada.Value, wrongCodeFor(code)))
	right := e.post(ask(grants.GrantTypeEmailCode, ada.Value, code))
	if right.status != http.StatusForbidden || right.body != wrong.body {
		t.Errorf("wrong: %s right: %s", wrong.body, right.body)
	}
}

func TestExpiredAndExhaustedHaveTextsOfTheirOwn(t *testing.T) {
	e := newEndpoint(t)
	c := e.start(api(ada))
	for range 5 {
		e.wantRefused(e.post(ask(grants.GrantTypeEmailCode, ada.Value, wrongCodeFor(e.code(c)))), http.StatusForbidden, "invalid_grant", wrongMail)
	}
	for _, code := range []string{e.code(c), wrongCodeFor(e.code(c))} {
		e.wantRefused(e.post(ask(grants.GrantTypeEmailCode, ada.Value, code)), http.StatusForbidden, "invalid_grant", exhausted)
	}
	c = e.start(api(eve))
	e.pass(5 * time.Minute)
	for _, code := range []string{e.code(c), wrongCodeFor(e.code(c))} {
		e.wantRefused(e.post(ask(grants.GrantTypeEmailCode, eve.Value, code)), http.StatusForbidden, "invalid_grant", expired)
	}
}

func TestScopesAreThoseThatTheClientMayHave(t *testing.T) {
	e := newEndpoint(t)
	code := e.code(e.start(api(ada)))
	r := e.wantOK(e.post(ask(grants.GrantTypeEmailCode, ada.Value, code, "scope", " openid admin:all  email custom_scope ")))
	if got := r.field("scope"); got != "openid email custom_scope" {
		t.Errorf("scope %q", got)
	}
}

func TestOfflineAccessGivesARefreshTokenThatWorks(t *testing.T) {
	e := newEndpoint(t)
	code := e.code(e.start(api(ada)))
	first := e.wantOK(e.post(ask(grants.GrantTypeEmailCode, ada.Value, code, "scope", "openid offline_access")))
	if first.field("refresh_token") == "" {
		t.Fatal("no refresh token")
	}
	again := e.post(url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {first.field("refresh_token")}, "client_id": {"app"}, "client_secret": {"app's secret"},
	})
	if again.status != http.StatusOK || again.field("refresh_token") == "" || again.field("refresh_token") == first.field("refresh_token") {
		t.Fatalf("refresh: %d %s", again.status, again.body)
	}
	a, b := claims(t, first.field("id_token")), claims(t, again.field("id_token"))
	if a["sub"] != b["sub"] || a["auth_time"] != b["auth_time"] {
		t.Errorf("first %v, again %v", a, b)
	}
	if e.passed != 1 {
		t.Errorf("%d requests reached the provider", e.passed)
	}
}

func TestOfflineAccessWithoutTheRefreshGrantGivesNone(t *testing.T) {
	e := newEndpoint(t)
	e.store.state.users[ada] = user{id: "email|1"}
	client, err := e.provider.Storage().GetClientByClientID(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	finish, err := grants.LibraryGrant(e.provider)(t.Context(), &grants.Granted{
		Client: onlyPasswordless{client}, User: grants.User{ID: "email|1"}, Scopes: []string{"openid", "offline_access"}, AuthTime: noon,
	})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := finish(zop.ContextWithIssuer(t.Context(), "http://localhost"))
	if err != nil {
		t.Fatal(err)
	}
	if tokens, ok := resp.(*oidc.AccessTokenResponse); !ok || tokens.RefreshToken != "" || slices.Contains(tokens.Scope, oidc.ScopeOfflineAccess) {
		t.Errorf("%+v", resp)
	}
}

type onlyPasswordless struct{ zop.Client }

// GrantTypes implements zop.Client.
func (onlyPasswordless) GrantTypes() []oidc.GrantType { return grants.GrantTypes() }

func TestOtherRequestsReachTheProvider(t *testing.T) {
	e := newEndpoint(t)
	for name, step := range map[string]struct {
		form   url.Values
		change func(*http.Request)
		want   string
	}{
		"unknown grant":     {form: url.Values{"grant_type": {"urn:example:unknown"}}, want: "unsupported_grant_type"},
		"no grant":          {form: url.Values{}, want: "invalid_request"},
		"almost ours":       {form: url.Values{"grant_type": {string(grants.GrantTypeOTP) + "/"}}, want: "unsupported_grant_type"},
		"ours in the query": {form: url.Values{"username": {ada.Value}}, change: func(r *http.Request) { r.URL.RawQuery = "grant_type=" + url.QueryEscape(string(grants.GrantTypeOTP)) }, want: "unsupported_grant_type"},
		"another method":    {form: ask(grants.GrantTypeEmailCode, ada.Value, "1"), change: func(r *http.Request) { r.Method = http.MethodPut }, want: "unsupported_grant_type"},
	} {
		before := e.passed
		var changes []func(*http.Request)
		if step.change != nil {
			changes = append(changes, step.change)
		}
		r := e.post(step.form, changes...)
		if e.passed != before+1 || r.field("error") != step.want {
			t.Errorf("%s: %d %s, passed %v", name, r.status, r.body, e.passed > before)
		}
	}
}

func TestWhatCannotBeReadIsABadRequest(t *testing.T) {
	e := newEndpoint(t)
	grant := "grant_type=" + url.QueryEscape(string(grants.GrantTypeEmailCode))
	for name, body := range map[string]string{
		"bad escape": grant + "&username=%zz",
		"semicolon":  grant + ";username=a",
		"too large":  grant + "&username=" + strings.Repeat("a", 1<<17),
	} {
		r := e.postBody(body)
		if r.status != http.StatusBadRequest || r.field("error") != "invalid_request" || r.field("error_description") != "The form cannot be read." {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	if e.passed != 0 {
		t.Errorf("%d requests reached the provider", e.passed)
	}
}

func TestFailuresTellNothingInternal(t *testing.T) {
	internal := errors.New("dial tcp 10.0.0.5:5432: password authentication failed for user sallyport")
	afterwards := func(cfg *grants.HandlerConfig) {
		cfg.Grant = func(context.Context, *grants.Granted) (func(context.Context) (any, error), error) {
			return func(context.Context) (any, error) { return nil, internal }, nil
		}
	}
	for name, change := range map[string]func(*endpoint, *grants.HandlerConfig){
		"the store": func(e *endpoint, _ *grants.HandlerConfig) { e.store.fail(internal) },
		"authentication": func(_ *endpoint, cfg *grants.HandlerConfig) {
			cfg.Authenticate = func(*http.Request) (zop.Client, error) { return nil, internal }
		},
		"authentication with a status": func(_ *endpoint, cfg *grants.HandlerConfig) {
			cfg.Authenticate = func(*http.Request) (zop.Client, error) {
				return nil, zop.NewStatusError(internal, http.StatusBadGateway)
			}
		},
		"authentication with a status inside": func(_ *endpoint, cfg *grants.HandlerConfig) {
			cfg.Authenticate = func(*http.Request) (zop.Client, error) {
				return nil, oidc.ErrInvalidClient().WithParent(zop.NewStatusError(internal, http.StatusBadGateway))
			}
		},
		"the library's sentinel": func(_ *endpoint, cfg *grants.HandlerConfig) {
			cfg.Authenticate = func(*http.Request) (zop.Client, error) { return nil, errors.Join(oidc.ErrExpired, internal) }
		},
		"the grant": func(_ *endpoint, cfg *grants.HandlerConfig) {
			cfg.Grant = func(context.Context, *grants.Granted) (func(context.Context) (any, error), error) {
				return nil, internal
			}
		},
		"the tokens": func(_ *endpoint, cfg *grants.HandlerConfig) { afterwards(cfg) },
	} {
		e := newEndpoint(t)
		code := e.code(e.start(api(ada)))
		e.mount(func(cfg *grants.HandlerConfig) { change(e, cfg) })
		right := e.post(ask(grants.GrantTypeEmailCode, ada.Value, code))
		e.wantRefused(right, http.StatusServiceUnavailable, "server_error", "The service is temporarily unavailable. Try again in a few seconds.")
		if name == "the grant" { // was rolled back
			e.mount()
			e.wantOK(e.post(ask(grants.GrantTypeEmailCode, ada.Value, code)))
		}
		if name == "the store" {
			if wrong := e.post(ask(grants.GrantTypeEmailCode, ada.Value, wrongCodeFor(code))); wrong.body != right.body || wrong.status != right.status {
				t.Errorf("right and wrong differ: %d %s", wrong.status, wrong.body)
			}
		}
		if strings.Contains(right.body, "10.0.0.5") {
			t.Errorf("%s: %s", name, right.body)
		}
	}
}

func TestErrorsOfTheLibraryKeepTheirWords(t *testing.T) {
	for _, step := range []struct {
		err    error
		status int
		code   string
	}{
		{oidc.ErrInvalidClient().WithDescription("no"), http.StatusUnauthorized, "invalid_client"},
		{zop.NewStatusError(oidc.ErrInvalidClient().WithDescription("no"), http.StatusTeapot), http.StatusTeapot, "invalid_client"},
		{oidc.ErrInvalidScope().WithDescription("no"), http.StatusBadRequest, "invalid_scope"},
		{oidc.ErrServerError().WithDescription("no"), http.StatusInternalServerError, "server_error"},
	} {
		e := newEndpoint(t, func(cfg *grants.HandlerConfig) {
			cfg.Authenticate = func(*http.Request) (zop.Client, error) { return nil, step.err }
		})
		e.wantRefused(e.post(ask(grants.GrantTypeEmailCode, ada.Value, "1")), step.status, step.code, "no")
	}
}

func TestOwnErrorWriterGetsErrorsAsTheyCome(t *testing.T) {
	internal := errors.New("the database is gone")
	var got error
	e := newEndpoint(t, func(cfg *grants.HandlerConfig) {
		cfg.WriteError = func(w http.ResponseWriter, _ *http.Request, err error) {
			got = err
			w.WriteHeader(http.StatusTeapot)
		}
	})
	e.store.fail(internal)
	if r := e.post(ask(grants.GrantTypeEmailCode, ada.Value, "1")); r.status != http.StatusTeapot || !errors.Is(got, internal) {
		t.Errorf("%d, %v", r.status, got)
	}
}

func FuzzTokenRequest(f *testing.F) {
	w := newWorld(f)
	e := &endpoint{world: w}
	issuer, server, provider, next := plainProvider(w.store)
	*issuer = "http://localhost"
	handler := zop.NewIssuerInterceptor(provider.IssuerFromRequest).Handler(http.MaxBytesHandler(grants.Handler(grants.HandlerConfig{
		Engine: w.engine, Authenticate: grants.LibraryClients(server), Grant: grants.LibraryGrant(provider),
	}, next), 1<<16))
	code := e.code(w.start(api(ada)))
	for _, form := range []url.Values{
		ask(grants.GrantTypeEmailCode, ada.Value, code), ask(grants.GrantTypeSMSCode, cell.Value, "1"), ask(grants.GrantTypeOTP, ada.Value, "1"),
		ask(grants.GrantTypeOTP, "ada＠example.com", "\x00", "scope", "openid offline_access"),
		{"grant_type": {"refresh_token"}},
		{},
	} {
		f.Add(form.Encode(), "", "application/x-www-form-urlencoded")
	}
	f.Add("grant_type=%zz", "Basic !", "")
	f.Add(ask(grants.GrantTypeEmailCode, ada.Value, "1", "client_id", "", "client_secret", "").Encode(), "Basic YXBwOmFwcCdzIHNlY3JldA==", "application/x-www-form-urlencoded")
	f.Add(`{"grant_type": "x"}`, "", "application/json")
	f.Fuzz(func(t *testing.T, body, authorization, contentType string) {
		r := httptest.NewRequest(http.MethodPost, "/oauth/token", strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, r)
		if rec.Code >= 500 || !json.Valid(rec.Body.Bytes()) {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
	})
}
