package grants_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	zop "github.com/zitadel/oidc/v3/pkg/op"

	"sallyport/grants"
)

// Somebody who runs a github.com/zitadel/oidc provider puts the passwordless grants in front of its token endpoint.
// Of what they write, the store (here in memory, see memory_test.go) is the greater part; the provider stays as it is.
func Example() {
	// What they have: a storage, a provider and its server.
	store := newMemory()
	issuer, server, provider, handler := plainProvider(store)

	// What they add: an engine, a sender, and the handler in front of the token endpoint.
	ring, err := grants.NewRing("a master secret of 32 or more bytes")
	check(err)
	engine, err := grants.New(grants.Config{Store: store, Ring: ring, Sender: printer{store, ring}, Limits: grants.DefaultLimits()})
	check(err)
	mux := http.NewServeMux()
	mux.Handle("/oauth/token", grants.Handler(grants.HandlerConfig{
		Engine:       engine,
		Authenticate: grants.LibraryClients(server),
		Grant:        grants.LibraryGrant(provider),
	}, handler))
	mux.HandleFunc("POST /start", func(w http.ResponseWriter, r *http.Request) {
		address, err := grants.ParseAddress(r.PostFormValue("address"))
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_, err = engine.Start(r.Context(), grants.StartRequest{
			ClientID: r.PostFormValue("client_id"), Connection: string(address.Channel), Address: address,
			Requester: grants.RequesterAPI, Send: grants.SendCode,
		})
		check(err)
	})
	mux.Handle("/", handler)

	ts := httptest.NewServer(zop.NewIssuerInterceptor(provider.IssuerFromRequest).Handler(mux))
	defer ts.Close()
	*issuer = ts.URL

	// What an app does.
	resp, err := http.PostForm(ts.URL+"/start", url.Values{"client_id": {"app"}, "address": {"Ada@Example.com"}})
	check(err)
	fmt.Println("start:", resp.Status)
	check(resp.Body.Close())

	resp, err = http.PostForm(ts.URL+"/oauth/token", url.Values{
		"grant_type": {string(grants.GrantTypeEmailCode)}, "client_id": {"app"}, "client_secret": {"app's secret"},
		"username": {"ada@example.com"}, "code": {<-codes}, "scope": {"openid email offline_access"},
	})
	check(err)
	fmt.Println("token:", resp.Status)
	var tokens map[string]any
	check(json.NewDecoder(resp.Body).Decode(&tokens))
	check(resp.Body.Close())
	for _, name := range []string{"id_token", "access_token", "refresh_token"} {
		if text, ok := tokens[name].(string); ok {
			fmt.Printf("%s of %d parts\n", name, 1+strings.Count(text, "."))
		}
	}

	// Output:
	// code sent to a…@example.com
	// start: 200 OK
	// token: 200 OK
	// id_token of 3 parts
	// access_token of 5 parts
	// refresh_token of 1 parts
}

// codes is the mailbox of the example.
var codes = make(chan string, 1)

// printer sends by printing. A real sender derives the code when it writes the mail, and never keeps it.
type printer struct {
	store *memory
	ring  *grants.Ring
}

// Deliver implements grants.Sender.
func (p printer) Deliver(m grants.Message) {
	c, err := p.store.Challenge(context.Background(), m.ChallengeID)
	check(err)
	code, known := p.ring.Code(c)
	if !known {
		return
	}
	fmt.Println("code sent to", c.Address.Masked())
	codes <- code
}

// plainProvider is the library's own example, with the users of our store and two things that its storage must know:
// clients that may use the passwordless grants, and the shape of a request for a first refresh token.
func plainProvider(store *memory) (issuer *string, server zop.Server, provider *zop.Provider, handler http.Handler) {
	clients := &clientStorage{storage.NewStorageWithClients(people{store}, map[string]*storage.Client{
		"app":           storage.WebClient("app", "app's secret"),
		"plain":         storage.WebClient("plain", "plain's secret"),
		"spa":           storage.NativeClient("spa"),
		"special: 100%": storage.WebClient("special: 100%", "s&cret +/=%"),
	})}
	issuer = new(string)
	fromRequest := func(bool) (zop.IssuerFromRequest, error) { return func(*http.Request) string { return *issuer }, nil }
	provider, err := zop.NewProvider(&zop.Config{GrantTypeRefreshToken: true, AuthMethodPost: true}, clients, fromRequest, zop.WithAllowInsecure())
	check(err)
	server = zop.NewLegacyServer(provider, *zop.DefaultEndpoints)
	return issuer, server, provider, zop.RegisterServer(server, *zop.DefaultEndpoints)
}

type clientStorage struct{ *storage.Storage }

// GetClientByClientID implements zop.OPStorage.
func (s *clientStorage) GetClientByClientID(ctx context.Context, id string) (zop.Client, error) {
	c, err := s.Storage.GetClientByClientID(ctx, id)
	if err != nil || id == "plain" {
		return c, err
	}
	return passwordless{c}, nil
}

type passwordless struct{ zop.Client }

// GrantTypes implements zop.Client.
func (c passwordless) GrantTypes() []oidc.GrantType {
	return slices.Concat(c.Client.GrantTypes(), grants.GrantTypes())
}

// CreateAccessAndRefreshTokens implements zop.AuthStorage.
func (s *clientStorage) CreateAccessAndRefreshTokens(ctx context.Context, r zop.TokenRequest, current string) (string, string, time.Time, error) {
	if first, ok := r.(zop.RefreshTokenRequest); ok && current == "" {
		r = storage.RefreshTokenRequestFromBusiness(&storage.RefreshToken{
			ApplicationID: first.GetClientID(), UserID: first.GetSubject(), Audience: first.GetAudience(),
			Scopes: first.GetScopes(), AuthTime: first.GetAuthTime(), AMR: first.GetAMR(),
		})
	}
	return s.Storage.CreateAccessAndRefreshTokens(ctx, r, current)
}

// people are the users of our store, as the library's storage asks for them.
type people struct{ store *memory }

// GetUserByID implements storage.UserStore.
func (p people) GetUserByID(id string) *storage.User {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	for a, u := range p.store.state.users {
		if u.id != id {
			continue
		}
		found := &storage.User{ID: id}
		if a.Channel == grants.SMS {
			found.Phone, found.PhoneVerified = a.Value, true
		} else {
			found.Email, found.EmailVerified = a.Value, true
		}
		return found
	}
	return nil
}

// GetUserByUsername implements storage.UserStore: nobody has a password.
func (people) GetUserByUsername(string) *storage.User { return nil }

// ExampleClientID implements storage.UserStore.
func (people) ExampleClientID() string { return "" }

func check(err error) {
	if err != nil {
		panic(err)
	}
}
