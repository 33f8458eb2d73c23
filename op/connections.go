package op

import (
	"context"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"

	"sallyport/grants"
	"sallyport/storage"
)

// Connections reads connections through a cache of a few seconds, for the provider and its engine.
type Connections struct {
	store  *storage.Store
	byName *expirable.LRU[string, storage.Connection]
}

// NewConnections reads them from a store.
func NewConnections(store *storage.Store) *Connections {
	return &Connections{store: store, byName: expirable.NewLRU[string, storage.Connection](len(builtIn), nil, cacheTime)}
}

// builtIn are the connections that there are.
var builtIn = []string{string(grants.Email), string(grants.SMS)}

func (cs *Connections) get(ctx context.Context, name string) (storage.Connection, error) {
	if c, ok := cs.byName.Get(name); ok {
		return c, nil
	}
	c, err := cs.store.Connection(ctx, name)
	if err != nil {
		return storage.Connection{}, err
	}
	cs.byName.Add(name, c)
	return c, nil
}

// Settings are what a connection does otherwise than the deployment, for [grants.Config].
func (cs *Connections) Settings(ctx context.Context, name string) (grants.ConnectionSettings, error) {
	c, err := cs.get(ctx, name)
	if err != nil {
		return grants.ConnectionSettings{}, err
	}
	return grants.ConnectionSettings{Lifetime: c.Options.Lifetime, CodeLength: c.Options.CodeLength, SignupClosed: c.Options.DisableSignup}, nil
}

// disabledWait bounds the read behind [Connections.disabled].
const disabledWait = 2 * time.Second

// disabled tells whether a connection is switched off. One that cannot be read is not: whoever goes on with it meets the
// same failure at the next step, and is told of it there.
func (cs *Connections) disabled(name string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), disabledWait)
	defer cancel()
	c, err := cs.get(ctx, name)
	return err == nil && c.Disabled
}
