package courier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/twilio/twilio-go/client"
	api "github.com/twilio/twilio-go/rest/api/v2010"
)

// TwilioConfig says with which account to send SMS, and as whom.
type TwilioConfig struct {
	AccountSID          string
	AuthToken           string // or
	APIKey              string // a key of the account
	APISecret           string
	From                string // a number in E.164 form or an alphanumeric sender, or
	MessagingServiceSID string
	BaseURL             string        // of a gateway or a test; empty for Twilio itself
	Timeout             time.Duration // of one try; 0 is 20 s
}

// Twilio is a [Texter] that sends by Twilio's Messages resource.
type Twilio struct {
	cfg  TwilioConfig
	base *url.URL // nil for Twilio itself
	http http.RoundTripper
}

const (
	twilioProvider = "twilio"
	maxTwilioBytes = 64 << 10 // of an answer
)

// NewTwilio checks the configuration. It connects to nothing.
func NewTwilio(cfg TwilioConfig) (*Twilio, error) {
	for _, word := range []string{cfg.AccountSID, cfg.AuthToken, cfg.APIKey, cfg.APISecret, cfg.MessagingServiceSID} {
		if strings.ContainsFunc(word, func(r rune) bool { return !alphanumeric(r) }) {
			return nil, errors.New("the SIDs, tokens, keys and secrets of Twilio have letters and digits only")
		}
	}
	switch {
	case cfg.AccountSID == "":
		return nil, errors.New("Twilio needs an account SID")
	case (cfg.APIKey == "") != (cfg.APISecret == ""):
		return nil, errors.New("an API key of Twilio needs its secret, and the other way round")
	case (cfg.AuthToken == "") == (cfg.APIKey == ""):
		return nil, errors.New("Twilio needs either an auth token or an API key with its secret")
	case (cfg.From == "") == (cfg.MessagingServiceSID == ""):
		return nil, errors.New("Twilio needs either a sender or a messaging service SID")
	}
	base, err := parseBase(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = sendTimeout
	}
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:errcheck,forcetypeassert // it is one
	return &Twilio{cfg: cfg, base: base, http: transport}, nil
}

func parseBase(s string) (*url.URL, error) {
	if s == "" {
		return nil, nil //nolint:nilnil // none is a value here
	}
	u, err := url.Parse(strings.TrimSuffix(s, "/"))
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q is not a base URL: write it as https://gateway.example.com", s)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, fmt.Errorf("%q would send the credentials without TLS: use https", s)
	}
	return u, nil
}

// SendSMS implements [Texter]. The receipt's ID is the message's SID.
func (t *Twilio) SendSMS(ctx context.Context, to, text string) (Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, t.cfg.Timeout)
	defer cancel()
	p := (&api.CreateMessageParams{}).SetTo(to).SetBody(text)
	if t.cfg.MessagingServiceSID != "" {
		p.SetMessagingServiceSid(t.cfg.MessagingServiceSID)
	} else {
		p.SetFrom(t.cfg.From)
	}
	call := t.call(ctx)
	m, err := call.api().CreateMessage(p)
	if call.status == http.StatusCreated {
		// It is a yes even where the rest of the answer was lost or makes no sense.
		r := Receipt{Provider: twilioProvider}
		if err == nil && m.Sid != nil {
			r.ID = *m.Sid
		}
		if err == nil && m.Status != nil {
			r.Answer = *m.Status
		}
		return r, nil
	}
	return Receipt{}, call.failure(err)
}

// Check asks for the account, which proves the credentials, and sends nothing.
func (t *Twilio) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, t.cfg.Timeout)
	defer cancel()
	call := t.call(ctx)
	account, err := call.api().FetchAccount(t.cfg.AccountSID)
	if t.cfg.APIKey != "" && (call.status == http.StatusUnauthorized || call.status == http.StatusForbidden) {
		// A standard key may use the account but not look at it.
		call = t.call(ctx)
		if _, err = call.api().PageMessage((&api.ListMessageParams{}).SetPageSize(1), "", ""); err == nil {
			return nil
		}
	}
	if err != nil || call.status != http.StatusOK {
		return call.failure(err)
	}
	if account.Status != nil && *account.Status != "active" {
		return &ProviderError{Provider: twilioProvider, Setup: true, Err: fmt.Errorf("the account is %s", *account.Status)}
	}
	return nil
}

