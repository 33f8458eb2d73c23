package main

import (
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sallyport": main})
}

// TestScripts runs the commands as operators do: testdata holds a session each.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		Setup:         setUpScript,
		Cmds:          map[string]func(ts *testscript.TestScript, neg bool, args []string){"get": get, "start": startLogin, "guess": guessWrong, "signal": sendSignal, "lift": lift, "logged": logged, "unseal": unseal},
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
	})
}

// setUpScript gives every script an address of its own.
func setUpScript(e *testscript.Env) error {
	addr, err := freeAddr()
	if err != nil {
		return err
	}
	e.Setenv("ADDR", addr)
	e.Setenv("URL", "http://"+addr)
	e.Setenv("SALLYPORT_LISTEN", addr)
	e.Setenv("SALLYPORT_ISSUER", "http://"+addr)
	return nil
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// get URL STATUS [PATTERN] asks until the answer is as wanted, for at most a minute, with the token of $BEARER if there is one. The body
// becomes the file "body".
func get(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: get URL STATUS [PATTERN]")
	}
	pattern := regexp.MustCompile(strings.Join(args[2:], " "))
	var last string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		req, err := http.NewRequest(http.MethodGet, args[0], nil)
		ts.Check(err)
		if token := ts.Getenv("BEARER"); token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			last = err.Error()
			continue
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		ts.Check(err)
		last = fmt.Sprintf("%d %s", answer.StatusCode, body)
		if fmt.Sprint(answer.StatusCode) == args[1] && pattern.Match(body) {
			ts.Check(os.WriteFile(ts.MkAbs("body"), body, 0o600))
			return
		}
	}
	ts.Fatalf("%s does not answer %s %s: %s", args[0], args[1], pattern, last)
}

// startLogin (start ADDRESS) asks for a code as the client "one".
func startLogin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: start ADDRESS")
	}
	body := fmt.Sprintf(`{"client_id": "one", "client_secret": "secret", "connection": "email", "email": %q, "send": "code"}`, args[0])
	answer, err := http.Post(ts.Getenv("URL")+"/passwordless/start", "application/json", strings.NewReader(body))
	ts.Check(err)
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		ts.Fatalf("the start for %s is answered with %s", args[0], answer.Status)
	}
}

// guessWrong (guess ADDRESS IP STATUS) asks for a code as the client "app", which has no secret, and answers with a wrong one, from an
// address of the network.
func guessWrong(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: guess ADDRESS IP STATUS")
	}
	post := func(path, body string) int {
		req, err := http.NewRequest(http.MethodPost, ts.Getenv("URL")+path, strings.NewReader(body))
		ts.Check(err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Forwarded-For", args[1])
		answer, err := http.DefaultClient.Do(req)
		ts.Check(err)
		answer.Body.Close()
		return answer.StatusCode
	}
	post("/passwordless/start", fmt.Sprintf(`{"client_id": "app", "connection": "email", "email": %q, "send": "code"}`, args[0]))
	got := post("/passwordless/verify", fmt.Sprintf(`{"client_id": "app", "connection": "email", "email": %q, "verification_code": "12345"}`, args[0]))
	if fmt.Sprint(got) != args[2] {
		ts.Fatalf("a wrong code of %s from %s is answered %d, not %s", args[0], args[1], got, args[2])
	}
}

// sendSignal (signal NAME) sends a signal to what runs in the background.
func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]os.Signal{"TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "KILL": syscall.SIGKILL}
	if neg || len(args) != 1 || signals[args[0]] == nil {
		ts.Fatalf("usage: signal TERM|HUP|KILL")
	}
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(signals[args[0]]))
	}
}

// logged PATTERN waits until the file "log" has a pattern, for at most a minute.
func logged(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: logged PATTERN")
	}
	pattern := regexp.MustCompile(args[0])
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if pattern.MatchString(ts.ReadFile("log")) {
			return
		}
	}
	ts.Fatalf("the log does not have %s:\n%s", pattern, ts.ReadFile("log"))
}

// unseal lets so much time pass in the database that no process seals with any master secret.
func unseal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: unseal")
	}
	db, err := sql.Open("sqlite", ts.MkAbs("sallyport.db"))
	ts.Check(err)
	defer db.Close()
	_, err = db.Exec("UPDATE secrets SET sealed_at = sealed_at - 600000000 WHERE sealed_at <> 0")
	ts.Check(err)
}

// lift NAME FILE PATTERN sets a variable to the first group of a pattern in a file.
func lift(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: lift NAME FILE PATTERN")
	}
	m := regexp.MustCompile(args[2]).FindStringSubmatch(ts.ReadFile(args[1]))
	if m == nil {
		ts.Fatalf("%s does not have %s", args[1], args[2])
	}
	ts.Setenv(args[0], m[1])
}
