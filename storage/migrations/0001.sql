-- What there is one of: the revision of the configuration file's clients, the sealed check value, and locks.
CREATE TABLE settings (
	name  TEXT NOT NULL PRIMARY KEY,
	n     BIGINT NOT NULL DEFAULT 0,
	value BYTEA
);

CREATE TABLE clients (
	id                TEXT NOT NULL PRIMARY KEY,
	name              TEXT NOT NULL,
	type              TEXT NOT NULL,
	secrets           TEXT NOT NULL,
	grant_types       TEXT NOT NULL,
	response_types    TEXT NOT NULL,
	connections       TEXT NOT NULL,
	auth_methods      TEXT NOT NULL,
	id_token_alg      TEXT NOT NULL,
	embedded_links    BOOLEAN NOT NULL,
	apis              TEXT NOT NULL,
	from_file         BOOLEAN NOT NULL,
	disabled          BOOLEAN NOT NULL,
	tokens_valid_from BIGINT NOT NULL,
	created_at        BIGINT NOT NULL,
	updated_at        BIGINT NOT NULL
);

CREATE TABLE client_urls (
	client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
	kind      TEXT NOT NULL,
	position  BIGINT NOT NULL,
	url       TEXT NOT NULL,
	PRIMARY KEY (client_id, kind, position)
);

CREATE TABLE apis (
	audience       TEXT NOT NULL PRIMARY KEY,
	name           TEXT NOT NULL,
	scopes         TEXT NOT NULL,
	alg            TEXT NOT NULL,
	token_lifetime BIGINT NOT NULL
);

CREATE TABLE users (
	id         TEXT NOT NULL PRIMARY KEY,
	blocked_at BIGINT NOT NULL,
	created_at BIGINT NOT NULL
);

CREATE TABLE identities (
	address     TEXT NOT NULL,
	connection  TEXT NOT NULL,
	channel     TEXT NOT NULL,
	user_id     TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	verified_at BIGINT NOT NULL,
	created_at  BIGINT NOT NULL,
	PRIMARY KEY (address, connection)
);
CREATE INDEX identities_user ON identities (user_id);

CREATE TABLE deleted_users (
	id         TEXT NOT NULL PRIMARY KEY,
	deleted_at BIGINT NOT NULL
);

CREATE TABLE counters (
	key       TEXT NOT NULL PRIMARY KEY,
	n         BIGINT NOT NULL,
	resets_at BIGINT NOT NULL
);
CREATE INDEX counters_resets ON counters (resets_at);

CREATE TABLE challenges (
	id           TEXT NOT NULL PRIMARY KEY,
	slot         TEXT NOT NULL,
	seed         BYTEA NOT NULL,
	key_id       TEXT NOT NULL,
	client_id    TEXT NOT NULL,
	connection   TEXT NOT NULL,
	channel      TEXT NOT NULL,
	address      TEXT NOT NULL,
	purpose      TEXT NOT NULL,
	requester    TEXT NOT NULL,
	device       TEXT NOT NULL,
	code_length  BIGINT NOT NULL,
	attempts     BIGINT NOT NULL,
	max_attempts BIGINT NOT NULL,
	created_at   BIGINT NOT NULL,
	expires_at   BIGINT NOT NULL,
	spent_at     BIGINT NOT NULL,
	ended_at     BIGINT NOT NULL,
	user_id      TEXT NOT NULL
);
-- At most one challenge of a slot is neither spent nor ended.
CREATE UNIQUE INDEX challenges_slot ON challenges (slot) WHERE spent_at = 0 AND ended_at = 0;
CREATE INDEX challenges_expires ON challenges (expires_at);

CREATE TABLE messages (
	id              TEXT NOT NULL PRIMARY KEY,
	challenge_id    TEXT NOT NULL,
	send            TEXT NOT NULL,
	start           TEXT NOT NULL,
	created_at      BIGINT NOT NULL,
	leased_until    BIGINT NOT NULL,
	next_attempt_at BIGINT NOT NULL,
	status          TEXT NOT NULL,
	attempts        BIGINT NOT NULL,
	provider        TEXT NOT NULL,
	provider_id     TEXT NOT NULL,
	answer          TEXT NOT NULL,
	updated_at      BIGINT NOT NULL
);
CREATE INDEX messages_pending ON messages (leased_until) WHERE status = '';
CREATE INDEX messages_created ON messages (created_at);

