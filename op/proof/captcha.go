package proof

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"sallyport/templates"
)

// Captcha is an account at a captcha's provider. The zero Captcha is none: our own puzzle.
type Captcha struct {
	Provider  string // "turnstile" or "hcaptcha"
	SiteKey   string
	SecretKey string
	Host      string // of the issuer: where the widget must have been shown
	VerifyURL string // for tests; the provider's own
}

const (
	maxTokenBytes  = 4096
	maxAnswerBytes = 16 << 10
	verifyTimeout  = 5 * time.Second
	// downFor is how long our own puzzle stands in after the provider gave no answer.
	downFor = 30 * time.Second
	// maxVerifying bounds how many tokens are shown to the provider at once: the next wait for nobody and get the puzzle.
	maxVerifying = 64

	widgetAction = "login"
)

// providers are as their documentation has them: developers.cloudflare.com/turnstile and docs.hcaptcha.com.
var providers = map[string]captcha{
	"turnstile": {
		field: "cf-turnstile-response", class: "cf-turnstile", script: "https://challenges.cloudflare.com/turnstile/v0/api.js",
		verifyURL: "https://challenges.cloudflare.com/turnstile/v0/siteverify", binds: true,
		policy: "script-src 'self' https://challenges.cloudflare.com; style-src 'self'; frame-src https://challenges.cloudflare.com",
	},
	"hcaptcha": {
		field: "h-captcha-response", class: "h-captcha", script: "https://js.hcaptcha.com/1/api.js",
		verifyURL: "https://api.hcaptcha.com/siteverify",
		policy: "script-src 'self' https://hcaptcha.com https://*.hcaptcha.com; style-src 'self' https://hcaptcha.com https://*.hcaptcha.com; " +
			"frame-src https://hcaptcha.com https://*.hcaptcha.com; connect-src https://hcaptcha.com https://*.hcaptcha.com",
	},
}

// captcha is a provider, and our account there.
type captcha struct {
	field, class, script, verifyURL string
	policy                          string // what the page with the widget may load
	binds                           bool   // the provider gives back what a widget was shown for

	siteKey, secretKey, host string
	client                   *http.Client
	log                      *slog.Logger
	verifying                chan struct{}
	downUntil                *atomic.Int64 // Unix seconds
}

func newCaptcha(c Captcha, log *slog.Logger) *captcha {
	p, ok := providers[c.Provider]
	if !ok {
		return nil
	}
	p.siteKey, p.secretKey, p.host, p.log = c.SiteKey, c.SecretKey, c.Host, log
	p.verifyURL = cmp.Or(c.VerifyURL, p.verifyURL)
	p.verifying, p.downUntil = make(chan struct{}, maxVerifying), &atomic.Int64{}
	p.client = &http.Client{
		Timeout:       verifyTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &p
}

// widget is what the page shows.
func (c *captcha) widget(f Form) templates.Widget {
	return templates.Widget{Class: c.class, Script: c.script, Policy: c.policy, SiteKey: c.siteKey, Action: widgetAction, Data: f.id()}
}

// down tells whether the provider gave no answer a moment ago.
func (c *captcha) down(now time.Time) bool { return now.Unix() < c.downUntil.Load() }

// busy tells whether the provider is being asked about as many tokens as there may be at once.
func (c *captcha) busy() bool { return len(c.verifying) == maxVerifying }

// verdict is the provider's answer about a token.
type verdict struct {
	Success    bool     `json:"success"`
	Hostname   string   `json:"hostname"`
	Action     string   `json:"action"`
	CData      string   `json:"cdata"`
	ErrorCodes []string `json:"error-codes"`
}

// verify asks the provider about a token and gives a name for it, by which it is good once, or nothing for one that is not
// good here. Where the provider gives no answer the token is good for nothing either, and our own puzzle stands in for a
// while.
func (c *captcha) verify(ctx context.Context, token string, f Form, now time.Time) string {
	select {
	case c.verifying <- struct{}{}:
		defer func() { <-c.verifying }()
	default:
		return ""
	}
	v, err := c.ask(ctx, token)
	if ctx.Err() != nil {
		return "" // the browser has gone
	}
	if err != nil {
		c.log.WarnContext(ctx, "the captcha's provider gave no answer, our own puzzle stands in", slog.Any("error", err))
		c.downUntil.Store(now.Add(downFor).Unix())
		return ""
	}
	if !v.Success || v.Hostname != c.host || c.binds && (v.Action != widgetAction || v.CData != f.id()) {
		return ""
	}
	sum := sha256.Sum256([]byte("captcha\x00" + token))
	return hex.EncodeToString(sum[:])
}

// ask is the provider's siteverify, which both have alike. An error that is ours or theirs, not the token's, is an error.
func (c *captcha) ask(ctx context.Context, token string) (verdict, error) {
	form := url.Values{"secret": {c.secretKey}, "response": {token}}
	if !c.binds { // its secret is good for all sites of an account
		form.Set("sitekey", c.siteKey)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.verifyURL, strings.NewReader(form.Encode()))
	if err != nil {
		return verdict{}, fmt.Errorf("asking about a captcha: %w", err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.client.Do(r)
	if err != nil {
		return verdict{}, fmt.Errorf("asking about a captcha: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	if err != nil {
		return verdict{}, fmt.Errorf("reading about a captcha: %w", err)
	}
	var v verdict
	if err := json.Unmarshal(body, &v); err != nil {
		return verdict{}, fmt.Errorf("reading about a captcha: status %d: %w", resp.StatusCode, err)
	}
	for _, code := range v.ErrorCodes {
		// sitekey-secret-mismatch is none of these: strangers bring it about by a token of another site.
		if slices.Contains([]string{"missing-input-secret", "invalid-input-secret", "internal-error"}, code) {
			return verdict{}, fmt.Errorf("the captcha's provider says %s", code)
		}
	}
	if resp.StatusCode >= http.StatusInternalServerError {
		return verdict{}, fmt.Errorf("the captcha's provider answers %d", resp.StatusCode)
	}
	return v, nil
}
