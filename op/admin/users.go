package admin

import (
	"context"
	"errors"
	"net/http"

	"sallyport/grants"
	"sallyport/storage"
)

func noUser(err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		return notFound("inexistent_user", "The user does not exist.")
	}
	return err
}

func userExists(err error) error {
	if errors.Is(err, storage.ErrExists) {
		return conflict("user_exists", "The user already exists.")
	}
	return err
}

func (a *API) listUsers(ctx context.Context, c *call) (reply, error) {
	q := c.query()
	p := q.page(maxOffset)
	search := q.users()
	q.ignored("primary_order")
	if engine := q.text("search_engine"); engine != "" && engine != "v3" {
		q.wrong("search_engine can only be v3")
	}
	if err := q.done(); err != nil {
		return reply{}, err
	}
	search.Offset, search.Limit, search.Total = p.offset, p.size, p.totals
	accounts, total, err := a.cfg.Store.Accounts(ctx, search)
	if err != nil {
		return reply{}, err
	}
	return show(p, "users", total, viewUsers(accounts)), nil
}

func viewUsers(accounts []storage.Account) []userView {
	views := make([]userView, len(accounts))
	for i, u := range accounts {
		views[i] = viewUser(u)
	}
	return views
}

func (a *API) usersByEmail(ctx context.Context, c *call) (reply, error) {
	q := c.query()
	f := q.fields()
	email := q.text("email")
	if email == "" {
		q.wrong("Missing required property: email")
	}
	if err := q.done(); err != nil {
		return reply{}, err
	}
	var accounts []storage.Account
	if address, err := grants.ParseEmail(email); err == nil { // what is no address is nobody's
		if accounts, _, err = a.cfg.Store.Accounts(ctx, storage.AccountQuery{Address: address}); err != nil {
			return reply{}, err
		}
	}
	return show(page{fields: f}, "", 0, viewUsers(accounts)), nil
}

func (a *API) readUser(ctx context.Context, c *call) (reply, error) {
	q := c.query()
	f := q.fields()
	if err := q.done(); err != nil {
		return reply{}, err
	}
	u, err := a.cfg.Store.Account(ctx, c.PathValue("id"))
	return reply{body: f.of(viewUser(u))}, noUser(err)
}

func (a *API) createUser(ctx context.Context, c *call) (reply, error) {
	u, err := a.newUser(newObject(c.body, ""))
	if err != nil {
		return reply{}, err
	}
	c.about = u.ID
	if err := a.cfg.Store.AddAccount(ctx, u, a.event(c, storage.EventUserCreated)); err != nil {
		return reply{}, userExists(err)
	}
	u, err = a.cfg.Store.Account(ctx, u.ID)
	return reply{status: http.StatusCreated, body: viewUser(u)}, err
}

func (a *API) updateUser(ctx context.Context, c *call) (reply, error) {
	c.about = c.PathValue("id")
	u, err := a.cfg.Store.UpdateAccount(ctx, c.about, a.event(c, storage.EventUserUpdated), func(u *storage.Account) error {
		o := newObject(c.body, "")
		if !c.caller.can(anyOf(updateUsers)) { // the scope for metadata opens nothing else
			readMetadata(o, u)
			if o.done() != nil {
				return insufficient(anyOf(updateUsers))
			}
			return nil
		}
		return a.changeUser(u, o)
	})
	return reply{body: viewUser(u)}, userExists(noUser(err))
}

func (a *API) deleteUser(ctx context.Context, c *call) (reply, error) {
	c.about = c.PathValue("id")
	err := a.cfg.Store.DeleteUser(ctx, c.about)
	if errors.Is(err, storage.ErrNotFound) {
		err = nil
	}
	return noContent, err
}

// userView is a user in Auth0's shape. An address at the top is that of the first identity of its kind.
type userView struct {
	UserID        string         `json:"user_id"`
	Email         string         `json:"email,omitempty"`
	EmailVerified *bool          `json:"email_verified,omitempty"`
	Phone         string         `json:"phone_number,omitempty"`
	PhoneVerified *bool          `json:"phone_verified,omitempty"`
	Name          string         `json:"name,omitempty"`
	Nickname      string         `json:"nickname,omitempty"`
	GivenName     string         `json:"given_name,omitempty"`
	FamilyName    string         `json:"family_name,omitempty"`
	Picture       string         `json:"picture,omitempty"`
	Locale        string         `json:"locale,omitempty"`
	Identities    []identityView `json:"identities"`
	UserMetadata  any            `json:"user_metadata"`
	AppMetadata   any            `json:"app_metadata"`
	Blocked       bool           `json:"blocked"`
	CreatedAt     string         `json:"created_at"`
	UpdatedAt     string         `json:"updated_at"`
	LastLogin     *string        `json:"last_login,omitempty"`
	LastIP        string         `json:"last_ip,omitempty"`
	LoginsCount   int            `json:"logins_count"`
}

type identityView struct {
	Connection string       `json:"connection"`
	Provider   string       `json:"provider"`
	UserID     string       `json:"user_id"`
	IsSocial   bool         `json:"isSocial"`
	Profile    *profileView `json:"profileData,omitempty"`
}

// profileView is what there is of an identity that was linked to another user.
type profileView struct {
	Email         string `json:"email,omitempty"`
	EmailVerified *bool  `json:"email_verified,omitempty"`
	Phone         string `json:"phone_number,omitempty"`
	PhoneVerified *bool  `json:"phone_verified,omitempty"`
	Name          string `json:"name,omitempty"`
	Nickname      string `json:"nickname,omitempty"`
	GivenName     string `json:"given_name,omitempty"`
	FamilyName    string `json:"family_name,omitempty"`
	Picture       string `json:"picture,omitempty"`
}

func viewUser(u storage.Account) userView {
	name, nickname := u.Called()
	v := userView{
		UserID: u.ID, Name: name, Nickname: nickname, GivenName: u.Profile.GivenName, FamilyName: u.Profile.FamilyName,
		Picture: u.Profile.Picture, Locale: u.Profile.Locale, Identities: viewIdentities(u.User),
		UserMetadata: metadata(u.UserMetadata), AppMetadata: metadata(u.AppMetadata),
		Blocked: u.Blocked, CreatedAt: iso(u.CreatedAt), UpdatedAt: iso(u.UpdatedAt), LastLogin: isoOrNil(u.LastLogin), LastIP: u.LastIP, LoginsCount: u.LoginsCount,
	}
	if n := u.Index(grants.SMS); n >= 0 {
		v.Phone, v.PhoneVerified = proof(u.Identities[n])
	}
	if n := u.Index(grants.Email); n >= 0 {
		v.Email, v.EmailVerified = proof(u.Identities[n])
	}
	return v
}

func proof(i storage.Identity) (address string, verified *bool) {
	v := !i.VerifiedAt.IsZero()
	return i.Address.Value, &v
}

func viewIdentities(u storage.User) []identityView {
	views := make([]identityView, len(u.Identities))
	for n, i := range u.Identities {
		views[n] = identityView{Connection: i.Connection, Provider: i.Connection, UserID: i.ID}
		if n == 0 {
			continue
		}
		p := &profileView{}
		if own := i.Profile; own != nil {
			*p = profileView{Name: own.Name, Nickname: own.Nickname, GivenName: own.GivenName, FamilyName: own.FamilyName, Picture: own.Picture}
		}
		if i.Address.Channel == grants.SMS {
			p.Phone, p.PhoneVerified = proof(i)
		} else {
			p.Email, p.EmailVerified = proof(i)
		}
		views[n].Profile = p
	}
	return views
}
