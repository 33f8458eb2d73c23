package main

import (
	"bytes"
	"context"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sallyport/storage/storagetest"
)

// What keeps it from starting is one line: what is wrong, and what to do. Nothing else is said or made.
func TestWhatKeepsItFromStartingIsOneLineWithTheRemedy(t *testing.T) {
	t.Parallel()
	const secret, another, password = "a-master-secret-of-32-bytes-or-more", "another-master-secret-of-32-bytes-or-more", "the-password-of-the-database"
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	postgres := storagetest.PostgresURL(t)
	elsewhere := func(change func(u *url.URL)) string {
		u, err := url.Parse(postgres)
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword(u.User.Username(), password)
		change(u)
		return u.String()
	}
	for name, test := range map[string]struct {
		environ []string // over those of a good start
		want    string
	}{
		"text that is no YAML":       {[]string{"SALLYPORT_CONFIG=text.yaml"}, `text\.yaml:1: this is not YAML: .*; check indentation and quotes`},
		"bytes that are no text":     {[]string{"SALLYPORT_CONFIG=bytes"}, `bytes: this is not YAML: .*; check`},
		"an unknown key":             {[]string{"SALLYPORT_CONFIG=unknown.yaml"}, `unknown\.yaml:2: mail\.trnsport: there is no such key; did you mean transport\?`},
		"no such file":               {[]string{"SALLYPORT_CONFIG=none.yaml"}, `none\.yaml: no such file .*; name a file that can be read`},
		"another master secret":      {[]string{"SALLYPORT_SECRET=" + another}, `the secret is not the one that this database was made with: it needs [0-9a-f]{8}, and here is [0-9a-f]{8}; put that one back: set secret or secret_file`},
		"no master secret any more":  {[]string{"SALLYPORT_SECRET="}, `the secret file sallyport\.secret is missing, and the database good\.db was made with it; put it back`},
		"an empty secret file":       {[]string{"SALLYPORT_SECRET=", "SALLYPORT_SECRET_FILE=empty"}, `secret_file empty is empty; place the secret there`},
		"a folder that is not there": {[]string{"SALLYPORT_DATABASE_URL=sqlite:none/a.db"}, `none/a\.db: no such file .*; see that the folder of none/a\.db is there and may be written`},
		"a folder that is a file":    {[]string{"SALLYPORT_DATABASE_URL=sqlite:empty/a.db"}, `empty/a\.db: not a directory; see that the folder`},
		"a folder for a database":    {[]string{"SALLYPORT_DATABASE_URL=sqlite:."}, `is a directory; see`},
		"a database of nothing":      {[]string{"SALLYPORT_DATABASE_URL=sqlite:unknown.yaml"}, `file is not a database .*; see .* that the file is whole; if it is not, put back its backup`},
		"a database that was cut":    {[]string{"SALLYPORT_DATABASE_URL=sqlite:cut.db"}, `malformed .*; see .* put back its backup`},
		"nobody at Postgres's port": {
			[]string{"SALLYPORT_DATABASE_URL=" + elsewhere(func(u *url.URL) { u.Host, u.RawQuery = "127.0.0.1:1", "" })},
			`connection refused.*; see that the server runs, and that host, port, database, user and password in database\.url are right`,
		},
		"no such database in Postgres": {
			[]string{"SALLYPORT_DATABASE_URL=" + elsewhere(func(u *url.URL) { u.Path = "/nowhere" })},
			`database "nowhere" does not exist.*; see that the server runs, and that host, port, database`,
		},
		"a certificate that is missing": {[]string{"SALLYPORT_ISSUER=https://localhost", "SALLYPORT_TLS_CERT=none.pem", "SALLYPORT_TLS_KEY=empty"}, `tls\.cert: open none\.pem: no such file .*; name a PEM file`},
		"a certificate of nothing":      {[]string{"SALLYPORT_ISSUER=https://localhost", "SALLYPORT_TLS_CERT=empty", "SALLYPORT_TLS_KEY=empty"}, `tls: .*; set cert and key to PEM files that belong together`},
		"an address that is taken":      {[]string{"SALLYPORT_LISTEN=" + taken.Addr().String()}, `listen tcp .*: address already in use; end what listens there, or set listen`},
		"an address of another machine": {[]string{"SALLYPORT_LISTEN=203.0.113.1:80"}, `listen tcp .*; .* set listen to an address of this machine`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, err := freeAddr()
			if err != nil {
				t.Fatal(err)
			}
			good := []string{"SALLYPORT_LISTEN=" + addr, "SALLYPORT_ISSUER=http://" + addr, "SALLYPORT_SECRET=" + secret, "SALLYPORT_DATABASE_URL=sqlite:good.db"}
			dir := t.TempDir()
			if code, stdout, stderr := runIn(t, dir, good, "migrate"); code != 0 {
				t.Fatalf("it exits with %d: %s%s", code, stdout, stderr)
			}
			database, err := os.ReadFile(filepath.Join(dir, "good.db"))
			if err != nil {
				t.Fatal(err)
			}
			for file, text := range map[string]string{
				"text.yaml": "issuer: [a\n  b: {\n", "bytes": "\x80\x81\x00\x01", "unknown.yaml": "mail:\n  trnsport: smtp\n", "empty": "", "cut.db": string(database[:len(database)/3]),
			} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			before := names(t, dir)
			code, stdout, stderr := runIn(t, dir, append(good, test.environ...), "serve")
			if code != 1 || stdout != "" || !regexp.MustCompile(`\Asallyport: [^\n]*`+test.want+`[^\n]*\n\z`).MatchString(stderr) {
				t.Errorf("it exits with %d and says %s%s", code, stdout, stderr)
			}
			for _, held := range []string{secret, another, password} {
				if strings.Contains(stderr, held) {
					t.Errorf("it says a secret: %s", stderr)
				}
			}
			if after := names(t, dir); after != before {
				t.Errorf("there are %s now, and were %s", after, before)
			}
		})
	}
}

