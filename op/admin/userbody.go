package admin

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"sallyport/grants"
	"sallyport/storage"
)

// newUser reads a user to be made: one identity, with whatever else the body says.
func (a *API) newUser(o *object) (storage.Account, error) {
	o.need("connection")
	var u storage.Account
	var address grants.Address
	connection, _ := o.text("connection")
	verified := false
	switch _, there := a.cfg.Connections[connection]; {
	case o.fault != nil:
	case !there:
		return u, badBody("The connection does not exist: write email or sms")
	case connection == string(grants.Email):
		o.need("email")
		address = readAddress(o, "email", grants.ParseEmail)
		verified, _ = o.flag("email_verified")
		o.without(": the user can have it linked", "phone_number", "phone_verified")
	default:
		o.need("phone_number")
		address = readAddress(o, "phone_number", grants.ParsePhone)
		verified, _ = o.flag("phone_verified")
		o.without(": the user can have it linked", "email", "email_verified")
	}
	u.ID = readUserID(o, connection, address)
	u.CreatedAt = a.cfg.Now()
	i := storage.Identity{Connection: connection, Address: address, CreatedAt: u.CreatedAt}
	if verified {
		i.VerifiedAt = u.CreatedAt
	}
	u.Identities = []storage.Identity{i}
	readProfile(o, &u)
	return u, o.done()
}

func readAddress(o *object, name string, parse func(string) (grants.Address, error)) grants.Address {
	typed, ok := o.text(name)
	if !ok {
		return grants.Address{}
	}
	address, err := parse(typed)
	if err != nil {
		o.wrong("%s: %s", name, err)
	}
	return address
}

// userIDForm is what can stand after the bar of a user's id.
var userIDForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@:+-]{0,99}$`)

// readUserID reads the part of the id that the caller may choose; without it there is a random one.
func readUserID(o *object, connection string, address grants.Address) string {
	id, given := o.text("user_id")
	if !given {
		return grants.NewUserID(address)
	}
	id = strings.TrimPrefix(id, connection+"|")
	if !userIDForm.MatchString(id) {
		o.wrong("user_id has letters, digits and . _ @ : + -, at most 100 of them")
	}
	return connection + "|" + id
}

// changeUser lays a body over a user. An address that is changed counts as unverified unless the body says otherwise.
func (a *API) changeUser(u *storage.Account, o *object) error {
	a.changeAddress(o, u, grants.Email, "email", "email_verified", grants.ParseEmail)
	a.changeAddress(o, u, grants.SMS, "phone_number", "phone_verified", grants.ParsePhone)
	o.text("connection") // Auth0 wants to be told which; here the address says it
	o.text("client_id")
	readProfile(o, u)
	return o.done()
}

func (a *API) changeAddress(o *object, u *storage.Account, channel grants.Channel, name, verified string, parse func(string) (grants.Address, error)) {
	n := u.Index(channel)
	if n < 0 {
		o.without(": the user has no such identity, link one", name, verified)
		return
	}
	i := &u.Identities[n]
	if o.has(name) {
		address := readAddress(o, name, parse)
		if o.fault == nil && address != i.Address {
			i.Address, i.VerifiedAt = address, time.Time{}
		}
	}
	is, given := o.flag(verified)
	switch {
	case given && is && i.VerifiedAt.IsZero():
		i.VerifiedAt = a.cfg.Now()
	case given && !is:
		i.VerifiedAt = time.Time{}
	}
}

// readProfile reads what is the same for new users and for changes.
func readProfile(o *object, u *storage.Account) {
	p := &u.Profile
	readName(o, "name", &p.Name)
	readName(o, "nickname", &p.Nickname)
	readName(o, "given_name", &p.GivenName)
	readName(o, "family_name", &p.FamilyName)
	clearText(o, "picture", &p.Picture)
	if p.Picture != "" && o.has("picture") && !isHTTPS(p.Picture) {
		o.wrong("picture must be an address that begins with https://")
	}
	if blocked, given := o.flag("blocked"); given {
		u.Blocked = blocked
	}
	readMetadata(o, u)
	o.without(": there are no passwords here", "password", "username")
	o.without(": the first login proves the address", "verify_email", "verify_phone_number", "verify_password")
}

// isHTTPS tells whether an address can be shown as a picture or opened, without being anything else.
func isHTTPS(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil
}

func readName(o *object, name string, to *string) {
	const most = 300
	clearText(o, name, to)
	if utf8.RuneCountInString(*to) > most || strings.ContainsFunc(*to, unicode.IsControl) {
		o.wrong("%s has at most %d characters and no line breaks", name, most)
	}
}

func readMetadata(o *object, u *storage.Account) {
	u.UserMetadata = merged(o, "user_metadata", u.UserMetadata)
	u.AppMetadata = merged(o, "app_metadata", u.AppMetadata)
}

// maxMetadataBytes bounds each of the two, as it is kept.
const maxMetadataBytes = 64 << 10

// merged lays an object over the stored one at its top level: null removes a member, and an empty object all of them.
func merged(o *object, name string, stored json.RawMessage) json.RawMessage {
	given, there := o.object(name)
	if !there || given.fault != nil {
		return stored
	}
	all := metadata(stored)
	if len(given.members) == 0 {
		clear(all)
	}
	for member, v := range given.members {
		if v == nil {
			delete(all, member)
			continue
		}
		b, err := json.Marshal(v)
		if err != nil {
			o.wrong("%s cannot be kept", name)
		}
		all[member] = b
	}
	b, err := json.Marshal(all)
	if err != nil || len(b) > maxMetadataBytes {
		o.wrong("%s", fmt.Sprintf("%s has more than %d bytes", name, maxMetadataBytes))
		return stored
	}
	return b
}

// metadata is a stored object by its members.
func metadata(stored json.RawMessage) map[string]json.RawMessage {
	all := map[string]json.RawMessage{}
	if len(stored) > 0 {
		_ = json.Unmarshal(stored, &all) // it was written by us
	}
	return all
}
