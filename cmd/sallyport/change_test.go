package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"sallyport/grants"
	"sallyport/op"
	"sallyport/storage"
)

// reading are the commands that change nothing in the database, or serve, with the first word of those that have many.
var reading = []string{
	"serve", "demo", "migrate", "doctor", "config check", "version", "client list", "client show", "api list", "api show", "connection list", "connection show",
	"user list", "user show", "user export", "block list", "block explain", "key list", "audit list", "audit verify", "audit export",
}

// Every command that changes something says so in the audit log, who did it too, and a new one is asked about here.
func TestEveryChangeByCommandIsInTheAuditLog(t *testing.T) {
	const secret = "a-master-secret-for-tests-of-32-bytes-at-least"
	url := "sqlite:" + filepath.Join(t.TempDir(), "sallyport.db")
	environ := []string{"SALLYPORT_DATABASE_URL=" + url, "SALLYPORT_SECRET=" + secret, "SALLYPORT_CONFIG="}
	var out, errors bytes.Buffer
	sallyport := func(args ...string) string {
		t.Helper()
		out.Reset()
		errors.Reset()
		if code := run(t.Context(), args, strings.NewReader(""), &out, &errors, environ); code != 0 {
			t.Fatalf("%v: %s", args, errors.String())
		}
		return out.String()
	}
	events := func() (details []string) {
		t.Helper()
		ring, err := grants.NewRing(secret)
		if err != nil {
			t.Fatal(err)
		}
		store, err := storage.Open(t.Context(), storage.Options{URL: url, Ring: ring, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		logged, err := store.Events(t.Context(), storage.EventFilter{Type: eventCommand, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range logged {
			details = append(details, e.Detail)
		}
		if len(details) == 0 { // the first key signs at once; serve makes it
			if _, err := op.RotateKeys(t.Context(), store, "ES256"); err != nil {
				t.Fatal(err)
			}
		}
		return details
	}
	sallyport("migrate")
	events()
	id := func(printed string) string {
		var v struct{ ID string }
		if err := json.Unmarshal([]byte(printed), &v); err != nil {
			t.Fatal(err)
		}
		return v.ID
	}
	ada := id(sallyport("user", "add", "--email", "ada@example.com", "--json"))
	bob := id(sallyport("user", "add", "--email", "bob@example.com", "--json"))
	var keys struct {
		SigningKeys []struct{ Kid string } `json:"signing_keys"`
	}
	if err := json.Unmarshal([]byte(sallyport("key", "list", "--json")), &keys); err != nil {
		t.Fatal(err)
	}
	done := map[string]bool{"user add": true}
	if last := events()[0]; last != "by "+who()+": user add "+bob+" --email" {
		t.Errorf("the last event is %q, which should name %s", last, bob)
	}
	for _, c := range []struct {
		args   []string
		detail string // behind who it was
	}{
		{[]string{"client", "add", "--id", "shop", "--redirect-uri", "https://shop.example.com/cb"}, "client add shop --id --redirect-uri"},
		{[]string{"client", "set", "shop", "--description", "hidden"}, "client set shop --description"},
		{[]string{"client", "rotate-secret", "shop"}, "client rotate-secret shop"},
		{[]string{"client", "rm", "shop"}, "client rm shop"},
		{[]string{"api", "add", "https://api.example.com"}, "api add https://api.example.com"},
		{[]string{"api", "set", "https://api.example.com", "--name", "hidden"}, "api set https://api.example.com --name"},
		{[]string{"api", "rm", "https://api.example.com"}, "api rm https://api.example.com"},
		{[]string{"connection", "set", "sms", "--disabled"}, "connection set sms --disabled"},
		{[]string{"user", "block", "bob@example.com"}, "user block b…@example.com"},
		{[]string{"user", "unblock", bob}, "user unblock " + bob},
		{[]string{"user", "block", bob}, "user block " + bob},
		{[]string{"user", "link", ada, bob}, "user link " + ada + " " + bob},
		{[]string{"user", "unlink", ada, bob}, "user unlink " + ada + " " + bob},
		{[]string{"user", "rm", ada}, "user rm " + ada},
		{[]string{"block", "lift", "--ip", "203.0.113.9"}, "block lift --ip"},
		{[]string{"key", "rotate", "--alg", "ES256"}, "key rotate --alg"},
		{[]string{"key", "retire", keys.SigningKeys[0].Kid, "--compromised"}, "key retire " + keys.SigningKeys[0].Kid + " --compromised"},
	} {
		before := len(events())
		sallyport(c.args...)
		after := events()
		if len(after) != before+1 || after[0] != "by "+who()+": "+c.detail {
			t.Errorf("%v: %d events more, the last %q, want %q", c.args, len(after)-before, after[0], c.detail)
		}
		done[strings.Join(c.args[:2], " ")] = true
	}
	out.Reset()
	root := (&cli{stdout: &out, stderr: &out}).root()
	for _, path := range leaves(root) {
		if !done[path] && !slices.Contains(reading, path) && !strings.HasPrefix(path, "import ") {
			t.Errorf("%q is not held against the audit log", path)
		}
	}
}

// A command that fails has changed nothing, prints nothing and leaves no event.
func TestRefusedCommandIsNoChange(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "sallyport.db")
	environ := []string{"SALLYPORT_DATABASE_URL=" + url, "SALLYPORT_SECRET=a-master-secret-for-tests-of-32-bytes-at-least"}
	var out, errors bytes.Buffer
	if code := run(t.Context(), []string{"user", "block", "nobody@example.com"}, strings.NewReader(""), &out, &errors, environ); code == 0 || out.Len() > 0 {
		t.Fatalf("%d %s", code, out.String())
	}
	run(t.Context(), []string{"block", "explain", "--email", "nobody@example.com", "--json"}, strings.NewReader(""), &out, &errors, environ)
	if !strings.Contains(out.String(), `"no_account"`) || strings.Contains(out.String(), eventCommand) {
		t.Errorf("%s%s", out.String(), errors.String())
	}
}

func leaves(c *cobra.Command) (paths []string) {
	if !c.HasSubCommands() {
		return []string{strings.TrimPrefix(c.CommandPath(), "sallyport ")}
	}
	for _, sub := range c.Commands() {
		paths = append(paths, leaves(sub)...)
	}
	return paths
}
