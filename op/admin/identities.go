package admin

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"sallyport/storage"
)

// linkIdentity makes one user of two: the one named in the body, or in an ID token of theirs, becomes an identity of the
// one in the path.
func (a *API) linkIdentity(ctx context.Context, c *call) (reply, error) {
	c.about = c.PathValue("id")
	secondary, err := a.secondary(ctx, newObject(c.body, ""))
	if err != nil {
		return reply{}, err
	}
	if secondary == c.about {
		return reply{}, fail(http.StatusBadRequest, codeBody, "Main account and linked account are the same.")
	}
	u, err := a.cfg.Store.LinkAccounts(ctx, c.about, secondary, a.event(c, storage.EventIdentityLinked))
	return reply{status: http.StatusCreated, body: viewIdentities(u.User)}, noUser(err)
}

func (a *API) secondary(ctx context.Context, o *object) (string, error) {
	token, by := o.text("link_with")
	if !by {
		o.need("provider")
		o.need("user_id")
	}
	provider, given := o.text("provider")
	id, alsoGiven := o.text("user_id")
	connection, _ := o.text("connection_id")
	switch {
	case by && (given || alsoGiven || connection != ""):
		o.wrong("link_with stands alone")
	case connection != "" && connection != connectionPrefix+provider:
		o.wrong("connection_id is not that of the provider")
	}
	if err := o.done(); err != nil {
		return "", err
	}
	if !by {
		return provider + "|" + strings.TrimPrefix(id, provider+"|"), nil
	}
	subject, err := a.cfg.IDTokenSubject(ctx, token)
	if errors.Is(err, ErrBadToken) {
		return "", badBody("link_with is not an ID token of this server that is still good")
	}
	return subject, err
}

// unlinkIdentity makes an identity a user by itself again.
func (a *API) unlinkIdentity(ctx context.Context, c *call) (reply, error) {
	c.about = c.PathValue("id")
	provider := c.PathValue("provider")
	u, err := a.cfg.Store.UnlinkAccount(ctx, c.about, provider, strings.TrimPrefix(c.PathValue("identity"), provider+"|"), a.event(c, storage.EventIdentityUnlinked))
	switch {
	case errors.Is(err, storage.ErrLastIdentity):
		return reply{}, fail(http.StatusBadRequest, codeURI, "The main identity of a user, and the last that can sign them in, cannot be unlinked.")
	case errors.Is(err, storage.ErrExists):
		return reply{}, userExists(err)
	case errors.Is(err, storage.ErrNotFound):
		return reply{}, notFound("inexistent_identity", "The user or the identity does not exist.")
	}
	return reply{body: viewIdentities(u.User)}, err
}
