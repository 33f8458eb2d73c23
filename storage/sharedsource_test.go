package storage_test

import (
	"context"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
	"sallyport/storage/storagetest"
)

type nowhere struct{}

func (nowhere) Deliver(grants.Message) {}

// One login of a network is in the middle of its transaction while another begins and ends. Were there a row that both write
// or hold, the second would wait for the first, which waits for it.
func TestLoginsFromOneNetworkDoNotWaitForEachOther(t *testing.T) {
	clock := storagetest.NewClock()
	s := storagetest.Open(t, storage.Options{URL: storagetest.PostgresURL(t), Now: clock.Now})
	ring := storagetest.Ring(t)
	engine, err := grants.New(grants.Config{Store: s, Ring: ring, Sender: nowhere{}, Limits: grants.DefaultLimits(), Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	proof := func(address string) grants.Proof {
		a, err := grants.ParseEmail(address)
		if err != nil {
			t.Fatal(err)
		}
		started, err := engine.Start(t.Context(), grants.StartRequest{
			ClientID: "app", Connection: "email", Address: a, Requester: "browser of " + address, Send: grants.SendCode,
		})
		if err != nil {
			t.Fatal(err)
		}
		code, _ := ring.Code(started.Challenge)
		return grants.Proof{Challenge: started.Challenge, Code: code, Source: "203.0.113.9"}
	}
	wrong, first, second := proof("eve@example.com"), proof("ada@example.com"), proof("bob@example.com")
	wrong.Code = "none"
	if _, err := engine.Redeem(t.Context(), wrong, nil); err == nil { // the network's row is there
		t.Fatal("no code signs in")
	}
	_, err = engine.Redeem(t.Context(), first, func(context.Context, grants.User) error {
		alone, cancel := context.WithTimeout(t.Context(), 9*time.Second)
		defer cancel()
		_, err := engine.Redeem(alone, second, func(context.Context, grants.User) error { return nil })
		return err
	})
	if err != nil {
		t.Errorf("the second login waited for the first: %v", err)
	}
}
