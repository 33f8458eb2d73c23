package op_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestPKCEDowngradeIsRefused(t *testing.T) {
	p := newProvider(t)
	code := p.codes("ada@example.com")
	without := []string{"code_challenge", "", "code_challenge_method", ""}
	for name, c := range map[string]struct{ authorize, exchange []string }{
		"verifier missing":            {nil, []string{"code_verifier", ""}},
		"verifier wrong":              {nil, []string{"code_verifier", strings.Repeat("x", 50)}},
		"verifier is the challenge":   {nil, []string{"code_verifier", s256(verifier)}},
		"verifier too short":          {nil, []string{"code_verifier", "short"}},
		"verifier with a space":       {nil, []string{"code_verifier", verifier + " "}},
		"verifier without challenge":  {without, nil},
		"empty challenge, any method": {without, []string{"code_verifier", "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			p.exchange(code(c.authorize...), c.exchange...).wants(t, http.StatusBadRequest, "invalid_grant")
		})
	}
	if a := p.exchange(code(without...), "code_verifier", ""); a.StatusCode != http.StatusOK {
		t.Fatalf("a confidential client without PKCE: %d %s", a.StatusCode, a.body)
	}
}

func TestPKCEPlainIsRefused(t *testing.T) {
	p := newProvider(t)
	for name, more := range map[string][]string{
		"plain":          {"code_challenge", verifier, "code_challenge_method", "plain"},
		"plain, default": {"code_challenge", verifier, "code_challenge_method", ""},
		"unknown":        {"code_challenge_method", "bogus"},
		"lower case":     {"code_challenge_method", "s256"},
	} {
		t.Run(name, func(t *testing.T) {
			a := p.browser().get(p.authorizeURL(more...))
			location, err := a.Location()
			if err != nil || location.Query().Get("error") != "invalid_request" {
				t.Fatalf("%d %s", a.StatusCode, a.Header.Get("Location"))
			}
		})
	}
}

func TestRefusedExchangeLeavesTheCodeToItsClient(t *testing.T) {
	p := newProvider(t)
	code := p.codes("ada@example.com")()
	for name, more := range map[string][]string{
		"another client":         {"client_id", "other", "client_secret", machineSecret},
		"a public client":        {"client_id", "spa", "client_secret", ""},
		"another redirect_uri":   {"redirect_uri", "http://127.0.0.1:9/other"},
		"redirect_uri with more": {"redirect_uri", webRedirect + "?x=1"},
		"redirect_uri in caps":   {"redirect_uri", strings.ToUpper(webRedirect)},
		"wrong verifier":         {"code_verifier", strings.Repeat("x", 43)},
	} {
		t.Run(name, func(t *testing.T) {
			p.exchange(code, more...).wants(t, http.StatusBadRequest, "invalid_grant")
		})
	}
	p.exchange(code, "client_secret", "wrong").wants(t, http.StatusUnauthorized, "invalid_client")
	p.exchange(code, "redirect_uri", "").wants(t, http.StatusBadRequest, "invalid_request")
	p.exchange("").wants(t, http.StatusBadRequest, "invalid_request")
	if a := p.exchange(code); a.StatusCode != http.StatusOK {
		t.Fatalf("the right client: %d %s", a.StatusCode, a.body)
	}
}

func TestCodeReplayRevokesWhatItGave(t *testing.T) {
	p := newProvider(t)
	code := p.codes("ada@example.com")()
	first := p.exchange(code)
	p.alive(t, first.str("access_token"))
	p.exchange(code).wants(t, http.StatusBadRequest, "invalid_grant")
	p.dead(t, first.str("access_token"))
	p.refresh(first.str("refresh_token")).wants(t, http.StatusBadRequest, "invalid_grant")
}

func TestCodeReplayByAnotherClientRevokesNothing(t *testing.T) {
	p := newProvider(t)
	code := p.codes("ada@example.com")()
	first := p.exchange(code)
	p.exchange(code, "client_id", "other", "client_secret", machineSecret).wants(t, http.StatusBadRequest, "invalid_grant")
	p.alive(t, first.str("access_token"))
}

func TestParallelExchangesHaveOneWinner(t *testing.T) {
	p := newProvider(t)
	code := p.codes("ada@example.com")()
	won := tally(50, func() int { return p.exchange(code).StatusCode })
	if won[http.StatusOK] != 1 || won[http.StatusBadRequest] != 49 {
		t.Fatalf("statuses %v", won)
	}
}

// tally counts the results of n calls at once.
func tally[K comparable](n int, call func() K) map[K]int {
	var wg sync.WaitGroup
	var mu sync.Mutex
	begin, out := make(chan struct{}), map[K]int{}
	for range n {
		wg.Go(func() {
			<-begin
			k := call()
			mu.Lock()
			defer mu.Unlock()
			out[k]++
		})
	}
	close(begin)
	wg.Wait()
	return out
}

