-- Rates of starts, shared by all processes: the theoretical arrival time of the generic cell rate algorithm. Written in batches behind
-- the requests, never by one.
CREATE TABLE rates (
	key TEXT NOT NULL PRIMARY KEY,
	tat BIGINT NOT NULL
);
CREATE INDEX rates_tat ON rates (tat);

-- The audit log, sealed in batches: each row covers the events whose ids are over after_id, the last_id of the row before, and up
-- to its own. digests has 16 bytes for each of them in the order of their ids, hash is over all columns before it and sealed_at,
-- mac is the hash's under the secret that key_id names.
CREATE TABLE audit_seals (
	n         BIGINT NOT NULL PRIMARY KEY,
	after_id  TEXT NOT NULL,
	last_id   TEXT NOT NULL,
	events    BIGINT NOT NULL,
	digests   BYTEA NOT NULL,
	previous  BYTEA NOT NULL,
	hash      BYTEA NOT NULL,
	mac       BYTEA NOT NULL,
	key_id    TEXT NOT NULL,
	sealed_at BIGINT NOT NULL
);
-- Ids of events compare byte by byte, whatever language the database sorts by.
ALTER TABLE events ALTER COLUMN id TYPE TEXT COLLATE "C";

-- What the owner of the deployment is told by mail: an outbox of its own, one row per cause and hour. Repeats are how often the cause
-- was raised once more; told is a JSON list of who has the mail already.
CREATE TABLE alerts (
	id              TEXT NOT NULL PRIMARY KEY,
	cause           TEXT NOT NULL,
	detail          TEXT NOT NULL,
	created_at      BIGINT NOT NULL,
	repeats         BIGINT NOT NULL,
	told            TEXT NOT NULL,
	leased_until    BIGINT NOT NULL,
	next_attempt_at BIGINT NOT NULL,
	status          TEXT NOT NULL,
	attempts        BIGINT NOT NULL,
	answer          TEXT NOT NULL
);
CREATE INDEX alerts_pending ON alerts (leased_until) WHERE status = '';
CREATE INDEX alerts_cause ON alerts (cause, created_at);

-- The newest message of the challenge: an older one that has not gone out is not sent any more, as it has the same code.
ALTER TABLE challenges ADD COLUMN last_message TEXT NOT NULL DEFAULT '';
-- Of an SMS that went to a number without account: the number's prefix, whose share of used codes is watched.
ALTER TABLE messages ADD COLUMN sms_prefix TEXT NOT NULL DEFAULT '';
CREATE INDEX messages_sms_prefix ON messages (created_at) WHERE sms_prefix <> '';

-- Master secrets, by name: from when to when a process has said that it seals with one. What depends on a secret is told by
-- the times of the rows. The first ones known are taken to be older than everything (since 0).
CREATE TABLE secrets (
	id         TEXT NOT NULL PRIMARY KEY,
	since      BIGINT NOT NULL,
	sealed_at  BIGINT NOT NULL,
	retired_at BIGINT NOT NULL
);

-- Challenges that saw wrong codes and no right one, the newest of which tell whether codes are guessed at many accounts. A login
-- without a wrong code never writes it.
CREATE INDEX challenges_failed ON challenges (expires_at) WHERE attempts > 0 AND spent_at = 0;
