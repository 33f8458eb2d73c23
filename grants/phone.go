package grants

import (
	"slices"

	"github.com/nyaruka/phonenumbers"
)

// Textable tells whether an SMS may be sent to a number: its country (ISO 3166-1 alpha-2) is in the list, and it is
// not of a kind that costs its caller extra or cannot receive messages.
func Textable(a Address, countries []string) bool {
	if a.Channel != SMS {
		return false
	}
	n, err := phonenumbers.Parse(a.Value, "")
	if err != nil {
		return false
	}
	switch phonenumbers.GetNumberType(n) {
	case phonenumbers.PREMIUM_RATE, phonenumbers.SHARED_COST, phonenumbers.PERSONAL_NUMBER, phonenumbers.PAGER,
		phonenumbers.UAN, phonenumbers.VOICEMAIL, phonenumbers.TOLL_FREE:
		return false
	default:
	}
	return slices.Contains(countries, phonenumbers.GetRegionCodeForNumber(n))
}
