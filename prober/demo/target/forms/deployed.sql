-- The tables of the ordering system that synthetic data touches, as deployed (TARGET.md); begun in common.sql.
DO $$ BEGIN
    CREATE TYPE "UserStatus" AS ENUM ('ACTIVE', 'INACTIVE', 'SUSPENDED', 'DELETED');
EXCEPTION WHEN duplicate_object THEN NULL; END $$;
DO $$ BEGIN
    CREATE TYPE "OrderStatus" AS ENUM ('CREATED', 'PENDING_BIDS', 'VENDOR_ASSIGNED', 'CONFIRMED', 'PROCESSING',
                                       'PACKED', 'OUT_FOR_DELIVERY', 'DELIVERED', 'FAILED', 'CANCELLED');
EXCEPTION WHEN duplicate_object THEN NULL; END $$;

CREATE TABLE IF NOT EXISTS retailers (
    id                 text PRIMARY KEY,
    "pasalName"        text,
    "ownerName"        text,
    "phoneNumber"      text NOT NULL UNIQUE,
    "whatsappNumber"   text NOT NULL UNIQUE,
    email              text UNIQUE,
    status             "UserStatus" NOT NULL DEFAULT 'ACTIVE',
    "creditStatus"     text NOT NULL DEFAULT 'ACTIVE',
    "createdAt"        timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"        timestamp(3) NOT NULL
);

CREATE TABLE IF NOT EXISTS wholesalers (
    id                 text PRIMARY KEY,
    "businessName"     text NOT NULL,
    "ownerName"        text NOT NULL,
    "phoneNumber"      text NOT NULL UNIQUE,
    "whatsappNumber"   text NOT NULL UNIQUE,
    email              text UNIQUE,
    "gstNumber"        text UNIQUE,
    "businessAddress"  text NOT NULL,
    city               text NOT NULL,
    state              text NOT NULL,
    pincode            text NOT NULL,
    latitude           double precision NOT NULL,
    longitude          double precision NOT NULL,
    categories         text NOT NULL,
    "isActive"         boolean NOT NULL DEFAULT true,
    "isVerified"       boolean NOT NULL DEFAULT false,
    capacity           integer NOT NULL DEFAULT 10,
    "currentOrders"    integer NOT NULL DEFAULT 0,
    "createdAt"        timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"        timestamp(3) NOT NULL
);

CREATE TABLE IF NOT EXISTS orders (
    id                  text PRIMARY KEY,
    "orderNumber"       text NOT NULL UNIQUE,
    "idempotencyKey"    text UNIQUE,
    "retailerId"        text NOT NULL REFERENCES retailers (id) ON UPDATE CASCADE ON DELETE RESTRICT,
    "wholesalerId"      text REFERENCES wholesalers (id) ON UPDATE CASCADE ON DELETE SET NULL,
    "finalWholesalerId" text REFERENCES wholesalers (id) ON UPDATE CASCADE ON DELETE SET NULL,
    "totalAmount"       decimal(65, 30) NOT NULL,
    "paymentMode"       text NOT NULL DEFAULT 'COD',
    status              "OrderStatus" NOT NULL DEFAULT 'CREATED',
    "createdAt"         timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"         timestamp(3) NOT NULL
);

CREATE TABLE IF NOT EXISTS order_events (
    id                 text PRIMARY KEY,
    "orderId"          text NOT NULL REFERENCES orders (id) ON UPDATE CASCADE ON DELETE CASCADE,
    "eventType"        text NOT NULL,
    payload            text,
    timestamp          timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX IF NOT EXISTS "order_events_orderId_idx" ON order_events ("orderId");

CREATE TABLE IF NOT EXISTS vendor_routings (
    id                   text PRIMARY KEY,
    "orderId"            text NOT NULL REFERENCES orders (id) ON UPDATE CASCADE ON DELETE CASCADE,
    "retailerId"         text NOT NULL REFERENCES retailers (id) ON UPDATE CASCADE ON DELETE CASCADE,
    "eligibleVendors"    text NOT NULL,
    "lockedWholesalerId" text REFERENCES wholesalers (id) ON UPDATE CASCADE ON DELETE SET NULL,
    "lockedAt"           timestamp(3),
    version              integer NOT NULL DEFAULT 1,
    "createdAt"          timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"          timestamp(3) NOT NULL,
    UNIQUE ("orderId", "lockedWholesalerId")
);

CREATE TABLE IF NOT EXISTS vendor_responses (
    id                 text PRIMARY KEY,
    "vendorRoutingId"  text NOT NULL REFERENCES vendor_routings (id) ON UPDATE CASCADE ON DELETE CASCADE,
    "wholesalerId"     text NOT NULL REFERENCES wholesalers (id) ON UPDATE CASCADE ON DELETE CASCADE,
    "responseType"     text NOT NULL,
    "acceptedAt"       timestamp(3),
    "rejectionReason"  text,
    "responseTime"     integer,
    payload            text,
    "createdAt"        timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"        timestamp(3) NOT NULL,
    UNIQUE ("vendorRoutingId", "wholesalerId")
);

CREATE TABLE IF NOT EXISTS vendor_cancellations (
    id                 text PRIMARY KEY,
    "vendorResponseId" text NOT NULL UNIQUE REFERENCES vendor_responses (id) ON UPDATE CASCADE ON DELETE CASCADE,
    reason             text NOT NULL,
    "sentAt"           timestamp(3),
    "confirmedAt"      timestamp(3),
    "createdAt"        timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"        timestamp(3) NOT NULL
);

CREATE TABLE IF NOT EXISTS processed_messages (
    id                 text PRIMARY KEY,
    "messageSid"       text NOT NULL UNIQUE,
    "phoneNumber"      text NOT NULL,
    status             text NOT NULL DEFAULT 'pending',
    "messageType"      text,
    "orderId"          text,
    "retailerId"       text,
    "wholesalerId"     text,
    "retryCount"       integer NOT NULL DEFAULT 0,
    "errorMessage"     text,
    "processedAt"      timestamp(3),
    "createdAt"        timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt"        timestamp(3) NOT NULL
);

CREATE TABLE IF NOT EXISTS webhook_idempotency (
    id                 text PRIMARY KEY,
    idempotency_key    text NOT NULL UNIQUE,
    webhook_type       text NOT NULL,
    request_body       jsonb NOT NULL,
    response_status    integer NOT NULL,
    response_body      jsonb NOT NULL,
    created_at         timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    expires_at         timestamp(3) NOT NULL,
    source_ip          text,
    retailer_id        text,
    order_id           text
);
COMMIT;
