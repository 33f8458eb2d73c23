package grants

import "strings"

// The key of an address's counter is its kind, the channel, the address and, for a known device, the device, with colons
// between; none of them has one.

// counterNames are the limits of the configuration by the kinds of counters that they bound.
var counterNames = map[string]string{
	"start": "start_per_address", "start-day": "start_per_address_day", "messages": "messages_per_address",
	"fail": "failures_per_address", "fail-day": "failures_per_address_day", "fail-known-day": "failures_per_address_day",
	"fail-ip": "failures_per_ip",
}

// CounterName is the key of the limit, in the configuration, that a counter is held to; empty for one that has none.
func CounterName(key string) string {
	kind, _, _ := strings.Cut(key, ":")
	return counterNames[kind]
}

// CounterKind is how the keys of all counters of a counter's kind begin.
func CounterKind(key string) string {
	kind, _, _ := strings.Cut(key, ":")
	return kind + ":"
}

// CounterAddress is whose counter it is, and whether it is a known device's.
func CounterAddress(key string) (a Address, known bool) {
	parts := strings.Split(key, ":")
	if len(parts) < 3 { //nolint:mnd // kind, channel, address
		return Address{}, false
	}
	return Address{Channel: Channel(parts[1]), Value: parts[2]}, len(parts) > 3 //nolint:mnd // and the device
}

const ipCounter = "fail-ip:"

// CounterSource is the source whose [IPCounter] has this key, empty for any other counter.
func CounterSource(key string) string {
	source, ok := strings.CutPrefix(key, ipCounter)
	if !ok {
		return ""
	}
	return source
}
