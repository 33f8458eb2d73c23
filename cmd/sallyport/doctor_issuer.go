package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"sallyport/cmd/sallyport/config"
)

// issuerRemedy is what to do when something else than a Sallyport answers.
const issuerRemedy = "see that Sallyport runs, and that DNS, proxy and certificate lead to it"

// checkIssuer asks the issuer for its discovery document and its keys, as every app does. The keys must be of those that
// the database has; without any it cannot tell.
func checkIssuer(ctx context.Context, cfg *config.Config, kids []string) finding {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	var document struct {
		Issuer string `json:"issuer"`
		JWKS   string `json:"jwks_uri"`
	}
	where := strings.TrimSuffix(cfg.Issuer, "/") + "/.well-known/openid-configuration"
	status, err := ask(ctx, where, &document)
	switch {
	case err != nil:
		return unreachable(cfg, err)
	case status != "":
		return finding{"issuer", fail, fmt.Sprintf("%s answers %s, not a discovery document", where, status), issuerRemedy}
	case document.Issuer != cfg.Issuer:
		return finding{"issuer", fail, fmt.Sprintf("%s says it is %q, the configuration says %q", where, document.Issuer, cfg.Issuer), "make the two the same, letter by letter"}
	}
	var set struct {
		Keys []struct {
			ID string `json:"kid"`
		} `json:"keys"`
	}
	status, err = ask(ctx, document.JWKS, &set)
	switch {
	case err != nil:
		return unreachable(cfg, err)
	case status != "":
		return finding{"issuer", fail, fmt.Sprintf("%s answers %s, not keys", document.JWKS, status), issuerRemedy}
	}
	for _, k := range set.Keys {
		if len(kids) == 0 || slices.Contains(kids, k.ID) {
			return finding{"issuer", ok, cfg.Issuer + " answers", ""}
		}
	}
	return finding{
		"issuer", fail, "another instance answers at " + cfg.Issuer + ": none of its keys is in this database",
		"see that DNS and proxy lead to this instance, and that all its processes have the same database.url",
	}
}

// ask reads JSON. Where there is none, it gives the answer's status.
func ask(ctx context.Context, where string, into any) (status string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK || json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(into) != nil {
		return answer.Status, nil
	}
	return "", nil
}

// unreachable says why the issuer could not be asked.
func unreachable(cfg *config.Config, err error) finding {
	var bad *tls.CertificateVerificationError
	var stranger x509.UnknownAuthorityError
	switch {
	case errors.As(err, &stranger) && errors.As(err, &bad) && selfSigned(bad.UnverifiedCertificates):
		return finding{
			"issuer", fail, "the certificate at " + cfg.Issuer + " is signed by itself, so no app trusts it",
			"use one from an authority, such as Let's Encrypt, or make this one known to this machine and to every app and browser",
		}
	case errors.As(err, &bad):
		return finding{"issuer", fail, err.Error(), "use a certificate for the issuer's host, with the whole chain of its authority"}
	case cfg.Loopback():
		return finding{"issuer", warn, "nothing answers at " + cfg.Issuer, "start it: sallyport serve"}
	}
	return finding{"issuer", fail, err.Error(), issuerRemedy}
}

func selfSigned(chain []*x509.Certificate) bool {
	return len(chain) > 0 && bytes.Equal(chain[0].RawIssuer, chain[0].RawSubject)
}
