package op_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/op"
	"sallyport/storage"
	"sallyport/storage/storagetest"
)

type mute struct{}

func (mute) Deliver(grants.Message) {}

// bare is a provider that sends nothing, for requests by the thousand. change may alter its configuration before.
func bare(tb testing.TB, change ...func(*op.Config)) http.Handler {
	tb.Helper()
	ring, ctx := must(grants.NewRing("a-master-secret-for-tests-of-32-bytes-at-least")), tb.Context()
	now := func() time.Time { return time.Now().UTC() }
	log := slog.New(slog.DiscardHandler)
	store := must(storage.Open(ctx, storage.Options{URL: storagetest.SQLiteURL(tb), Ring: ring, Now: now, Log: log}))
	tb.Cleanup(func() { _ = store.Close() })
	for _, err := range []error{store.Migrate(ctx), store.ApplyClients(ctx, 1, testClients(ring))} {
		if err != nil {
			tb.Fatal(err)
		}
	}
	cfg := op.Config{
		Issuer: "http://127.0.0.1:8080", Store: store, Ring: ring, Engine: must(grants.New(grants.Config{Store: store, Ring: ring, Sender: mute{}, Now: now})),
		Templates: pages(), Now: now, Log: log, Email: true, SMS: true,
		SessionIdle: time.Hour, SessionAbsolute: time.Hour,
	}
	for _, c := range change {
		c(&cfg)
	}
	served := must(op.New(ctx, cfg))
	var background sync.WaitGroup
	background.Go(func() { _ = served.Run(ctx) }) // without it the keys are too old after a while, and all is refused
	tb.Cleanup(background.Wait)
	return served.Handler()
}

// FuzzTokenRequest sends whole bodies to the machine endpoints: a refusal in the standard's shape or a success, never a
// fault of ours, never internal text, and never a token for somebody without credentials.
func FuzzTokenRequest(f *testing.F) {
	handler := bare(f)
	for _, path := range []string{"/oauth/token", "/oauth/revoke", "/oauth/introspect", "/oauth/par", "/oauth/device/code", "/userinfo", "/passwordless/start"} {
		for _, body := range []string{
			"", "grant_type=client_credentials&client_id=machine&client_secret=x&scope=read:things&audience=" + apiAudience,
			"grant_type=authorization_code&code=x&redirect_uri=" + webRedirect + "&code_verifier=" + verifier + "&client_id=spa",
			"grant_type=refresh_token&refresh_token=x&client_id=spa&scope=openid", "grant_type=" + grantOTP + "&realm=sms&username=%2B491701234567&otp=1&client_id=spa",
			"grant_type=" + grantEmail + "&username=a%40example.com&code=123456&client_id=spa", "token=a.b.c&client_id=spa&token_type_hint=x", "access_token=%ff",
			`{"client_id":"spa","email":"a@example.com","authParams":{"state":"\u0000"}}`, `{"client_id":"spa","phone_number":"+49"}`, "client_assertion=x&a.b.0=1;&%",
		} {
			f.Add(path, formType, "", body)
			f.Add(path, "application/json", basic("machine", "x"), body)
		}
	}
	f.Fuzz(func(t *testing.T, path, contentType, authorization, body string) {
		if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " \x00\r\n\t") || len(path) > 100 {
			path = "/oauth/token"
		}
		r := httptest.NewRequest(http.MethodPost, "/oauth/token", strings.NewReader(body))
		switch path {
		case "/oauth/revoke", "/oauth/introspect", "/oauth/par", "/oauth/device/code", "/userinfo", "/passwordless/start":
			r.URL.Path = path
		}
		r.Header.Set("Content-Type", contentType)
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		a := answer{w.Result(), w.Body.String()}
		if a.StatusCode >= http.StatusInternalServerError {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		if a.StatusCode >= http.StatusBadRequest && a.str("error") == "" {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		if strings.Contains(a.body, `"access_token"`) {
			t.Errorf("tokens: %s", a.body)
		}
	})
}
