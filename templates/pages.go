package templates

import "time"

// Page is one of the page structs of this package. Their zero value renders too. In all of them App is the name of
// the app the person came from, or empty, and CSRF is posted back in the hidden field "csrf".
type Page interface {
	// page names the template and the app.
	page() (name, app string)
}

// pages is one of each: New parses a template for every one.
var pages = []Page{
	Identify{},
	Code{},
	Proof{},
	Link{},
	LinkAPI{},
	AppLogin{},
	LinkElsewhere{},
	LinkOver{},
	Confirm{},
	Device{},
	DeviceConfirm{},
	DeviceDone{},
	FormPost{},
	WebMessage{},
	Logout{},
	LoggedOut{},
	Problem{},
	Inbox{},
	Blocks{},
}

// Identify asks who somebody is, in one field: it posts "identifier" and "csrf" to Action.
type Identify struct {
	App, Action, CSRF string
	Value             string // typed before, or a login_hint
	Email, SMS        bool   // what is accepted; neither means e-mail
	Signup            bool   // in the words of somebody who is new
	Problem           IdentifyProblem
	Wait              time.Duration // until the next try, for IdentifyLimited
}

// IdentifyProblem is why an answer to [Identify] did not do.
type IdentifyProblem string

// The problems of an identifier.
const (
	IdentifyEmpty       IdentifyProblem = "empty"
	IdentifyInvalid     IdentifyProblem = "invalid"     // neither an address nor a number
	IdentifyUnsupported IdentifyProblem = "unsupported" // a number where only addresses are accepted, or the other way round
	IdentifyLimited     IdentifyProblem = "limited"     // too many starts
)

// Code asks for the code that was sent. The form posts "code" and "csrf" to Action; asking for another message posts
// "csrf" to ResendAction; ChangeURL leads back to the identifier. When the problem is that the challenge is over
// (expired, used, too many tries) there is no code field: asking for a new code is what remains.
type Code struct {
	App, Action, ResendAction, ChangeURL, CSRF string
	Address                                    string // as the person knows it
	SMS                                        bool   // it went by SMS, else by mail
	Length                                     int    // digits of the code
	Link                                       bool   // the mail has a link too
	Value                                      string // the code as typed, shown again with CodeWrong
	Problem                                    CodeProblem
	Remaining                                  int           // tries left, for CodeWrong; 0 says nothing
	Wait                                       time.Duration // with CodeLimited until the next try, else until the script offers another message
	Resent                                     bool          // the same code went out again, at SentAt
	Renewed                                    bool          // a new code went out, at SentAt, and the old one is over
	SentAt                                     time.Time     // of the last message
	Minutes                                    int           // lifetime left, rounded up; 0 says nothing
	CanResend                                  bool
}

// CodeProblem is why a code or a link did not do. The zero value is none.
type CodeProblem string

// The problems of a code or a link.
const (
	CodeWrong   CodeProblem = "wrong"
	CodeExpired CodeProblem = "expired"
	CodeUsed    CodeProblem = "used"     // or a newer one took its place
	CodeTooMany CodeProblem = "too_many" // wrong codes
	CodeLimited CodeProblem = "limited"  // wait and try again
)

// Over tells whether no code can be right any more.
func (p CodeProblem) Over() bool { return p == CodeExpired || p == CodeUsed || p == CodeTooMany }

// Proof asks the browser for a proof of work, or the person for that of a captcha, before a form that was sent goes on. It
// posts "csrf", "held", what the form had, and the proof to Action, by itself once there is one. Where no script runs, its
// button sends the form again without.
type Proof struct {
	App, Action, CSRF, Held string
	Puzzle                  string        // a JSON object for the script, which posts its solution as "proof"
	Widget                  Widget        // instead of the puzzle
	Wait                    time.Duration // until it goes without a proof; 0 says nothing
}

// Widget is a captcha's: an element of this class that its script, of another origin, fills, and that calls back under the
// name "proven". Policy is what it may load, for the page's header. The zero Widget is none.
type Widget struct{ Class, Script, Policy, SiteKey, Action, Data string }

// Link is the page of a magic link in the browser that asked for it: it posts "id", "token" and "csrf" to Action, by
// itself where scripts run, by a button where not.
type Link struct {
	App, Action, CSRF, ID, Token string
	Address                      string
}

// LinkAPI is the page of a magic link that was asked for through the API. It posts what [Link] posts, but only when
// the button is pressed.
type LinkAPI struct {
	App, Action, CSRF, ID, Token string
	Address                      string
}

// AppLogin asks before it signs somebody in by a code that was typed elsewhere, in the app's own page or in nobody knows
// which: it posts "token" and "csrf" to Action when the button is pressed.
type AppLogin struct {
	App, Action, CSRF, Token string
	Address                  string
}

// LinkElsewhere is the page of a magic link in any other browser: the code belongs where the person started. AppURL,
// if it is an http or https URL, lets them start here too.
type LinkElsewhere struct{ App, AppURL string }

// LinkOver is the page of a magic link that is no longer good: CodeExpired, CodeUsed or CodeTooMany.
type LinkOver struct {
	App, AppURL string
	Problem     CodeProblem
}

