package op_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/grants/courier"
	"sallyport/storage"
)

// forwarding is a client whose word is taken for whom it asks for.
func (p *provider) addForwarding() {
	trusted, public := testClients(p.ring)[0], publicClient("forwarding-spa", "spa", "http://127.0.0.1:9/spa")
	trusted.ID, trusted.Settings.TrustForwardedFor = "forwarding", true
	public.GrantTypes = append(public.GrantTypes, grantOTP)
	public.Settings.TrustForwardedFor = true
	p.addClients(trusted, public)
}

func (p *provider) startFor(client, secret, to, forwarded string) answer {
	p.t.Helper()
	body := map[string]any{"client_id": client, "connection": "email", "email": to, "send": "code"}
	if secret != "" {
		body["client_secret"] = secret
	}
	return p.json("/passwordless/start", body, nil, "Auth0-Forwarded-For", forwarded)
}

func (p *provider) startedFrom(to string) string {
	p.t.Helper()
	for _, e := range must(p.store.Events(p.t.Context(), storage.EventFilter{Type: grants.EventStarted})) {
		if strings.HasPrefix(e.Address, to) {
			return e.IP
		}
	}
	return ""
}

func TestForwardedForIsBelievedOfTrustedServersOnly(t *testing.T) {
	p := newProvider(t, func(s *settings) { s.engine.Limits.StartPerIP = grants.Limit{N: 2, Per: time.Hour} })
	p.addForwarding()
	for name, c := range map[string]struct{ client, secret, forwarded, want string }{
		"a": {"forwarding", webSecret, "203.0.113.9", "203.0.113.9"}, "b": {"forwarding", webSecret, " 2001:db8::1 ", "2001:db8::1"},
		"c": {"forwarding", webSecret, "::ffff:203.0.113.7", "203.0.113.7"}, "d": {"forwarding", webSecret, "nonsense", "127.0.0.1"},
		"e": {"forwarding", webSecret, "203.0.113.9, 198.51.100.1", "127.0.0.1"}, "f": {"forwarding", webSecret, "", "127.0.0.1"},
		"g": {"web", webSecret, "203.0.113.9", "127.0.0.1"}, "h": {"forwarding-spa", "", "203.0.113.9", "127.0.0.1"},
	} {
		p.startFor(c.client, c.secret, name+"@example.com", c.forwarded).wants(t, http.StatusOK, "")
		if got := p.startedFrom(name); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	p.startFor("forwarding", webSecret, "i@example.com", "203.0.113.9").wants(t, http.StatusOK, "")
	p.startFor("forwarding", webSecret, "j@example.com", "203.0.113.9").wants(t, http.StatusTooManyRequests, "too_many_requests") // whom it asks for pays
	p.startFor("forwarding", webSecret, "k@example.com", "198.51.100.1").wants(t, http.StatusOK, "")
	p.startFor("forwarding", "wrong", "l@example.com", "198.51.100.1").wants(t, http.StatusUnauthorized, "access_denied")
}

// twilio is a gateway that refuses numbers which end in 0, and takes all others.
func twilio(t *testing.T) courier.Texter {
	t.Helper()
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if to := r.PostFormValue("To"); strings.HasSuffix(to, "0") {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"code":21211,"message":"The 'To' number `+to+` is not a valid phone number.","status":400}`)
			return
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"sid":"SM1","status":"queued"}`)
	}))
	t.Cleanup(gateway.Close)
	return must(courier.NewTwilio(courier.TwilioConfig{AccountSID: "AC1", AuthToken: "secret", From: "+15005550006", BaseURL: gateway.URL}))
}

func (p *provider) startSMS(number string) answer {
	p.t.Helper()
	return p.start(map[string]any{"connection": "sms", "send": nil, "phone_number": number})
}

// The row sms_provider_error, and the starts that a number which nobody can text does not use up.
func TestErrorRowsOfStartFromTheProvider(t *testing.T) {
	texter := twilio(t)
	p := newProvider(t, func(s *settings) {
		s.sms, s.op.StartWait = texter, 5*time.Second
		s.engine.Limits = grants.Limits{StartPerAddress: grants.Limit{N: 2, Per: time.Hour}, MessagesPerAddress: grants.Limit{N: 5, Per: time.Hour}} // four of them for strangers
	})
	for range 4 {
		a := p.startSMS("+491701234560")
		a.wants(t, http.StatusBadRequest, "sms_provider_error")
		if got := a.str("error_description"); got != "The 'To' number … is not a valid phone number. (Code: 21211)" {
			t.Errorf("%q", got)
		}
		p.givenBack(grants.Address{Channel: grants.SMS, Value: "+491701234560"})
	}
	p.startSMS("+491701234560").wants(t, http.StatusTooManyRequests, "too_many_requests") // messages are bounded all the same
}

func TestErrorRowsOfADisabledConnection(t *testing.T) {
	p := newProvider(t)
	check(t, p.store.PutConnection(t.Context(), storage.Connection{Name: "email", Disabled: true}, grants.Event{}))
	for name, c := range map[string]struct {
		a                 answer
		code, description string
	}{
		"start":           {p.start(map[string]any{"email": "ada@example.com"}), "bad.connection", "Connection is disabled"},
		"verify":          {p.verify("123456", nil), "invalid_request", "the connection was disabled"},
		"co/authenticate": {p.browser().crossOrigin("ada@example.com", "123456", nil), "invalid_request", "the connection was disabled"},
	} {
		c.a.wants(t, http.StatusBadRequest, c.code)
		if c.a.str("error_description") != c.description {
			t.Errorf("%s: %s", name, c.a.body)
		}
	}
}

// Off, with sign-up closed and by mail nothing waits: the answer comes before the provider's.
func TestStartThatMustNotTellDoesNotAskTheProvider(t *testing.T) {
	texter := twilio(t)
	for name, change := range map[string]func(*settings){
		"off":            func(s *settings) { s.op.StartWait = 0 },
		"sign-up closed": func(s *settings) { s.op.StartWait, s.engine.SignupClosed = time.Hour, true },
	} {
		p := newProvider(t, func(s *settings) { s.sms = texter }, change)
		if a := p.startSMS("+491701234560"); a.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
	p := newProvider(t, func(s *settings) { s.sms, s.op.StartWait = texter, time.Hour })
	check(t, p.store.PutConnection(t.Context(), storage.Connection{Name: "sms", Options: storage.ConnectionOptions{DisableSignup: true}}, grants.Event{}))
	if a := p.startSMS("+491701234560"); a.StatusCode != http.StatusOK {
		t.Errorf("sign-up closed for the connection: %d %s", a.StatusCode, a.body)
	}
	if a := p.start(map[string]any{"email": "ada@example.com"}); a.StatusCode != http.StatusOK {
		t.Errorf("mail: %d %s", a.StatusCode, a.body)
	}
}

// givenBack waits until a refused delivery has given back what its start drew on.
func (p *provider) givenBack(a grants.Address) {
	p.t.Helper()
	var counters []grants.Counter
	for _, key := range grants.StartCounters(a, "") {
		counters = append(counters, grants.Counter{Key: key, Limit: grants.Limit{N: 1, Per: time.Hour}})
	}
	for range 500 {
		if full := must(p.store.CountersFull(p.t.Context(), time.Now(), counters)); !full[0] && !full[1] {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.t.Fatalf("nothing was given back; log:\n%s", p.log)
}
