package e2e

import (
	"bytes"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

func raceOfBlockAndLogin(a *arena) {
	const who, clients = "ada@blocked.example.com", 8
	before := a.login("app", who)
	user := claim(a.t, before.str("id_token"), "sub")
	codes := make([]string, clients)
	for i := range codes {
		codes[i] = a.ask(raceApp(i), who)
	}
	answers := a.atOnce(2*clients+1, func(p *person, i int) answer {
		switch {
		case i == clients:
			return a.manage(p, http.MethodPatch, "users/"+url.PathEscape(user), map[string]any{"blocked": true})
		case i < clients:
			return redeem(p, raceApp(i), who, codes[i])
		}
		return refresh(p, "app", before.str("refresh_token"))
	})
	if answers[clients].StatusCode != http.StatusOK {
		a.t.Fatalf("blocking: %d %s", answers[clients].StatusCode, answers[clients].body)
	}
	a.over("app", before)
	for i, resp := range answers {
		switch {
		case i == clients || verdict(resp) != "granted":
		case i < clients:
			a.over(raceApp(i), resp)
		default:
			a.over("app", resp)
		}
	}
}

func raceOfDeletionAndToken(a *arena) {
	made := a.manage(a.person(0), http.MethodPost, "clients", map[string]any{"name": "Short-lived", "app_type": "non_interactive", "grant_types": []string{"client_credentials"}})
	if made.StatusCode != http.StatusCreated {
		a.t.Fatalf("%d %s", made.StatusCode, made.body)
	}
	ask := func(p *person) answer {
		return p.post("/oauth/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {made.str("client_id")}, "client_secret": {made.str("client_secret")}})
	}
	for i := range a.processes { // all have it at hand
		if resp := ask(a.person(i)); resp.StatusCode != http.StatusOK {
			a.t.Fatalf("%d %s", resp.StatusCode, resp.body)
		}
	}
	answers := a.atOnce(31, func(p *person, i int) answer {
		if i == 15 {
			return a.manage(p, http.MethodDelete, "clients/"+made.str("client_id"), nil)
		}
		return ask(p)
	})
	if answers[15].StatusCode != http.StatusNoContent {
		a.t.Fatalf("deleting: %d %s", answers[15].StatusCode, answers[15].body)
	}
	for i := range a.processes { // the promise is five seconds; a busy machine is asked for twenty
		p := a.person(i)
		eventually(a.t, "the client is gone", func() bool { return ask(p).StatusCode == http.StatusUnauthorized })
		for j, resp := range answers {
			if j == 15 || resp.StatusCode != http.StatusOK {
				continue
			}
			told := p.post("/oauth/introspect", url.Values{"client_id": {"app"}, "client_secret": {clientSecret}, "token": {resp.str("access_token")}})
			if told.StatusCode != http.StatusOK || told.body != "{\"active\":false}\n" && told.body != `{"active":false}` {
				a.t.Errorf("a token of the deleted client: %d %s", told.StatusCode, told.body)
			}
		}
	}
}

func raceOfReloads(a *arena) {
	file := filepath.Join(a.dir, "sallyport.yaml")
	old := must(os.ReadFile(file))
	renamed := append([]byte("clients_revision: 2\n"), bytes.Replace(old, []byte("name: Test App"), []byte("name: Renamed App"), 1)...)
	if err := os.WriteFile(file, renamed, 0o600); err != nil {
		a.t.Fatal(err)
	}
	stop, failed := make(chan struct{}), make(chan answer, 100)
	var load sync.WaitGroup
	for i := range 6 {
		p := a.person(i)
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if resp := tokenOf(p, "app", "grant_type", "client_credentials"); resp.StatusCode != http.StatusOK && !comeAgain(resp) && len(failed) < cap(failed) {
					failed <- resp
				}
			}
		})
	}
	for _, p := range a.processes {
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			a.t.Fatal(err)
		}
	}
	name := func(i int) string { return a.manage(a.person(i), http.MethodGet, "clients/app", nil).str("name") }
	for i := range a.processes {
		eventually(a.t, "the new name", func() bool { return name(i) == "Renamed App" })
	}
	a.login("app", "ada@reload.example.com")
	close(stop)
	load.Wait()
	close(failed)
	for resp := range failed {
		a.t.Errorf("during the reload: %d %s", resp.StatusCode, resp.body)
	}

	if err := os.WriteFile(file, old, 0o600); err != nil {
		a.t.Fatal(err)
	}
	late := a.launch(freeAddr(a.t))
	late.ready()
	for i := range a.processes {
		if got := name(i); got != "Renamed App" {
			a.t.Errorf("a process with the older file brought back %q", got)
		}
	}
	late.stop()
}

// TestThatRacesAreSeen makes sure that the race detector is in the binary: without it TestRaces would show less than it says.
func TestThatRacesAreSeen(t *testing.T) {
	begin := time.Now()
	if out := must(os.ReadFile(raceBinary())); !bytes.Contains(out, []byte("__tsan_")) {
		t.Errorf("no race detector in it, after %s", time.Since(begin))
	}
}
