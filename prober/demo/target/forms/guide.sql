-- The tables that the guide names, with its columns, and the columns that contracts/guide.yaml assumes; begun in
-- common.sql. Only what that contract says of foreign keys holds: those between the tables it names do not cascade.
-- The guide's remedy, a unique index over the accepted responses of a routing, is not here: a system with the faults
-- that are planted is one without it, and a correct one needs none.
CREATE TABLE IF NOT EXISTS retailers (
    id                 text PRIMARY KEY,
    phone_number       text NOT NULL UNIQUE,
    whatsapp_number    text NOT NULL UNIQUE,
    status             text NOT NULL DEFAULT 'ACTIVE',
    created_at         timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at         timestamp(3) NOT NULL
);

CREATE TABLE IF NOT EXISTS vendors (
    id                 text PRIMARY KEY,
    business_name      text NOT NULL,
    phone_number       text NOT NULL UNIQUE,
    whatsapp_number    text NOT NULL UNIQUE,
    is_active          boolean NOT NULL DEFAULT true,
    is_verified        boolean NOT NULL DEFAULT false,
    capacity           integer NOT NULL DEFAULT 10,
    current_orders     integer NOT NULL DEFAULT 0,
    created_at         timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at         timestamp(3) NOT NULL
);

CREATE TABLE IF NOT EXISTS orders (
    id                 text PRIMARY KEY,
    order_number       text NOT NULL UNIQUE,
    retailer_id        text NOT NULL REFERENCES retailers (id),
    total_amount       numeric NOT NULL,
    status             text NOT NULL DEFAULT 'CREATED',
    created_at         timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at         timestamp(3) NOT NULL
);

-- The target's own, so it goes with its order.
CREATE TABLE IF NOT EXISTS order_events (
    id                 text PRIMARY KEY,
    order_id           text NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    event_type         text NOT NULL,
    payload            text,
    created_at         timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX IF NOT EXISTS order_events_order_id_idx ON order_events (order_id);

CREATE TABLE IF NOT EXISTS vendor_routing (
    id                 text PRIMARY KEY,
    order_id           text NOT NULL REFERENCES orders (id),
    retailer_id        text NOT NULL REFERENCES retailers (id),
    eligible_vendors   text NOT NULL,
    locked_vendor_id   text REFERENCES vendors (id),
    locked_at          timestamp(3),
    created_at         timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at         timestamp(3) NOT NULL,
    UNIQUE (order_id, locked_vendor_id)
);

-- `response`: PENDING until the vendor has asked, then ACCEPTED [guide] or LOST.
CREATE TABLE IF NOT EXISTS vendor_routing_responses (
    id                 text PRIMARY KEY,
    routing_id         text NOT NULL REFERENCES vendor_routing (id),
    vendor_id          text NOT NULL REFERENCES vendors (id),
    response           text NOT NULL,
    responded_at       timestamp(3),
    created_at         timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at         timestamp(3) NOT NULL,
    UNIQUE (routing_id, vendor_id)
);
CREATE INDEX IF NOT EXISTS idx_vendor_routing_responses_routing_id ON vendor_routing_responses (routing_id);
CREATE INDEX IF NOT EXISTS idx_vendor_routing_responses_routing_response
    ON vendor_routing_responses (routing_id, response);

-- A row of a message has its message_sid, a row of an X-Idempotency-Key none. `processed_at` is the target's own.
CREATE TABLE IF NOT EXISTS webhook_idempotency (
    id                 text PRIMARY KEY,
    message_sid        text UNIQUE,
    idempotency_key    text NOT NULL UNIQUE,
    webhook_type       text NOT NULL,
    request_body       jsonb NOT NULL,
    response_status    integer NOT NULL,
    response_body      jsonb NOT NULL,
    created_at         timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    expires_at         timestamp(3) NOT NULL,
    source_ip          text,
    processed_at       timestamp(3)
);
COMMIT;
