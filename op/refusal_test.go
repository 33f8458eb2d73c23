package op_test

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// refusals are the lines of refused requests in the log.
func (p *provider) refusals() []string {
	var lines []string
	for line := range strings.Lines(p.log.String()) {
		if strings.Contains(line, `msg="request refused"`) {
			lines = append(lines, line)
		}
	}
	return lines
}

var (
	pageReference = regexp.MustCompile(`<code>([A-Z2-7]{26})</code>`)
	requestName   = regexp.MustCompile(`request_id=([A-Z2-7]{26})`)
)

func TestReferenceOfAnErrorPageLeadsToItsCause(t *testing.T) {
	p := newProvider(t)
	for name, c := range map[string]struct {
		target string
		says   []string
	}{
		"redirect_uri": {p.authorizeURL("redirect_uri", "http://evil.example.com/secret"), []string{"client_id=web ", "status=400", `"The redirect_uri is not registered."`, "path=/authorize"}},
		"client":       {p.authorizeURL("client_id", "nobody"), []string{"client_id=nobody ", `"The client_id is unknown."`}},
		"not an id":    {p.authorizeURL("client_id", "a secret\nline"), []string{`client_id="" `, `"The client_id is unknown."`}},
		"too long":     {p.authorizeURL("client_id", strings.Repeat("secret", 20)), []string{`client_id="" `, `"The client_id is unknown."`}},
		"logout":       {"/oidc/logout?client_id=web&post_logout_redirect_uri=http%3A%2F%2Fevil.example.com%2Fsecret", []string{"client_id=web ", "error=invalid_request", "description=bad_redirect"}},
		"logout hint":  {"/oidc/logout?id_token_hint=secret", []string{`"The id_token_hint is not an ID token of this client."`}},
		"hosted page":  {"/u/login?tx=secret", []string{"status=410", "description=over", "path=/u/login"}},
		"link":         {"/u/login/link?id=secret&token=secret", []string{"status=410", "path=/u/login/link"}},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(p.refusals())
			a := p.browser().get(c.target)
			shown := pageReference.FindStringSubmatch(a.body)
			lines := p.refusals()[before:]
			if shown == nil || len(lines) != 1 || !strings.Contains(lines[0], "request_id="+shown[1]+" ") {
				t.Fatalf("page %v, log %q", shown, lines)
			}
			for _, said := range c.says {
				if !strings.Contains(lines[0], said) {
					t.Errorf("%s not in %s", said, lines[0])
				}
			}
			if strings.Contains(lines[0], "secret") {
				t.Errorf("log: %s", lines[0])
			}
		})
	}
}

func TestErrorsThatGoBackToTheAppAreLogged(t *testing.T) {
	p := newProvider(t)
	p.browser().get(p.authorizeURL("prompt", "none", "state", "secret", "login_hint", "secret")).sentBack(t)
	lines := p.refusals()
	if len(lines) != 1 || !strings.Contains(lines[0], "client_id=web status=303 error=login_required") || strings.Contains(lines[0], "secret") {
		t.Errorf("log: %q", lines)
	}
}

func TestRefusalsOfMachinesAreLogged(t *testing.T) {
	p := newProvider(t)
	for name, c := range map[string]struct {
		ask  func() answer
		says []string
	}{
		"code": {func() answer { return p.exchange("secret") }, []string{"client_id=web ", "status=400", "error=invalid_grant", `"The authorization code is invalid`, "path=/oauth/token"}},
		"basic": {
			func() answer {
				return p.callAs("machine", "secret", "/oauth/token", "grant_type", "client_credentials")
			},
			[]string{"client_id=machine ", "status=401", "error=invalid_client"},
		},
		"passwordless": {func() answer {
			return p.token("grant_type", grantOTP, "realm", "email", "username", "secret@example.com", "otp", "123456")
		}, []string{"client_id=web ", "status=403", `"Wrong email or verification code."`}},
		"introspection": {func() answer { return p.call("/oauth/introspect", "token", "secret") }, []string{"status=401", "error=invalid_client", "path=/oauth/introspect"}},
		"userinfo":      {func() answer { return p.userinfo("secret") }, []string{"status=401", "error=invalid_token", `client_id="" `}},
		"start":         {func() answer { return p.start(map[string]any{"email": "secret"}) }, []string{"client_id=web ", "status=400", "error=bad.email", "path=/passwordless/start"}},
		"method":        {func() answer { return p.send(http.MethodPut, "/oauth/token", "") }, []string{"status=405", `"This method is not allowed here."`}},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(p.refusals())
			a := c.ask()
			lines := p.refusals()[before:]
			if a.StatusCode < 400 || len(lines) != 1 || requestName.FindString(lines[0]) == "" {
				t.Fatalf("%d, log %q", a.StatusCode, lines)
			}
			for _, said := range c.says {
				if !strings.Contains(lines[0], said) {
					t.Errorf("%s not in %s", said, lines[0])
				}
			}
			if strings.Contains(lines[0], "secret") || strings.Contains(lines[0], "123456") {
				t.Errorf("log: %s", lines[0])
			}
			if !strings.Contains(p.log.String(), `msg=request `+requestName.FindString(lines[0])) {
				t.Error("the request's own line has another name for it")
			}
		})
	}
	before := len(p.refusals())
	p.login("ada@example.com")
	if lines := p.refusals()[before:]; len(lines) != 0 {
		t.Errorf("a good request: %q", lines)
	}
}

// Auth0's client ids have 32 characters, as many as our secrets at least.
func TestLongIDsAreLoggedOfClientsOnly(t *testing.T) {
	p := newProvider(t)
	c := testClients(p.ring)[0]
	c.ID = strings.Repeat("aB3", 10) + "xy"
	check(t, p.store.AddClient(context.Background(), c))
	nobody := strings.Repeat("zY9", 10) + "wx"
	for id, logged := range map[string]string{c.ID: "client_id=" + c.ID, nobody: `client_id=""`} {
		before := len(p.refusals())
		p.callAs(id, "wrong", "/oauth/token", "grant_type", "client_credentials")
		if lines := p.refusals()[before:]; len(lines) != 1 || !strings.Contains(lines[0], logged+" ") {
			t.Errorf("%s: log %q", id, lines)
		}
	}
}
