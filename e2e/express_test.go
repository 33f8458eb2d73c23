package e2e

import (
	"bufio"
	"os"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestExpress signs in to and out of a server with express-openid-connect, which by default asks for an ID token by
// form_post and with a secret for a code.
func TestExpress(t *testing.T) {
	s := newTenant(t, "")
	for name, c := range map[string]struct{ client, responseType, refresh string }{
		"ID token by form_post": {"express", "", "false"},
		"code":                  {"express-code", "code", "true"},
	} {
		t.Run(name, func(t *testing.T) {
			s.express(t, "CLIENT_ID="+c.client, "RESPONSE_TYPE="+c.responseType)
			b, email := s.browser(t), c.client+"@example.com"
			b.open(s.expressApp + "/login")
			b.run("to the code page", chromedp.WaitVisible(css("#identifier")), chromedp.SendKeys(css("#identifier"), email+"\n"), chromedp.WaitVisible(css("#code")))
			m := received(t, 1, func() []mail { return s.inbox(email) })
			b.run("code", chromedp.SendKeys(css("#code"), m.code()+"\n"), chromedp.WaitVisible(css("#user")))
			if user, refresh := b.text("#user"), b.text("#refresh"); user != email || refresh != c.refresh {
				t.Fatalf("signed in as %s, refresh token %s", user, refresh)
			}
			b.leaves(`document.querySelector("#logout").click()`, "#user")
			if user := b.text("#user"); user != "nobody" {
				t.Errorf("after the logout: %s", user)
			}
			b.run("sign in again", chromedp.Navigate(s.expressApp+"/login"), chromedp.WaitVisible(css("#identifier"))) // the session is gone
		})
	}
}

// express runs the server of sdk/express.mjs for the test.
func (s *tenant) express(t *testing.T, env ...string) {
	t.Helper()
	cmd := node(t, "sdk/express.mjs")
	cmd.Env = append(append(os.Environ(), "DOMAIN="+s.domain, "SECRET="+clientSecret, "BASE_URL="+s.expressApp, "CERT="+identity.certFile, "KEY="+identity.keyFile), env...)
	stderr := &output{}
	cmd.Stderr = stderr
	stdout := must(cmd.StdoutPipe())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // gone already, perhaps
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(stderr)
		}
	})
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatalf("%q %v\n%s", line, err, stderr)
	}
}
