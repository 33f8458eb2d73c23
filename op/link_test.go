package op_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"sallyport/storage"
)

const (
	saysGoBack   = "Go back to where you started"
	saysLinkUsed = "This link was already used"
	saysLinkOver = "This link has expired"
	saysPress    = "Continue only if you asked for this link yourself."
)

// Scanners fetch links, publish them, and open them in all kinds of browsers.
func TestOpeningALinkSpendsNothing(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	where, page := b.begin("ada@example.com", p.authorizeURL())
	link, code := p.link("ada@example.com", 1), p.code("ada@example.com", 1)
	scanner := p.browser()
	for range 8 {
		for _, opener := range []*browser{b, scanner, p.browser()} {
			for _, method := range []string{"GET", "HEAD"} {
				a := opener.send(method, link, nil)
				if a.StatusCode != http.StatusOK || a.Header.Get("Location") != "" || len(a.Cookies()) > 0 || strings.Contains(a.body, code) {
					t.Fatalf("%s: %d %v\n%s", method, a.StatusCode, a.Cookies(), a.body)
				}
			}
		}
	}
	b.post(where, page.form("code", other(code))).mustBePage(t, http.StatusUnprocessableEntity, "You have 4 more tries.")
	b.post(where, page.form("code", code)).sentBack(t)
}

func TestLinkInAnotherBrowserShowsNoCodeAndRedeemsNothing(t *testing.T) {
	p := newProvider(t)
	b, stranger := p.browser(), p.browser()
	where, page := b.begin("ada@example.com", p.authorizeURL())
	link, code := p.link("ada@example.com", 1), p.code("ada@example.com", 1)
	_, own := stranger.begin("eve@example.com", p.authorizeURL())
	asking := b.get(link).form()
	for _, other := range []*browser{stranger, p.browser()} {
		a := other.get(link)
		a.mustBePage(t, http.StatusOK, saysGoBack)
		if strings.Contains(a.body, code) || strings.Contains(a.body, "<form") || strings.Contains(a.body, "ada") || strings.Contains(a.body, asking.Get("token")) {
			t.Errorf("the page tells or does something:\n%s", a.body)
		}
		for _, csrf := range []string{asking.Get("csrf"), own.form().Get("csrf"), page.form().Get("csrf"), ""} {
			form := must(url.ParseQuery(asking.Encode()))
			form.Set("csrf", csrf)
			other.post("/u/login/link", form).mustBePage(t, http.StatusForbidden, saysElsewhere)
		}
		if other.cookieValue("sallyport_session") != "" {
			t.Fatal("signed in")
		}
	}
	b.post(where, page.form("code", code)).sentBack(t)
	stranger.get(link).mustBePage(t, http.StatusOK, saysGoBack) // not even that it was used
}

func TestLinkGoesOnInTheBrowserThatAsked(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	where, page := b.begin("ada@example.com", p.authorizeURL())
	link := p.link("ada@example.com", 1)
	opened := b.get(link)
	opened.mustBePage(t, http.StatusOK, "data-auto")
	done := b.post("/u/login/link", opened.form())
	back := done.sentBack(t)
	if back.Get("state") != "st" || done.cookie("sallyport_session") == nil {
		t.Fatalf("%v", back)
	}
	if tokens := p.exchange(back.Get("code")); tokens.StatusCode != http.StatusOK || claims(t, tokens.str("id_token"))["email"] != "ada@example.com" {
		t.Fatalf("%s", tokens.body)
	}
	if again := b.post("/u/login/link", opened.form()).sentBack(t); again.Get("code") == "" || again.Get("code") == back.Get("code") {
		t.Errorf("sent twice: %v", again)
	}
	p.pass(11 * time.Second)
	b.post("/u/login/link", opened.form()).mustBePage(t, http.StatusUnprocessableEntity, saysLinkUsed)
	b.get(link).mustBePage(t, http.StatusOK, saysLinkUsed)
	b.post(where, page.form("code", p.code("ada@example.com", 1))).mustBePage(t, http.StatusUnprocessableEntity, saysUsed)
	if !b.get(p.authorizeURL("prompt", "none")).sentBack(t).Has("code") {
		t.Error("there is no session")
	}
}

