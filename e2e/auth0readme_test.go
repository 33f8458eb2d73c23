package e2e

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var auth0Snippet = regexp.MustCompile("(?s)```js\n(import \\{ AuthenticationClient \\}.*?)```")

// TestReadmeAuth0 does what the README says to those who come from Auth0: imports a user of the bulk export, and signs
// them in by the lines that it shows. They keep their sub.
func TestReadmeAuth0(t *testing.T) {
	readme := string(must(os.ReadFile("../README.md")))
	found := auth0Snippet.FindStringSubmatch(readme)
	if found == nil {
		t.Fatal("the README has no such lines")
	}
	s := newTenant(t, "")
	const sub, email = "email|5a1b2c3d4e5f60718293a4b5", "ada@example.com"
	export := filepath.Join(s.dir, "users.ndjson")
	line := `{"user_id":"` + sub + `","email":"` + email + `","email_verified":true,"name":"Ada","identities":[{"user_id":"` + strings.TrimPrefix(sub, "email|") +
		`","provider":"email","connection":"email","isSocial":false}]}` + "\n"
	if err := os.WriteFile(export, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	importing := exec.CommandContext(t.Context(), binary, "import", "auth0", "users.ndjson")
	importing.Dir = s.dir
	if out, err := importing.CombinedOutput(); err != nil {
		t.Fatalf("import: %v\n%s", err, out)
	}

	lines := strings.NewReplacer(`"auth0"`, `"auth0-v6"`, `"login.example.com"`, `"`+s.domain+`"`).Replace(found[1])
	cmd := node(t, "--input-type=module", "--eval", `
		const { EMAIL: email, SECRET: secret, PEOPLE: people } = process.env, id = "web";
		const typed = async () => (await (await fetch(people + "/inbox?" + new URLSearchParams({ to: email }))).json()).code;
		`+lines+`
		console.log(tokens.id_token);`)
	cmd.Env = append(os.Environ(), "EMAIL="+email, "SECRET="+clientSecret, "PEOPLE="+s.people(t))
	stderr := &output{}
	cmd.Stderr = stderr
	token, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	var claims struct{ Sub, Name string }
	payload := must(base64.RawURLEncoding.DecodeString(strings.Split(string(token), ".")[1]))
	if err := json.Unmarshal(payload, &claims); err != nil || claims.Sub != sub || claims.Name != "Ada" {
		t.Errorf("signed in as %+v %v", claims, err)
	}
}
