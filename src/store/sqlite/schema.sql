-- The log of Dash, format 4.
--
-- Every time is a number of microseconds since 1970-01-01T00:00:00Z. The file is in write-ahead mode:
-- it may be read while the daemon writes it, for example with
--     sqlite3 -readonly dash.db "SELECT seq, type, data FROM events ORDER BY seq DESC LIMIT 10"

PRAGMA application_id = 1145131848; -- "DASH" in ASCII
PRAGMA user_version = 4;            -- the format; a file with a higher one is not opened

-- One row for each agent that is kept. What it says is what the agent's events up to `as_of` add up
-- to; later ones are added to it when the file is opened.
CREATE TABLE agents (
    n          INTEGER PRIMARY KEY, -- its place in the order of spawning, never used again
    id         TEXT NOT NULL UNIQUE,
    grp        TEXT,
    session    TEXT,
    label      TEXT,
    status     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ended_at   INTEGER,             -- set when the agent has ended
    as_of      INTEGER NOT NULL,    -- the newest event that `state` takes into account
    state      TEXT NOT NULL,       -- the agent, as JSON
    child      TEXT                 -- the session that OpenClaw made for it
) STRICT;

CREATE INDEX agents_by_group ON agents (grp) WHERE grp IS NOT NULL;
CREATE INDEX agents_by_session ON agents (session) WHERE session IS NOT NULL;
CREATE INDEX agents_by_child ON agents (child) WHERE child IS NOT NULL;
CREATE INDEX agents_by_label ON agents (label) WHERE label IS NOT NULL;
CREATE INDEX agents_by_status ON agents (status);
CREATE INDEX agents_by_end ON agents (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX agents_by_last_event ON agents (as_of) WHERE ended_at IS NOT NULL;

-- What happened, in the one order there is, without holes.
CREATE TABLE events (
    seq   INTEGER PRIMARY KEY,
    time  INTEGER NOT NULL,
    agent INTEGER NOT NULL REFERENCES agents (n),
    type  TEXT NOT NULL,            -- such as agent.output
    data  TEXT NOT NULL             -- JSON
) STRICT;

-- An index ends with the table's key: this one is in the order of (agent, seq).
CREATE INDEX events_by_agent ON events (agent);

-- Where the kept part of the log begins, and what must not be given out again although its rows are
-- gone. One row.
CREATE TABLE trimmed (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    seq   INTEGER NOT NULL,         -- the newest event that was dropped
    time  INTEGER NOT NULL,         -- when that event was
    agent INTEGER NOT NULL          -- the highest `n` by then
) STRICT;

INSERT INTO trimmed (one, seq, time, agent) VALUES (1, 0, 0, 0);

-- Positions of events that were lost with a damaged part of the file. None is given out again.
CREATE TABLE holes (
    first INTEGER PRIMARY KEY,
    last  INTEGER NOT NULL
) STRICT;

-- Who did what, when, to which agent, with what outcome. Positions have no holes. Kept when the
-- events and the agent are gone. Each record's hash covers the record and the hash before it:
-- `store/chain.rs` says how.
CREATE TABLE audit (
    position INTEGER PRIMARY KEY,
    seq      INTEGER,               -- the event that it belongs to
    time     INTEGER NOT NULL,
    actor    TEXT NOT NULL,
    action   TEXT NOT NULL,
    agent    TEXT,                  -- the agent's id
    label    TEXT,
    outcome  TEXT NOT NULL,
    detail   TEXT NOT NULL,         -- JSON
    hash     BLOB NOT NULL          -- SHA-256
) STRICT;

CREATE INDEX audit_by_agent ON audit (agent) WHERE agent IS NOT NULL;

-- What a request with an idempotency key was answered with. Dropped after seven days.
CREATE TABLE answers (
    key         TEXT PRIMARY KEY,
    fingerprint BLOB NOT NULL,      -- SHA-256 of the request
    body        TEXT NOT NULL,
    time        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX answers_by_time ON answers (time);
