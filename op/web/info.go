package web

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Info is what is known of a request before anything of it is believed.
type Info struct {
	ID string     // of the request, random
	IP netip.Addr // of the client, see [Source]

	free  []netip.Prefix             // networks that no limit counts
	known func(clientID string) bool // whether a client of this id exists; nil: nobody knows

	answer http.Header // of the answer, for what the library in between has no hands for
}

// RetryAfter says in the answer how long there is to wait, if there is.
func (i Info) RetryAfter(d time.Duration) {
	if i.answer != nil {
		RetryAfter(i.answer, d)
	}
}

// ShareWith keeps the answer from the page that asked, which [CORS] lets read it, unless its origin is among these: those of
// the client that the request turned out to be about.
func (i Info) ShareWith(origins []string) {
	switch origin := i.answer.Get(allowOrigin); {
	case origin == "", origin == "*", slices.Contains(origins, origin):
	default:
		i.answer.Del(allowOrigin)
		i.answer.Del(allowCredentials)
		i.answer.Del(exposeHeaders)
	}
}

// Host is the client's address as text, empty when there is none (a unix socket).
func (i Info) Host() string {
	if !i.IP.IsValid() {
		return ""
	}
	return i.IP.String()
}

// Network is the source that limits count: the address, for IPv6 its /64.
func (i Info) Network() string {
	if i.IP.Is6() {
		if p, err := i.IP.Prefix(64); err == nil {
			return p.String()
		}
	}
	return i.Host()
}

// Starter is the source that pays for codes that are asked for: the network, unless no limit counts it.
func (i Info) Starter() string {
	if contains(i.free, i.IP) {
		return ""
	}
	return i.Network()
}

// Payer is the source that pays for wrong codes: likewise, unless it is this machine's own network or a private one. Behind a
// proxy that nobody told us of, those are everybody.
func (i Info) Payer() string {
	if local(i.IP) || i.IP.IsLinkLocalUnicast() {
		return ""
	}
	return i.Starter()
}

// local tells whether an address is one of this machine or of a network that the internet does not know: a private one, or
// the space that carriers and clusters share (RFC 6598).
func local(ip netip.Addr) bool {
	return ip.IsLoopback() || ip.IsPrivate() || netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10).Contains(ip)
}

type infoKey struct{}

// From gives the Info that [Middleware] has put into the context.
func From(ctx context.Context) Info {
	i, _ := ctx.Value(infoKey{}).(Info)
	return i
}

// Source is the client's address: the peer's, or, where the peer is a trusted proxy, the last address in
// X-Forwarded-For that is not one. Headers of any other peer change nothing.
func Source(r *http.Request, trusted []netip.Prefix) netip.Addr {
	peer := peerAddr(r)
	if !contains(trusted, peer) {
		return peer
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		ip, ok := parseHop(strings.TrimSpace(hop))
		if !ok {
			return peer
		}
		peer = ip
		if !contains(trusted, peer) {
			return peer
		}
	}
	return peer
}

// parseHop reads an address of X-Forwarded-For; some proxies add the port.
func parseHop(s string) (netip.Addr, bool) {
	if withPort, err := netip.ParseAddrPort(s); err == nil {
		return withPort.Addr().Unmap().WithZone(""), true
	}
	ip, err := netip.ParseAddr(s)
	return ip.Unmap().WithZone(""), err == nil
}

func peerAddr(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return ip.Unmap().WithZone("")
}

func contains(prefixes []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// Direct tells whether a request comes from this machine without a proxy between: a loopback peer and no forwarding
// header.
func Direct(r *http.Request) bool {
	for _, h := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via"} {
		if r.Header.Get(h) != "" {
			return false
		}
	}
	return peerAddr(r).IsLoopback()
}
