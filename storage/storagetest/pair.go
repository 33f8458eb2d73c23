package storagetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
)

// Pair is a Postgres and its synchronous standby: what the first has acknowledged, the second has. Both listen on this
// machine alone.
type Pair struct {
	primary, standby *Server
	ports            [2]int
}

// StartPair starts one, durable but for the settings, each "name=value".
func StartPair(settings ...string) (_ *Pair, err error) {
	p := &Pair{}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if p.ports, err = freePorts(); err != nil {
		return nil, err
	}
	if err := p.startPrimary(settings); err != nil {
		return nil, err
	}
	if err := p.startStandby(settings); err != nil {
		return nil, err
	}
	return p, p.await(0, "SELECT EXISTS (SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync')")
}

func (p *Pair) startPrimary(settings []string) error {
	s, err := newServer()
	if err != nil {
		return err
	}
	if err := s.command("initdb", "-U", "sallyport", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"); err != nil {
		return errors.Join(err, os.RemoveAll(s.dir))
	}
	if err := s.start(p.url(0), append(listening(p.ports[0]), settings...)...); err != nil {
		return err
	}
	p.primary = s
	return nil
}

func (p *Pair) startStandby(settings []string) error {
	s, err := newServer()
	if err != nil {
		return err
	}
	if err := s.command("pg_basebackup", "-R", "-X", "stream", "--checkpoint=fast", "--no-sync", "-d", p.url(0)); err != nil {
		return errors.Join(err, os.RemoveAll(s.dir))
	}
	if err := s.start(p.url(1), append(listening(p.ports[1]), settings...)...); err != nil {
		return err
	}
	p.standby = s
	// Only now, with somebody there to answer, does a commit wait for the standby.
	return errors.Join(p.exec(0, "ALTER SYSTEM SET synchronous_standby_names = '*'"), p.exec(0, "SELECT pg_reload_conf()"))
}

func listening(port int) []string {
	return []string{"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(port)}
}

// URL names both servers and asks for the one that writes, whichever that is.
func (p *Pair) URL(database string) string {
	return fmt.Sprintf("postgres://sallyport@127.0.0.1:%d,127.0.0.1:%d/%s?target_session_attrs=read-write&sslmode=disable", p.ports[0], p.ports[1], database)
}

// CreateDatabase makes a database and gives its [Pair.URL].
func (p *Pair) CreateDatabase(name string) (string, error) {
	return p.URL(name), p.exec(0, "CREATE DATABASE "+name)
}

// KillPrimary ends the primary at once, without a word to anybody, and returns when none of its processes is left.
func (p *Pair) KillPrimary() error {
	if err := p.primary.signal(syscall.SIGQUIT); err != nil {
		return err
	}
	for range 3000 {
		if _, err := os.Stat(p.primary.pidFile()); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("the primary did not end within 30 s")
}

// Promote makes the standby the primary, and returns when it writes.
func (p *Pair) Promote() error {
	if err := p.exec(1, "SELECT pg_promote(false)"); err != nil {
		return err
	}
	return p.await(1, "SELECT NOT pg_is_in_recovery()")
}

// Demote makes the primary one that only reads, for new transactions and those of open connections alike.
func (p *Pair) Demote() error {
	err := errors.Join(p.exec(0, "ALTER SYSTEM SET default_transaction_read_only = on"), p.exec(0, "SELECT pg_reload_conf()"))
	if err != nil {
		return err
	}
	// A new connection that knows of it was made after all others were told.
	return p.await(0, "SELECT current_setting('default_transaction_read_only') = 'on'")
}

// Close stops both.
func (p *Pair) Close() error {
	var errs []error
	for _, s := range []*Server{p.standby, p.primary} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}

func (p *Pair) url(i int) string {
	return fmt.Sprintf("postgres://sallyport@127.0.0.1:%d/postgres?sslmode=disable", p.ports[i])
}

func (p *Pair) exec(i int, statement string) error {
	db, err := sql.Open("pgx", p.url(i))
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(context.Background(), statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

// await asks a server a question until it says yes.
func (p *Pair) await(i int, question string) error {
	db, err := sql.Open("pgx", p.url(i))
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		var yes bool
		if err := db.QueryRowContext(ctx, question).Scan(&yes); err == nil && yes {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", question, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func freePorts() (ports [2]int, err error) {
	for i := range ports {
		l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			return ports, fmt.Errorf("looking for a port: %w", err)
		}
		defer l.Close()
		address, _ := l.Addr().(*net.TCPAddr)
		ports[i] = address.Port
	}
	return ports, nil
}
