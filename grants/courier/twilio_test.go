package courier

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	testAccount = "AC00112233445566778899aabbccddeeff"
	testToken   = "0123456789abcdef0123456789abcdef"
)

// twilioServer speaks Twilio's API as far as it is used.
type twilioServer struct {
	url string

	mu       sync.Mutex
	user     string // whose password is right
	password string
	standard bool // the user is a standard key, which may not look at the account
	account  string
	answer   func(http.ResponseWriter) // nil takes the message
	texts    []url.Values
}

func startTwilio(t *testing.T) *twilioServer {
	t.Helper()
	s := &twilioServer{user: testAccount, password: testToken, account: "active"}
	mux := http.NewServeMux()
	base := "/gateway/2010-04-01/Accounts/" + testAccount
	mux.HandleFunc("POST "+base+"/Messages.json", s.create)
	mux.HandleFunc("GET "+base+"/Messages.json", s.list)
	mux.HandleFunc("GET "+base+".json", s.fetch)
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	s.url = web.URL + "/gateway"
	return s
}

func (s *twilioServer) refused(w http.ResponseWriter, r *http.Request) bool {
	if user, password, _ := r.BasicAuth(); user != s.user || password != s.password {
		twilioSays(w, http.StatusUnauthorized, 20003, "Authenticate")
		return true
	}
	return false
}

func (s *twilioServer) create(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused(w, r) {
		return
	}
	if s.answer != nil {
		s.answer(w)
		return
	}
	_ = r.ParseForm()
	s.texts = append(s.texts, r.PostForm)
	twilioAnswer(w, http.StatusCreated, map[string]any{"sid": "SM1", "status": "queued"})
}

func (s *twilioServer) list(w http.ResponseWriter, r *http.Request) {
	if !s.refused(w, r) {
		twilioAnswer(w, http.StatusOK, map[string]any{"messages": []any{}})
	}
}

func (s *twilioServer) fetch(w http.ResponseWriter, r *http.Request) {
	switch {
	case s.refused(w, r):
	case s.standard:
		twilioSays(w, http.StatusUnauthorized, 20003, "Authenticate")
	default:
		twilioAnswer(w, http.StatusOK, map[string]any{"sid": testAccount, "status": s.account})
	}
}

func twilioAnswer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func twilioSays(w http.ResponseWriter, status, code int, text string) {
	twilioAnswer(w, status, map[string]any{"code": code, "message": text, "more_info": "https://www.twilio.com/docs/errors", "status": status})
}

