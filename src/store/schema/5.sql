-- What brought an account its tokens, and brings it new ones where that is no refresh token.
ALTER TABLE account ADD COLUMN grant_type TEXT NOT NULL DEFAULT 'code';
ALTER TABLE attempt ADD COLUMN grant_type TEXT;

-- What answers and callbacks said besides tokens: a JSON object of texts.
ALTER TABLE account ADD COLUMN captured TEXT;
ALTER TABLE attempt ADD COLUMN captured TEXT;

-- By what a client is managed that registered itself (RFC 7592), sealed.
ALTER TABLE client ADD COLUMN registration BLOB;
ALTER TABLE attempt ADD COLUMN registration BLOB;
-- When the secret of such a client ends. NULL: it does not, as far as is known.
ALTER TABLE client ADD COLUMN secret_ends_wall_ms INTEGER;
ALTER TABLE attempt ADD COLUMN secret_ends_wall_ms INTEGER;

-- Sign-ins that wait for the user to type a code in elsewhere (RFC 8628): they outlive a restart.
CREATE TABLE device (
    request         TEXT    NOT NULL PRIMARY KEY,
    account         TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    scopes          TEXT    NOT NULL,
    resources       TEXT    NOT NULL,
    audience        TEXT,
    provider        TEXT    NOT NULL,
    client          TEXT    NOT NULL,
    discovered      TEXT,
    secret          BLOB,              -- sealed
    registration    BLOB,              -- sealed
    secret_ends_wall_ms INTEGER,
    device_code     BLOB    NOT NULL,  -- sealed
    user_code       TEXT    NOT NULL,
    verification_uri          TEXT NOT NULL,
    verification_uri_complete TEXT,
    interval_s      INTEGER NOT NULL,
    sent_wall_ms    INTEGER NOT NULL,
    sent_boot_ms    INTEGER NOT NULL,
    sent_boot_id    TEXT    NOT NULL,
    lifetime_ms     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What accounts that are gone left to be done at their providers: tokens to be revoked (RFC 7009), a client to be
-- unregistered (RFC 7592). Written when the account goes, gone when that is done or given up.
CREATE TABLE errand (
    id            INTEGER PRIMARY KEY,
    account       TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    provider      TEXT    NOT NULL,
    client        TEXT    NOT NULL,
    discovered    TEXT,
    refresh       BLOB,              -- sealed
    access        BLOB,              -- sealed
    secret        BLOB,              -- sealed
    registration  BLOB,              -- sealed
    since_wall_ms INTEGER NOT NULL,
    since_boot_ms INTEGER NOT NULL,
    since_boot_id TEXT    NOT NULL,
    worth_ms      INTEGER            -- how long its tokens live from then; NULL: nobody knows
) STRICT;

-- The keys that tokens are bound to (RFC 9449): of an account's grant, of an exchange under way, or of a
-- sign-in on another device. One that another login took the place of stays as long as its refresh token.
CREATE TABLE proof_key (
    id                  INTEGER PRIMARY KEY,
    account             INTEGER REFERENCES account (id) ON DELETE CASCADE,
    flight              INTEGER REFERENCES attempt (flight) ON DELETE CASCADE,
    request             TEXT    REFERENCES device (request) ON DELETE CASCADE,
    key                 BLOB    NOT NULL,  -- sealed
    superseded_wall_ms  INTEGER,
    CHECK ((account IS NOT NULL) + (flight IS NOT NULL) + (request IS NOT NULL) = 1)
) STRICT;