// Told to stop while it starts, it does, and nothing has failed.
func TestStopDuringTheStartIsNoFailure(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"serve", "demo"} {
		for _, when := range []string{"before anything", "while the database keeps it waiting"} {
			t.Run(command+" "+when, func(t *testing.T) {
				t.Parallel()
				database, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer database.Close()
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				if when == "before anything" {
					stop()
				}
				go func() {
					if conn, err := database.Accept(); err == nil {
						defer conn.Close()
						stop()
						<-t.Context().Done() // it never says a word
					}
				}()
				args := []string{command}
				if command == "demo" {
					args = append(args, "--app", "127.0.0.1:0")
				}
				var stdout, stderr bytes.Buffer
				code := run(ctx, args, nil, &stdout, &stderr, []string{
					"SALLYPORT_LISTEN=127.0.0.1:0", "SALLYPORT_SECRET=a-master-secret-of-32-bytes-or-more",
					"SALLYPORT_DATABASE_URL=postgres://nobody@" + database.Addr().String() + "/nothing",
				})
				if code != 0 || stdout.Len() > 0 || stderr.String() != "sallyport: stopped before it served\n" {
					t.Errorf("it exits with %d and says %s%s", code, &stdout, &stderr)
				}
			})
		}
	}
}

// A configuration that is wrong is so however soon it is told to stop.
func TestStopHidesNoProblemOfTheConfiguration(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var stdout, stderr bytes.Buffer
	code := run(ctx, []string{"serve"}, nil, &stdout, &stderr, []string{"SALLYPORT_ISSUER=nonsense", "SALLYPORT_SECRET=a-master-secret-of-32-bytes-or-more"})
	if code != 1 || !strings.Contains(stderr.String(), "SALLYPORT_ISSUER") {
		t.Errorf("it exits with %d and says %s%s", code, &stdout, &stderr)
	}
}

// runIn runs the program in a folder, with nothing in its environment but what is given.
func runIn(t *testing.T, dir string, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // should it start after all
	defer cancel()
	cmd := exec.CommandContext(ctx, "sallyport", args...)
	cmd.Dir, cmd.Env = dir, environ
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), log.String()
}

// names are the files of a folder.
func names(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(files, " ")
}
