package e2e

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

func raceApp(i int) string { return fmt.Sprintf("race-%d", i) }

func s256(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// claim reads a claim of a token, which the race is not about.
func claim(t *testing.T, token, name string) string {
	t.Helper()
	signed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Errorf("ID token: %v", err)
		return ""
	}
	claims := map[string]any{}
	if err := signed.UnsafeClaimsWithoutVerification(&claims); err != nil {
		t.Errorf("ID token: %v", err)
	}
	s, _ := claims[name].(string)
	return s
}

func raceForAuthorizationCode(a *arena) {
	ada := a.person(0)
	page, code := a.hosted(ada, "ada@exchange.example.com", authorizePath("app", ""))
	granted := authorizationCode(a.t, ada.post(page, fill(ada.get(page), "code", code)))
	answers := a.atOnce(50, func(p *person, _ int) answer {
		return tokenOf(p, "app", "grant_type", "authorization_code", "code", granted, "redirect_uri", callback)
	})
	a.over("app", a.winner(answers, "refused"))
}

func raceForRefreshToken(a *arena) {
	first := a.login("app", "ada@refresh.example.com").str("refresh_token")
	successors := func(token string) map[string]int {
		answers := a.atOnce(50, func(p *person, _ int) answer { return refresh(p, "app", token) })
		a.wants("answers", tally(answers, verdict), map[string]int{"granted": 50})
		return tally(answers, func(resp answer) string { return resp.str("refresh_token") })
	}
	var second, third string
	found := successors(first)
	for second = range found {
	}
	if len(found) != 1 {
		a.t.Fatalf("%d successors of the first", len(found))
	}
	found = successors(second)
	for third = range found {
	}
	if len(found) != 1 {
		a.t.Fatalf("%d successors of the second", len(found))
	}
	answers := a.atOnce(20, func(p *person, i int) answer {
		if i%2 == 0 {
			return refresh(p, "app", first)
		}
		return refresh(p, "app", third)
	})
	for i, resp := range answers {
		if i%2 == 0 && verdict(resp) != "refused" {
			a.t.Errorf("the first, which was replaced twice: %s", verdict(resp))
		}
		if verdict(resp) == "granted" {
			a.over("app", resp)
		}
	}
	a.wants("the last", tally(a.atOnce(3, func(p *person, _ int) answer { return refresh(p, "app", third) }), verdict), map[string]int{"refused": 3})
}

// redirected is what an answer that sends a browser back to an app says: a code, or which error.
func redirected(resp answer) string {
	if resp.Response == nil {
		return "none"
	}
	back := must(url.Parse(resp.Header.Get("Location"))).Query()
	switch {
	case back.Get("code") != "":
		return "code"
	case back.Get("error") != "":
		return back.Get("error")
	}
	return resp.Status
}

// navigate is a browser that a page of the app sends somewhere.
func navigate(p *person, path string) answer {
	p.t.Helper()
	r := must(http.NewRequest(http.MethodGet, p.base+path, nil))
	for name, value := range map[string]string{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "cross-site", "Referer": raceOrigin + "/"} {
		r.Header.Set(name, value)
	}
	return p.do(r)
}

func raceForLoginTicket(a *arena) {
	const who, verifier = "ada@ticket.example.com", "a-verifier-of-the-races-that-has-43-characters-and-more"
	ada := a.person(0)
	ticket := crossOrigin(ada, who, a.ask("spa", who))
	if ticket.str("login_ticket") == "" {
		a.t.Fatalf("%d %s", ticket.StatusCode, ticket.body)
	}
	path := authorizePath("spa", verifier, "login_ticket", ticket.str("login_ticket"), "realm", "email")
	answers := a.atOnce(20, func(p *person, i int) answer {
		if i%2 == 0 {
			p.http.Jar = ada.http.Jar // half of them are not the browser that has the cookie
		}
		return navigate(p, path)
	})
	a.wants("answers", tally(answers, redirected), map[string]int{"code": 1, "access_denied": 19})
}

func raceForVerifiedCode(a *arena) {
	const who, verifier = "ada@verified.example.com", "a-verifier-of-the-races-that-has-43-characters-and-more"
	code := a.ask("spa", who)
	verified := a.atOnce(5, func(p *person, _ int) answer { return guess(p, 1, who, code) })
	a.wants("verified", tally(verified, verdict), map[string]int{"granted": 5})
	path := strings.Replace(authorizePath("spa", verifier, "connection", "email", "email", who, "verification_code", code), "/authorize", "/passwordless/verify_redirect", 1)
	answers := a.atOnce(20, func(p *person, _ int) answer { return navigate(p, path) })
	// Who comes when it is used up is refused, or asked where the mark is gone too.
	if counts := tally(answers, redirected); counts["code"] != 1 || counts["code"]+counts["access_denied"]+counts["200 OK"] != len(answers) {
		a.t.Errorf("answers: %v", counts)
	}
}