func TestChangedLinkTellsAndDoesNothing(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	where, page := b.begin("ada@example.com", p.authorizeURL())
	b.begin("bob@example.com", p.authorizeURL())
	good, other := must(url.Parse(p.link("ada@example.com", 1))).Query(), must(url.Parse(p.link("bob@example.com", 1))).Query()
	form, id, token := b.get(p.link("ada@example.com", 1)).form(), good.Get("id"), good.Get("token")
	flipped := "A" + token[1:]
	if flipped == token {
		flipped = "B" + token[1:]
	}
	for name, q := range map[string]url.Values{
		"no token": {"id": {id}}, "an empty token": {"id": {id}, "token": {""}}, "a changed token": {"id": {id}, "token": {flipped}},
		"a cut token": {"id": {id}, "token": {token[:42]}}, "a longer token": {"id": {id}, "token": {token + "A"}}, "no id": {"token": {token}},
		"another's id": {"id": {other.Get("id")}, "token": {token}}, "another's token": {"id": {id}, "token": {other.Get("token")}},
		"the code as token": {"id": {id}, "token": {p.code("ada@example.com", 1)}}, "a dash": {"id": {id}, "token": {"-"}},
	} {
		for _, opener := range []*browser{b, p.browser()} {
			a := opener.get("/u/login/link?" + q.Encode())
			a.mustBePage(t, http.StatusGone, saysEnded)
			if strings.Contains(a.body, "ada") || strings.Contains(a.body, "<form") {
				t.Errorf("%s: %s", name, a.body)
			}
		}
		q.Set("csrf", form.Get("csrf"))
		q.Set("code", p.code("ada@example.com", 1))
		b.post("/u/login/link", q).mustBePage(t, http.StatusGone, saysEnded)
	}
	b.post(where, page.form("code", "1")).mustBePage(t, http.StatusUnprocessableEntity, "You have 4 more tries.")
	b.post("/u/login/link", form).sentBack(t)
}

func TestExpiredLinkSignsNobodyIn(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	b.begin("ada@example.com", p.authorizeURL())
	link := p.link("ada@example.com", 1)
	form := b.get(link).form()
	p.pass(5 * time.Minute)
	b.get(link).mustBePage(t, http.StatusOK, saysLinkOver)
	b.post("/u/login/link", form).mustBePage(t, http.StatusUnprocessableEntity, saysLinkOver)
	p.pass(time.Hour)
	b.get(link).mustBePage(t, http.StatusGone, saysEnded)
}

// Two tabs ask for the same address: one challenge, one code, and each mail's link goes on in the tab that asked.
func TestLinkGoesOnInTheTransactionThatAskedForIt(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	b.begin("ada@example.com", p.authorizeURL("state", "one"))
	b.begin("ada@example.com", p.authorizeURL("state", "two"))
	if p.code("ada@example.com", 1) != p.code("ada@example.com", 2) {
		t.Fatal("two codes are open in one browser")
	}
	first, second := b.get(p.link("ada@example.com", 1)).form(), b.get(p.link("ada@example.com", 2)).form()
	first.Set("csrf", second.Get("csrf"))
	b.post("/u/login/link", first).mustBePage(t, http.StatusForbidden, saysElsewhere)
	if back := b.post("/u/login/link", second).sentBack(t); back.Get("state") != "two" {
		t.Fatalf("%v", back)
	}
	p.pass(11 * time.Second)
	b.get(p.link("ada@example.com", 1)).mustBePage(t, http.StatusOK, saysLinkUsed)
}

// What a client may do is asked again at every step: a redirect URI that is registered no more gets nothing.
func TestClientThatChangedMeanwhileGetsNothing(t *testing.T) {
	p := newProvider(t)
	p.addClients(publicClient("app", "spa", "https://app.example.com/cb"))
	b := p.browser()
	where, page := b.begin("ada@example.com", p.authorizeURL("client_id", "app", "redirect_uri", "https://app.example.com/cb"))
	link, form := p.link("ada@example.com", 1), page.form("code", p.code("ada@example.com", 1))
	change := func(more ...storage.Client) *provider {
		check(t, p.store.ApplyClients(t.Context(), 3, append(testClients(p.ring), more...)))
		return p.replica() // with nothing in its caches
	}
	moved := change(publicClient("app", "spa", "https://new.example.com/cb"))
	for _, a := range []answer{b.get(moved.url + at(where, "/u/login/code")), b.post(moved.url+at(where, "/u/login/code"), form), b.get(moved.url + strings.TrimPrefix(link, p.url))} {
		a.mustBePage(t, http.StatusBadRequest, saysBadRedirect)
	}
	gone := change()
	for _, a := range []answer{b.get(gone.url + at(where, "/u/login/code")), b.post(gone.url+at(where, "/u/login/code"), form), b.get(gone.url + strings.TrimPrefix(link, p.url))} {
		a.mustBePage(t, http.StatusBadRequest, saysUnknownApp)
	}
}

