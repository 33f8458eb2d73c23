package op

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"sallyport/grants"
	"sallyport/storage"
)

// errBadToken says that a token or code is not one of ours, whatever the reason.
var errBadToken = errors.New("not a valid token")

// Labels of the ring's keys: one for each kind of token or code, so that no kind passes for another.
const (
	labelAccess   = "access token"
	labelCode     = "authorization code"
	labelLink     = "link code"
	labelTicket   = "login ticket"
	labelAppLogin = "app login"
	labelRefresh  = "refresh token"
)

// accessToken is what an access token says, opaque or JWT.
type accessToken struct {
	ID       string // jti; the authorization's id and a dot before it, where there is one
	ClientID string
	IssuedAt time.Time
	Expires  time.Time
	Scope    string
	Audience string // of the API, empty for our own endpoints only
}

// authorization is the id of the authorization behind the token, empty for client_credentials.
func (t accessToken) authorization() string {
	id, _, ok := strings.Cut(t.ID, ".")
	if !ok {
		return ""
	}
	return id
}

// newTokenID names a token of an authorization, or of none.
func newTokenID(authorization string) string {
	b := make([]byte, 12)
	_, _ = rand.Read(b) // never fails
	id := base64.RawURLEncoding.EncodeToString(b)
	if authorization != "" {
		return authorization + "." + id
	}
	return id
}

const sealedFields = 6

// sealAccess makes the opaque form. None of the fields can hold a NUL.
func (p *Provider) sealAccess(t accessToken) string {
	fields := []string{t.ID, t.ClientID, strconv.FormatInt(t.IssuedAt.UnixMicro(), 36), strconv.FormatInt(t.Expires.Unix(), 36), t.Scope, t.Audience}
	return seal(p.cfg.Ring, labelAccess, strings.Join(fields, "\x00"))
}

func (p *Provider) openAccess(s string) (accessToken, error) {
	plain, err := unseal(p.cfg.Ring, labelAccess, s)
	if err != nil {
		return accessToken{}, err
	}
	f := strings.Split(plain, "\x00")
	if len(f) != sealedFields {
		return accessToken{}, errBadToken
	}
	issued, err1 := strconv.ParseInt(f[2], 36, 64)
	expires, err2 := strconv.ParseInt(f[3], 36, 64)
	if err1 != nil || err2 != nil {
		return accessToken{}, errBadToken
	}
	return accessToken{
		ID: f[0], ClientID: f[1], IssuedAt: time.UnixMicro(issued).UTC(), Expires: time.Unix(expires, 0).UTC(), Scope: f[4], Audience: f[5],
	}, nil
}

// seal and unseal are XChaCha20-Poly1305 in base64url: any changed, cut or lengthened value is refused. The label
// is the key's and, once more, the associated data.
func seal(r *grants.Ring, label, plain string) string {
	return base64.RawURLEncoding.EncodeToString(r.Seal(label, []byte(plain), []byte(label)))
}

func unseal(r *grants.Ring, label, s string) (string, error) {
	raw, err := decode(s)
	if err != nil {
		return "", err
	}
	plain, err := r.Open(label, raw, []byte(label))
	if err != nil {
		return "", errBadToken
	}
	return string(plain), nil
}

// decode reads base64url of which there is one spelling: no line breaks, which the decoder would skip, and zeros for the
// unused bits of the last character.
func decode(s string) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") {
		return nil, errBadToken
	}
	return raw, nil
}

// A refresh token is derived, not stored: authorization id, generation, key id, and a MAC over these and the client.
// The MAC is checked before the database is asked, so that only a token that we gave can count as reuse.
const (
	refreshIDBytes   = 16
	refreshGenBytes  = 4
	refreshKeyBytes  = 4
	refreshMACBytes  = 32
	refreshHeadBytes = refreshIDBytes + refreshGenBytes + refreshKeyBytes
)

func (p *Provider) refreshToken(a storage.Authorization) string {
	id, err := base64.RawURLEncoding.DecodeString(a.ID)
	named := p.cfg.Ring.KeyID()
	keyID, _ := hex.DecodeString(named)
	if err != nil || len(id) != refreshIDBytes || len(keyID) != refreshKeyBytes {
		return ""
	}
	raw := binary.BigEndian.AppendUint32(id, uint32(a.RefreshGeneration)) //nolint:gosec // counts up from 0
	raw = append(raw, keyID...)
	mac, known := p.cfg.Ring.MAC(named, labelRefresh, raw, []byte(a.ClientID))
	if !known { // the ring was replaced in between
		return p.refreshToken(a)
	}
	return base64.RawURLEncoding.EncodeToString(append(raw, mac...))
}

// openRefresh reads a refresh token of a client.
func (p *Provider) openRefresh(s, clientID string) (authorization string, generation int, err error) {
	raw, err := decode(s)
	if err != nil || len(raw) != refreshHeadBytes+refreshMACBytes {
		return "", 0, errBadToken
	}
	head, keyID := raw[:refreshHeadBytes], hex.EncodeToString(raw[refreshIDBytes+refreshGenBytes:refreshHeadBytes])
	mac, known := p.cfg.Ring.MAC(keyID, labelRefresh, bytes.Clone(head), []byte(clientID))
	if !known || !hmac.Equal(mac, raw[refreshHeadBytes:]) {
		return "", 0, errBadToken
	}
	generation = int(binary.BigEndian.Uint32(raw[refreshIDBytes:]))
	return base64.RawURLEncoding.EncodeToString(raw[:refreshIDBytes]), generation, nil
}