func raceForPushedRequest(a *arena) {
	pushed := a.person(0).post("/oauth/par", must(url.ParseQuery(strings.TrimPrefix(authorizePath("app", "", "client_secret", clientSecret), "/authorize?"))))
	if pushed.StatusCode != http.StatusCreated {
		a.t.Fatalf("%d %s", pushed.StatusCode, pushed.body)
	}
	path := "/authorize?" + url.Values{"client_id": {"app"}, "request_uri": {pushed.str("request_uri")}}.Encode()
	answers := a.atOnce(20, func(p *person, _ int) answer { return p.get(path) })
	a.wants("answers", tally(answers, func(resp answer) string { return resp.Status }), map[string]int{"303 See Other": 1, "400 Bad Request": 19})
}

func raceForAssertion(a *arena) {
	signer := must(jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: a.key}, (&jose.SignerOptions{}).WithHeader("kid", "one")))
	now := time.Now()
	assertion := must(jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: "signer", Subject: "signer", Audience: jwt.Audience{a.issuer}, ID: "once", IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(time.Minute)),
	}).Serialize())
	answers := a.atOnce(50, func(p *person, _ int) answer {
		return p.post("/oauth/token", url.Values{
			"grant_type": {"client_credentials"}, "client_assertion": {assertion},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		})
	})
	a.wants("answers", tally(answers, func(resp answer) string { return resp.Status + resp.str("error") }), map[string]int{"200 OK": 1, "401 Unauthorizedinvalid_client": 49})
}

func raceForDeviceCode(a *arena) {
	for round := range 3 {
		ada := a.person(round)
		shown := ada.post("/oauth/device/code", url.Values{"client_id": {"tv"}, "scope": {"openid offline_access"}})
		confirm := a.path(ada.post("/device", fill(ada.get("/device"), "user_code", shown.str("user_code"))))
		page, code := a.hosted(ada, "ada@device.example.com", confirm)
		confirm = a.path(ada.post(page, fill(ada.get(page), "code", code)))
		form := fill(ada.get(confirm))
		a.atOnce(10, func(p *person, i int) answer {
			p.http.Jar = ada.http.Jar
			own := url.Values{"csrf": form["csrf"], "answer": {[]string{"approve", "deny"}[i%2]}}
			return p.post(confirm, own)
		})
		poll := func(p *person, _ int) answer {
			return tokenOf(p, "tv", "grant_type", "urn:ietf:params:oauth:grant-type:device_code", "device_code", shown.str("device_code"))
		}
		counts := tally(a.atOnce(20, poll), func(resp answer) string { return resp.Status + " " + resp.str("error") })
		granted, denied := counts["200 OK "], counts["403 Forbidden access_denied"]
		if granted > 1 || granted > 0 && denied > 0 || granted+denied == 0 || granted+denied+counts["429 Too Many Requests slow_down"]+counts["403 Forbidden invalid_grant"] != 20 {
			a.t.Errorf("polls: %v", counts)
		}
	}
}

func raceOfLogoutAndRefresh(a *arena) {
	const verifier = "a-verifier-of-the-races-that-has-43-characters-and-more"
	ada := a.person(0)
	page, code := a.hosted(ada, "ada@logout.example.com", authorizePath("spa", verifier))
	granted := authorizationCode(a.t, ada.post(page, fill(ada.get(page), "code", code)))
	tokens := tokenOf(ada, "spa", "grant_type", "authorization_code", "code", granted, "redirect_uri", callback, "code_verifier", verifier)
	if tokens.StatusCode != http.StatusOK {
		a.t.Fatalf("%d %s", tokens.StatusCode, tokens.body)
	}
	answers := a.atOnce(20, func(p *person, i int) answer {
		if i == 10 {
			p.http.Jar = ada.http.Jar
			return p.get("/oidc/logout?" + url.Values{"id_token_hint": {tokens.str("id_token")}}.Encode())
		}
		return refresh(p, "spa", tokens.str("refresh_token"))
	})
	a.over("spa", tokens)
	for i, resp := range answers {
		if i != 10 && verdict(resp) == "granted" {
			a.over("spa", resp)
		}
	}
}

func raceOfFirstKeys(a *arena) {
	answers := a.atOnce(6, func(p *person, _ int) answer { return p.get("/.well-known/jwks.json") })
	sets := tally(answers, func(resp answer) string { return resp.body })
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(answers[0].body), &set); err != nil {
		a.t.Fatal(err)
	}
	algorithms := map[string]int{}
	for _, key := range set.Keys {
		algorithms[key.Algorithm]++
	}
	if len(sets) != 1 || algorithms["RS256"] != 1 || len(algorithms) != len(set.Keys) {
		a.t.Errorf("%d sets of keys, one with %v", len(sets), algorithms)
	}
}
