package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/cmd/sallyport/config"
)

// serveForTest runs serve in this process; stop ends it and gives its exit code.
func serveForTest(t *testing.T, environ ...string) (addr string, stderr *output, stop func() int) {
	t.Helper()
	addr, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	environ = append([]string{ // later ones win
		"SALLYPORT_LISTEN=" + addr, "SALLYPORT_ISSUER=http://" + addr,
		"SALLYPORT_DATABASE_URL=sqlite:" + filepath.Join(dir, "a.db"), "SALLYPORT_SECRET_FILE=" + filepath.Join(dir, "secret"),
	}, environ...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	stderr = &output{}
	ready, stdout := io.Pipe()
	go func() {
		done <- run(ctx, []string{"serve"}, nil, stdout, stderr, environ)
		stdout.Close()
	}()
	t.Cleanup(cancel)
	line, err := bufio.NewReader(ready).ReadString('\n')
	if err != nil || !strings.Contains(line, "is ready at") {
		t.Fatalf("it says %q: %s", line, stderr.String())
	}
	return addr, stderr, func() int { cancel(); return <-done }
}

func TestRequestsUnderWayAreFinishedAtTheEnd(t *testing.T) {
	t.Parallel()
	addr, stderr, stop := serveForTest(t)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const body = "grant_type=client_credentials"
	fmt.Fprintf(conn, "POST /oauth/token HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", addr, len(body))
	answers := bufio.NewReader(conn)
	// The server says so when it begins to read the body: the request is under way now.
	if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("it says %q, error %v", line, err)
	}
	if _, err := answers.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	ended := make(chan int, 1)
	go func() { ended <- stop() }()
	for refused := false; !refused; { // until it accepts nobody any more
		other, err := net.Dial("tcp", addr)
		refused = err != nil
		if err == nil {
			other.Close()
			time.Sleep(5 * time.Millisecond)
		}
	}
	if _, err := io.WriteString(conn, body); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatalf("the request was cut off: %v", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %s", answer.Status)
	}
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
}

// TestHangupDuringTheStartEndsNothing sends SIGHUP while the process waits for a database that accepts and says nothing.
func TestHangupDuringTheStartEndsNothing(t *testing.T) {
	t.Parallel()
	database, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	dir := t.TempDir()
	var stderr output
	cmd := exec.Command("sallyport", "serve")
	cmd.Dir, cmd.Stderr = dir, &stderr
	cmd.Env = append(os.Environ(), "SALLYPORT_LISTEN=127.0.0.1:0", "SALLYPORT_SECRET=a-master-secret-for-tests-of-32-bytes-at-least",
		"SALLYPORT_DATABASE_URL=postgres://sallyport@"+database.Addr().String()+"/sallyport?sslmode=disable")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill() //nolint:errcheck // it has ended
	conn, err := database.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil { // an end of which it can tell
		t.Fatal(err)
	}
	defer conn.Close()
	err = cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signaled() {
		t.Errorf("it ended by the signal: %v: %s", err, stderr.String())
	}
}

func TestSecondProcessOnOneAddressFailsClearly(t *testing.T) {
	t.Parallel()
	addr, _, stop := serveForTest(t)
	var stdout, stderr output
	dir := t.TempDir()
	code := run(context.Background(), []string{"serve"}, nil, &stdout, &stderr, []string{"SALLYPORT_LISTEN=" + addr, "SALLYPORT_DATABASE_URL=sqlite:" + filepath.Join(dir, "b.db")})
	if code != 1 || !strings.Contains(stderr.String(), "listening: ") || stdout.String() != "" {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout.String(), stderr.String())
	}
	if _, err := os.Stat(filepath.Join(dir, "b.db")); !os.IsNotExist(err) {
		t.Error("it touched the database before it had its address")
	}
	if code := stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// writeCert writes a self-signed certificate for a name and its key.