// Confirm lets a person who is signed in go on to an app: "csrf" is posted to Action, or to OtherAction to use another
// account; an empty OtherAction offers none.
type Confirm struct {
	App, Action, OtherAction, CSRF string
	Account                        string
}

// FormPost takes an answer to an app: it posts Fields to Action, an address of the app, by itself where scripts run, by
// a button where not.
type FormPost struct {
	App, Action string
	Fields      []Field
}

// Field is a hidden field of a form.
type Field struct{ Name, Value string }

// WebMessage hands an answer to the window that framed or opened the page, for pages of Origin only. Response is a JSON
// object.
type WebMessage struct{ App, Origin, Response string }

// Device asks for the code that another device shows: it posts "user_code" and "csrf" to Action. No app is known yet.
type Device struct {
	Action, CSRF string
	Value        string // typed before, or of the address: it goes nowhere until the person sends it
	Problem      DeviceProblem
	Wait         time.Duration // until the next try, for DeviceLimited
}

// DeviceProblem is why an answer to [Device] did not do.
type DeviceProblem string

// The problems of a device's code.
const (
	DeviceWrong   DeviceProblem = "wrong" // or expired, or used
	DeviceLimited DeviceProblem = "limited"
)

// DeviceConfirm asks whether another device may be signed in: it posts "csrf" and "answer" (approve or cancel) to
// Action. OtherURL is where to use another account.
type DeviceConfirm struct{ App, Action, OtherURL, CSRF, Account string }

// DeviceDone says what was answered to [DeviceConfirm].
type DeviceDone struct {
	App      string
	Approved bool
}

// Logout asks whether to sign out: it posts "csrf" to Action.
type Logout struct{ App, Action, CSRF, Account string }

// LoggedOut says that the person is signed out.
type LoggedOut struct{ App, AppURL string }

// Problem is an error page. The zero Kind is ProblemInternal; AppURL, if it is an http or https URL, leads back.
type Problem struct {
	App, AppURL string
	Kind        ProblemKind
	Reference   string // for the log; "" shows none
}

// ProblemKind says what went wrong, in words for the person rather than for the app's developer.
type ProblemKind string

// The kinds of error page, with the status code that fits.
const (
	ProblemInternal    ProblemKind = "internal"     // 500
	ProblemInvalid     ProblemKind = "invalid"      // 400, the app's request makes no sense
	ProblemUnknownApp  ProblemKind = "unknown_app"  // 400
	ProblemBadRedirect ProblemKind = "bad_redirect" // 400, an address the app has not registered
	ProblemNoChannel   ProblemKind = "no_channel"   // 400, the app may use no way of sending a code that exists here
	ProblemCookies     ProblemKind = "cookies"      // 403, this browser has no cookie of the login: blocked, or another browser's
	ProblemOver        ProblemKind = "over"         // 410, the login took too long or was finished already
	ProblemRefused     ProblemKind = "refused"      // 403, a right code, but the account is blocked or sign-up closed
	ProblemLimited     ProblemKind = "limited"      // 429
	ProblemBusy        ProblemKind = "busy"         // 503
	ProblemNotFound    ProblemKind = "not_found"    // 404
	ProblemMethod      ProblemKind = "method"       // 405
)

var problemKinds = []ProblemKind{
	ProblemInternal, ProblemInvalid, ProblemUnknownApp, ProblemBadRedirect, ProblemNoChannel, ProblemCookies, ProblemOver,
	ProblemRefused, ProblemLimited, ProblemBusy, ProblemNotFound, ProblemMethod,
}

// Inbox is the development page that shows what would have been sent, in the order given.
type Inbox struct{ Messages []InboxMessage }

// InboxMessage is one message of the [Inbox]. Addresses in Text that start with http are shown as links.
type InboxMessage struct {
	Channel, To, Subject, Text string
	At                         time.Time
}

func (p Identify) page() (name, app string)      { return "identify", p.App }
func (p Code) page() (name, app string)          { return "code", p.App }
func (p Proof) page() (name, app string)         { return "proof", p.App }
func (p Link) page() (name, app string)          { return "link", p.App }
func (p LinkAPI) page() (name, app string)       { return "link_api", p.App }
func (p AppLogin) page() (name, app string)      { return "app_login", p.App }
func (p LinkElsewhere) page() (name, app string) { return "link_elsewhere", p.App }
func (p LinkOver) page() (name, app string)      { return "link_over", p.App }
func (p Confirm) page() (name, app string)       { return "confirm", p.App }
func (p Device) page() (name, app string)        { return "device", "" }
func (p DeviceConfirm) page() (name, app string) { return "device_confirm", p.App }
func (p DeviceDone) page() (name, app string)    { return "device_done", p.App }
func (p FormPost) page() (name, app string)      { return "form_post", p.App }
func (p WebMessage) page() (name, app string)    { return "web_message", p.App }
func (p Logout) page() (name, app string)        { return "logout", p.App }
func (p LoggedOut) page() (name, app string)     { return "logged_out", p.App }
func (p Problem) page() (name, app string)       { return "problem", p.App }
func (p Inbox) page() (name, app string)         { return "inbox", "" }
func (p Blocks) page() (name, app string)        { return "blocks", "" }
