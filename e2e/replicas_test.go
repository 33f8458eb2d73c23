package e2e

import (
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"

	"sallyport/storage/storagetest"
)

func TestEightProcessesMigrateOneEmptyPostgres(t *testing.T) {
	d := deploy(t, storagetest.PostgresURL(t), "")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			cmd := exec.Command(binary, "migrate")
			cmd.Dir, cmd.Env = d.dir, os.Environ()
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("migrate: %v\n%s", err, out)
			}
		})
	}
	wg.Wait()
	if !t.Failed() {
		d.serve("").stop()
	}
}

var hidden = regexp.MustCompile(`name="(csrf|id|token)" value="([^"]*)"`)

// fill is a page's form with what a person typed.
func fill(page answer, typed ...string) url.Values {
	v := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(page.body, -1) {
		v.Set(m[1], m[2])
	}
	for i := 0; i+1 < len(typed); i += 2 {
		v.Set(typed[i], typed[i+1])
	}
	return v
}

// TestAnyOfThreeProcessesFinishesWhatAnotherBegan takes every step of a login at another process: a load balancer keeps
// the issuer's name and picks the process.
func TestAnyOfThreeProcessesFinishesWhatAnotherBegan(t *testing.T) {
	mails, texts := newSMTPServer(t), newTwilioServer(t)
	d := deploy(t, storagetest.PostgresURL(t), transports(mails, texts))
	processes := []string{d.serve("").url, d.serve(freeAddr(t)).url, d.serve(freeAddr(t)).url}

	turn := 0
	next := func(p *person) *person {
		p.base = processes[turn%len(processes)]
		turn++
		return p
	}
	path := func(resp answer) string {
		t.Helper()
		if resp.StatusCode != http.StatusSeeOther {
			t.Fatalf("%s: %d %s", resp.Request.URL.Path, resp.StatusCode, resp.body)
		}
		return strings.TrimPrefix(resp.Header.Get("Location"), d.issuer)
	}

	ada := newPerson(t, "")
	authorize := "/authorize?" + url.Values{
		"client_id": {"app"}, "redirect_uri": {"http://127.0.0.1:9/callback"}, "response_type": {"code"}, "scope": {"openid email offline_access"}, "state": {"s"},
	}.Encode()
	login := path(next(ada).get(authorize))
	page := next(ada).get(login)
	code := path(next(ada).post(login, fill(page, "identifier", "ada@example.com")))
	page = next(ada).get(code)
	m := received(t, 1, func() []mail { return mails.to("ada@example.com") })
	back := path(next(ada).post(code, fill(page, "code", m.code())))
	granted := must(url.Parse(back)).Query().Get("code")
	tokens := next(ada).token("grant_type", "authorization_code", "code", granted, "redirect_uri", "http://127.0.0.1:9/callback")
	if tokens.StatusCode != http.StatusOK {
		t.Fatalf("token: %d %s", tokens.StatusCode, tokens.body)
	}
	refreshed := next(ada).token("grant_type", "refresh_token", "refresh_token", tokens.str("refresh_token"))
	if refreshed.StatusCode != http.StatusOK {
		t.Fatalf("refresh: %d %s", refreshed.StatusCode, refreshed.body)
	}
	if sso := path(next(ada).get(authorize)); !strings.Contains(sso, "code=") {
		t.Errorf("the session is not known everywhere: %s", sso)
	}
	for range processes {
		r := must(http.NewRequest(http.MethodGet, next(ada).base+"/userinfo", nil))
		r.Header.Set("Authorization", "Bearer "+refreshed.str("access_token"))
		if info := ada.do(r); info.StatusCode != http.StatusOK {
			t.Errorf("userinfo at %s: %d %s", ada.base, info.StatusCode, info.body)
		}
	}

	// The same over the API: started here, redeemed there.
	if resp := next(ada).startLogin("email", "ada@example.com"); resp.StatusCode != http.StatusOK {
		t.Fatalf("start: %d %s", resp.StatusCode, resp.body)
	}
	m = received(t, 2, func() []mail { return mails.to("ada@example.com") })
	if resp := next(ada).otp("email", "ada@example.com", m.code()); resp.StatusCode != http.StatusOK {
		t.Fatalf("token: %d %s", resp.StatusCode, resp.body)
	}
}
