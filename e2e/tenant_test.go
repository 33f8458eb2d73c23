package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sallyport/op/admin"
)

// tenant is a running deployment as a team that comes from Auth0 sets it up: over TLS, with the issuer ending in a slash,
// messages by a real mail server and a gateway that speaks Twilio's API, and the clients of tenant/sallyport.yaml.
type tenant struct {
	*daemon
	dir        string // with the configuration
	domain     string // as Auth0's SDKs take it
	app        string // the origin of an app of the same site, which serves the folder apps and the libraries
	elsewhere  string // the same app as an origin of another site
	expressApp string // where an app with express-openid-connect may listen
	signerKey  string // PEM of the private key by which the client "signer" proves itself
	mails      *smtpServer
	texts      *twilioServer
}

func newTenant(t *testing.T, databaseURL string) *tenant {
	t.Helper()
	if databaseURL == "" {
		databaseURL = "sqlite:sallyport.db"
	}
	_, port, _ := strings.Cut(freeAddr(t), ":")
	s := &tenant{domain: "localhost:" + port, mails: newSMTPServer(t), texts: newTwilioServer(t)}
	s.app = newApp(t, s.domain)
	s.elsewhere = strings.Replace(s.app, "localhost", otherSite, 1)
	s.expressApp = strings.Replace("https://"+freeAddr(t), "127.0.0.1", "localhost", 1)
	values := map[string]string{
		"ISSUER": "https://" + s.domain + "/", "LISTEN": "127.0.0.1:" + port, "DATABASE": databaseURL, "SECRET": clientSecret,
		"CERT": identity.certFile, "KEY": identity.keyFile, "APP": s.app, "ELSEWHERE": s.elsewhere, "EXPRESS": s.expressApp,
		"SCOPES": `"` + strings.Join(admin.Scopes(), `", "`) + `"`,
	}
	s.signerKey, values["SIGNER_PUBLIC"] = newSigner()
	text := must(os.ReadFile("tenant/sallyport.yaml"))
	config := os.Expand(string(text), func(name string) string { return values[name] }) + transports(s.mails, s.texts)
	s.dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(s.dir, "sallyport.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.daemon = start(t, s.dir, "https://"+s.domain, nil, "serve")
	return s
}

// newApp serves the apps of the folder apps, with the libraries that they load, and tells them the domain.
func newApp(t *testing.T, domain string) (origin string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir("apps")))
	mux.Handle("/lib/", http.StripPrefix("/lib/", http.FileServer(http.Dir("node_modules"))))
	mux.HandleFunc("/lock.js", serveLock)
	mux.HandleFunc("/domain.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = w.Write([]byte("const domain = " + strconv.Quote(domain) + ";\n"))
	})
	return serveTLS(t, mux)
}

// serveTLS serves a handler on an origin of localhost.
func serveTLS(t *testing.T, h http.Handler) (origin string) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.TLS = identity.config()
	server.StartTLS()
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
}

// inbox is what came to an address or a number, oldest first.
func (s *tenant) inbox(address string) []mail {
	if strings.HasPrefix(address, "+") {
		return s.texts.to(address)
	}
	return s.mails.to(address)
}

// people serves what scripts need of people: /inbox?to=&n= waits for the n-th message to an address, and
// /visit?url=&address= signs somebody in at an authorization URL and answers with the address that they are sent back to.
// The person of /visit keeps their cookies.
func (s *tenant) people(t *testing.T) (url string) {
	t.Helper()
	visitor := newPerson(t, s.url)
	mux := http.NewServeMux()
	mux.HandleFunc("/inbox", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("n"))
		m := received(t, max(n, 1), func() []mail { return s.inbox(r.FormValue("to")) })
		_ = json.NewEncoder(w).Encode(map[string]string{"code": m.code(), "link": m.link(), "subject": m.Subject})
	})
	mux.HandleFunc("/visit", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(s.visit(visitor, r.FormValue("url"), r.FormValue("address"))))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// visit signs a person in at an authorization URL, where their session does not do so, and gives the address that they
// are sent back to.
func (s *tenant) visit(p *person, authorize, address string) string {
	s.t.Helper()
	on := func(resp answer) string {
		s.t.Helper()
		if resp.StatusCode != http.StatusSeeOther {
			s.t.Fatalf("%s: %d %s", resp.Request.URL.Path, resp.StatusCode, resp.body)
		}
		return strings.TrimPrefix(resp.Header.Get("Location"), s.url)
	}
	before := len(s.inbox(address))
	login := on(p.get(strings.TrimPrefix(authorize, s.url)))
	if strings.HasPrefix(login, "https:") {
		return login
	}
	code := on(p.post(login, fill(p.get(login), "identifier", address)))
	m := received(s.t, before+1, func() []mail { return s.inbox(address) })
	return on(p.post(code, fill(p.get(code), "code", m.code())))
}

// newSigner makes the key by which a client proves itself: PEM of both halves, the public one for a line of YAML.
func newSigner() (private, public string) {
	key := must(rsa.GenerateKey(rand.Reader, 2048))
	private = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))}))
	public = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(&key.PublicKey))}))
	return private, strings.ReplaceAll(public, "\n", `\n`)
}
