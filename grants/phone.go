package grants

import (
	"slices"
	"strconv"

	"github.com/nyaruka/phonenumbers"
)

// Number is what is looked at of a phone number before it is texted.
type Number struct {
	Country string // ISO 3166-1 alpha-2; "001" or empty where it has none
	Prefix  string // calling code and the first three digits after it: an area, or a network
	Range   string // all but the last three digits: who rents numbers rents them in blocks

	ordinary bool
}

// rangeDigits are those in which the numbers of one range differ; prefixDigits those of a prefix after the calling code.
const (
	rangeDigits  = 3
	prefixDigits = 3
)

// PrefixUse is how many SMS went to the numbers without account of one prefix, and how many of their codes were used.
type PrefixUse struct {
	Prefix     string
	Sent, Used int
}

// NumberOf looks at the number of an address. What is no number has the zero Number.
func NumberOf(a Address) Number {
	if a.Channel != SMS {
		return Number{}
	}
	n, err := phonenumbers.Parse(a.Value, "")
	if err != nil {
		return Number{}
	}
	prefix := 1 + len(strconv.Itoa(int(n.GetCountryCode()))) + prefixDigits
	return Number{
		Country:  phonenumbers.GetRegionCodeForNumber(n),
		Prefix:   a.Value[:min(prefix, len(a.Value))],
		Range:    a.Value[:max(len(a.Value)-rangeDigits, 0)],
		ordinary: slices.Contains(textableTypes(), phonenumbers.GetNumberType(n)),
	}
}

// Textable tells whether an SMS may be sent to a number: its country (ISO 3166-1 alpha-2) is in the list, and it is
// of a kind that can receive messages at the ordinary price. A number of no known kind is not: a premium number with
// a digit too many is one, and many networks connect it all the same.
func Textable(a Address, countries []string) bool { return NumberOf(a).Textable(countries) }

// Textable is [Textable] for a number that was looked at.
func (n Number) Textable(countries []string) bool {
	return n.ordinary && slices.Contains(countries, n.Country)
}

// textableTypes are the kinds of numbers that are texted. Fixed lines are among them: many receive messages.
func textableTypes() []phonenumbers.PhoneNumberType {
	return []phonenumbers.PhoneNumberType{
		phonenumbers.MOBILE, phonenumbers.FIXED_LINE_OR_MOBILE, phonenumbers.FIXED_LINE, phonenumbers.VOIP,
	}
}
