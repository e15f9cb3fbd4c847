-- The state of the gateway, one row per record of core/records.py, columns in the order of its fields.
-- Every table is clustered by life (see `lives`): what belongs to one sandbox lies together, so that sandboxes neither meet nor
-- slow each other, and ids sort by creation, so that new rows are appended. CHECKs are the last line of defence: code has refused before.

CREATE TABLE meta (
    key     TEXT PRIMARY KEY,
    value   TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE sandboxes (
    name            TEXT PRIMARY KEY,
    seed            TEXT NOT NULL,
    created_at      INTEGER NOT NULL,       -- real time, milliseconds
    ids_issued      INTEGER NOT NULL,       -- how far the seeded ids have come
    journal_length  INTEGER NOT NULL,       -- how many entries the journal has
    clock           TEXT NOT NULL,          -- JSON of core.clock.Clock
    strict          INTEGER NOT NULL        -- whether its journal notes what a client does wrong
) WITHOUT ROWID;

-- under which number the rows of a sandbox are kept, from when it begins anew until it does so again
CREATE TABLE lives (
    id      INTEGER PRIMARY KEY,
    sandbox TEXT UNIQUE                     -- NULL: it has ended, and its rows are to be deleted
);

CREATE TABLE client_tokens (
    life        INTEGER NOT NULL,
    id          TEXT NOT NULL,
    used        INTEGER NOT NULL CHECK (used IN (0, 1)),
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    PRIMARY KEY (life, id)
);

CREATE TABLE nonces (
    life            INTEGER NOT NULL,
    id              TEXT NOT NULL,
    card            TEXT,                   -- JSON: brand, last4, expiry; never the number
    bank_account    TEXT,                   -- JSON: bank, routing number, last4; never the number
    sealed_number   BLOB NOT NULL,          -- AES-256-GCM, bound to the id
    used_by         TEXT,                   -- the charge or payment method that consumed it
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    PRIMARY KEY (life, id),
    CHECK ((card IS NULL) <> (bank_account IS NULL))
);

CREATE TABLE payment_methods (
    life            INTEGER NOT NULL,
    id              TEXT NOT NULL,
    card            TEXT,
    bank_account    TEXT,
    sealed_number   BLOB NOT NULL,
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (life, id),
    CHECK ((card IS NULL) <> (bank_account IS NULL))
);

CREATE TABLE charges (
    life            INTEGER NOT NULL,
    id              TEXT NOT NULL,
    status          TEXT NOT NULL CHECK (status IN
                    ('succeeded', 'authorized', 'requires_action', 'processing', 'voided', 'expired', 'failed')),
    amount          INTEGER NOT NULL CHECK (amount BETWEEN 1 AND 99999999),
    amount_captured INTEGER NOT NULL CHECK (amount_captured BETWEEN 0 AND amount),
    amount_refunded INTEGER NOT NULL CHECK (amount_refunded >= 0),
    amount_disputed INTEGER NOT NULL CHECK (amount_disputed >= 0),
    disputed        INTEGER NOT NULL CHECK (disputed IN (0, 1)),
    currency        TEXT NOT NULL,
    capture         INTEGER NOT NULL CHECK (capture IN (0, 1)),
    order_id        TEXT,
    metadata        TEXT NOT NULL,
    card            TEXT,
    bank_account    TEXT,
    payment_nonce   TEXT,
    payment_method  TEXT,
    subscription_id TEXT,
    decline_code    TEXT,
    ref             TEXT,                   -- the dialect's object that it is an attempt of
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER,
    PRIMARY KEY (life, id),
    CHECK ((card IS NULL) <> (bank_account IS NULL)),
    CHECK ((payment_nonce IS NULL) <> (payment_method IS NULL)),
    -- no money goes back twice
    CHECK (amount_refunded + amount_disputed <= amount_captured),
    CHECK ((status = 'failed') = (decline_code IS NOT NULL)),
    CHECK (status NOT IN ('failed', 'processing', 'voided', 'expired') OR amount_captured = 0)
);
CREATE INDEX charges_by_order ON charges (life, order_id, id) WHERE order_id IS NOT NULL;
-- a nonce pays once, whatever the code believes
CREATE UNIQUE INDEX charges_by_nonce ON charges (life, payment_nonce) WHERE payment_nonce IS NOT NULL;
CREATE INDEX charges_by_subscription ON charges (life, subscription_id, id) WHERE subscription_id IS NOT NULL;

CREATE TABLE refunds (
    life        INTEGER NOT NULL,
    id          TEXT NOT NULL,
    charge_id   TEXT NOT NULL,
    order_id    TEXT,
    status      TEXT NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed')),
    amount      INTEGER NOT NULL CHECK (amount >= 1),
    currency    TEXT NOT NULL,
    reason      TEXT,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (life, id)
);
CREATE INDEX refunds_by_charge ON refunds (life, charge_id, id);

CREATE TABLE disputes (
    life            INTEGER NOT NULL,
    id              TEXT NOT NULL,
    charge_id       TEXT NOT NULL,
    order_id        TEXT,
    stage           TEXT NOT NULL CHECK (stage IN ('inquiry', 'chargeback')),
    status          TEXT NOT NULL CHECK (status IN ('needs_response', 'under_review', 'won', 'lost', 'closed')),
    reason          TEXT NOT NULL,
    resolution      TEXT CHECK (resolution IN ('decided', 'accepted', 'expired', 'withdrawn')),
    amount          INTEGER NOT NULL CHECK (amount >= 1),
    currency        TEXT NOT NULL,
    evidence        TEXT,
    evidence_due_at INTEGER,
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (life, id),
    CHECK ((status IN ('won', 'lost', 'closed')) = (resolution IS NOT NULL)),
    CHECK ((status = 'needs_response') = (evidence_due_at IS NOT NULL))
);
-- a charge is disputed once
CREATE UNIQUE INDEX disputes_by_charge ON disputes (life, charge_id);

CREATE TABLE subscriptions (
    life                 INTEGER NOT NULL,
    id                   TEXT NOT NULL,
    status               TEXT NOT NULL CHECK (status IN ('active', 'past_due', 'canceled')),
    payment_method       TEXT NOT NULL,
    amount               INTEGER NOT NULL CHECK (amount BETWEEN 1 AND 99999999),
    currency             TEXT NOT NULL,
    interval             TEXT NOT NULL CHECK (interval IN ('month')),
    order_id             TEXT,
    metadata             TEXT NOT NULL,
    latest_charge_id     TEXT NOT NULL,
    failed_attempts      INTEGER NOT NULL CHECK (failed_attempts >= 0),
    renewals             INTEGER NOT NULL CHECK (renewals >= 0),
    anchor_at            INTEGER NOT NULL,
    current_period_start INTEGER NOT NULL,
    current_period_end   INTEGER NOT NULL CHECK (current_period_end > current_period_start),
    next_attempt_at      INTEGER,
    canceled_at          INTEGER,
    cancel_reason        TEXT CHECK (cancel_reason IN ('requested', 'payment_failed')),
    created_at           INTEGER NOT NULL,
    PRIMARY KEY (life, id),
    CHECK ((status = 'canceled') = (canceled_at IS NOT NULL)),
    CHECK ((status = 'canceled') = (cancel_reason IS NOT NULL)),
    CHECK (status <> 'canceled' OR next_attempt_at IS NULL)
);
CREATE INDEX subscriptions_running ON subscriptions (life, status, id) WHERE status <> 'canceled';

-- the books: one row is one double entry
CREATE TABLE transfers (
    life        INTEGER NOT NULL,
    id          TEXT NOT NULL,
    debit       TEXT NOT NULL,
    credit      TEXT NOT NULL CHECK (credit <> debit),
    amount      INTEGER NOT NULL CHECK (amount >= 1),
    currency    TEXT NOT NULL,
    reason      TEXT NOT NULL,
    charge_id   TEXT NOT NULL,
    order_id    TEXT,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (life, id)
);

CREATE TABLE webhook_endpoints (
    life                INTEGER NOT NULL,
    id                  TEXT NOT NULL,
    dialect             TEXT NOT NULL,
    url                 TEXT NOT NULL,
    events              TEXT NOT NULL,
    description         TEXT,
    status              TEXT NOT NULL CHECK (status IN ('enabled', 'disabled')),
    disabled_reason     TEXT,
    failing_since       INTEGER,            -- when an attempt failed first, of those since the last success
    scheme              TEXT NOT NULL,      -- how it is signed
    verify              INTEGER NOT NULL,   -- whether an https receiver's certificate is checked
    sealed_secret       BLOB NOT NULL,      -- AES-256-GCM, bound to the id
    sealed_old_secret   BLOB,
    old_secret_until    INTEGER,
    rotated_at          INTEGER,
    created_at          INTEGER NOT NULL,
    PRIMARY KEY (life, id),
    CHECK (status = 'disabled' OR disabled_reason IS NULL)
);

CREATE TABLE events (
    life        INTEGER NOT NULL,
    id          TEXT NOT NULL,
    dialect     TEXT NOT NULL,              -- in whose words it is
    type        TEXT NOT NULL,
    fact        TEXT,                       -- the same in the core's words; NULL: it has none for it
    object_id   TEXT NOT NULL,
    order_id    TEXT,
    amount      INTEGER,
    data        TEXT NOT NULL,              -- JSON: the object as it was then
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (life, id)
);

CREATE TABLE deliveries (
    life            INTEGER NOT NULL,
    id              TEXT NOT NULL,
    event_id        TEXT NOT NULL,
    endpoint_id     TEXT NOT NULL,
    url             TEXT NOT NULL,
    status          TEXT NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed', 'canceled')),
    attempts        TEXT NOT NULL,          -- JSON: how each attempt went
    next_attempt_at INTEGER,
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (life, id)
);
CREATE INDEX deliveries_by_event ON deliveries (life, event_id, id);
-- what waits for an endpoint: in the order of events, and in the order it falls due
CREATE INDEX deliveries_pending ON deliveries (life, endpoint_id, id) WHERE status = 'pending';
CREATE INDEX deliveries_due ON deliveries (life, endpoint_id, next_attempt_at, id) WHERE status = 'pending';

CREATE TABLE timers (
    life        INTEGER NOT NULL,
    id          TEXT NOT NULL,
    due_at      INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    ref         TEXT NOT NULL,
    PRIMARY KEY (life, id)
) WITHOUT ROWID;
CREATE INDEX timers_by_due ON timers (life, due_at, id);
CREATE INDEX timers_by_ref ON timers (life, ref);
-- what the core does itself, without those that wait for an endpoint
CREATE INDEX timers_of_core ON timers (life, due_at, id) WHERE kind <> 'webhook.attempt';

CREATE TABLE idempotency_keys (
    life        INTEGER NOT NULL,
    scope       TEXT NOT NULL,              -- a dialect; keys of two dialects never meet
    key         TEXT NOT NULL,
    fingerprint BLOB NOT NULL,              -- keyed digest of the request
    status      INTEGER,                    -- NULL while the first request is in flight
    headers     TEXT NOT NULL,
    body        BLOB,
    code        TEXT,                       -- of the refusal that the answer is
    sealed      INTEGER NOT NULL CHECK (sealed IN (0, 1)),  -- whether the body shows a secret: then it is AES-256-GCM
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (life, scope, key),
    CHECK ((status IS NULL) = (body IS NULL))
);
-- for pruning: only keys that hold a result are old enough ever
CREATE INDEX idempotency_by_age ON idempotency_keys (life, scope, created_at) WHERE status IS NOT NULL;
CREATE INDEX idempotency_in_flight ON idempotency_keys (life) WHERE status IS NULL;

CREATE TABLE holds (
    life        INTEGER NOT NULL,
    id          TEXT NOT NULL,              -- a delivery
    endpoint_id TEXT NOT NULL,
    event_id    TEXT NOT NULL,
    rule_id     TEXT NOT NULL,              -- of a rule, or of none any more
    attempt     INTEGER NOT NULL CHECK (attempt >= 1),
    event_type  TEXT,
    awaited     INTEGER NOT NULL CHECK (awaited >= 0),
    orders      TEXT NOT NULL,              -- JSON
    PRIMARY KEY (life, id)
);

-- what dialects keep that is no money; (kind, ref) finds what belongs to another document or to a record of the core
CREATE TABLE documents (
    life        INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    id          TEXT NOT NULL,
    ref         TEXT,
    data        TEXT NOT NULL,              -- JSON
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (life, kind, id)
);
CREATE INDEX documents_by_ref ON documents (life, kind, ref, id) WHERE ref IS NOT NULL;

CREATE TABLE fault_rules (
    life        INTEGER NOT NULL,
    id          TEXT NOT NULL,
    rule        TEXT NOT NULL,
    PRIMARY KEY (life, id)
);

CREATE TABLE journal (
    life        INTEGER NOT NULL,
    last_seq    INTEGER NOT NULL,           -- entries are numbered 1, 2, 3 … in each sandbox; this row's last one
    entries     TEXT NOT NULL,              -- JSON array, redacted
    PRIMARY KEY (life, last_seq)
);
