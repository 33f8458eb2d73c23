package main

import (
	"encoding/json"
	"time"

	"sallyport/storage"
)

// userView is a user as commands list them.
type userView struct {
	ID        string          `json:"id"`
	Blocked   bool            `json:"blocked"`
	BlockedAt *time.Time      `json:"blocked_at,omitempty"`
	CreatedAt *time.Time      `json:"created_at"`
	UpdatedAt *time.Time      `json:"updated_at"`
	Profile   storage.Profile `json:"profile"`
	*accountView
	Identities []identityView `json:"identities"`
	Events     []eventView    `json:"events,omitempty"`
}

// accountView is what commands about one user, and exports, show beside.
type accountView struct {
	UserMetadata json.RawMessage `json:"user_metadata"`
	AppMetadata  json.RawMessage `json:"app_metadata"`
	LastLogin    *time.Time      `json:"last_login"`
	LastIP       string          `json:"last_ip"`
	LoginsCount  int             `json:"logins_count"`
}

type identityView struct {
	ID         string           `json:"id"`
	Connection string           `json:"connection"`
	Address    string           `json:"address"`
	VerifiedAt *time.Time       `json:"verified_at"`
	CreatedAt  *time.Time       `json:"created_at"`
	Profile    *storage.Profile `json:"profile,omitempty"`
}

type eventView struct {
	Type     string     `json:"type"`
	Time     *time.Time `json:"time"`
	ClientID string     `json:"client_id,omitempty"`
	IP       string     `json:"ip,omitempty"`
	Detail   string     `json:"detail,omitempty"`
}

func viewUser(u storage.User) userView {
	v := userView{
		ID: u.ID, Blocked: u.Blocked, BlockedAt: moment(u.BlockedAt), CreatedAt: moment(u.CreatedAt), UpdatedAt: moment(u.UpdatedAt),
		Profile: u.Profile, Identities: []identityView{},
	}
	for _, i := range u.Identities {
		v.Identities = append(v.Identities, identityView{
			ID: i.ID, Connection: i.Connection, Address: i.Address.Value, VerifiedAt: moment(i.VerifiedAt), CreatedAt: moment(i.CreatedAt), Profile: i.Profile,
		})
	}
	return v
}

func viewAccount(a storage.Account) userView {
	v := viewUser(a.User)
	v.accountView = &accountView{a.UserMetadata, a.AppMetadata, moment(a.LastLogin), a.LastIP, a.LoginsCount}
	return v
}
