package config

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const later = "is not available in this version"

// laterKeys are keys that the design names and this version does not have. They get a clearer answer than a typing
// mistake, and may stand there with nothing in them. A path with [] stands for every entry of a list.
var laterKeys = map[string]string{
	"metrics":                          later + "; remove it",
	"connections":                      later + "; the connections are email and sms: set mail.transport and sms.transport",
	"sms.webhook":                      later + "; use sms.twilio, with base_url for a gateway that speaks its API",
	"clients[].backchannel_logout_uri": later + "; remove it",
	"clients[].cross_device":           later + "; remove it",
	"clients[].fapi2":                  later + "; remove it",
}

// laterValues are values of the same kind, written "key=value".
var laterValues = map[string]string{
	"mail.transport=sendgrid":                later,
	"mail.transport=mandrill":                later,
	"mail.transport=ses":                     later,
	"sms.transport=webhook":                  later,
	"passwordless.link.cross_device=approve": later,
}

var anyIndex = regexp.MustCompile(`\[[^\]]*\]`)

// reserved tells whether a key is one of laterKeys, and what to do about it.
func reserved(path string) (why string, ok bool) {
	why, ok = laterKeys[anyIndex.ReplaceAllString(path, "[]")]
	return why, ok
}

// hasNothing tells whether a value is false, zero, empty, or made of what is empty alone. What is false or zero further inside says
// something: {sms: {enabled: false}}. What an alias stands for is not looked at.
func hasNothing(n *yaml.Node) bool {
	switch n.ShortTag() {
	case "!!bool":
		return strings.EqualFold(n.Value, "false")
	case "!!int":
		return n.Value == "0"
	}
	return isEmpty(n)
}

func isEmpty(n *yaml.Node) bool {
	full := func(n *yaml.Node) bool { return !isEmpty(n) }
	switch n.Kind {
	case yaml.ScalarNode:
		return n.ShortTag() == "!!null" || n.Value == ""
	case yaml.SequenceNode:
		return !slices.ContainsFunc(n.Content, full)
	case yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			if full(n.Content[i]) {
				return false
			}
		}
		return true
	case yaml.DocumentNode, yaml.AliasNode:
	}
	return false
}
