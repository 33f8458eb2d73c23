package storagetest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"sallyport/grants"
)

// postgresVariable names a Postgres that tests may make databases in, as a URL.
const postgresVariable = "SALLYPORT_TEST_POSTGRES"

// PostgresURL is the URL of a new and empty Postgres database that goes with the test. It is made in the server that
// SALLYPORT_TEST_POSTGRES names, else in one that this process starts for itself and that ends with it. Where there is
// neither, the test is skipped; with CI=true it fails instead.
func PostgresURL(tb testing.TB) string {
	tb.Helper()
	base := os.Getenv(postgresVariable)
	if base == "" {
		own, err := cluster()
		if err != nil {
			if os.Getenv("CI") == "true" {
				tb.Fatalf("Postgres is needed: %v", err)
			}
			tb.Skipf("SKIPPED, nothing was tested on Postgres: %v", err)
		}
		base = own.base
	}
	u, err := url.Parse(base)
	if err != nil {
		tb.Fatalf("%s is not a URL", postgresVariable)
	}
	name := fmt.Sprintf("sallyport_test_%x", grants.NewID())
	administer(tb, base, "CREATE DATABASE "+name)
	tb.Cleanup(func() { administer(tb, base, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	u.Path = "/" + name
	return u.String()
}

func administer(tb testing.TB, base, statement string) {
	tb.Helper()
	db, err := sql.Open("pgx", base)
	if err != nil {
		tb.Fatalf("connecting to Postgres: %v", err)
	}
	defer db.Close()
	if _, err := db.ExecContext(context.Background(), statement); err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
}

// cluster starts the process's own Postgres when it is first asked for one.
var cluster = sync.OnceValues(startCluster)

// supervisor runs Postgres until its own standard input ends, which it does when the process of the tests ends,
// however it ends. Then it stops Postgres and removes its folder.
const supervisor = `
bin=$1 dir=$2
shift 2
"$bin/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c max_connections=300 "$@" >"$dir/log" 2>&1 </dev/null &
server=$!
cat >/dev/null
"$bin/pg_ctl" -D "$dir/data" stop -m fast >/dev/null 2>&1
wait "$server"
rm -rf "$dir"
`

// ownPostgres is a server with what keeps it alive, which nobody may collect before the process ends.
type ownPostgres struct {
	base     string
	lifeline io.Closer
}

func startCluster() (ownPostgres, error) {
	base, lifeline, err := StartPostgres("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=64MB")
	return ownPostgres{base, lifeline}, err
}

// StartPostgres starts an empty Postgres with the given settings, each "name=value". It gives the URL of a database
// that others may be made in; closing the server stops it and removes all that it kept, as does the end of this process.
func StartPostgres(settings ...string) (base string, s *Server, err error) {
	if s, err = newServer(); err != nil {
		return "", nil, err
	}
	if err := s.command("initdb", "-U", "sallyport", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"); err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	base = "postgres://sallyport@/postgres?host=" + url.QueryEscape(s.dir)
	return base, s, s.start(base, settings...)
}

// Server is a Postgres of our own, in a folder of its own.
type Server struct {
	bin, dir   string
	attributes *syscall.SysProcAttr
	lifeline   io.Closer
	supervisor *exec.Cmd
}

func newServer() (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "sallyport-postgres-")
	if err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	attributes, err := unprivileged(dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &Server{bin: bin, dir: dir, attributes: attributes}, nil
}

// command runs one of Postgres's programs over the server's data.
func (s *Server) command(name string, args ...string) error {
	c := exec.CommandContext(context.Background(), filepath.Join(s.bin, name), append([]string{"-D", filepath.Join(s.dir, "data")}, args...)...) //nolint:gosec // a program that we looked for
	c.Dir, c.SysProcAttr = s.dir, s.attributes
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(out))
	}
	return nil
}

// start runs the server under its supervisor until it answers at a URL. A server that does not start is removed.
func (s *Server) start(answersAt string, settings ...string) error {
	args := []string{"-c", supervisor, "sh", s.bin, s.dir}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	s.supervisor = exec.CommandContext(context.Background(), "/bin/sh", args...) //nolint:gosec // as above
	s.supervisor.Dir, s.supervisor.SysProcAttr = s.dir, s.attributes
	stdin, err := s.supervisor.StdinPipe() // held open by this process for as long as it lives
	if err == nil {
		err = s.supervisor.Start()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("starting Postgres: %w", err), os.RemoveAll(s.dir))
	}
	s.lifeline = stdin
	if err := awaitCluster(answersAt); err != nil {
		log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
		return errors.Join(fmt.Errorf("starting Postgres: %w: %s", err, bytes.TrimSpace(log)), s.Close())
	}
	return nil
}

// pidFile is there from the server's first moment to its last.
func (s *Server) pidFile() string { return filepath.Join(s.dir, "data", "postmaster.pid") }

// signal sends a signal to the server itself, which is not its supervisor.
func (s *Server) signal(sig syscall.Signal) error {
	file, err := os.ReadFile(s.pidFile())
	if err != nil {
		return fmt.Errorf("finding Postgres: %w", err)
	}
	line, _, _ := strings.Cut(string(file), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		return fmt.Errorf("finding Postgres: %w", err)
	}
	return syscall.Kill(pid, sig)
}

// Restart ends the server without a word to anybody, as a crash does, and starts it again. It returns when it answers.
func (s *Server) Restart() error {
	return s.command("pg_ctl", "restart", "-m", "immediate", "-l", filepath.Join(s.dir, "log"))
}

// Close stops the server and removes its folder.
func (s *Server) Close() error {
	return errors.Join(s.lifeline.Close(), s.supervisor.Wait())
}

// binaries finds Postgres where Debian keeps it, the newest version first, or on the path.
func binaries() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	best, version := "", 0
	for _, f := range found {
		bin := filepath.Dir(f)
		if n, err := strconv.Atoi(filepath.Base(filepath.Dir(bin))); err == nil && n > version {
			best, version = bin, n
		}
	}
	if best != "" {
		return best, nil
	}
	initdb, err := exec.LookPath("initdb")
	if err != nil {
		return "", fmt.Errorf("no Postgres is installed and %s is not set", postgresVariable)
	}
	return filepath.Dir(initdb), nil
}

// unprivileged makes root step down, as Postgres wants it, and gives the folder to whom it becomes.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return &syscall.SysProcAttr{Setpgid: true}, nil
	}
	who, err := user.Lookup("postgres")
	if err != nil {
		if who, err = user.Lookup("nobody"); err != nil {
			return nil, fmt.Errorf("finding a user for Postgres: %w", err)
		}
	}
	uid, err := strconv.ParseUint(who.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("reading user id: %w", err)
	}
	gid, err := strconv.ParseUint(who.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("reading group id: %w", err)
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		return nil, fmt.Errorf("giving folder away: %w", err)
	}
	return &syscall.SysProcAttr{Setpgid: true, Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}

// awaitCluster asks until the server answers, for as long as a busy machine may need to start it.
func awaitCluster(base string) error {
	db, err := sql.Open("pgx", base)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}
