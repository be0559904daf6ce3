-- One row: what the database is.
CREATE TABLE meta (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    uuid        BLOB    NOT NULL CHECK (length(uuid) = 16),
    data_key    BLOB    CHECK (length(data_key) = 4), -- id of the key that seals; NULL before the first
    next_flight INTEGER NOT NULL DEFAULT 1,
    probes      INTEGER NOT NULL DEFAULT 0
) STRICT;

INSERT INTO meta (id, uuid) VALUES (1, randomblob(16));

-- A registration at a provider.
CREATE TABLE client (
    id           INTEGER PRIMARY KEY,
    provider     TEXT NOT NULL,
    client       TEXT NOT NULL,
    redirect_uri TEXT,
    discovered   TEXT,
    secret       BLOB, -- sealed
    UNIQUE (provider, client)
) STRICT;

CREATE TABLE account (
    id         INTEGER PRIMARY KEY,
    account    TEXT    NOT NULL UNIQUE,
    name       TEXT    NOT NULL UNIQUE,
    client     INTEGER NOT NULL REFERENCES client (id),
    scopes     TEXT    NOT NULL,
    standing   TEXT    NOT NULL CHECK (standing IN ('good', 'needs-login', 'held')),
    why        TEXT,
    generation INTEGER NOT NULL CHECK (generation >= 0)
) STRICT;

CREATE INDEX account_client ON account (client);

-- The refresh token in force, and those before it until its successor proved good.
CREATE TABLE refresh_token (
    id                 INTEGER PRIMARY KEY,
    account            INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    generation         INTEGER NOT NULL,
    token              BLOB    NOT NULL, -- sealed
    sent_wall_ms       INTEGER NOT NULL,
    sent_boot_ms       INTEGER NOT NULL,
    sent_boot_id       TEXT    NOT NULL,
    lifetime_ms        INTEGER,
    superseded_wall_ms INTEGER, -- NULL: in force
    superseded_boot_ms INTEGER,
    superseded_boot_id TEXT,
    UNIQUE (account, generation)
) STRICT;

CREATE UNIQUE INDEX refresh_token_in_force ON refresh_token (account)
    WHERE superseded_wall_ms IS NULL;

-- The last access token.
CREATE TABLE access_token (
    account      INTEGER PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    generation   INTEGER NOT NULL,
    token        BLOB    NOT NULL, -- sealed
    token_type   TEXT    NOT NULL,
    scopes       TEXT    NOT NULL,
    sent_wall_ms INTEGER NOT NULL,
    sent_boot_ms INTEGER NOT NULL,
    sent_boot_id TEXT    NOT NULL,
    lifetime_ms  INTEGER
) STRICT;

-- Flights under way. A refresh has a generation; an exchange has what it will create instead, because
-- its account and client may not exist yet.
CREATE TABLE attempt (
    flight       INTEGER PRIMARY KEY,
    account      TEXT    NOT NULL,
    sent_wall_ms INTEGER NOT NULL,
    sent_boot_ms INTEGER NOT NULL,
    sent_boot_id TEXT    NOT NULL,
    answer       BLOB, -- sealed; NULL: nothing came back yet
    generation   INTEGER,
    name         TEXT,
    scopes       TEXT,
    provider     TEXT,
    client       TEXT,
    redirect_uri TEXT,
    discovered   TEXT,
    secret       BLOB, -- sealed
    CHECK ((generation IS NULL) = (name IS NOT NULL AND scopes IS NOT NULL
                                   AND provider IS NOT NULL AND client IS NOT NULL))
) STRICT;
