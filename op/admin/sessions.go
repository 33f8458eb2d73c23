package admin

import (
	"context"
	"errors"
	"net/http"

	"sallyport/storage"
)

// accepted is what ending sessions and refresh tokens answers.
var accepted = reply{status: http.StatusAccepted, body: struct{}{}}

type sessionView struct {
	ID               string             `json:"id"`
	UserID           string             `json:"user_id"`
	CreatedAt        string             `json:"created_at"`
	UpdatedAt        string             `json:"updated_at"`
	AuthenticatedAt  string             `json:"authenticated_at"`
	IdleExpiresAt    string             `json:"idle_expires_at"`
	ExpiresAt        string             `json:"expires_at"`
	LastInteractedAt string             `json:"last_interacted_at"`
	Authentication   authenticationView `json:"authentication"`
}

type authenticationView struct {
	Methods []methodView `json:"methods"`
}

type methodView struct {
	Name      string `json:"name"`
	Timestamp string `json:"timestamp"`
}

func viewSession(s storage.Session) sessionView {
	v := sessionView{
		ID: s.ID, UserID: s.UserID, CreatedAt: iso(s.CreatedAt), UpdatedAt: iso(s.SeenAt), AuthenticatedAt: iso(s.AuthTime),
		IdleExpiresAt: iso(s.IdleExpiresAt), ExpiresAt: iso(s.ExpiresAt), LastInteractedAt: iso(s.SeenAt),
		Authentication: authenticationView{Methods: []methodView{}},
	}
	for _, name := range s.AMR {
		v.Authentication.Methods = append(v.Authentication.Methods, methodView{Name: name, Timestamp: iso(s.AuthTime)})
	}
	return v
}

func noSession(err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		return notFound("inexistent_session", "The session does not exist.")
	}
	return err
}

func (a *API) userSessions(ctx context.Context, c *call) (reply, error) {
	p, err := c.checkpoint()
	if err != nil {
		return reply{}, err
	}
	sessions, err := a.cfg.Store.UserSessions(ctx, c.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	var views []sessionView
	for _, s := range of(p, sessions) {
		views = append(views, viewSession(s))
	}
	return show(p, "sessions", len(sessions), views), nil
}

// checkpoint reads the page of a list that always stands in an object.
func (c *call) checkpoint() (page, error) {
	q := c.query()
	p := q.page(0)
	p.checkpoint = true
	return p, q.done()
}

func (a *API) readSession(ctx context.Context, c *call) (reply, error) {
	if err := c.query().done(); err != nil {
		return reply{}, err
	}
	s, err := a.cfg.Store.SessionByID(ctx, c.PathValue("id"))
	return reply{body: viewSession(s)}, noSession(err)
}

// endSession ends a session and what ends with it.
func (a *API) endSession(ctx context.Context, c *call) (reply, error) {
	s, err := a.cfg.Store.SessionByID(ctx, c.PathValue("id"))
	if errors.Is(err, storage.ErrNotFound) {
		return accepted, nil
	}
	if err != nil {
		return reply{}, err
	}
	c.about = s.UserID
	return accepted, a.cfg.Store.EndSession(ctx, s.ID)
}

// revokeSession ends a session and all that came of it, refresh tokens that outlive sessions too.
func (a *API) revokeSession(ctx context.Context, c *call) (reply, error) {
	s, err := a.cfg.Store.SessionByID(ctx, c.PathValue("id"))
	if err != nil {
		return reply{}, noSession(err)
	}
	c.about = s.UserID
	tokens, err := a.cfg.Store.RefreshAuthorizations(ctx, s.UserID)
	if err != nil {
		return reply{}, err
	}
	for _, t := range tokens {
		if t.SessionID != s.ID {
			continue
		}
		if err := a.revoke(ctx, c, t); err != nil {
			return reply{}, err
		}
	}
	return accepted, a.cfg.Store.EndSession(ctx, s.ID)
}

func (a *API) endUserSessions(ctx context.Context, c *call) (reply, error) {
	c.about = c.PathValue("id")
	for {
		sessions, err := a.cfg.Store.UserSessions(ctx, c.about)
		if err != nil || len(sessions) == 0 {
			return accepted, err
		}
		for _, s := range sessions {
			if err := a.cfg.Store.EndSession(ctx, s.ID); err != nil {
				return reply{}, err
			}
		}
	}
}
