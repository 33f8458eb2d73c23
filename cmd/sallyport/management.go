package main

import (
	"fmt"

	"sallyport/cmd/sallyport/config"
	"sallyport/grants"
	"sallyport/op/admin"
	"sallyport/storage"
)

// adminTokens are the static tokens of the management API, hashed where they are not yet: apart from the master secrets, which
// may change while these are held.
func adminTokens(cfg *config.Config) ([]admin.Token, error) {
	var out []admin.Token
	for _, t := range cfg.Admin.Tokens {
		until, err := t.Until()
		if err != nil {
			return nil, fmt.Errorf("admin token %q: %w", t.Name, err)
		}
		hash := t.Token
		if !config.HashedSecret(hash) {
			hash = grants.PlainHash(hash)
		}
		out = append(out, admin.Token{Name: t.Name, Hash: hash, Scopes: t.Scopes, Expires: until})
	}
	return out, nil
}

// apiCheck holds an API that the management API makes to what file and commands are held to.
func apiCheck(cfg *config.Config) func(storage.API) error {
	return func(a storage.API) error {
		return problemsOf(describedAPI(a).Check(cfg.Issuer))
	}
}
