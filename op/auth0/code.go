package auth0

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"sallyport/grants"
	"sallyport/op/web"
)

// Verifier is the part of the engine that tells right codes from wrong ones.
type Verifier interface {
	Pending(ctx context.Context, clientID, connection string, a grants.Address, requester string) (grants.Challenge, error)
	Verify(ctx context.Context, p grants.Proof, by string) (string, error)
	Unhurried(ctx context.Context, look func() error) error
}

// typed is a code that somebody typed into an app's own page, and what for.
type typed struct {
	client     Client
	connection string
	address    string // as typed
	code       string
	by         string // who asks; see [Verify] and [CrossOrigin]
}

func (t typed) channel() grants.Channel { return grants.Channel(t.connection) }

// verify tells whether the code is right, and gives what stands for it.
func (t typed) verify(r *http.Request, e Verifier) (c grants.Challenge, verified string, err error) {
	err = e.Unhurried(r.Context(), func() error {
		c, verified, err = t.look(r, e)
		return err
	})
	return c, verified, err
}

// look is verify in its own time. An address that is none has no code.
func (t typed) look(r *http.Request, e Verifier) (grants.Challenge, string, error) {
	var c grants.Challenge
	a, err := grants.ParseFor(t.channel(), t.address)
	if err == nil {
		c, err = e.Pending(r.Context(), t.client.ID, t.connection, a, grants.RequesterAPI)
	}
	if bad := new(grants.AddressError); err != nil && !errors.As(err, &bad) && !errors.Is(err, grants.ErrNoChallenge) {
		return c, "", err
	}
	info, pays := Asker(r, t.client.Authenticated, t.client.Forwards)
	proof := grants.Proof{Challenge: c, Code: t.code, IP: info.Host(), RequestID: info.ID}
	if pays {
		proof.Source = info.Payer()
	}
	verified, err := e.Verify(r.Context(), proof, t.by)
	return c, verified, err
}

// refused makes of a refusal of the engine what the app is told; wrong is the answer but for its description.
func refused(err error, c grants.Channel, wrong web.Fault) error {
	text := grants.Refusal(err, c)
	if text == "" {
		return err
	}
	if limited, ok := errors.AsType[*grants.FailuresError](err); ok {
		return &web.Fault{Status: http.StatusTooManyRequests, Code: "too_many_attempts", Description: text, RetryAfter: limited.RetryAfter}
	}
	wrong.Description = text
	return &wrong
}

// texts reads the named members of an object, of which each is a text where it is given.
func texts(body map[string]any, names ...string) (map[string]string, error) {
	out := map[string]string{}
	for _, name := range names {
		v, given := body[name]
		if !given {
			continue
		}
		text, ok := v.(string)
		if !ok {
			return nil, web.BadRequest(name + " parameter must be a string")
		}
		out[name] = text
	}
	return out, nil
}

// missing is the refusal of the first of the named members that is not there.
func missing(body map[string]string, names ...string) error {
	for _, name := range names {
		if body[name] == "" {
			return web.BadRequest(fmt.Sprintf("missing %s parameter", name))
		}
	}
	return nil
}
