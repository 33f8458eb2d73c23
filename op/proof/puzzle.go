package proof

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strconv"
	"time"

	altcha "github.com/altcha-org/altcha-lib-go"
)

const (
	// lifetime is how long a puzzle may be solved, and how long its solution is remembered.
	lifetime = 5 * time.Minute

	// baseCost is the most hashes that a puzzle takes, half of them on average: about a second on a phone.
	baseCost = 50_000
	// maxDoublings is how much dearer a puzzle can become: eight times.
	maxDoublings = 3
	maxCost      = baseCost << maxDoublings

	labelPuzzle      = "proof of work"
	maxSolutionBytes = 1024
)

// cost grows with what a network has given of its limit: it doubles with every quarter.
func cost(limit, left int) int64 {
	if left < 0 {
		return baseCost
	}
	return baseCost << min((limit-left)*(maxDoublings+1)/limit, maxDoublings)
}

// puzzle is a puzzle for a form, as the page's script reads it.
func (g *Guard) puzzle(f Form, cost int64) string {
	keyID, until := g.cfg.Ring.KeyID(), g.cfg.Now().Add(lifetime)
	key, _ := g.signer(keyID)
	challenge, err := altcha.CreateChallenge(altcha.ChallengeOptions{
		Algorithm: altcha.SHA256, MaxNumber: cost, HMACKey: key, Expires: &until,
		Params: url.Values{"for": {f.id()}, "key": {keyID}, "cost": {strconv.FormatInt(cost, 10)}},
	})
	if err != nil {
		panic(err) // only for an algorithm that it does not know
	}
	body, _ := json.Marshal(challenge) //nolint:errchkjson // text and numbers only
	return string(body)
}

// solved gives the name of a puzzle of ours that was made for this form, is not over, took as much work as it must at least, and
// is solved; else nothing.
func (g *Guard) solved(f Form, solution string, least int64) string {
	if len(solution) > maxSolutionBytes {
		return ""
	}
	var p altcha.Payload
	raw, err := base64.StdEncoding.DecodeString(solution)
	if err != nil || json.Unmarshal(raw, &p) != nil || p.Algorithm != string(altcha.SHA256) {
		return ""
	}
	params := altcha.ExtractParams(p)
	key, known := g.signer(params.Get("key"))
	if !known {
		return ""
	}
	if right, err := altcha.VerifySolutionSafe(p, key, false); err != nil || !right { // it would ask another clock
		return ""
	}
	// From here on the parameters are ours: the hash covers them.
	until, err := strconv.ParseInt(params.Get("expires"), 10, 64)
	cost, _ := strconv.ParseInt(params.Get("cost"), 10, 64)
	if err != nil || cost < least || !g.cfg.Now().Before(time.Unix(until, 0)) || params.Get("for") != f.id() {
		return ""
	}
	return p.Challenge
}

// signer is the key that puzzles are signed with, under one of the ring's secrets.
func (g *Guard) signer(keyID string) (string, bool) {
	mac, known := g.cfg.Ring.MAC(keyID, labelPuzzle)
	return hex.EncodeToString(mac), known
}
