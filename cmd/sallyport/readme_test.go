package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// recipe finds the shell blocks of the README that start a login.
var recipe = regexp.MustCompile("(?s)```sh\n(ISSUER=.*?)```")

// TestReadmeRecipes runs the README's recipes as they stand there, against the demo, and types the code that arrives.
func TestReadmeRecipes(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	recipes := recipe.FindAllStringSubmatch(string(readme), -1)
	if len(recipes) != 3 {
		t.Fatalf("the README has %d recipes, want one for each grant type", len(recipes))
	}
	d := startDemo(t)
	for _, r := range recipes {
		script := strings.Replace(r[1], "ISSUER=http://localhost:8080", "ISSUER="+d.issuer, 1)
		to := regexp.MustCompile(`"(?:email|phone_number)": "([^"]+)"`).FindStringSubmatch(script)[1]
		cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(stdin, d.code(to)+"\n"); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatalf("%v: %s\n%s", err, stderr.String(), script)
		}
		_, answer, _ := strings.Cut(stdout.String(), "Code: ")
		var tokens map[string]any
		if err := json.Unmarshal([]byte(answer), &tokens); err != nil {
			t.Fatalf("%v: %s", err, stdout.String())
		}
		for _, name := range []string{"access_token", "id_token", "refresh_token"} {
			if tokens[name] == nil {
				t.Errorf("no %s for %s: %v", name, to, tokens)
			}
		}
	}
}
