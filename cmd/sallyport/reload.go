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

// reload applies the clients, APIs, admin tokens and master secrets of the configuration as it is now, and the certificate. When one
// of them is no good, that is logged and nothing changes.
func (s *service) reload(ctx context.Context, load func() (*config.Config, error)) {
	cfg, err := s.reloaded(ctx, load)
	if err != nil {
		s.log.ErrorContext(ctx, "nothing was reloaded, the old configuration, secrets and certificate stay", slog.Any("error", err))
		return
	}
	if keys := changed(*s.cfg, *cfg); len(keys) > 0 {
		s.log.WarnContext(ctx, "these keys have changed and need a restart", slog.Any("keys", keys))
	}
	s.log.InfoContext(ctx, "configuration reloaded", slog.Int("clients", len(cfg.Clients)), slog.Int("apis", len(cfg.APIs)), slog.Any("secrets", s.ring.KeyIDs()))
}

func (s *service) reloaded(ctx context.Context, load func() (*config.Config, error)) (*config.Config, error) {
	cfg, err := load()
	if err != nil {
		return nil, err
	}
	var cert *tls.Certificate
	if s.cert != nil {
		if cert, err = s.cert.read(); err != nil {
			return nil, err
		}
	}
	next := *s.deployment
	next.cfg = cfg
	tokens, err := adminTokens(cfg)
	if err != nil {
		return nil, err
	}
	if err := s.takeRing(ctx, &next); err != nil {
		return nil, err
	}
	if err := apply(ctx, &next); err != nil {
		return nil, err
	}
	if err := s.ring.Replace(next.ring); err != nil {
		return nil, fmt.Errorf("taking up the master secrets: %w", err)
	}
	if err := next.noteSecrets(ctx, s.log); err != nil {
		return nil, err
	}
	s.provider.Management().SetTokens(tokens)
	if err := s.provider.Reloaded(ctx); err != nil {
		return nil, err
	}
	if s.cert != nil {
		s.cert.current.Store(cert)
	}
	return cfg, nil
}

// changed names the top keys that differ and are not applied while running.
func changed(old, fresh config.Config) []string {
	var keys []string
	for i := range reflect.TypeFor[config.Config]().NumField() {
		field := reflect.TypeFor[config.Config]().Field(i)
		switch key := field.Tag.Get("yaml"); key {
		case "", "clients", "clients_revision", "apis", "admin", "secret", "secret_file":
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
	cert, err := c.read()
	if err != nil {
		return nil, err
	}
	c.current.Store(cert)
	return c, nil
}

// read reads the files as they are now, without using them.
func (c *certificate) read() (*tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return nil, fmt.Errorf("reading tls.cert and tls.key: %w", err)
	}
	return &cert, nil
}

func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}
