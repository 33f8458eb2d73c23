package admin

import (
	"context"
	"net/http"
	"net/netip"

	"sallyport/grants"
	"sallyport/op/web"
	"sallyport/storage"
)

// EventBudgetsReset is the type of the event of budgets that were given back.
const EventBudgetsReset = "budgets.reset"

type blockView struct {
	Identifier string `json:"identifier"`
	IP         string `json:"ip"` // budgets are per address, whoever asks
	Connection string `json:"connection"`
}

func (a *API) userBlocks(ctx context.Context, c *call) (reply, error) {
	q := c.query()
	q.ignored("consider_brute_force_enablement")
	if err := q.done(); err != nil {
		return reply{}, err
	}
	u, err := a.cfg.Store.User(ctx, c.PathValue("id"))
	if err != nil {
		return reply{}, noUser(err)
	}
	return a.blocked(ctx, addresses(u))
}

func (a *API) identifierBlocks(ctx context.Context, c *call) (reply, error) {
	found, err := c.identifier()
	if err != nil {
		return reply{}, err
	}
	return a.blocked(ctx, found)
}

func (a *API) liftUserBlocks(ctx context.Context, c *call) (reply, error) {
	c.about = c.PathValue("id")
	u, err := a.cfg.Store.User(ctx, c.about)
	if err != nil {
		return reply{}, noUser(err)
	}
	return a.lift(ctx, c, addresses(u))
}

func (a *API) liftIdentifierBlocks(ctx context.Context, c *call) (reply, error) {
	found, err := c.identifier()
	if err != nil {
		return reply{}, err
	}
	return a.lift(ctx, c, found)
}

// identifier reads the address that a block is asked for by. What is no address has none.
func (c *call) identifier() ([]grants.Address, error) {
	q := c.query()
	q.ignored("consider_brute_force_enablement")
	typed := q.text("identifier")
	if typed == "" {
		q.wrong("Missing required property: identifier")
	}
	if err := q.done(); err != nil {
		return nil, err
	}
	address, err := grants.ParseAddress(typed)
	if err != nil {
		return nil, nil //nolint:nilerr // not an error: nothing is counted for it
	}
	return []grants.Address{address}, nil
}

func addresses(u storage.User) []grants.Address {
	out := make([]grants.Address, len(u.Identities))
	for n, i := range u.Identities {
		out[n] = i.Address
	}
	return out
}

// guards are the budgets that can refuse an address.
func (a *API) guards(address grants.Address) []grants.Counter {
	return a.cfg.Engine.Config().Limits.Guards(address)
}

// blocked tells of which addresses a budget is used up.
func (a *API) blocked(ctx context.Context, of []grants.Address) (reply, error) {
	views := []blockView{}
	for _, address := range of {
		full, err := a.cfg.Store.CountersFull(ctx, a.cfg.Now(), a.guards(address))
		if err != nil {
			return reply{}, err
		}
		for _, is := range full {
			if is {
				views = append(views, blockView{Identifier: address.Value, Connection: string(address.Channel)})
				break
			}
		}
	}
	return reply{body: map[string]any{"blocked_for": views}}, nil
}

func (a *API) lift(ctx context.Context, c *call, of []grants.Address) (reply, error) {
	for _, address := range of {
		var keys []string
		for _, counter := range a.guards(address) {
			keys = append(keys, counter.Key)
		}
		e := a.event(c, EventBudgetsReset)
		e.Address, e.UserID = address.Masked(), c.about
		if _, err := a.cfg.Store.ResetCounters(ctx, keys, e); err != nil {
			return reply{}, err
		}
	}
	return noContent, nil
}

// ipCounter is the budget of wrong codes that the source of a request's path has: the address, for IPv6 its /64.
func (a *API) ipCounter(c *call) (grants.Counter, error) {
	if err := c.query().done(); err != nil {
		return grants.Counter{}, err
	}
	ip, err := netip.ParseAddr(c.PathValue("ip"))
	if err != nil || ip.Zone() != "" {
		return grants.Counter{}, fail(http.StatusBadRequest, codeURI, "Path validation error: 'This is no IP address'.")
	}
	return grants.IPCounter(a.cfg.Engine.Config().Limits.FailuresPerIP, web.Info{IP: ip.Unmap()}.Network()), nil
}

// ipBlock tells by its status whether a source has used up its wrong codes: 200 when it has, 404 when not.
func (a *API) ipBlock(ctx context.Context, c *call) (reply, error) {
	counter, err := a.ipCounter(c)
	if err != nil {
		return reply{}, err
	}
	full := []bool{false}
	if !counter.Limit.Off() {
		if full, err = a.cfg.Store.CountersFull(ctx, a.cfg.Now(), []grants.Counter{counter}); err != nil {
			return reply{}, err
		}
	}
	if !full[0] {
		return reply{}, notFound("", "Not Found")
	}
	return reply{}, nil
}

func (a *API) liftIPBlock(ctx context.Context, c *call) (reply, error) {
	counter, err := a.ipCounter(c)
	if err != nil {
		return reply{}, err
	}
	_, err = a.LiftSource(ctx, c.caller, grants.CounterSource(counter.Key))
	return noContent, err
}

// LiftSource gives a source its wrong codes back, with an event that names the caller, and tells whether it had used any.
func (a *API) LiftSource(ctx context.Context, caller Caller, source string) (bool, error) {
	info := web.From(ctx)
	return a.cfg.Store.LiftSource(ctx, source, grants.Event{
		Type: EventBudgetsReset, Time: a.cfg.Now(), ClientID: caller.ClientID, IP: info.Host(), RequestID: info.ID, Detail: "by " + caller.Name,
	})
}
