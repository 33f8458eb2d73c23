package storage

import (
	"errors"
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
	db := stdlib.OpenDB(*config)
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
