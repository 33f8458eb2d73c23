package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"golang.org/x/oauth2"
)

// TestAuth0JS runs auth0-js in an app on another origin of the same site, as an app with a custom domain has it.
func TestAuth0JS(t *testing.T) {
	s := newTenant(t, "")
	b := s.browser(t)
	email, number, page := "ada@example.com", "+4915112345020", s.app+"/auth0-js.html"
	byMail, byText := map[string]string{"connection": "email", "email": email}, map[string]string{"connection": "sms", "phoneNumber": number}
	with := func(options map[string]string, more ...string) string {
		all := map[string]string{}
		for k, v := range options {
			all[k] = v
		}
		for i := 0; i+1 < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		return quote(all)
	}
	code := func(n int, to string) string { return received(t, n, func() []mail { return s.inbox(to) }).code() }

	b.open(page)
	b.fails(`call("checkSession", {})`, "login_required", "")
	b.succeeds(`call("passwordlessStart", ` + with(byMail, "send", "code") + `)`)
	right := code(1, email)
	b.fails(`call("passwordlessLogin", `+with(byMail, "verificationCode", wrong(right))+`)`, "access_denied", "Wrong email or verification code.")
	b.leaves(`webAuth.passwordlessLogin(`+with(byMail, "verificationCode", right)+`, () => {})`, "#result")
	var tokens struct {
		AccessToken    string `json:"accessToken"`
		IDTokenPayload struct {
			Sub   string `json:"sub"`
			Email string `json:"email"`
		} `json:"idTokenPayload"`
	}
	if err := json.Unmarshal(b.shown().Result, &tokens); err != nil || tokens.IDTokenPayload.Email != email || !strings.HasPrefix(tokens.IDTokenPayload.Sub, "email|") {
		t.Fatalf("passwordlessLogin: %+v %v", tokens, err)
	}
	if info := b.succeeds(`new Promise((resolve) => webAuth.client.userInfo(` + quote(tokens.AccessToken) + `, (error, result) => resolve({ error, result })))`); info.str("email") != email {
		t.Errorf("userInfo: %s", info.Result)
	}
	if again := b.succeeds(`call("checkSession", {})`); again.str("accessToken") == "" {
		t.Errorf("checkSession: %s", again.Result)
	}

	// passwordlessVerify goes by /passwordless/verify and verify_redirect.
	b.open(page)
	b.succeeds(`call("passwordlessStart", ` + with(byText, "send", "code") + `)`)
	right = code(1, number)
	b.fails(`call("passwordlessVerify", `+with(byText, "verificationCode", wrong(right))+`)`, "invalid_user_password", "Wrong phone number or verification code.")
	b.leaves(`webAuth.passwordlessVerify(`+with(byText, "verificationCode", right)+`, () => {})`, "#result")
	if err := json.Unmarshal(b.shown().Result, &tokens); err != nil || !strings.HasPrefix(tokens.IDTokenPayload.Sub, "sms|") {
		t.Fatalf("passwordlessVerify: %+v %v", tokens, err)
	}

	// A code instead of tokens, with PKCE, which clients that keep no secret need.
	verifier := oauth2.GenerateVerifier()
	b.open(page)
	b.succeeds(`call("passwordlessStart", ` + with(byMail, "send", "code") + `)`)
	b.leaves(`webAuth.passwordlessLogin(`+with(byMail, "verificationCode", code(2, email), "responseType", "code",
		"codeChallenge", oauth2.S256ChallengeFromVerifier(verifier), "codeChallengeMethod", "S256")+`, () => {})`, "#result")
	answered := newPerson(t, s.url).post("/oauth/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {"spa"}, "code": {b.shown().str("code")}, "redirect_uri": {page}, "code_verifier": {verifier},
	})
	if answered.StatusCode != http.StatusOK || answered.str("id_token") == "" {
		t.Fatalf("exchange: %d %s", answered.StatusCode, answered.body)
	}

	// A client with a secret starts no login from a page: its server does.
	b.fails(`call("passwordlessStart", `+with(byMail, "send", "code", "clientID", "web")+`)`, "unauthorized_client", "Client authentication is required")

	b.leaves(`webAuth.logout({ returnTo: `+quote(page)+` })`, "body")
	b.open(page)
	b.leaves(`webAuth.authorize({ prompt: "none" })`, "#result")
	if got := b.text("#result"); !strings.Contains(got, `"login_required"`) {
		t.Errorf("a session was made: %s", got)
	}
}

// TestAuth0JSWithoutThirdPartyCookies signs in from an app on another site, in a browser that keeps no cookies there: the
// login works, and makes no session, since nothing ties this browser to it.
func TestAuth0JSWithoutThirdPartyCookies(t *testing.T) {
	s := newTenant(t, "")
	b, email := s.browser(t, chromedp.Flag("test-third-party-cookie-phaseout", true)), "eve@example.com"
	b.open(s.elsewhere + "/auth0-js.html")
	b.succeeds(`call("passwordlessStart", { connection: "email", send: "code", email: ` + quote(email) + ` })`)
	right := received(t, 1, func() []mail { return s.inbox(email) }).code()
	b.leaves(`webAuth.passwordlessLogin({ connection: "email", email: `+quote(email)+`, verificationCode: `+quote(right)+` }, () => {})`, "#result")
	if b.shown().str("accessToken") == "" {
		t.Error("no token")
	}
	b.leaves(`webAuth.authorize({ prompt: "none" })`, "#result")
	if got := b.text("#result"); !strings.Contains(got, `"login_required"`) {
		t.Errorf("a session was made: %s", got)
	}
}
