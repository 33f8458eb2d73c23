package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"reflect"
	"sync/atomic"

	"sallyport/cmd/sallyport/config"
)

// reload applies the clients and APIs of the configuration as it is now, and reads the certificate again. What cannot
// be applied is logged, and the old stays.
func (s *service) reload(ctx context.Context, load func() (*config.Config, error)) {
	if s.cert != nil {
		if err := s.cert.load(); err != nil {
			s.log.ErrorContext(ctx, "the certificate could not be reloaded, the old one stays", slog.Any("error", err))
		}
	}
	cfg, err := load()
	if err == nil {
		next := *s.deployment
		next.cfg = cfg
		err = apply(ctx, &next)
	}
	if err != nil {
		s.log.ErrorContext(ctx, "the configuration could not be reloaded, the old one stays", slog.Any("error", err))
		return
	}
	if keys := changed(*s.cfg, *cfg); len(keys) > 0 {
		s.log.WarnContext(ctx, "these keys have changed and need a restart", slog.Any("keys", keys))
	}
	s.log.InfoContext(ctx, "configuration reloaded", slog.Int("clients", len(cfg.Clients)), slog.Int("apis", len(cfg.APIs)))
}

// changed names the top keys that differ and are not applied while running.
func changed(old, fresh config.Config) []string {
	var keys []string
	for i := range reflect.TypeFor[config.Config]().NumField() {
		field := reflect.TypeFor[config.Config]().Field(i)
		switch key := field.Tag.Get("yaml"); key {
		case "", "clients", "clients_revision", "apis":
		default:
			if !reflect.DeepEqual(reflect.ValueOf(old).Field(i).Interface(), reflect.ValueOf(fresh).Field(i).Interface()) {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// certificate is a TLS certificate that can be read again while it is in use.
type certificate struct {
	certFile, keyFile string
	current           atomic.Pointer[tls.Certificate]
}

func newCertificate(certFile, keyFile string) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile}
	return c, c.load()
}

func (c *certificate) load() error {
	cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("reading tls.cert and tls.key: %w", err)
	}
	c.current.Store(&cert)
	return nil
}

func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}
