package grants

import (
	"slices"

	"github.com/nyaruka/phonenumbers"
)

// Textable tells whether an SMS may be sent to a number: its country (ISO 3166-1 alpha-2) is in the list, and it is
// of a kind that can receive messages at the ordinary price. A number of no known kind is not: a premium number with
// a digit too many is one, and many networks connect it all the same.
func Textable(a Address, countries []string) bool {
	if a.Channel != SMS {
		return false
	}
	n, err := phonenumbers.Parse(a.Value, "")
	if err != nil {
		return false
	}
	return slices.Contains(textableTypes(), phonenumbers.GetNumberType(n)) &&
		slices.Contains(countries, phonenumbers.GetRegionCodeForNumber(n))
}

// textableTypes are the kinds of numbers that are texted. Fixed lines are among them: many receive messages.
func textableTypes() []phonenumbers.PhoneNumberType {
	return []phonenumbers.PhoneNumberType{
		phonenumbers.MOBILE, phonenumbers.FIXED_LINE_OR_MOBILE, phonenumbers.FIXED_LINE, phonenumbers.VOIP,
	}
}