func authParams(more ...string) map[string]any {
	params := map[string]any{
		"redirect_uri": webRedirect, "response_type": "code", "scope": "openid email offline_access", "state": "api-state", "nonce": "api-nonce",
		"code_challenge": s256(verifier), "code_challenge_method": "S256",
	}
	for i := 0; i+1 < len(more); i += 2 {
		params[more[i]] = more[i+1]
		if more[i+1] == "" {
			delete(params, more[i])
		}
	}
	return params
}

// apiLink starts through the API and gives the link of the mail.
func (p *provider) apiLink(to string, params map[string]any) string {
	p.t.Helper()
	body := map[string]any{"email": to, "send": "link"}
	if params != nil {
		body["authParams"] = params
	}
	if a := p.start(body); a.StatusCode != http.StatusOK {
		p.t.Fatalf("start: %d %s", a.StatusCode, a.body)
	}
	return p.link(to, 1)
}

// The press of the button gives a code and spends nothing: the app's verifier does, once.
func TestLinkOfTheAPIIsRedeemedByTheAppThatAsked(t *testing.T) {
	p := newProvider(t)
	link := p.apiLink("ada@example.com", authParams())
	b := p.browser()
	var codes []string
	for range 3 {
		page := b.get(link)
		page.mustBePage(t, http.StatusOK, saysPress)
		if strings.Contains(page.body, "data-auto") || strings.Contains(page.body, p.code("ada@example.com", 1)) {
			t.Fatalf("%s", page.body)
		}
		a := b.post("/u/login/link", page.form())
		back := a.sentBack(t)
		if !strings.HasPrefix(a.Header.Get("Location"), webRedirect+"?") || back.Get("state") != "api-state" || back.Get("iss") != p.url || a.cookie("sallyport_session") != nil || a.cookie("sallyport_device") != nil {
			t.Fatalf("%v %v", back, a.Cookies())
		}
		codes = append(codes, back.Get("code"))
	}
	for name, wrong := range map[string][]string{
		"no verifier": {"code_verifier", ""}, "another verifier": {"code_verifier", strings.Repeat("v", 43)}, "another redirect_uri": {"redirect_uri", webRedirect + "/"},
		"another client": {"client_id", "other", "client_secret", machineSecret}, "a cut code": {"code", codes[0][:20]},
	} {
		if a := p.exchange(codes[0], wrong...); a.StatusCode != http.StatusBadRequest || a.str("error") != "invalid_grant" {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
	tokens := p.exchange(codes[0])
	if tokens.StatusCode != http.StatusOK || tokens.json()["refresh_token"] != nil {
		t.Fatalf("%d %s", tokens.StatusCode, tokens.body)
	}
	if c := claims(t, tokens.str("id_token")); c["nonce"] != "api-nonce" || c["email"] != "ada@example.com" {
		t.Errorf("%v", c)
	}
	p.alive(t, tokens.str("access_token"))
	if back := b.get(p.authorizeURL("prompt", "none")).sentBack(t); back.Get("error") != "login_required" {
		t.Errorf("a session came of it: %v", back)
	}
	b.get(link).mustBePage(t, http.StatusOK, saysLinkUsed)
	if a := p.exchange(codes[1]); a.str("error") != "invalid_grant" {
		t.Errorf("the second code of the link: %s", a.body)
	}
	p.dead(t, tokens.str("access_token"))
	if a := p.exchange(codes[0]); a.str("error") != "invalid_grant" {
		t.Errorf("the first code again: %s", a.body)
	}
}

func TestCodeOfALinkLivesAMinute(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	code := b.post("/u/login/link", b.get(p.apiLink("ada@example.com", authParams())).form()).sentBack(t).Get("code")
	p.pass(61 * time.Second)
	if a := p.exchange(code); a.str("error") != "invalid_grant" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

func TestReplayOfALinksCodeEndsWhatItGave(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	code := b.post("/u/login/link", b.get(p.apiLink("ada@example.com", authParams())).form()).sentBack(t).Get("code")
	token := p.exchange(code).str("access_token")
	p.alive(t, token)
	p.pass(61 * time.Second)
	if a := p.exchange(code); a.str("error") != "invalid_grant" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	p.dead(t, token)
}

// Without PKCE nobody could tell who asked: the mail has the code alone, unless the client takes whoever comes.
func TestLinkOfTheAPINeedsPKCEOrTheClientsWord(t *testing.T) {
	p := newProvider(t)
	embedding, codeless, strict := testClients(p.ring)[0], testClients(p.ring)[0], testClients(p.ring)[0]
	embedding.ID, embedding.EmbeddedLinks = "embedding", true
	codeless.ID, codeless.GrantTypes = "codeless", []string{grantOTP}
	strict.ID, strict.EmbeddedLinks, strict.Settings.RequirePKCE = "strict", true, true
	p.addClients(embedding, codeless, strict)
	for name, c := range map[string]struct {
		client string
		params map[string]any
	}{
		"nothing": {"web", nil}, "no PKCE": {"web", authParams("code_challenge", "", "code_challenge_method", "")},
		"no redirect_uri": {"web", authParams("redirect_uri", "")}, "no response_type": {"web", authParams("response_type", "")},
		"implicit": {"web", authParams("response_type", "token")}, "no code grant": {"codeless", authParams()},
		"embedding, no redirect_uri": {"embedding", authParams("redirect_uri", "")},
		"requires, no PKCE":          {"strict", authParams("code_challenge", "", "code_challenge_method", "")},
	} {
		to := strings.NewReplacer(" ", ".", ",", "").Replace(strings.ToLower(name)) + "@example.com"
		body := map[string]any{"client_id": c.client, "email": to, "send": "link"}
		if c.params != nil {
			body["authParams"] = c.params
		}
		if a := p.start(body); a.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
		if m := p.message(to, 1); strings.Contains(m.Text, "/u/login/link") {
			t.Errorf("%s: a link that leads nowhere:\n%s", name, m.Text)
		}
		if a := p.token("client_id", c.client, "grant_type", grantOTP, "realm", "email", "username", to, "otp", p.code(to, 1)); a.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
	a := p.start(map[string]any{"client_id": "strict", "email": "eve@example.com", "send": "link", "authParams": authParams()})
	if m := p.message("eve@example.com", 1); a.StatusCode != http.StatusOK || !strings.Contains(m.Text, "/u/login/link") {
		t.Errorf("PKCE as required, and no link: %s\n%s", a.body, m.Text)
	}
	a = p.start(map[string]any{"client_id": "embedding", "email": "bob@example.com", "send": "link", "authParams": authParams("code_challenge", "", "code_challenge_method", "")})
	if a.StatusCode != http.StatusOK {
		t.Fatalf("%s", a.body)
	}
	if m := p.message("bob@example.com", 1); strings.Contains(m.Text, "browser") {
		t.Errorf("the link works anywhere, the mail says otherwise:\n%s", m.Text)
	}
	b := p.browser()
	code := b.post("/u/login/link", b.get(p.link("bob@example.com", 1)).form()).sentBack(t).Get("code")
	if tokens := p.exchange(code, "client_id", "embedding", "code_verifier", ""); tokens.StatusCode != http.StatusOK {
		t.Errorf("%s", tokens.body)
	}
}

// A link of the API works in one browser's form only, and never where somebody else's page sends it.
func TestLinkOfTheAPINeedsThePressOnItsOwnPage(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	form := b.get(p.apiLink("ada@example.com", authParams())).form()
	p.browser().post("/u/login/link", form).mustBePage(t, http.StatusForbidden, saysElsewhere)
	b.send("POST", "/u/login/link", form, "Origin", "https://evil.example.com", "Sec-Fetch-Site", "cross-site").mustBePage(t, http.StatusForbidden, saysElsewhere)
	form.Set("redirect_uri", "https://evil.example.com/")
	form.Set("state", "evil")
	a := b.post("/u/login/link", form)
	if back := a.sentBack(t); !strings.HasPrefix(a.Header.Get("Location"), webRedirect+"?") || back.Get("state") != "api-state" {
		t.Errorf("%s", a.Header.Get("Location"))
	}
}
