package op_test

import (
	"net/http"
	"testing"
)

func TestLoginByMailCodeGivesTokens(t *testing.T) {
	p := newProvider(t)
	b := p.browser()
	back := b.signIn("ada@example.com", p.authorizeURL())
	if back.Get("state") != "st" || back.Get("iss") != p.url {
		t.Fatalf("response %v", back)
	}
	tokens := p.exchange(back.Get("code"))
	if tokens.StatusCode != http.StatusOK || tokens.str("id_token") == "" || tokens.str("refresh_token") == "" {
		t.Fatalf("%d %s", tokens.StatusCode, tokens.body)
	}
	r := must(http.NewRequest(http.MethodGet, p.url+"/userinfo", nil))
	r.Header.Set("Authorization", "Bearer "+tokens.str("access_token"))
	info := p.browser().do(r)
	if info.str("email") != "ada@example.com" || info.json()["email_verified"] != true {
		t.Fatalf("%d %s", info.StatusCode, info.body)
	}
	again := b.get(p.authorizeURL())
	if again.StatusCode != http.StatusSeeOther || must(again.Location()).Query().Get("code") == "" {
		t.Fatalf("the session did not answer: %d %s", again.StatusCode, again.Header.Get("Location"))
	}
	refreshed := p.token("grant_type", "refresh_token", "refresh_token", tokens.str("refresh_token"))
	if refreshed.StatusCode != http.StatusOK || refreshed.str("refresh_token") == tokens.str("refresh_token") {
		t.Fatalf("%d %s", refreshed.StatusCode, refreshed.body)
	}
}