func newTwilio(t *testing.T, s *twilioServer, change func(*TwilioConfig)) *Twilio {
	t.Helper()
	cfg := TwilioConfig{AccountSID: testAccount, AuthToken: testToken, From: "+15005550006", BaseURL: s.url, Timeout: 10 * time.Second}
	if change != nil {
		change(&cfg)
	}
	tw, err := NewTwilio(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return tw
}

func TestSMSArrivesWhole(t *testing.T) {
	text := "123456 is your code for Demo & Söhne\n\n@login.example.com #123456"
	tests := map[string]struct {
		change func(*TwilioConfig)
		user   string
		pass   string
		sender [2]string
	}{
		"token and number": {nil, testAccount, testToken, [2]string{"From", "+15005550006"}},
		"key and service": {func(c *TwilioConfig) {
			c.AuthToken, c.APIKey, c.APISecret, c.From, c.MessagingServiceSID = "", "SK1", "secret", "", "MG1"
		}, "SK1", "secret", [2]string{"MessagingServiceSid", "MG1"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TWILIO_REGION", "au1") // is none of our configuration
			s := startTwilio(t)
			s.user, s.password = test.user, test.pass
			r, err := newTwilio(t, s, test.change).SendSMS(t.Context(), "+491701234567", text)
			if err != nil {
				t.Fatal(err)
			}
			if r != (Receipt{Provider: "twilio", ID: "SM1", Answer: "queued"}) {
				t.Errorf("the receipt is %+v", r)
			}
			want := url.Values{"To": {"+491701234567"}, "Body": {text}, test.sender[0]: {test.sender[1]}}
			if got := s.texts[0]; got.Encode() != want.Encode() {
				t.Errorf("the form is %v, want %v", got, want)
			}
		})
	}
}

func TestTwilioAnswersAreSorted(t *testing.T) {
	say := func(status, code int) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { twilioSays(w, status, code, "words of Twilio") }
	}
	write := func(status int, body string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { w.WriteHeader(status); _, _ = io.WriteString(w, body) }
	}
	tests := map[string]struct {
		answer       func(http.ResponseWriter)
		status, code int
		final, setup bool
	}{
		"not a number":       {say(400, 21211), 400, 21211, true, false},
		"stopped":            {say(400, 21610), 400, 21610, true, false},
		"not mobile":         {say(400, 21614), 400, 21614, true, false},
		"region closed":      {say(403, 21408), 403, 21408, true, false},
		"some other 400":     {say(400, 21617), 400, 21617, true, false},
		"full queue":         {say(400, 21611), 400, 21611, false, false},
		"no usable sender":   {say(400, 21606), 400, 21606, false, true},
		"unauthorized":       {say(401, 20003), 401, 20003, false, true},
		"forbidden":          {say(403, 20005), 403, 20005, false, true},
		"no such account":    {say(404, 20404), 404, 20404, false, true},
		"too many requests":  {say(429, 20429), 429, 20429, false, false},
		"server error":       {say(500, 20500), 500, 20500, false, false},
		"gateway":            {write(502, "<html>bad gateway</html>"), 502, 0, false, false},
		"400 of a proxy":     {write(400, "<html>bad request</html>"), 400, 0, false, false},
		"401 of a proxy":     {write(401, ""), 401, 0, false, true},
		"200 is not created": {write(200, `{"sid":"SM1"}`), 200, 0, false, false},
		"redirect": {func(w http.ResponseWriter) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, 307, 0, false, false},
		"endless": {write(500, strings.Repeat("x", 10<<20)), 500, 0, false, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := startTwilio(t)
			s.answer = test.answer
			_, err := newTwilio(t, s, nil).SendSMS(t.Context(), "+491701234567", "text")
			var provider *ProviderError
			if !errors.As(err, &provider) {
				t.Fatalf("the error is %v", err)
			}
			if provider.Status != test.status || provider.Code != test.code || provider.Setup != test.setup {
				t.Errorf("the error is %+v", provider)
			}
			if test.code != 0 && (provider.Answer != "words of Twilio" || !strings.Contains(scrub(err.Error()), fmt.Sprint(test.code))) {
				t.Errorf("the answer is %q, kept as %q", provider.Answer, scrub(err.Error()))
			}
			var permanent *PermanentError
			if errors.As(err, &permanent) != test.final {
				t.Errorf("permanent is %v, want %v", !test.final, test.final)
			}
			if fmt.Sprint(err) == "" || strings.Contains(fmt.Sprint(err), testToken) {
				t.Errorf("the error reads %q", err)
			}
		})
	}
}

func TestTwilioSaysWhenToComeBack(t *testing.T) {
	for header, want := range map[string]time.Duration{"7": 7 * time.Second, "": 0, "-1": 0, "soon": 0, "999999999": time.Hour} {
		s := startTwilio(t)
		s.answer = func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", header)
			twilioSays(w, http.StatusTooManyRequests, 20429, "Too Many Requests")
		}
		_, err := newTwilio(t, s, nil).SendSMS(t.Context(), "+491701234567", "text")
		var provider *ProviderError
		if !errors.As(err, &provider) || provider.RetryAfter != want {
			t.Errorf("Retry-After %q gives %+v", header, provider)
		}
	}
}

