-- What is told of a person beside their addresses, and what applications keep with them. The last three count what was
-- before the audit log: an import sets them, and the events are added to them.
ALTER TABLE users ADD COLUMN profile TEXT NOT NULL DEFAULT '{}';
ALTER TABLE users ADD COLUMN user_metadata TEXT NOT NULL DEFAULT '{}';
ALTER TABLE users ADD COLUMN app_metadata TEXT NOT NULL DEFAULT '{}';
ALTER TABLE users ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN last_login BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN last_ip TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN logins_count BIGINT NOT NULL DEFAULT 0;
CREATE INDEX users_created ON users (created_at, id);

-- An identity's own id: the part of its user's id after the bar, when it was a user by itself. Empty on rows of before.
-- profile is that user's, kept when it was linked to another.
ALTER TABLE identities ADD COLUMN id TEXT NOT NULL DEFAULT '';
ALTER TABLE identities ADD COLUMN profile TEXT NOT NULL DEFAULT '';
-- The first proof of the address signs in as its user, although it is unverified: the user was made without any verified
-- identity and never had one since. So are all identities of a user, or none.
ALTER TABLE identities ADD COLUMN adoptable BOOLEAN NOT NULL DEFAULT FALSE;
-- Addresses compare byte by byte, whatever language the database sorts by: the primary key then finds prefixes too.
ALTER TABLE identities ALTER COLUMN address TYPE TEXT COLLATE "C";

-- Lifetimes, refresh behaviour, public keys and the like, as one JSON object.
ALTER TABLE clients ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';

ALTER TABLE apis ADD COLUMN id TEXT NOT NULL DEFAULT '';
ALTER TABLE apis ADD COLUMN from_file BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE apis ADD COLUMN offline_access BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE apis ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE apis ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;

-- What was changed of the built-in connections. One without a row has the deployment's own settings.
CREATE TABLE connections (
	name       TEXT NOT NULL PRIMARY KEY,
	disabled   BOOLEAN NOT NULL,
	options    TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);

-- Until when, and by which network and user agent, a right code of the challenge was shown without spending it.
ALTER TABLE challenges ADD COLUMN verified_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE challenges ADD COLUMN verified_by TEXT NOT NULL DEFAULT '';

ALTER TABLE auth_requests ADD COLUMN response_type TEXT NOT NULL DEFAULT 'code';
ALTER TABLE auth_requests ADD COLUMN device TEXT NOT NULL DEFAULT '';
ALTER TABLE auth_requests ADD COLUMN screen_hint TEXT NOT NULL DEFAULT '';

-- Small things that live for a short time and are used once: pushed authorization requests, ids of client assertions.
CREATE TABLE tickets (
	id         TEXT NOT NULL PRIMARY KEY,
	kind       TEXT NOT NULL,
	client_id  TEXT NOT NULL,
	data       TEXT NOT NULL,
	expires_at BIGINT NOT NULL,
	spent_at   BIGINT NOT NULL
);
CREATE INDEX tickets_expires ON tickets (expires_at);

CREATE TABLE device_codes (
	id           TEXT NOT NULL PRIMARY KEY,
	user_code    TEXT NOT NULL,
	client_id    TEXT NOT NULL,
	scope        TEXT NOT NULL,
	audience     TEXT NOT NULL,
	poll_after   BIGINT NOT NULL,
	poll_seconds BIGINT NOT NULL,
	user_id      TEXT NOT NULL,
	session_id   TEXT NOT NULL,
	amr          TEXT NOT NULL,
	auth_time    BIGINT NOT NULL,
	created_at   BIGINT NOT NULL,
	expires_at   BIGINT NOT NULL,
	approved_at  BIGINT NOT NULL,
	denied_at    BIGINT NOT NULL,
	spent_at     BIGINT NOT NULL
);
CREATE UNIQUE INDEX device_codes_user_code ON device_codes (user_code);
CREATE INDEX device_codes_expires ON device_codes (expires_at);
