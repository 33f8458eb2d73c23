package e2e

import (
	"os"
	"os/exec"
	"testing"
)

// node is a run of a script by Node.js, or says loudly why the test is skipped. In CI it is there, with its packages.
func node(t *testing.T, script ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("node")
	if _, missing := os.Stat("node_modules/.package-lock.json"); err != nil || missing != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("node or its packages are not installed: %v %v", err, missing)
		}
		t.Skip("SKIPPED: needs node and npm packages (make test installs them)")
	}
	return exec.CommandContext(t.Context(), path, append([]string{"--import", "./sdk/globals.mjs"}, script...)...)
}

// script runs a file of tests in JavaScript against the tenant.
func (s *tenant) script(t *testing.T, args ...string) {
	t.Helper()
	cmd := node(t, args...)
	cmd.Env = append(os.Environ(), "DOMAIN="+s.domain, "APP="+s.app, "SECRET="+clientSecret, "PEOPLE="+s.people(t), "SIGNER_KEY="+s.signerKey)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// TestNodeSDKs runs Auth0's packages for Node.js: auth0 as version 4 and as the current one, and auth0-auth-js.
func TestNodeSDKs(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		t.Helper()
		s := newTenant(t, url)
		for _, sdk := range []string{"auth0-v4", "auth0-v6"} {
			t.Run(sdk, func(t *testing.T) {
				t.Run("authentication", func(t *testing.T) { s.script(t, "sdk/authentication.mjs", sdk) })
				t.Run("management", func(t *testing.T) { s.script(t, "sdk/management.mjs", sdk) })
			})
		}
		t.Run("auth0-auth-js", func(t *testing.T) { s.script(t, "sdk/auth-js.mjs") })
	})
}
