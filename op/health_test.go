package op_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"sallyport/op"
	"sallyport/storage/storagetest"
)

// All that the probes say.
const (
	saysOK    = `{"status":"ok"}`
	saysNotOK = `{"status":"not ready"}`
)

// A hung database makes the process not ready within a bounded time, however many probes ask; it stays alive, and is
// ready again with the database.
func TestReadinessNeverHangsWithTheDatabase(t *testing.T) {
	wire, url := storagetest.NewWire(t, storagetest.PostgresURL(t))
	made, passed := time.Now(), time.Duration(0)
	p := newProvider(t, func(s *settings) { s.databaseURL = url })
	follow := func() { // the database's clock does not stand still
		p.pass(time.Since(made) - passed)
		passed = time.Since(made)
	}
	follow()
	ready := func() int {
		a := p.send(http.MethodGet, "/readyz", "")
		if ok := a.StatusCode == http.StatusOK; ok && a.body != saysOK || !ok && a.body != saysNotOK {
			t.Errorf("%d says %q", a.StatusCode, a.body)
		}
		return a.StatusCode
	}
	if status := ready(); status != http.StatusOK {
		t.Fatalf("ready: %d", status)
	}
	before := p.store.Statements()
	for range 100 {
		ready()
	}
	if n := p.store.Statements() - before; n > 50 { // the background work has some of its own
		t.Errorf("100 probes cost %d statements", n)
	}
	wire.Stall()
	p.pass(time.Second) // the last look is too old now
	began := time.Now()
	var probes sync.WaitGroup
	for range 20 {
		probes.Go(func() {
			if status := ready(); status != http.StatusServiceUnavailable {
				t.Errorf("ready without a database: %d", status)
			}
		})
	}
	probes.Wait()
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
	if a := p.send(http.MethodGet, "/healthz", ""); a.StatusCode != http.StatusOK || a.body != saysOK {
		t.Errorf("alive: %d", a.StatusCode)
	}
	wire.Flow()
	for ready() != http.StatusOK {
		if time.Since(began) > time.Minute {
			t.Fatal("it is never ready again")
		}
		time.Sleep(50 * time.Millisecond)
		follow()
	}
}

func TestStoppingProcessIsNotReadyButServes(t *testing.T) {
	p := newProvider(t)
	served := must(op.New(context.Background(), p.config))
	replica := p.serve(served)
	served.Stop()
	if a := replica.send(http.MethodGet, "/readyz", ""); a.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("ready: %d", a.StatusCode)
	}
	if a := replica.machineToken(); a.StatusCode != http.StatusOK {
		t.Errorf("a token: %d %s", a.StatusCode, a.body)
	}
}