func TestCreatedIsAYesWhateverFollows(t *testing.T) {
	for name, body := range map[string]string{"nothing": "", "nonsense": "<html>", "cut": `{"sid":"SM`} {
		s := startTwilio(t)
		s.answer = func(w http.ResponseWriter) { w.WriteHeader(http.StatusCreated); _, _ = io.WriteString(w, body) }
		if r, err := newTwilio(t, s, nil).SendSMS(t.Context(), "+491701234567", "text"); err != nil || r.Provider != "twilio" {
			t.Errorf("%s after 201 gives %+v, %v", name, r, err)
		}
	}
}

func TestTwilioDownOrSilentIsRetried(t *testing.T) {
	block := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-block }))
	defer silent.Close()
	defer close(block)
	hangsUp := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer hangsUp.Close()
	down := httptest.NewServer(nil)
	down.Close()
	for name, addr := range map[string]string{"silent": silent.URL, "hangs up": hangsUp.URL, "down": down.URL} {
		tw := newTwilio(t, &twilioServer{url: addr}, func(c *TwilioConfig) { c.Timeout = 300 * time.Millisecond })
		_, err := tw.SendSMS(t.Context(), "+491701234567", "text")
		var provider *ProviderError
		var permanent *PermanentError
		if !errors.As(err, &provider) || errors.As(err, &permanent) || provider.Setup {
			t.Errorf("%s: the error is %v", name, err)
		}
		if err := tw.Check(t.Context()); err == nil {
			t.Errorf("%s: Check found nothing wrong", name)
		}
	}
}

func TestTwilioCheck(t *testing.T) {
	key := func(c *TwilioConfig) { c.AuthToken, c.APIKey, c.APISecret = "", "SK1", "secret" }
	tests := map[string]struct {
		server func(*twilioServer)
		client func(*TwilioConfig)
		ok     bool
	}{
		"right token":     {nil, nil, true},
		"wrong token":     {func(s *twilioServer) { s.password = "another" }, nil, false},
		"main key":        {func(s *twilioServer) { s.user, s.password = "SK1", "secret" }, key, true},
		"standard key":    {func(s *twilioServer) { s.user, s.password, s.standard = "SK1", "secret", true }, key, true},
		"wrong key":       {func(s *twilioServer) { s.user, s.password = "SK1", "another" }, key, false},
		"account is shut": {func(s *twilioServer) { s.account = "suspended" }, nil, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := startTwilio(t)
			if test.server != nil {
				test.server(s)
			}
			err := newTwilio(t, s, test.client).Check(t.Context())
			if (err == nil) != test.ok {
				t.Errorf("Check: %v", err)
			}
			var provider *ProviderError
			if !test.ok && (!errors.As(err, &provider) || !provider.Setup) {
				t.Errorf("the error is %#v", err)
			}
			if len(s.texts) != 0 {
				t.Error("Check sent something")
			}
		})
	}
}

func TestUnusableTwilioSettingsAreRefused(t *testing.T) {
	good := TwilioConfig{AccountSID: testAccount, AuthToken: testToken, From: "+15005550006"}
	if _, err := NewTwilio(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*TwilioConfig){
		"no account":            func(c *TwilioConfig) { c.AccountSID = "" },
		"a path for an account": func(c *TwilioConfig) { c.AccountSID = "../AC1" },
		"no credentials":        func(c *TwilioConfig) { c.AuthToken = "" },
		"key without secret":    func(c *TwilioConfig) { c.AuthToken, c.APIKey = "", "SK1" },
		"two credentials":       func(c *TwilioConfig) { c.APIKey, c.APISecret = "SK1", "secret" },
		"no sender":             func(c *TwilioConfig) { c.From = "" },
		"two senders":           func(c *TwilioConfig) { c.MessagingServiceSID = "MG1" },
		"token with a space":    func(c *TwilioConfig) { c.AuthToken = "abc def" },
		"no URL":                func(c *TwilioConfig) { c.BaseURL = "gateway" },
		"URL without TLS":       func(c *TwilioConfig) { c.BaseURL = "http://gateway.example.com" },
		"URL with a query":      func(c *TwilioConfig) { c.BaseURL = "https://gateway.example.com/?a=b" },
	} {
		cfg := good
		change(&cfg)
		if _, err := NewTwilio(cfg); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