func writeCert(t *testing.T, dir, name string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func TestServesTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := writeCert(t, dir, "localhost")
	addr, stderr, stop := serveForTest(t, "SALLYPORT_TLS_CERT="+certFile, "SALLYPORT_TLS_KEY="+keyFile, "SALLYPORT_ISSUER=https://127.0.0.1",
		"SALLYPORT_MAIL_TRANSPORT=inbox")
	text, err := os.ReadFile(certFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	browser := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
	answer, err := browser.Get("https://" + addr + "/healthz")
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK || answer.ProtoMajor != 2 {
		t.Errorf("status %s over %s", answer.Status, answer.Proto)
	}
	browser.CloseIdleConnections()
	if code := stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestReloadTakesCertificateAndClientsOrNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := writeCert(t, dir, "old.example.com")
	file := filepath.Join(dir, "sallyport.yaml")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const listing = "clients: [{id: %s, type: spa, redirect_uris: ['https://a.example.com/']}]"
	write(file, fmt.Sprintf(listing, "one"))
	environ := []string{
		"SALLYPORT_CONFIG=" + file, "SALLYPORT_ISSUER=https://127.0.0.1", "SALLYPORT_LISTEN=127.0.0.1:0",
		"SALLYPORT_DATABASE_URL=sqlite:" + filepath.Join(dir, "a.db"), "SALLYPORT_SECRET_FILE=" + filepath.Join(dir, "secret"),
		"SALLYPORT_TLS_CERT=" + certFile, "SALLYPORT_TLS_KEY=" + keyFile,
	}
	var log output
	c := &cli{stdout: &output{}, stderr: &log, environ: environ, now: time.Now}
	load := func() (*config.Config, error) { return c.loadToStart(t.Context()) }
	cfg, err := load()
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	expect := func(name string, clients int, line string) {
		t.Helper()
		s.reload(t.Context(), load)
		cert, err := s.cert.config().GetCertificate(nil)
		if err != nil || cert.Leaf.Subject.CommonName != name {
			t.Errorf("the certificate is for %s, error %v", cert.Leaf.Subject.CommonName, err)
		}
		if got, err := s.store.Clients(t.Context()); err != nil || len(got) != clients {
			t.Errorf("clients %v, error %v", got, err)
		}
		if !strings.Contains(log.String(), line) {
			t.Errorf("the log does not say %q:\n%s", line, log.String())
		}
	}
	write(file, fmt.Sprintf(listing, "two"))
	write(certFile, "broken")
	expect("old.example.com", 1, "nothing was reloaded, the old configuration, secrets and certificate stay")
	writeCert(t, dir, "new.example.com")
	write(file, "clients: [{id: two}]")
	expect("old.example.com", 1, "needs a secret")
	write(file, fmt.Sprintf(listing, "two"))
	expect("new.example.com", 2, "configuration reloaded")
}

func TestDoctorWatchesTheCertificate(t *testing.T) {
	cfg := config.Default()
	cfg.TLS.Cert, cfg.TLS.Key = writeCert(t, t.TempDir(), "localhost") // good for an hour
	for at, want := range map[time.Duration]verdict{-13 * 24 * time.Hour: warn, 2 * time.Hour: fail, -30 * 24 * time.Hour: ok} {
		c := &cli{now: func() time.Time { return time.Now().Add(at) }}
		if got := c.checkTLS(cfg); len(got) != 1 || got[0].Verdict != want {
			t.Errorf("%s from now: %+v, want %s", at, got, want)
		}
	}
	cfg.TLS.Key = "nowhere.pem"
	if got := (&cli{now: time.Now}).checkTLS(cfg); got[0].Verdict != fail {
		t.Errorf("without its key: %+v", got)
	}
}

func TestDoctorKnowsTheIssuerByItsKeys(t *testing.T) {
	t.Parallel()
	addr, _, stop := serveForTest(t)
	cfg := config.Default()
	cfg.Issuer = "http://" + addr
	var set struct{ Keys []struct{ Kid string } }
	if status, err := ask(t.Context(), cfg.Issuer+"/.well-known/jwks.json", &set); err != nil || status != "" || len(set.Keys) == 0 {
		t.Fatalf("status %q, error %v, keys %v", status, err, set)
	}
	if got := checkIssuer(t.Context(), cfg, []string{set.Keys[0].Kid}); got.Verdict != ok {
		t.Errorf("its own keys: %+v", got)
	}
	if got := checkIssuer(t.Context(), cfg, []string{"another"}); got.Verdict != fail || !strings.Contains(got.Text, "another instance answers") {
		t.Errorf("keys of another: %+v", got)
	}
	if code := stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestDoctorNamesASelfSignedCertificate(t *testing.T) {
	t.Parallel()
	certFile, keyFile := writeCert(t, t.TempDir(), "localhost")
	addr, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	_, _, stop := serveForTest(t, "SALLYPORT_LISTEN="+addr, "SALLYPORT_TLS_CERT="+certFile, "SALLYPORT_TLS_KEY="+keyFile, "SALLYPORT_ISSUER=https://"+addr)
	cfg := config.Default()
	cfg.Issuer = "https://" + addr
	if got := checkIssuer(t.Context(), cfg, nil); got.Verdict != fail || !strings.Contains(got.Text, "signed by itself") {
		t.Errorf("got %+v", got)
	}
	if code := stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestClientIDsAreNotFlags(t *testing.T) {
	for range 1000 {
		if id := newClientID(); strings.HasPrefix(id, "-") {
			t.Fatal(id)
		}
	}
}

func TestChangedKeysThatNeedARestart(t *testing.T) {
	old, fresh := *config.Default(), *config.Default()
	fresh.ClientsRevision, fresh.Clients, fresh.Listen, fresh.Session.Idle = 7, []config.Client{{ID: "a"}}, ":1", time.Minute
	if keys := changed(old, fresh); !slices.Equal(keys, []string{"listen", "session"}) {
		t.Errorf("got %v", keys)
	}
}
