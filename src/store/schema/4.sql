-- Which programs may have the tokens of which accounts.
CREATE TABLE rule (
    id              INTEGER PRIMARY KEY,
    account         INTEGER REFERENCES account (id) ON DELETE CASCADE, -- NULL: all of them
    who             TEXT    NOT NULL,
    scopes          TEXT    NOT NULL,
    decision        TEXT    NOT NULL CHECK (decision IN ('allow', 'ask', 'deny')),
    expires_wall_ms INTEGER,
    created_wall_ms INTEGER NOT NULL,
    created_by      TEXT    NOT NULL,
    used_wall_ms    INTEGER
) STRICT;

CREATE INDEX rule_account ON rule (account);

-- The first number that no rule ever had.
ALTER TABLE meta ADD COLUMN next_rule INTEGER NOT NULL DEFAULT 1;

-- The programs that were given tokens of an account: those that came last.
CREATE TABLE usage (
    account       INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    who           TEXT    NOT NULL,
    face          TEXT    NOT NULL,
    pid           INTEGER,
    first_wall_ms INTEGER NOT NULL,
    last_wall_ms  INTEGER NOT NULL,
    count         INTEGER NOT NULL CHECK (count > 0),
    PRIMARY KEY (account, who)
) STRICT, WITHOUT ROWID;

-- Whether the user wants an account used.
ALTER TABLE account ADD COLUMN enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1));

-- What tokens are for: addresses of APIs with spaces between them, and an audience.
ALTER TABLE account ADD COLUMN resources TEXT NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN audience TEXT;
ALTER TABLE attempt ADD COLUMN resources TEXT;
ALTER TABLE attempt ADD COLUMN audience TEXT;