// twilioCall is one request. The library knows neither contexts nor other addresses and drops the status of answers
// that it does not understand, so all that happens below it.
type twilioCall struct {
	t          *Twilio
	ctx        context.Context //nolint:containedctx // lives as long as the request
	status     int             // of the answer, 0 while there is none
	retryAfter string
	unreached  bool // nobody was there to ask
}

func (t *Twilio) call(ctx context.Context) *twilioCall { return &twilioCall{t: t, ctx: ctx} }

func (c *twilioCall) api() *api.ApiService {
	user, password := c.t.cfg.AccountSID, c.t.cfg.AuthToken
	if c.t.cfg.APIKey != "" {
		user, password = c.t.cfg.APIKey, c.t.cfg.APISecret
	}
	twilio := &client.Client{
		Credentials: client.NewCredentials(user, password),
		HTTPClient: &http.Client{
			Transport:     c,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	twilio.SetAccountSid(c.t.cfg.AccountSID)
	return api.NewApiService(&client.RequestHandler{Client: twilio}) // not from the environment
}

// RoundTrip implements [http.RoundTripper].
func (c *twilioCall) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(c.ctx)
	if base := c.t.base; base != nil {
		r.URL.Scheme, r.URL.Host, r.URL.Path = base.Scheme, base.Host, base.Path+r.URL.Path
		r.Host = ""
	}
	answer, err := c.t.http.RoundTrip(r)
	if err != nil {
		dial, ok := errors.AsType[*net.OpError](err)
		c.unreached = ok && dial.Op == "dial"
		return nil, err
	}
	c.status, c.retryAfter = answer.StatusCode, answer.Header.Get("Retry-After")
	answer.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(answer.Body, maxTwilioBytes), answer.Body}
	return answer, nil
}

// failure sorts what went wrong. Twilio's 400 is about the message, unless it is about its sender or a full queue;
// everything else is about us or about now.
func (c *twilioCall) failure(err error) error {
	e := &ProviderError{Provider: twilioProvider, Status: c.status}
	if err != nil {
		e.Answer = err.Error()
	}
	var no *client.TwilioRestError
	if errors.As(err, &no) {
		e.Code, e.Answer = no.Code, no.Message
	}
	if seconds, err := strconv.Atoi(c.retryAfter); err == nil && seconds > 0 {
		e.RetryAfter = time.Duration(min(seconds, maxRetryAfter)) * time.Second
	}
	switch {
	case c.status == 0:
		e.Err, e.Unsure = err, !c.unreached
	case c.status < http.StatusMultipleChoices, c.status == http.StatusBadGateway, c.status == http.StatusGatewayTimeout:
		e.Unsure = true // a yes that is none, or whoever stands in between
	case numberCodes[e.Code]:
		return &PermanentError{Err: e}
	case c.status == http.StatusUnauthorized, c.status == http.StatusForbidden, c.status == http.StatusNotFound, senderCodes[e.Code]:
		e.Setup = true
	case c.status == http.StatusBadRequest && e.Code != 0 && e.Code != queueFull:
		return &PermanentError{Err: e}
	}
	return e
}

const (
	maxRetryAfter = 3600
	queueFull     = 21611 // the sender's queue of messages is full
)

// numberCodes are Twilio's errors about the number that was texted, of whatever status.
var numberCodes = map[int]bool{
	21211: true, // not a number
	21214: true, // cannot be reached
	21408: true, // of a region that the account does not text
	21610: true, // its owner answered STOP
	21612: true, // cannot be reached from this sender
	21614: true, // not a mobile number
	21635: true, // a landline
}

// senderCodes are Twilio's errors of status 400 that the operator must mend: no or no usable sender.
var senderCodes = map[int]bool{
	21212: true, // invalid From
	21603: true, // From is needed
	21606: true, // From cannot send SMS
	21660: true, // From does not belong to the account
	21659: true, // From is not a number of Twilio
	21701: true, // the messaging service does not exist
	21703: true, // the messaging service has no sender
	21704: true, // likewise
}

func alphanumeric(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}
