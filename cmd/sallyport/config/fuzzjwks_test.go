package config_test

import (
	"testing"

	"sallyport/cmd/sallyport/config"
)

// FuzzJWKS: a set of keys that is accepted is read again as it is, and never holds a private key.
func FuzzJWKS(f *testing.F) {
	for _, s := range []string{
		`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"one"}]}`,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`,
		`{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`,
		`{"keys":[{"kty":"oct","k":"AAAA"}]}`, `{"keys":[]}`, `{}`, "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n", "-----BEGIN", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, err := config.ReadJWKS(text)
		if err != nil {
			return
		}
		again, err := config.ReadJWKS(string(set))
		if err != nil || string(again) != string(set) || set.Count() == 0 {
			t.Errorf("%q is read as %s, then as %s: %v", text, set, again, err)
		}
	})
}
