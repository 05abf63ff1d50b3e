-- Version 1. Ids are their 32 hexadecimal digits; times are seconds since 1970-01-01 UTC; ZFS GUIDs are stored as the
-- signed integer with the same bits, because SQLite has no unsigned one.

CREATE TABLE machines (
    machine    TEXT PRIMARY KEY,
    key        TEXT NOT NULL UNIQUE,            -- SHA-256 of the agent's public key
    selector   TEXT NOT NULL,                   -- of the pairing code it came with, so that a lost answer can be repeated
    name       TEXT NOT NULL,
    inventory  TEXT NOT NULL DEFAULT '',
    address    TEXT NOT NULL DEFAULT '',        -- where its agent last called from
    seen       INTEGER NOT NULL DEFAULT 0,
    timetable  TEXT NOT NULL DEFAULT '',
    time_zone  TEXT NOT NULL DEFAULT '',
    due        INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE jobs (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    job        TEXT NOT NULL UNIQUE,
    machine    TEXT NOT NULL REFERENCES machines (machine),
    cause      TEXT NOT NULL,
    step       TEXT NOT NULL,
    message    TEXT NOT NULL DEFAULT '',        -- set before the end: the job is being undone because of it
    initiator  TEXT NOT NULL,
    address    TEXT NOT NULL DEFAULT '',        -- the one its targets are published to
    stage      TEXT NOT NULL DEFAULT '',
    sent       INTEGER NOT NULL DEFAULT 0,
    expected   INTEGER NOT NULL DEFAULT 0,
    started    INTEGER NOT NULL,
    seconds    REAL NOT NULL DEFAULT 0,
    point      TEXT NOT NULL,                   -- the id its recovery point has, or would have had
    report     TEXT NOT NULL DEFAULT ''
) STRICT;

-- The lock: one writer per machine.
CREATE UNIQUE INDEX one_job_per_machine ON jobs (machine) WHERE step NOT IN ('done', 'failed');

CREATE TABLE job_steps (
    job        TEXT NOT NULL REFERENCES jobs (job),
    step       TEXT NOT NULL,
    entered    INTEGER NOT NULL
) STRICT;

CREATE TABLE job_disks (
    job         TEXT NOT NULL REFERENCES jobs (job),
    position    INTEGER NOT NULL,
    disk        TEXT NOT NULL,
    size        INTEGER NOT NULL,
    sector_size INTEGER NOT NULL,
    device      TEXT NOT NULL DEFAULT '',
    base_point  TEXT NOT NULL DEFAULT '',
    base_guid   INTEGER NOT NULL DEFAULT 0,
    target      TEXT NOT NULL DEFAULT '',       -- JSON with the one-time secret; emptied when the LUN is withdrawn
    PRIMARY KEY (job, disk)
) STRICT;

CREATE TABLE points (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    point      TEXT NOT NULL UNIQUE,
    machine    TEXT NOT NULL REFERENCES machines (machine),
    job        TEXT NOT NULL,
    created    INTEGER NOT NULL,
    record     TEXT NOT NULL,
    present    INTEGER NOT NULL DEFAULT 1       -- 0 while the pool does not have it
) STRICT;

CREATE TABLE point_disks (
    point       TEXT NOT NULL REFERENCES points (point),
    position    INTEGER NOT NULL,
    disk        TEXT NOT NULL,
    guid        INTEGER NOT NULL,
    size        INTEGER NOT NULL,
    sector_size INTEGER NOT NULL,
    PRIMARY KEY (point, disk)
) STRICT;

CREATE TABLE stand_ins (
    number          INTEGER PRIMARY KEY AUTOINCREMENT,
    vm              TEXT NOT NULL UNIQUE,
    machine         TEXT NOT NULL REFERENCES machines (machine),
    name            TEXT NOT NULL,
    point           TEXT NOT NULL,
    cpus            INTEGER NOT NULL,
    memory          INTEGER NOT NULL,
    network         TEXT NOT NULL,
    why             TEXT NOT NULL,
    state           TEXT NOT NULL,
    message         TEXT NOT NULL DEFAULT '',
    inspection      TEXT NOT NULL DEFAULT '',
    clone_seconds   REAL NOT NULL DEFAULT 0,
    running_seconds REAL NOT NULL DEFAULT 0,
    clones          INTEGER NOT NULL DEFAULT 1  -- 1 while clones of it may exist and must be kept
) STRICT;
