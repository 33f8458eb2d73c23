package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/auth0/go-auth0/authentication/oauth"
	"github.com/auth0/go-auth0/authentication/passwordless"
	"github.com/auth0/go-auth0/management"
)

// admin is the management client.
func (s *tenant) admin(t *testing.T) *management.Management {
	t.Helper()
	m, err := management.New(s.domain, management.WithClientCredentials(t.Context(), "machine", clientSecret), management.WithNoRetries())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// refused expects an error of the management API.
func refused(t *testing.T, err error, status int) {
	t.Helper()
	var e management.Error
	if !errors.As(err, &e) || e.Status() != status {
		t.Errorf("error %v, want %d", err, status)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// goSub is who somebody is who signs in by e-mail.
func (s *tenant) goSub(t *testing.T, email string) string {
	t.Helper()
	info, err := s.web(t).UserInfo(t.Context(), s.goLogIn(t, email).AccessToken)
	ok(t, err)
	return info.Sub
}

func (s *tenant) goUsers(t *testing.T) {
	m, ctx, email := s.admin(t), t.Context(), "go-eva@example.com"
	user := &management.User{
		Connection: new("email"), Email: &email, EmailVerified: new(true), Name: new("Eva"), UserMetadata: &map[string]any{"colour": "red", "size": 1.0},
	}
	ok(t, m.User.Create(ctx, user))
	id := user.GetID()
	if !strings.HasPrefix(id, "email|") || user.GetEmail() != email || user.GetCreatedAt().IsZero() || len(user.Identities) != 1 {
		t.Fatalf("created %s", user)
	}
	refused(t, m.User.Create(ctx, &management.User{Connection: new("email"), Email: &email}), http.StatusConflict)
	found, err := m.User.Search(ctx, management.Query(`email:"`+email+`"`))
	if err != nil || found.Total != 1 || len(found.Users) != 1 || found.Users[0].GetID() != id {
		t.Fatalf("search: %+v %v", found, err)
	}
	byEmail, err := m.User.ListByEmail(ctx, email)
	if err != nil || len(byEmail) != 1 || byEmail[0].GetID() != id {
		t.Fatalf("by e-mail: %v %v", byEmail, err)
	}
	ok(t, m.User.Update(ctx, id, &management.User{UserMetadata: &map[string]any{"size": nil}, Nickname: new("evi")}))
	read, err := m.User.Read(ctx, id)
	if err != nil || fmt.Sprint(read.GetUserMetadata()) != "map[colour:red]" || read.GetNickname() != "evi" || read.GetName() != "Eva" {
		t.Fatalf("read: %s %v", read, err)
	}
	if sub := s.goSub(t, email); sub != id {
		t.Errorf("signs in as %s, not %s", sub, id)
	}
	ok(t, m.User.Delete(ctx, id))
	_, err = m.User.Read(ctx, id)
	refused(t, err, http.StatusNotFound)
}

func (s *tenant) goLink(t *testing.T) {
	m, ctx, email := s.admin(t), t.Context(), "go-finn@example.com"
	primary := &management.User{Connection: new("sms"), PhoneNumber: new("+4915122344901"), PhoneVerified: new(true)}
	ok(t, m.User.Create(ctx, primary))
	secondary := s.goSub(t, email)
	provider, id, _ := strings.Cut(secondary, "|")
	identities, err := m.User.Link(ctx, primary.GetID(), &management.UserIdentityLink{Provider: &provider, UserID: &id})
	if err != nil || len(identities) != 2 || identities[1].GetUserID() != id || identities[1].GetIsSocial() {
		t.Fatalf("link: %v %v", identities, err)
	}
	if sub := s.goSub(t, email); sub != primary.GetID() {
		t.Errorf("linked, but signs in as %s", sub)
	}
	identities, err = m.User.Unlink(ctx, primary.GetID(), provider, id)
	if err != nil || len(identities) != 1 {
		t.Fatalf("unlink: %v %v", identities, err)
	}
	if sub := s.goSub(t, email); sub != secondary {
		t.Errorf("unlinked, but signs in as %s", sub)
	}
}

func (s *tenant) goBlock(t *testing.T) {
	m, ctx, email := s.admin(t), t.Context(), "go-gus@example.com"
	tokens := s.goLogIn(t, email)
	info, err := s.web(t).UserInfo(ctx, tokens.AccessToken)
	ok(t, err)
	ok(t, m.User.Update(ctx, info.Sub, &management.User{Blocked: new(true)}))
	if _, err := s.web(t).OAuth.RefreshToken(ctx, oauth.RefreshTokenRequest{RefreshToken: tokens.RefreshToken}, oauth.IDTokenValidationOptions{}); err == nil {
		t.Error("a blocked user's refresh token works")
	}
	if user, err := m.User.Read(ctx, info.Sub); err != nil || !user.GetBlocked() {
		t.Errorf("blocked: %s %v", user, err)
	}
	ok(t, m.User.Update(ctx, info.Sub, &management.User{Blocked: new(false)}))
	if sub := s.goSub(t, email); sub != info.Sub {
		t.Errorf("unblocked, but signs in as %s", sub)
	}
}

func (s *tenant) goUserBlocks(t *testing.T) {
	m, ctx, email := s.admin(t), t.Context(), "go-hal@example.com"
	sub := s.goSub(t, email)
	for range 2 {
		code := wrong(s.goCode(t, email))
		for range 5 {
			if _, err := s.web(t).Passwordless.LoginWithEmail(ctx, passwordless.LoginWithEmailRequest{Email: email, Code: code}, oauth.IDTokenValidationOptions{}); err == nil {
				t.Fatal("a wrong code works")
			}
		}
	}
	blocks, err := m.User.Blocks(ctx, sub)
	if err != nil || len(blocks) != 1 || blocks[0].GetIdentifier() != email {
		t.Fatalf("blocks: %v %v", blocks, err)
	}
	ok(t, m.User.Unblock(ctx, sub))
	if blocks, err = m.User.BlocksByIdentifier(ctx, email); err != nil || len(blocks) != 0 {
		t.Errorf("blocks after lifting them: %v %v", blocks, err)
	}
	ok(t, m.User.UnblockByIdentifier(ctx, email))
	if blocked, err := m.Anomaly.CheckIP(ctx, "192.0.2.7"); err != nil || blocked {
		t.Errorf("a quiet address: %v %v", blocked, err)
	}
	ok(t, m.Anomaly.UnblockIP(ctx, "192.0.2.7"))
}

func (s *tenant) goSessions(t *testing.T) {
	m, ctx, email := s.admin(t), t.Context(), "go-ida@example.com"
	tokens := s.goLogIn(t, email)
	info, err := s.web(t).UserInfo(ctx, tokens.AccessToken)
	ok(t, err)
	listed, err := m.User.ListRefreshTokens(ctx, info.Sub)
	if err != nil || len(listed.Tokens) != 1 {
		t.Fatalf("refresh tokens: %+v %v", listed, err)
	}
	token, err := m.RefreshToken.Read(ctx, listed.Tokens[0].GetID())
	if err != nil || token.GetUserID() != info.Sub || token.GetClientID() != "web" {
		t.Fatalf("refresh token: %s %v", token, err)
	}
	ok(t, m.RefreshToken.Delete(ctx, token.GetID()))
	if _, err := s.web(t).OAuth.RefreshToken(ctx, oauth.RefreshTokenRequest{RefreshToken: tokens.RefreshToken}, oauth.IDTokenValidationOptions{}); err == nil {
		t.Error("a deleted refresh token works")
	}
	sessions, err := m.User.ListUserSessions(ctx, info.Sub)
	ok(t, err)
	for _, session := range sessions.Sessions {
		ok(t, m.Session.Delete(ctx, session.GetID()))
	}
	ok(t, m.User.DeleteRefreshTokens(ctx, info.Sub))
	ok(t, m.User.DeleteUserSessions(ctx, info.Sub))
}

func (s *tenant) goClients(t *testing.T) {
	m, ctx := s.admin(t), t.Context()
	api := &management.ResourceServer{Identifier: new("https://go.example.com"), Name: new("Go"), Scopes: &[]management.ResourceServerScope{{Value: new("read:things")}}}
	ok(t, m.ResourceServer.Create(ctx, api))
	client := &management.Client{Name: new("Worker"), AppType: new("non_interactive"), GrantTypes: &[]string{"client_credentials"}}
	ok(t, m.Client.Create(ctx, client))
	if client.GetClientSecret() == "" {
		t.Error("no secret")
	}
	list, err := m.Client.List(ctx, management.PerPage(100))
	if err != nil || !slices.ContainsFunc(list.Clients, func(c *management.Client) bool { return c.GetClientID() == client.GetClientID() }) {
		t.Fatalf("list: %v %v", list, err)
	}
	ok(t, m.Client.Update(ctx, client.GetClientID(), &management.Client{Description: new("Works")}))
	read, err := m.Client.Read(ctx, client.GetClientID())
	if err != nil || read.GetDescription() != "Works" || read.GetName() != "Worker" {
		t.Fatalf("client: %s %v", read, err)
	}
	rotated, err := m.Client.RotateSecret(ctx, client.GetClientID())
	if err != nil || rotated.GetClientSecret() == "" || rotated.GetClientSecret() == client.GetClientSecret() {
		t.Fatalf("rotated: %v", err)
	}
	grant := &management.ClientGrant{ClientID: client.ClientID, Audience: api.Identifier, Scope: &[]string{"read:things"}}
	ok(t, m.ClientGrant.Create(ctx, grant))
	grants, err := m.ClientGrant.List(ctx, management.Parameter("client_id", client.GetClientID()))
	if err != nil || len(grants.ClientGrants) != 1 || grants.ClientGrants[0].GetID() != grant.GetID() {
		t.Fatalf("grants: %+v %v", grants, err)
	}
	ok(t, m.ClientGrant.Delete(ctx, grant.GetID()))
	ok(t, m.Client.Delete(ctx, client.GetClientID()))
	_, err = m.Client.Read(ctx, client.GetClientID())
	refused(t, err, http.StatusNotFound)
	ok(t, m.ResourceServer.Delete(ctx, api.GetID()))
}

func (s *tenant) goConnections(t *testing.T) {
	m, ctx := s.admin(t), t.Context()
	list, err := m.Connection.List(ctx, management.Parameter("strategy", "sms"))
	if err != nil || len(list.Connections) != 1 {
		t.Fatalf("list: %+v %v", list, err)
	}
	email, err := m.Connection.ReadByName(ctx, "email")
	ok(t, err)
	change := &management.ConnectionOptionsEmail{OTP: &management.ConnectionOptionsOTP{Length: new(8), TimeStep: new(300)}}
	ok(t, m.Connection.Update(ctx, email.GetID(), &management.Connection{Options: change}))
	email, err = m.Connection.Read(ctx, email.GetID())
	ok(t, err)
	if options, is := email.Options.(*management.ConnectionOptionsEmail); !is || options.OTP.GetLength() != 8 {
		t.Errorf("options %v", email.Options)
	}
}

func (s *tenant) goLogs(t *testing.T) {
	m, ctx := s.admin(t), t.Context()
	sub := s.goSub(t, "go-jan@example.com")
	logs, err := m.User.GetUserLogs(ctx, sub)
	if err != nil || !slices.ContainsFunc(logs, func(l *management.Log) bool { return l.GetType() == "s" }) {
		t.Fatalf("the user's log: %v %v", logs, err)
	}
	if one, err := m.Log.Read(ctx, logs[0].GetLogID()); err != nil || one.GetLogID() != logs[0].GetLogID() {
		t.Errorf("one entry: %v", err)
	}
	if page, err := m.Log.List(ctx, management.PerPage(3)); err != nil || len(page) != 3 {
		t.Errorf("a page: %v %v", page, err)
	}
	if n, err := m.Stat.ActiveUsers(ctx); err != nil || n == 0 {
		t.Errorf("active users: %d %v", n, err)
	}
	date := func(t time.Time) string { return t.UTC().Format("20060102") }
	days, err := m.Stat.Daily(ctx, management.Parameter("from", date(time.Now().AddDate(0, 0, -1))), management.Parameter("to", date(time.Now())))
	if err != nil || !slices.ContainsFunc(days, func(d *management.DailyStat) bool { return d.GetLogins() > 0 }) {
		t.Errorf("days: %v %v", days, err)
	}
}
