package op_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

// imported is a user with an address, as an import brings one in.
func (p *provider) imported(id string, profile storage.Profile, verified bool) {
	p.t.Helper()
	made := time.Date(2020, time.October, 6, 17, 22, 31, 0, time.UTC)
	i := storage.Identity{Connection: "email", Address: grants.Address{Channel: grants.Email, Value: "ada@example.com"}, CreatedAt: made}
	if verified {
		i.VerifiedAt = made
	}
	a := storage.Account{User: storage.User{ID: id, CreatedAt: made, UpdatedAt: made.Add(time.Hour), Profile: profile, Identities: []storage.Identity{i}}}
	check(p.t, p.store.AddAccount(context.Background(), a, grants.Event{Type: storage.EventUserCreated}))
}

func TestClaimsAreTheProfileThenTheAddress(t *testing.T) {
	for name, c := range map[string]struct {
		profile storage.Profile
		want    map[string]any
	}{
		"whole profile": {
			storage.Profile{Name: "Ada Lovelace", GivenName: "Ada", FamilyName: "Lovelace", Nickname: "al", Picture: "https://a.example/p.png", Locale: "en-GB"},
			map[string]any{"name": "Ada Lovelace", "given_name": "Ada", "family_name": "Lovelace", "nickname": "al", "picture": "https://a.example/p.png", "locale": "en-GB"},
		},
		"no profile": {
			storage.Profile{},
			map[string]any{"name": "ada@example.com", "given_name": nil, "family_name": nil, "nickname": "ada", "picture": nil, "locale": nil},
		},
		"a picture of another kind": {storage.Profile{Picture: "javascript:alert(1)"}, map[string]any{"picture": nil}},
		"a picture without https":   {storage.Profile{Picture: "http://a.example/p.png"}, map[string]any{"picture": nil}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			p.imported("auth0|legacy.id", c.profile, true)
			info := p.userinfo(p.login("ada@example.com").str("access_token")).json()
			if info["sub"] != "auth0|legacy.id" || info["updated_at"] != float64(time.Date(2020, time.October, 6, 18, 22, 31, 0, time.UTC).Unix()) {
				t.Errorf("sub %v, updated_at %v", info["sub"], info["updated_at"])
			}
			for claim, want := range c.want {
				if info[claim] != want {
					t.Errorf("%s is %v, want %v", claim, info[claim], want)
				}
			}
		})
	}
}

func TestGravatarOnlyWhereTheDeploymentSaysSo(t *testing.T) {
	p := newProvider(t, func(s *settings) { s.op.Gravatar = true })
	info := p.userinfo(p.login("ada@example.com").str("access_token")).json()
	want := fmt.Sprintf("https://s.gravatar.com/avatar/%x?s=480&r=pg&d=identicon", sha256.Sum256([]byte("ada@example.com")))
	if info["picture"] != want {
		t.Errorf("picture is %v, want %s", info["picture"], want)
	}
}

// An unverified address, imported or made by an administrator, becomes verified by the first login, at every door.
func TestTheFirstProofVerifiesAnImportedAddress(t *testing.T) {
	p := newProvider(t, func(s *settings) { s.engine.SignupClosed = true })
	p.imported("email|5f7c8ec7c33c6c004bbafe82", storage.Profile{}, false)
	info := p.userinfo(p.login("ada@example.com").str("access_token")).json()
	if info["sub"] != "email|5f7c8ec7c33c6c004bbafe82" || info["email_verified"] != true {
		t.Errorf("userinfo is %v", info)
	}
}

// An address that was never proved stays nobody's after the one that was is changed or taken away by an administrator.
func TestAnAddressNeverProvedDoesNotInheritAUser(t *testing.T) {
	for name, leave := range map[string]func(p *provider, id string){
		"changed": func(p *provider, id string) {
			if a := p.manage(http.MethodPatch, "users/"+url.PathEscape(id), `{"email":"ada.new@example.com"}`); a.StatusCode != http.StatusOK {
				t.Errorf("changing the address: %d %s", a.StatusCode, a.body)
			}
		},
		"unlinked": func(p *provider, id string) {
			err := p.store.UnlinkIdentity(context.Background(), id, grants.Address{Channel: grants.Email, Value: "ada@example.com"})
			if !errors.Is(err, storage.ErrLastIdentity) {
				t.Errorf("unlinking: %v", err)
			}
		},
	} {
		p := newProvider(t)
		made := time.Date(2020, time.October, 6, 17, 22, 31, 0, time.UTC)
		must(p.store.ImportAccounts(context.Background(), []storage.Account{{User: storage.User{ID: "email|ada", CreatedAt: made, Identities: []storage.Identity{
			{Connection: "email", Address: grants.Address{Channel: grants.Email, Value: "ada@example.com"}, CreatedAt: made, VerifiedAt: made},
			{Connection: "email", Address: grants.Address{Channel: grants.Email, Value: "mallory@example.com"}, CreatedAt: made},
		}}}}, false))
		leave(p, "email|ada")
		if got := sub(t, p.login("mallory@example.com")); got == "email|ada" {
			t.Errorf("%s: the address that was never proved signs in as %s", name, got)
		}
	}
}

// The primary identity is the one that the user is named after: a linked address, although older, is second.
func TestAfterLinkingTheSubAndTheAddressAreThePrimarys(t *testing.T) {
	p := newProvider(t)
	p.login("second@example.com")
	secondary := must(p.store.UserByAddress(context.Background(), grants.Address{Channel: grants.Email, Value: "second@example.com"}))
	p.login("ada@example.com")
	primary := must(p.store.UserByAddress(context.Background(), grants.Address{Channel: grants.Email, Value: "ada@example.com"}))
	must(p.store.LinkAccounts(context.Background(), primary.ID, secondary.ID, grants.Event{}))
	info := p.userinfo(p.login("second@example.com").str("access_token")).json()
	if info["sub"] != primary.ID || info["email"] != "ada@example.com" {
		t.Errorf("userinfo is %v", info)
	}
}
