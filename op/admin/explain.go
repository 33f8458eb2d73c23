package admin

import (
	"context"
	"net/http"
	"net/netip"
	"slices"

	"sallyport/grants"
	"sallyport/op/web"
	"sallyport/storage"
)

// blocksListed is how many blocked networks the API lists.
const blocksListed = 1000

type blockedIPView struct {
	IP       string `json:"ip"` // the address, or the IPv6 network
	Failures int    `json:"failures"`
	Until    string `json:"until"`
}

// blockedIPs lists the networks whose wrong codes are used up.
func (a *API) blockedIPs(ctx context.Context, c *call) (reply, error) {
	if err := c.query().done(); err != nil {
		return reply{}, err
	}
	blocked, err := a.cfg.Store.BlockedSources(ctx, a.cfg.Now(), a.cfg.Engine.Config().Limits.FailuresPerIP, blocksListed)
	views := []blockedIPView{}
	for _, b := range blocked {
		views = append(views, blockedIPView{IP: b.Source, Failures: b.Failures, Until: iso(b.Until)})
	}
	return reply{body: map[string]any{"blocked_ips": views}}, err
}

type reasonView struct {
	storage.Reason

	Until string `json:"until,omitempty"`
}

// explain says why an address, a network or a client was refused. Who asks about an address needs read:users beside the scope of
// the route, and sees events with read:logs only.
func (a *API) explain(ctx context.Context, c *call) (reply, error) {
	q := c.query()
	identifier, ip, client := q.text("identifier"), q.text("ip"), q.text("client_id")
	if identifier == "" && ip == "" && client == "" {
		q.wrong("Missing required property: identifier, ip or client_id")
	}
	if err := q.done(); err != nil {
		return reply{}, err
	}
	if identifier != "" && !c.caller.can([]string{readUsers}) {
		return reply{}, insufficient([]string{readUsers})
	}
	question := storage.Question{ClientID: client}
	var err error
	if identifier != "" {
		if question.Address, err = grants.ParseAddress(identifier); err != nil {
			return reply{}, badQuery("identifier: this is no address")
		}
	}
	if ip != "" {
		if question.IP, question.Source = SourceOf(ip); question.Source == "" {
			return reply{}, badQuery("ip: this is no IP address")
		}
	}
	x, err := a.cfg.Store.Explain(ctx, a.cfg.Now(), question, a.rules())
	if err != nil {
		return reply{}, err
	}
	reasons := []reasonView{}
	for _, r := range x.Reasons {
		v := reasonView{Reason: r}
		if !r.Until.IsZero() {
			v.Until = iso(r.Until)
		}
		reasons = append(reasons, v)
	}
	body := map[string]any{"reasons": reasons, "refused": slices.ContainsFunc(x.Reasons, func(r storage.Reason) bool { return r.Refuses })}
	if c.caller.can([]string{readLogs}) {
		if body["events"], err = a.viewLogs(ctx, x.Events); err != nil {
			return reply{}, err
		}
	}
	return reply{status: http.StatusOK, body: body}, nil
}

// rules are what this process knows beside the database.
func (a *API) rules() storage.Rules {
	engine := a.cfg.Engine.Config()
	r := storage.Rules{
		Limits: engine.Limits, SignupClosed: engine.SignupClosed, Countries: a.cfg.Countries, Risk: a.cfg.Engine.Risk, Exempt: Exempt(a.cfg.AllowIPs),
	}
	for name := range a.cfg.Connections {
		r.Channels = append(r.Channels, grants.Channel(name))
	}
	return r
}

// SourceOf reads an IP address, or an IPv6 network: as it stands in events, empty for a network, and as limits count it. Both are
// empty for what is neither.
func SourceOf(typed string) (ip, source string) {
	if network, err := netip.ParsePrefix(typed); err == nil {
		return "", web.Info{IP: network.Addr().Unmap()}.Network()
	}
	address, err := netip.ParseAddr(typed)
	if err != nil || address.Zone() != "" {
		return "", ""
	}
	return address.Unmap().String(), web.Info{IP: address.Unmap()}.Network()
}

// Exempt tells of sources whether wrong codes from there count for nobody: this machine's, private ones, and those of some networks.
func Exempt(allowed []netip.Prefix) func(source string) bool {
	return func(source string) bool {
		ip, err := netip.ParseAddr(source)
		if network, err2 := netip.ParsePrefix(source); err2 == nil {
			ip, err = network.Addr(), nil
		}
		return err == nil && (web.Info{IP: ip}.Payer() == "" || slices.ContainsFunc(allowed, func(p netip.Prefix) bool { return p.Contains(ip) }))
	}
}
