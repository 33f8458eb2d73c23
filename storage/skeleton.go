package storage

import (
	"context"
	"errors"
	"time"

	"sallyport/grants"
)

var errTODO = errors.New("not written yet")

func Open(ctx context.Context, o Options) (*Store, error)                      { return nil, errTODO }
func (s *Store) Close() error                                                  { return errTODO }
func (s *Store) Migrate(ctx context.Context) error                             { return errTODO }
func (s *Store) Ping(ctx context.Context) error                                { return errTODO }
func (s *Store) SchemaVersion(ctx context.Context) (have, want int, err error) { return 0, 0, errTODO }
func (s *Store) DatabaseTime(ctx context.Context) (time.Time, error)           { return time.Time{}, errTODO }
func (s *Store) CheckSecret(ctx context.Context) error                         { return errTODO }
func (s *Store) Tx(ctx context.Context, fn func(context.Context) error) error  { return errTODO }
func (s *Store) Statements() uint64                                            { return 0 }
func (s *Store) ApplyClients(ctx context.Context, revision int, clients []Client) error {
	return errTODO
}
func (s *Store) Client(ctx context.Context, id string) (Client, error) { return Client{}, errTODO }
func (s *Store) Clients(ctx context.Context) ([]Client, error)         { return nil, errTODO }
func (s *Store) AddClient(ctx context.Context, c Client) error         { return errTODO }
func (s *Store) UpdateClient(ctx context.Context, id string, change func(*Client) error) error {
	return errTODO
}
func (s *Store) DeleteClient(ctx context.Context, id string) error     { return errTODO }
func (s *Store) ApplyAPIs(ctx context.Context, apis []API) error       { return errTODO }
func (s *Store) API(ctx context.Context, audience string) (API, error) { return API{}, errTODO }
func (s *Store) User(ctx context.Context, id string) (User, error)     { return User{}, errTODO }
func (s *Store) UserByAddress(ctx context.Context, a grants.Address) (User, error) {
	return User{}, errTODO
}
func (s *Store) Users(ctx context.Context, after string, limit int) ([]User, error) {
	return nil, errTODO
}
func (s *Store) CreateUser(ctx context.Context, id string, identity Identity) error { return errTODO }
func (s *Store) SetBlocked(ctx context.Context, id string, blocked bool) error      { return errTODO }
func (s *Store) LinkIdentity(ctx context.Context, userID string, i Identity) error  { return errTODO }
func (s *Store) UnlinkIdentity(ctx context.Context, userID string, a grants.Address) error {
	return errTODO
}
func (s *Store) DeleteUser(ctx context.Context, id string) error          { return errTODO }
func (s *Store) SaveAuthRequest(ctx context.Context, r AuthRequest) error { return errTODO }
func (s *Store) AuthRequest(ctx context.Context, id string) (AuthRequest, error) {
	return AuthRequest{}, errTODO
}
func (s *Store) SignIn(ctx context.Context, current string, fresh Session) (Session, error) {
	return Session{}, errTODO
}
func (s *Store) Session(ctx context.Context, secretHash string) (Session, error) {
	return Session{}, errTODO
}
func (s *Store) TouchSession(ctx context.Context, id string, idleExpiresAt time.Time) error {
	return errTODO
}
func (s *Store) EndSession(ctx context.Context, id string) error      { return errTODO }
func (s *Store) Authorize(ctx context.Context, a Authorization) error { return errTODO }
func (s *Store) AuthorizationWithUser(ctx context.Context, id string) (Authorization, User, error) {
	return Authorization{}, User{}, errTODO
}
func (s *Store) SpendCode(ctx context.Context, a Authorization, event grants.Event) error {
	return errTODO
}
func (s *Store) RotateRefresh(ctx context.Context, id string, g int, now time.Time, grace time.Duration, idleExpiresAt time.Time, event grants.Event) (Authorization, User, error) {
	return Authorization{}, User{}, errTODO
}
func (s *Store) RevokeAuthorization(ctx context.Context, id string, event grants.Event) error {
	return errTODO
}
func (s *Store) Live(ctx context.Context, authorizationID, jti string) (Liveness, error) {
	return Liveness{}, errTODO
}
func (s *Store) RevokeToken(ctx context.Context, jti string, expiresAt time.Time, event grants.Event) error {
	return errTODO
}
func (s *Store) SigningKeys(ctx context.Context) ([]SigningKey, error) { return nil, errTODO }
func (s *Store) AddSigningKey(ctx context.Context, k SigningKey) error { return errTODO }
func (s *Store) RetireSigningKeys(ctx context.Context, alg, exceptID string, verifyUntil time.Time) error {
	return errTODO
}
func (s *Store) DeleteSigningKey(ctx context.Context, id string) error { return errTODO }
func (s *Store) WithKeyLock(ctx context.Context, fn func(context.Context) error) error {
	return errTODO
}
func (s *Store) Reseal(ctx context.Context) (int, error) { return 0, errTODO }
func (s *Store) Delivery(ctx context.Context, messageID string) (grants.Delivery, error) {
	return grants.Delivery{}, errTODO
}
func (s *Store) LeaseMessages(ctx context.Context, now time.Time, limit int, until time.Time) ([]grants.Message, error) {
	return nil, errTODO
}
func (s *Store) RecordDelivery(ctx context.Context, messageID string, o grants.Outcome) error {
	return errTODO
}
func (s *Store) OncePer(ctx context.Context, key string, per time.Duration, now time.Time) (bool, error) {
	return false, errTODO
}
func (s *Store) Append(ctx context.Context, e grants.Event) error { return errTODO }
func (s *Store) Events(ctx context.Context, f EventFilter) ([]grants.Event, error) {
	return nil, errTODO
}
func (s *Store) Purge(ctx context.Context, now time.Time, batch int) (int, error) { return 0, errTODO }
func (s *Store) Open(ctx context.Context, o grants.Opening) (grants.Challenge, error) {
	return grants.Challenge{}, errTODO
}
func (s *Store) Latest(ctx context.Context, slot string) (grants.Challenge, error) {
	return grants.Challenge{}, errTODO
}
func (s *Store) Challenge(ctx context.Context, id string) (grants.Challenge, error) {
	return grants.Challenge{}, errTODO
}
func (s *Store) Message(ctx context.Context, id string) (grants.Message, grants.Challenge, error) {
	return grants.Message{}, grants.Challenge{}, errTODO
}
func (s *Store) Fail(ctx context.Context, g grants.Guess) error { return errTODO }
func (s *Store) Redeem(ctx context.Context, r grants.Redemption, then func(context.Context, grants.User) error) (grants.User, error) {
	return grants.User{}, errTODO
}

var _ grants.Store = (*Store)(nil)
