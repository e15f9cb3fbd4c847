-- The shop's books. The code keeps these rules by itself; the constraints are the last line of defence, so that a bug
-- becomes a refused transaction and not a second charge. Rules are named indexes and triggers: a mutant has to say
-- which of them it does without.
-- Money is in integer minor units with a lower-case ISO currency; times are Unix seconds of the shop's clock.

CREATE TABLE orders (
    id              TEXT PRIMARY KEY,
    customer_id     TEXT,
    items           TEXT NOT NULL,                  -- JSON: what was bought, as priced by the shop
    amount          INTEGER NOT NULL CHECK (typeof(amount) = 'integer' AND amount > 0),
    currency        TEXT NOT NULL CHECK (length(currency) = 3 AND currency = lower(currency)),
    capture         TEXT NOT NULL DEFAULT 'now'     -- take the money at once, or authorize it and take it with the parcel
                    CHECK (capture IN ('now', 'later')),
    status          TEXT NOT NULL DEFAULT 'PENDING'
                    CHECK (status IN ('PENDING', 'AUTHORIZED', 'PARTIALLY_PAID', 'PAID', 'PARTIALLY_REFUNDED', 'REFUNDED', 'FAILED',
                                      'CANCELLED')),
    paid_by         TEXT REFERENCES attempts (id),  -- the one attempt whose charge pays, or is authorized to
    amount_refunded INTEGER NOT NULL DEFAULT 0 CHECK (amount_refunded BETWEEN 0 AND amount),
    created_at      REAL NOT NULL
);

-- One try at paying one order with one nonce. All that is needed to repeat the call exactly is here before the first
-- call is made: a crash at any point leaves a row that reconciliation can finish.
CREATE TABLE attempts (
    id              TEXT PRIMARY KEY,
    order_id        TEXT NOT NULL REFERENCES orders (id),
    number          INTEGER NOT NULL,
    idempotency_key TEXT,                           -- NULL: a charge made elsewhere that carries our order's id
    nonce           TEXT,
    request_body    TEXT NOT NULL,                  -- the very bytes sent, at every repetition
    amount          INTEGER NOT NULL CHECK (typeof(amount) = 'integer' AND amount > 0),
    currency        TEXT NOT NULL,
    state           TEXT NOT NULL               -- 'lapsed': authorized once, and voided or expired before all was captured
                    CHECK (state IN ('open', 'authorized', 'succeeded', 'lapsed', 'declined', 'refused')),
    amount_captured INTEGER NOT NULL DEFAULT 0 CHECK (amount_captured BETWEEN 0 AND amount),
    charge_id       TEXT,
    code            TEXT,                           -- why it was declined or refused, or how it lapsed
    created_at      REAL NOT NULL
);
CREATE UNIQUE INDEX attempts_are_numbered ON attempts (order_id, number);
CREATE UNIQUE INDEX one_open_attempt ON attempts (order_id) WHERE state = 'open';
CREATE UNIQUE INDEX key_of_one_attempt ON attempts (idempotency_key);
CREATE UNIQUE INDEX nonce_tried_once ON attempts (order_id, nonce);
CREATE UNIQUE INDEX charge_of_one_attempt ON attempts (charge_id);

-- A later change to a charge: more of it captured, the rest voided, money given back. Like an attempt, each is written
-- down with its key before its first call. 'asked': the shop was asked for it; 'surplus': a charge too many, returned by
-- itself; 'elsewhere': made at the gateway by somebody else and learned from a webhook.
CREATE TABLE modifications (
    id              TEXT PRIMARY KEY,
    order_id        TEXT NOT NULL REFERENCES orders (id),
    charge_id       TEXT NOT NULL,
    kind            TEXT NOT NULL CHECK (kind IN ('capture', 'void', 'refund')),
    purpose         TEXT NOT NULL CHECK (purpose IN ('asked', 'surplus', 'elsewhere')),
    idempotency_key TEXT,
    request_body    TEXT NOT NULL,
    amount          INTEGER NOT NULL CHECK (typeof(amount) = 'integer' AND amount > 0),
    captured_after  INTEGER,                        -- of a capture: the charge's amount_captured once it is done
    state           TEXT NOT NULL CHECK (state IN ('open', 'succeeded', 'failed')),
    refund_id       TEXT,                           -- of a refund: the gateway's id, once known
    created_at      REAL NOT NULL
);
CREATE UNIQUE INDEX one_open_modification ON modifications (order_id) WHERE state = 'open' AND purpose = 'asked';
CREATE UNIQUE INDEX surplus_returned_once ON modifications (charge_id) WHERE purpose = 'surplus';
CREATE UNIQUE INDEX key_of_one_modification ON modifications (idempotency_key);
CREATE UNIQUE INDEX refund_booked_once ON modifications (refund_id);

-- Webhook events that were applied; the row commits together with what the event changed.
CREATE TABLE events (
    id              TEXT NOT NULL,
    type            TEXT NOT NULL,
    received_at     REAL NOT NULL
);
CREATE UNIQUE INDEX event_applied_once ON events (id);

-- Work owed to a paid order; the row commits together with PAID.
CREATE TABLE outbox (
    order_id        TEXT NOT NULL REFERENCES orders (id),
    state           TEXT NOT NULL CHECK (state IN ('pending', 'done', 'dropped'))
);
CREATE UNIQUE INDEX one_parcel_per_order ON outbox (order_id);

CREATE TABLE fulfilments (
    order_id        TEXT NOT NULL REFERENCES orders (id),
    fulfilled_at    REAL NOT NULL
);
CREATE UNIQUE INDEX fulfilled_once ON fulfilments (order_id);

-- What customers' banks say against charges, as webhooks told it. A chargeback that is not won keeps the money.
CREATE TABLE disputes (
    id              TEXT PRIMARY KEY,
    order_id        TEXT NOT NULL REFERENCES orders (id),
    stage           TEXT NOT NULL,                  -- 'inquiry': a question; 'chargeback': the money is gone
    status          TEXT NOT NULL
);

-- What a person should look at: an event whose amount is wrong, a charge too many.
CREATE TABLE flags (
    kind            TEXT NOT NULL,
    reference       TEXT NOT NULL,
    order_id        TEXT,
    detail          TEXT NOT NULL,
    flagged_at      REAL NOT NULL,
    PRIMARY KEY (kind, reference)
);

-- Only a refund that comes back makes an order paid again.
CREATE TRIGGER paid_stays_paid BEFORE UPDATE OF status ON orders
WHEN NEW.amount_refunded >= OLD.amount_refunded AND (
     (OLD.status = 'PAID' AND NEW.status NOT IN ('PAID', 'PARTIALLY_REFUNDED', 'REFUNDED'))
  OR (OLD.status = 'PARTIALLY_REFUNDED' AND NEW.status NOT IN ('PARTIALLY_REFUNDED', 'REFUNDED'))
  OR (OLD.status IN ('REFUNDED', 'CANCELLED') AND NEW.status <> OLD.status))
BEGIN SELECT RAISE(ABORT, 'an order that is paid, refunded or cancelled does not go back'); END;

CREATE TRIGGER paid_needs_a_charge BEFORE UPDATE OF status ON orders
WHEN NEW.status = 'PAID' AND NOT EXISTS (
    SELECT 1 FROM attempts
    WHERE id = NEW.paid_by AND order_id = NEW.id AND state = 'succeeded' AND charge_id IS NOT NULL)
BEGIN SELECT RAISE(ABORT, 'an order is paid by a successful charge of its own'); END;
