package auth0users

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"sallyport/grants"
	"sallyport/storage"
)

const (
	maxID      = 128
	maxProfile = 2048 // of each text of a profile
	// maxIdentities is how many addresses one person may have. Of a batch of users all go into one statement.
	maxIdentities = 50
	// MaxMetadata is how many bytes each of the two metadata objects may have.
	MaxMetadata = 64 << 10
)

// Options say what becomes an account.
type Options struct {
	ByVerifiedEmail bool      // users of other providers too, by their verified e-mail address
	Now             time.Time // when users were made who do not tell
}

// user is one of Auth0's bulk export.
type user struct {
	UserID string `json:"user_id"`
	contact
	Identities   []identity      `json:"identities"`
	UserMetadata json.RawMessage `json:"user_metadata"`
	AppMetadata  json.RawMessage `json:"app_metadata"`
	Blocked      bool            `json:"blocked"`
	CreatedAt    time.Time       `json:"created_at"`
	UpdatedAt    time.Time       `json:"updated_at"`
	LastLogin    time.Time       `json:"last_login"`
	LastIP       string          `json:"last_ip"`
	LoginsCount  int             `json:"logins_count"`
}

// contact is what a user, and a linked identity, tells of a person.
type contact struct {
	Email         string `json:"email"`
	EmailVerified bool   `json:"email_verified"`
	PhoneNumber   string `json:"phone_number"`
	PhoneVerified bool   `json:"phone_verified"`
	Name          text   `json:"name"`
	GivenName     text   `json:"given_name"`
	FamilyName    text   `json:"family_name"`
	Nickname      text   `json:"nickname"`
	Picture       text   `json:"picture"`
	Locale        text   `json:"locale"`
}

// text is a string. Other providers fill in other things now and then, which nobody here could use.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(b []byte) error {
	if *t = ""; b[0] != '"' {
		return nil
	}
	return json.Unmarshal(b, (*string)(t))
}

type identity struct {
	UserID      identityID      `json:"user_id"`
	Provider    string          `json:"provider"`
	ProfileData json.RawMessage `json:"profileData"`
}

var userMembers, contactMembers = func() (members, members) {
	u := membersOf[user]()
	u.lists = map[string]members{"identities": membersOf[identity]()}
	return u, membersOf[contact]()
}()

var errIdentityID = errors.New("an identity's user_id is neither a string nor a number")

// identityID is a string, or with some providers a number.
type identityID string

// UnmarshalJSON implements json.Unmarshaler.
func (id *identityID) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, (*string)(id))
	}
	var n json.Number
	if err := json.Unmarshal(b, &n); err != nil {
		return errIdentityID
	}
	*id = identityID(n)
	return nil
}

// Account makes an account of a user. Dropped names the identities that it cannot have. The error is for people: it
// says why there is none.
func (o Options) Account(line []byte) (a storage.Account, dropped []string, err error) {
	var u user
	if !utf8.Valid(line) {
		return a, nil, errors.New("is not UTF-8")
	}
	if err := json.Unmarshal(line, &u); err != nil {
		return a, nil, unreadable(err)
	}
	if err := userMembers.exact(line); err != nil {
		return a, nil, err
	}
	a.ID = u.UserID
	if err := checkID(u.UserID); err != nil {
		return a, nil, err
	}
	if a.Identities, dropped, err = o.identities(u); err != nil {
		return a, nil, err
	}
	if a.Profile, err = u.profile(); err != nil {
		return a, nil, err
	}
	if a.UserMetadata, err = metadata("user_metadata", u.UserMetadata); err != nil {
		return a, nil, err
	}
	if a.AppMetadata, err = metadata("app_metadata", u.AppMetadata); err != nil {
		return a, nil, err
	}
	a.CreatedAt, a.UpdatedAt, a.LastLogin = o.moment(u.CreatedAt), plausible(u.UpdatedAt), plausible(u.LastLogin)
	if a.Blocked = u.Blocked; u.Blocked {
		a.BlockedAt = o.moment(u.UpdatedAt)
	}
	if ip, err := netip.ParseAddr(u.LastIP); err == nil {
		a.LastIP = ip.WithZone("").String() // of a zone any text goes
	}
	a.LoginsCount = max(0, u.LoginsCount)
	return a, dropped, nil
}