func TestCodeIsOverAfterAMinute(t *testing.T) {
	p := newProvider(t)
	code := p.codes("ada@example.com")
	early, late := code(), code()
	p.pass(50 * time.Second)
	if a := p.exchange(early); a.StatusCode != http.StatusOK {
		t.Fatalf("in time: %d %s", a.StatusCode, a.body)
	}
	p.pass(10 * time.Second)
	p.exchange(late).wants(t, http.StatusBadRequest, "invalid_grant")
}

// A browser that is signed in can ask for codes without end: what nobody exchanges is gone soon, and what was exchanged stays for
// as long as anything it gave.
func TestCodesThatNobodyExchangesLeaveNoRows(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	used := b.signIn("ada@example.com", p.authorizeURL()).Get("code")
	first := p.exchange(used)
	id := sub(t, first)
	rows := func() int {
		must(p.store.Purge(t.Context(), p.config.Now(), 100))
		return len(must(p.store.RefreshAuthorizations(t.Context(), id)))
	}
	for range 5 {
		b.get(p.authorizeURL("prompt", "none")).sentBack(t)
	}
	late := b.get(p.authorizeURL("prompt", "none")).sentBack(t).Get("code")
	p.pass(50 * time.Second)
	if n := rows(); n != 7 {
		t.Errorf("%d rows while the codes are good, want 7", n)
	}
	second := p.exchange(late)
	p.pass(15 * time.Minute)
	if n := rows(); n != 2 {
		t.Errorf("%d rows after the codes' end, want those of the two that were exchanged", n)
	}
	later := p.replica() // the keys of the first are old by now
	if a := later.refresh(second.str("refresh_token")); a.StatusCode != http.StatusOK {
		t.Errorf("refresh: %d %s", a.StatusCode, a.body)
	}
	p.alive(t, first.str("access_token"))
	later.exchange(used).wants(t, http.StatusBadRequest, "invalid_grant")
	p.dead(t, first.str("access_token"))
}

func TestExchangedCodeWithoutRefreshTokenLastsAsItsTokens(t *testing.T) {
	p := newProvider(t)
	code := p.browser().signIn("ada@example.com", p.authorizeURL("scope", "openid")).Get("code")
	token := p.exchange(code).str("access_token")
	p.pass(59 * time.Minute)
	must(p.store.Purge(t.Context(), p.config.Now(), 100))
	p.alive(t, token)
	p.replica().exchange(code).wants(t, http.StatusBadRequest, "invalid_grant")
	p.dead(t, token)
}

func TestCodeOfABlockedUserGivesNothing(t *testing.T) {
	p := newProvider(t)
	code := p.codes("ada@example.com")()
	id := sub(t, p.login("ada@example.com"))
	check(t, p.store.SetBlocked(context.Background(), id, true))
	p.exchange(code).wants(t, http.StatusBadRequest, "invalid_grant")
}

func TestMangledCodesAreRefused(t *testing.T) {
	p := newProvider(t)
	code := p.codes("ada@example.com")()
	for _, bad := range mangled(code) {
		p.exchange(bad).wants(t, http.StatusBadRequest, "invalid_grant")
	}
	if a := p.exchange(code); a.StatusCode != http.StatusOK {
		t.Fatalf("the code itself: %d %s", a.StatusCode, a.body)
	}
}

func TestJWTBearerGrantIsNotOffered(t *testing.T) {
	p := newProvider(t)
	for _, grant := range []string{
		"urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:token-exchange",
		"urn:ietf:params:oauth:grant-type:saml2-bearer", "password", "implicit", "Authorization_Code", "x\ny",
	} {
		for _, as := range [][]string{{"client_id", "web", "client_secret", webSecret}, nil} {
			p.call("/oauth/token", append([]string{"grant_type", grant, "assertion", "a.b.c", "subject_token", "x"}, as...)...).
				wants(t, http.StatusBadRequest, "unsupported_grant_type")
		}
	}
	p.token("grant_type", "").wants(t, http.StatusBadRequest, "invalid_request")
}

func TestUnknownParametersAreIgnored(t *testing.T) {
	p := newProvider(t)
	if a := p.exchange(p.codes("ada@example.com")(), "connection", "email", "x.y.z", "1", "scope.9", "2"); a.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
}

// What a client was given before it was cut off is over, a code that nobody has exchanged yet too.
func TestCodeOfBeforeTheCutOffIsOver(t *testing.T) {
	p := newProvider(t)
	code := p.browser().signIn("ada@example.com", p.authorizeURL()).Get("code")
	clients := testClients(p.ring)
	clients[0].TokensValidFrom = p.config.Now()
	check(t, p.store.ApplyClients(context.Background(), 2, clients))
	if resp := p.replica().exchange(code); resp.StatusCode != http.StatusBadRequest || resp.str("error") != "invalid_grant" {
		t.Errorf("%d %s", resp.StatusCode, resp.body)
	}
}
