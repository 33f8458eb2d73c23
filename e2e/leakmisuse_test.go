package e2e

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/emersion/go-smtp"
)

// wrongPlaces puts secrets where they do not belong, as people and programs do.
func (r *leakRun) wrongPlaces() {
	p := r.person()
	code := r.note("code in the address field", "5647382910")
	token := r.note("token in the wrong place", "ZXlKaGJHY2lPaUpTVXpJMU5pSXNJblI1Y0NJNklrcFhWQ0o5")
	p.startLogin("email", code)
	p.startLogin("email", code+"@"+clientSecret)
	p.startLogin("phone_number", token)
	p.postJSON("/passwordless/start", map[string]any{"client_id": clientSecret, "client_secret": "app", "connection": "email", "email": "a@example.com"})
	p.postJSON("/passwordless/start", map[string]any{"client_id": "app", "client_secret": clientSecret, "connection": clientSecret, "email": "a@example.com", token: token})
	p.otp(code, token, clientSecret)
	p.token("grant_type", clientSecret)
	p.token("grant_type", "authorization_code", "code", token, "redirect_uri", clientSecret, "code_verifier", token)
	p.token("grant_type", "client_credentials", "scope", token, "audience", clientSecret)
	p.post("/oauth/token", url.Values{"client_id": {clientSecret}, "client_secret": {"app"}, "grant_type": {"client_credentials"}})
	p.post("/oauth/token?client_secret="+clientSecret, url.Values{"client_id": {"app"}, "grant_type": {"client_credentials"}})
	p.post("/oauth/token", url.Values{
		"client_id": {"app"}, "grant_type": {"client_credentials"}, "client_assertion": {token + "." + token + "." + token},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	})
	for _, path := range []string{
		"/userinfo?access_token=" + token, "/authorize?client_id=" + clientSecret, "/authorize?client_id=app&redirect_uri=" + clientSecret,
		"/authorize?client_id=app&response_type=" + token + "&state=" + token + "&redirect_uri=http://127.0.0.1:9/callback",
		"/authorize?client_id=app&response_type=code&redirect_uri=http://127.0.0.1:9/callback&login_hint=" + token + "&id_token_hint=" + token + "&login_ticket=" + token,
		"/u/login/link?id=" + token + "&token=" + token, "/u/login?tx=" + token, "/" + token, "/passwordless/verify_redirect?verification_code=" + code + "&connection=" + token,
		"/v2/logout?client_id=app&returnTo=" + token, "/oidc/logout?id_token_hint=" + token, "/device?user_code=" + token, "/api/v2/users/" + token,
	} {
		p.get(path)
	}
	for _, authorization := range []string{"Basic " + leakAdmin, "Bearer " + clientSecret, "Token " + token, clientSecret, "Basic " + base64.StdEncoding.EncodeToString([]byte(clientSecret+":app"))} {
		for _, path := range []string{"/userinfo", "/api/v2/users"} {
			req := must(http.NewRequest(http.MethodGet, r.base+path, nil))
			req.Header.Set("Authorization", authorization)
			req.Header.Set("User-Agent", token)
			req.Header.Set("X-Forwarded-For", token)
			req.Header.Set("Origin", "https://"+token)
			p.do(req)
		}
		req := must(http.NewRequest(http.MethodPost, r.base+"/oauth/token", strings.NewReader("grant_type=client_credentials")))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Authorization", authorization)
		p.do(req)
	}
}

// refusedDelivery has both providers refuse, with the message that they refuse in their answer.
func (r *leakRun) refusedDelivery() {
	p := r.person()
	r.mails.refuse(func(m mail) error {
		return &smtp.SMTPError{Code: 550, Message: "rejected: " + m.Subject + " " + strings.Join(strings.Fields(m.Text), " ")}
	})
	p.startLogin("email", "refused@example.com")
	r.noteMail(received(r.t, 1, func() []mail { return r.mails.refused("refused@example.com") }))
	r.texts.refuse(func(m mail) string {
		return `{"code":21610,"message":"rejected: ` + strings.Join(strings.Fields(m.Text), " ") + `","status":400}`
	})
	p.startLogin("phone_number", "+4915198765432")
	r.note("refused SMS code", received(r.t, 1, func() []mail { return r.texts.refusedTo("+4915198765432") }).code())
	r.mails.refuse(nil)
	r.texts.refuse(nil)
}
