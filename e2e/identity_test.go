package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certificate is one with its key, also as files.
type certificate struct {
	tls.Certificate
	certFile, keyFile string
}

// identity is the certificate of every server in this run: Sallyport, the apps, the mail server.
var identity certificate

// otherSite is a host of another site than localhost, which the browsers of the tests find on this machine.
const otherSite = "app.example.test"

// newIdentity makes a certificate that signs itself, for this machine's names, with its files in a folder.
func newIdentity(dir string) (id certificate) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(12 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost", otherSite}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	id.Certificate = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			panic(err)
		}
		return file
	}
	id.certFile = write("cert.pem", "CERTIFICATE", der)
	id.keyFile = write("key.pem", "PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key)))
	return id
}

func (c certificate) config() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c.Certificate}, MinVersion: tls.VersionTLS12}
}
