package storage

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	gormpostgres "gorm.io/driver/postgres"
	"gorm.io/gorm"
)

func (s *Store) openPostgres(o Options) error {
	config, err := pgx.ParseConfig(o.URL)
	if err != nil {
		return errors.New("postgres: the URL cannot be read") // pgx's own words may hold the password
	}
	bound(config)
	const made = "losses"
	db := stdlib.OpenDB(*config,
		stdlib.OptionAfterConnect(func(_ context.Context, c *pgx.Conn) error {
			c.PgConn().CustomData()[made] = s.losses.Load()
			return nil
		}),
		stdlib.OptionResetSession(func(_ context.Context, c *pgx.Conn) error {
			if c.PgConn().CustomData()[made] != s.losses.Load() {
				return driver.ErrBadConn
			}
			return nil
		}),
	)
	conns := o.MaxConns
	if conns <= 0 {
		conns = max(16, 4*processors())
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxLifetime(30 * time.Minute)
	db.SetConnMaxIdleTime(5 * time.Minute)
	s.writer, err = s.gormOf(o, db, func(p *pool) gorm.Dialector {
		return gormpostgres.New(gormpostgres.Config{Conn: p})
	})
	s.reader = s.writer
	return err
}

// connectTimeout is how long one host of the URL may take to answer before the next one is tried.
const connectTimeout = 2 * time.Second

// bound sets limits on the server's side too, where the URL has none: for a process that is stopped, or cut off, with
// locks in its hands.
func bound(config *pgx.ConnConfig) {
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	for name, value := range map[string]string{
		"statement_timeout":                   "15s",
		"lock_timeout":                        "8s",
		"idle_in_transaction_session_timeout": "15s",
	} {
		if _, set := config.RuntimeParams[name]; !set {
			config.RuntimeParams[name] = value
		}
	}
}

// lost tells whether a statement failed with its connection, or by a server that only reads: after a restart or a
// fail-over. What was committed before stays, and a commit that fails so may have happened.
func lost(err error) bool {
	var refused *pgconn.ConnectError
	var network *net.OpError
	switch {
	case err == nil, errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.As(err, &refused):
		return false
	case demoted(err), pgconn.SafeToRetry(err), errors.Is(err, driver.ErrBadConn), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.As(err, &network):
		return true
	}
	var e *pgconn.PgError
	// Connection exceptions, and the ways in which a server ends or refuses sessions.
	return errors.As(err, &e) && (strings.HasPrefix(e.Code, "08") || strings.HasPrefix(e.Code, "57P") || e.Code == "25P03")
}

// demoted tells whether a statement was refused because the server, once the primary, only reads now.
func demoted(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "25006"
}

// serialization tells whether Postgres, or an engine that speaks like it, asks for a transaction to be tried again.
func serialization(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "40001" || e.Code == "40P01")
}

// clash tells whether two processes made the same table at the same moment.
func clash(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "23505" || e.Code == "42P07" || e.Code == "42710")
}