CREATE TABLE events (
	id           TEXT NOT NULL PRIMARY KEY,
	time         BIGINT NOT NULL,
	type         TEXT NOT NULL,
	client_id    TEXT NOT NULL,
	user_id      TEXT NOT NULL,
	address      TEXT NOT NULL,
	challenge_id TEXT NOT NULL,
	ip           TEXT NOT NULL,
	request_id   TEXT NOT NULL,
	detail       TEXT NOT NULL
);
CREATE INDEX events_user ON events (user_id, id) WHERE user_id <> '';

CREATE TABLE auth_requests (
	id             TEXT NOT NULL PRIMARY KEY,
	client_id      TEXT NOT NULL,
	browser        TEXT NOT NULL,
	redirect_uri   TEXT NOT NULL,
	scope          TEXT NOT NULL,
	state          TEXT NOT NULL,
	nonce          TEXT NOT NULL,
	response_mode  TEXT NOT NULL,
	audience       TEXT NOT NULL,
	code_challenge TEXT NOT NULL,
	prompt         TEXT NOT NULL,
	max_age        BIGINT NOT NULL,
	login_hint     TEXT NOT NULL,
	connection     TEXT NOT NULL,
	ui_locales     TEXT NOT NULL,
	created_at     BIGINT NOT NULL,
	expires_at     BIGINT NOT NULL
);
CREATE INDEX auth_requests_expires ON auth_requests (expires_at);

CREATE TABLE sessions (
	id              TEXT NOT NULL PRIMARY KEY,
	secret_hash     TEXT NOT NULL,
	user_id         TEXT NOT NULL,
	amr             TEXT NOT NULL,
	auth_time       BIGINT NOT NULL,
	created_at      BIGINT NOT NULL,
	seen_at         BIGINT NOT NULL,
	expires_at      BIGINT NOT NULL,
	idle_expires_at BIGINT NOT NULL,
	ended_at        BIGINT NOT NULL
);
CREATE UNIQUE INDEX sessions_secret ON sessions (secret_hash);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_idle ON sessions (idle_expires_at);

CREATE TABLE authorizations (
	id                 TEXT NOT NULL PRIMARY KEY,
	client_id          TEXT NOT NULL,
	user_id            TEXT NOT NULL,
	session_id         TEXT NOT NULL,
	challenge_id       TEXT NOT NULL,
	redirect_uri       TEXT NOT NULL,
	scope              TEXT NOT NULL,
	audience           TEXT NOT NULL,
	nonce              TEXT NOT NULL,
	code_challenge     TEXT NOT NULL,
	amr                TEXT NOT NULL,
	acr                TEXT NOT NULL,
	auth_time          BIGINT NOT NULL,
	offline            BOOLEAN NOT NULL,
	ends_with_session  BOOLEAN NOT NULL,
	code_expires_at    BIGINT NOT NULL,
	code_spent_at      BIGINT NOT NULL,
	refresh_generation BIGINT NOT NULL,
	refreshed_at       BIGINT NOT NULL,
	refresh_expires_at BIGINT NOT NULL,
	refresh_ends_at    BIGINT NOT NULL,
	created_at         BIGINT NOT NULL,
	expires_at         BIGINT NOT NULL,
	revoked_at         BIGINT NOT NULL
);
CREATE INDEX authorizations_user ON authorizations (user_id);
CREATE INDEX authorizations_session ON authorizations (session_id) WHERE session_id <> '';
CREATE INDEX authorizations_expires ON authorizations (expires_at);

CREATE TABLE revoked_tokens (
	jti        TEXT NOT NULL PRIMARY KEY,
	expires_at BIGINT NOT NULL
);
CREATE INDEX revoked_tokens_expires ON revoked_tokens (expires_at);

CREATE TABLE signing_keys (
	id           TEXT NOT NULL PRIMARY KEY,
	alg          TEXT NOT NULL,
	sealed       BYTEA NOT NULL,
	publish_at   BIGINT NOT NULL,
	sign_from    BIGINT NOT NULL,
	verify_until BIGINT NOT NULL,
	created_at   BIGINT NOT NULL
);
