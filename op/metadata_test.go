package op_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestDiscoveryDocument(t *testing.T) {
	p := newProvider(t)
	a := p.send(http.MethodGet, "/.well-known/openid-configuration", "")
	if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "application/json" || a.Header.Get("Access-Control-Allow-Origin") != "*" ||
		a.Header.Get("Cache-Control") != "public, max-age=300" {
		t.Errorf("%d %v", a.StatusCode, a.Header)
	}
	if alias := p.send(http.MethodGet, "/.well-known/oauth-authorization-server", ""); alias.body != a.body {
		t.Error("the two documents differ")
	}
	var got bytes.Buffer
	check(t, json.Indent(&got, []byte(strings.ReplaceAll(a.body, p.url, "https://login.example.com")), "", "  "))
	golden := filepath.Join("testdata", "discovery.json")
	if *update {
		check(t, os.MkdirAll("testdata", 0o755))
		check(t, os.WriteFile(golden, append(got.Bytes(), '\n'), 0o644))
	}
	if want := must(os.ReadFile(golden)); strings.TrimSpace(string(want)) != got.String() {
		t.Errorf("run the test with -update if this is meant:\n%s", got.String())
	}
}

func TestDiscoveryNamesOnlyWhatExists(t *testing.T) {
	p := newProvider(t)
	doc := p.send(http.MethodGet, "/.well-known/openid-configuration", "").json()
	if doc["issuer"] != p.url {
		t.Errorf("issuer %v", doc["issuer"])
	}
	for name, value := range doc {
		address, ok := value.(string)
		if !ok || !strings.HasSuffix(name, "_endpoint") && name != "jwks_uri" {
			continue
		}
		if a := p.send(http.MethodOptions, address, ""); a.StatusCode == http.StatusNotFound {
			t.Errorf("%s does not exist", name)
		}
	}
	grants, _ := doc["grant_types_supported"].([]any)
	if len(grants) == 0 {
		t.Error("no grant types")
	}
	for _, grant := range grants {
		if grant == "implicit" {
			continue // has no place at the token endpoint
		}
		if a := p.token("grant_type", fmt.Sprint(grant)); a.str("error") == "unsupported_grant_type" {
			t.Errorf("%s is not supported", grant)
		}
	}
	for _, absent := range []string{
		"registration_endpoint", "check_session_iframe",
		"dpop_signing_alg_values_supported", "request_object_signing_alg_values_supported", "backchannel_logout_supported",
	} {
		if v, there := doc[absent]; there && v != false {
			t.Errorf("%s: %v", absent, v)
		}
	}
}

func TestKeySetIsPublicOnly(t *testing.T) {
	p := newProvider(t)
	a := p.send(http.MethodGet, "/.well-known/jwks.json", "")
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	check(t, json.Unmarshal([]byte(a.body), &set))
	allowed := []string{"kty", "kid", "use", "alg", "n", "e", "crv", "x", "y"}
	var kids, algs []string
	for _, key := range set.Keys {
		for name := range key {
			if !slices.Contains(allowed, name) {
				t.Errorf("%s is published", name)
			}
		}
		kids, algs = append(kids, fmt.Sprint(key["kid"])), append(algs, fmt.Sprint(key["alg"]))
		if key["use"] != "sig" {
			t.Errorf("use %v", key["use"])
		}
	}
	slices.Sort(algs)
	slices.Sort(kids)
	if len(slices.Compact(kids)) != 3 || !slices.Equal(algs, []string{"ES256", "EdDSA", "RS256"}) {
		t.Errorf("kids %v, algs %v", kids, algs)
	}
}