// unreadable puts an error of JSON into the words of whoever looks at the file.
func unreadable(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if wrong.Field == "" {
			return fmt.Errorf("is not an object: it is a JSON %s", wrong.Value)
		}
		return fmt.Errorf("%s is a JSON %s", strings.TrimPrefix(wrong.Field, "contact."), wrong.Value)
	}
	if errors.Is(err, errIdentityID) {
		return errIdentityID
	}
	return fmt.Errorf("is not a user in JSON: %w", err)
}

// moment is a time that must be there: now where it is not.
func (o Options) moment(t time.Time) time.Time {
	if t = plausible(t); t.IsZero() {
		return o.Now
	}
	return t
}

// plausible is a time that a user of Auth0 can have, else none.
func plausible(t time.Time) time.Time {
	if t.Year() < 2000 || t.Year() > 2200 {
		return time.Time{}
	}
	return t.UTC()
}

// checkID makes sure that an id can be a sub everywhere: "provider|id" in visible ASCII.
func checkID(id string) error {
	provider, own, ok := strings.Cut(id, "|")
	if id == "" {
		return errors.New("has no user_id")
	}
	if !ok || provider == "" || own == "" || !visible(id) {
		return fmt.Errorf("user_id %q is not provider|id of at most %d visible ASCII characters", clip(id), maxID)
	}
	return nil
}

func visible(s string) bool {
	return s != "" && len(s) <= maxID && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

func clip(s string) string {
	if len(s) > maxID {
		return s[:maxID] + "…"
	}
	return s
}

// identities are those that can sign in here, the one that the user is named after first.
func (o Options) identities(u user) (kept []storage.Identity, dropped []string, err error) {
	if len(u.Identities) == 0 {
		provider, own, _ := strings.Cut(u.UserID, "|")
		u.Identities = []identity{{UserID: identityID(own), Provider: provider}}
	}
	foreign := false // the user is of another provider
	for _, i := range u.Identities {
		channel := grants.Channel(i.Provider)
		primary := i.Provider+"|"+string(i.UserID) == u.UserID
		if channel != grants.Email && channel != grants.SMS {
			dropped = append(dropped, clip(i.Provider))
			foreign = foreign || primary
			continue
		}
		own, err := o.identity(u, i, primary)
		if err != nil {
			return nil, nil, err
		}
		if primary {
			kept = append([]storage.Identity{own}, kept...)
		} else {
			kept = append(kept, own)
		}
	}
	if o.ByVerifiedEmail && foreign && u.Email != "" && u.EmailVerified && !has(kept, grants.Email) {
		own, err := o.identity(u, identity{Provider: string(grants.Email)}, true)
		if err != nil {
			return nil, nil, err
		}
		kept = append([]storage.Identity{own}, kept...)
	}
	switch again := twice(kept); {
	case len(kept) > maxIdentities:
		return nil, nil, fmt.Errorf("has more than %d e-mail and SMS identities", maxIdentities)
	case again != nil:
		return nil, nil, fmt.Errorf("has %s twice", again.Masked())
	case len(kept) > 0:
		return kept, dropped, nil
	case o.ByVerifiedEmail:
		return nil, nil, fmt.Errorf("has no e-mail or SMS identity, only %s, and no verified e-mail address", strings.Join(dropped, ", "))
	}
	return nil, nil, fmt.Errorf("has no e-mail or SMS identity, only %s", strings.Join(dropped, ", "))
}

// twice is an address that stands twice, if one does.
func twice(identities []storage.Identity) *grants.Address {
	seen := map[grants.Address]bool{}
	for _, i := range identities {
		if seen[i.Address] {
			return &i.Address
		}
		seen[i.Address] = true
	}
	return nil
}

func has(identities []storage.Identity, c grants.Channel) bool {
	for _, i := range identities {
		if i.Address.Channel == c {
			return true
		}
	}
	return false
}

// identity is one that can sign in here. What is told of the primary one stands with the user itself.
func (o Options) identity(u user, i identity, primary bool) (storage.Identity, error) {
	told := u.contact
	if !primary {
		told = contact{}
		if err := json.Unmarshal(i.ProfileData, &told); err != nil && len(i.ProfileData) > 0 {
			return storage.Identity{}, fmt.Errorf("the profileData of its %s identity: %w", i.Provider, unreadable(err))
		}
		if err := contactMembers.exact(i.ProfileData); err != nil {
			return storage.Identity{}, fmt.Errorf("the profileData of its %s identity: %w", i.Provider, err)
		}
	}
	out := storage.Identity{ID: string(i.UserID), Connection: i.Provider, CreatedAt: o.moment(u.CreatedAt)}
	if out.ID != "" && !visible(out.ID) {
		return out, fmt.Errorf("an identity's user_id %q is not at most %d visible ASCII characters", clip(out.ID), maxID)
	}
	parse, typed, verified := grants.ParseEmail, told.Email, told.EmailVerified
	if i.Provider == string(grants.SMS) {
		parse, typed, verified = grants.ParsePhone, told.PhoneNumber, told.PhoneVerified
	}
	if typed == "" {
		return out, fmt.Errorf("its %s identity has no address", i.Provider)
	}
	var err error
	if out.Address, err = parse(typed); err != nil {
		return out, fmt.Errorf("the address of its %s identity cannot be used: %w", i.Provider, err)
	}
	if verified {
		out.VerifiedAt = out.CreatedAt
	}
	if !primary {
		p, err := told.profile()
		if err != nil {
			return out, err
		}
		out.Profile = &p
	}
	return out, nil
}

// profile leaves out what Auth0 had made up from the address: that goes on to follow it.
func (c contact) profile() (storage.Profile, error) {
	p := storage.Profile{
		Name: string(c.Name), GivenName: string(c.GivenName), FamilyName: string(c.FamilyName),
		Nickname: string(c.Nickname), Picture: string(c.Picture), Locale: string(c.Locale),
	}
	for name, text := range map[string]string{
		"name": p.Name, "given_name": p.GivenName, "family_name": p.FamilyName, "nickname": p.Nickname, "picture": p.Picture, "locale": p.Locale,
	} {
		if len(text) > maxProfile {
			return p, fmt.Errorf("%s has more than %d bytes", name, maxProfile)
		}
	}
	local, _, _ := strings.Cut(c.Email, "@")
	if p.Name == c.Email || p.Name == c.PhoneNumber {
		p.Name = ""
	}
	if p.Nickname == local || p.Nickname == c.PhoneNumber {
		p.Nickname = ""
	}
	if madeUp(p.Picture) {
		p.Picture = ""
	}
	return p, nil
}

// madeUp tells whether a picture is the initials that Auth0 draws, at Gravatar where there is no other.
func madeUp(picture string) bool {
	u, err := url.Parse(picture)
	if err != nil {
		return false
	}
	const drawn = "cdn.auth0.com"
	return u.Host == drawn || u.Host == "s.gravatar.com" && strings.Contains(u.Query().Get("d"), "//"+drawn+"/")
}

// metadata is an object in its shortest form.
func metadata(name string, raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return json.RawMessage("{}"), nil
	}
	if raw[0] != '{' {
		return nil, fmt.Errorf("%s is not an object", name)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if b.Len() > MaxMetadata {
		return nil, fmt.Errorf("%s has more than %d bytes", name, MaxMetadata)
	}
	return b.Bytes(), nil
}
