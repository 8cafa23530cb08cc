"""Advice on the webhook endpoint: throughput, latency, errors.

Source: "Tuning Recommendations by Breaking Point", "Webhook Endpoint Performance Issues".
"""

from __future__ import annotations

from collections.abc import Mapping

from prober.guide.advice.recommendation import Recommendation, block
from prober.outcome import Measure

_CHAPTER = "Tuning Recommendations, Webhook Endpoint Performance Issues"
_RPS = ("Issue: RPS < 100 (Critical)", f"{_CHAPTER}, RPS < 100")
_P99 = ("Issue: p99 Latency > 2000ms", f"{_CHAPTER}, p99 Latency > 2000ms")
_ERRORS = ("Issue: Error Rate > 1%", f"{_CHAPTER}, Error Rate > 1%")
_OURS = "Breaking Points Reference, Webhook Endpoint; the guide names the action only, the text is prober's"

POOL = Recommendation(
    issue=_RPS[0],
    title="Increase the database connection pool",
    source=_RPS[1],
    text=block("""
        The guide expects 30 to 40 % more RPS. Prisma takes the size of its pool from the address:

        ```bash
        # .env
        DATABASE_URL="postgresql://user:password@host:5432/orders?connection_limit=30&pool_timeout=10"
        ```

        `connection_limit` times the number of application processes has to stay below `max_connections` (200 as
        deployed) with room for migrations and monitoring. Look at `db_connection_pool_usage` first: below 0.8
        under load the pool is not what is short.
    """),
    corrected=(
        "The guide sets DATABASE_POOL_SIZE and DATABASE_POOL_MAX. Prisma reads neither; unless the application "
        "itself passes them on, they change nothing."
    ),
)
RESPONSE_CACHE = Recommendation(
    issue=_RPS[0],
    title="Cache the answers of repeated webhooks",
    source=_RPS[1],
    text=block("""
        The guide expects 20 to 30 % more RPS, from repeats only. Keep the answer in Redis for 300 s after the row
        is committed, and ask Redis before PostgreSQL:

        ```javascript
        const known = await redis.get(`webhook:answer:${messageSid}`).catch(() => null);
        if (known) return res.status(200).send(known);
        // … take the message; the UNIQUE row of its MessageSid decides whether it is new …
        await redis.set(`webhook:answer:${messageSid}`, 'OK', 'EX', 300).catch(() => {});
        ```
    """),
    corrected=(
        "The guide caches idempotency answers in Redis without saying what decides. The cache may only shorten "
        'the way of a repeat: the UNIQUE row ("messageSid" in processed_messages as deployed) has to decide, or a '
        "Redis that is away or has evicted the key lets the same message take effect twice."
    ),
)
QUEUE_WEBHOOKS = Recommendation(
    issue=_RPS[0],
    title="Queue webhooks, and process them in batches",
    source=_RPS[1],
    text=block("""
        The guide expects 40 to 50 % more RPS. Store the message durably, answer, and process it in a worker; batch
        what the worker writes, not what the endpoint answers:

        ```bash
        WEBHOOK_BATCH_SIZE=10
        WEBHOOK_BATCH_TIMEOUT=100   # ms
        ```
    """),
    corrected=(
        "The guide's settings are the application's own names. A batch that is gathered in memory after the 200 "
        "was sent is lost with the process: the message has to be committed (PostgreSQL, or a queue that "
        "persists) before the answer."
    ),
)
COMPRESSION = Recommendation(
    issue=_RPS[0],
    title="Run Node in production mode",
    source=_RPS[1],
    text=block("""
        ```bash
        NODE_ENV=production
        ```

        Express then caches what it renders and leaves out its debug paths.
    """),
    corrected=(
        'The guide calls this "Enable compression". The webhook answers two bytes (`OK`), which compression makes '
        "longer; for this endpoint it costs CPU and gains nothing."
    ),
)
INDEXES = Recommendation(
    issue=_P99[0],
    title="Add the indexes that are missing",
    source=_P99[1],
    text=block("""
        See first which statements are slow (`log_min_duration_statement = 200`, then `EXPLAIN (ANALYZE, BUFFERS)`)
        and which indexes there are. As deployed the lookups by MessageSid, idempotency key and routing have one
        already, by their UNIQUE constraints:

        ```sql
        -- deployed
        SELECT indrelid::regclass AS belongs_to, pg_get_indexdef(indexrelid) AS definition
          FROM pg_index
         WHERE indrelid IN ('webhook_idempotency'::regclass, 'processed_messages'::regclass,
                            'vendor_responses'::regclass, 'vendor_routings'::regclass);
        CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_webhook_idempotency_expires_at
            ON webhook_idempotency (expires_at);
        CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_vendor_responses_wholesaler
            ON vendor_responses ("wholesalerId");
        ```

        With the guide's tables:

        ```sql
        -- guide
        CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_webhook_idempotency_message_sid
            ON webhook_idempotency (message_sid);
        CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_vendor_routing_responses_routing_id
            ON vendor_routing_responses (routing_id);
        ```
    """),
    corrected=(
        "The guide indexes webhook_idempotency(message_sid) and vendor_routing_responses(routing_id). The "
        "deployed webhook_idempotency has no message_sid, but idempotency_key, which is UNIQUE and so indexed; "
        'the deployed vendor_responses is UNIQUE ("vendorRoutingId", "wholesalerId"), which serves lookups by '
        "routing. And without CONCURRENTLY a CREATE INDEX stops all writes to the table while it runs; with it, "
        "it must be the only statement of its migration, outside a transaction."
    ),
)
SLOW_QUERIES = Recommendation(
    issue="p99 Latency 500-2000ms (Warning): Database bottleneck",
    title="Review slow queries",
    source="Tuning Decision Tree: p99 > 500ms; the guide names the step only, the text is prober's",
    text=block("""
        Have PostgreSQL name them, and see what the sessions wait for while the load runs:

        ```sql
        -- deployed
        ALTER SYSTEM SET log_min_duration_statement = '200ms';
        SELECT pg_reload_conf();
        SELECT wait_event_type, wait_event, state, count(*) FROM pg_stat_activity
         WHERE backend_type = 'client backend' GROUP BY 1, 2, 3 ORDER BY 4 DESC;
        ```

        (`ALTER SYSTEM RESET log_min_duration_statement` ends the logging.) Many in `Lock` wait for one another,
        many in `IO` for the disk. Few active sessions while requests are slow: the application waits for its own
        pool (Prisma: P2024) or for its event loop.
    """),
)
REPLICAS = Recommendation(
    issue=_P99[0],
    title="Read from a replica what may be old",
    source=_P99[1],
    text=block("""
        ```javascript
        const { readReplicas } = require('@prisma/extension-read-replicas');
        const prisma = new PrismaClient().$extends(readReplicas({ url: process.env.DATABASE_READ_REPLICA_URL }));
        ```

        Reports and lists may come from there. Whatever decides (has this message been seen, who has the lock)
        reads the primary: `prisma.$primary()`, or inside a transaction.
    """),
    corrected=(
        "The guide sets DATABASE_READ_REPLICA_URL alone, which Prisma does not read, and does not say that a "
        "replica is behind: a repeat looked up there is taken for a new message."
    ),
)
QUERY_CACHE = Recommendation(
    issue=_P99[0],
    title="Cache query results that seldom change",
    source=_P99[1],
    text=block("""
        ```bash
        CACHE_STRATEGY=redis
        CACHE_TTL=3600
        ```

        For catalogues and profiles, removed from the cache when they are written; each read with a timeout and a
        way past a Redis that is away.
    """),
    corrected=(
        "The guide caches query results for an hour without a limit to which. Routing state and message state "
        "must not be among them: an hour-old answer to `who holds this order` makes a second winner."
    ),
)
SATURATION = Recommendation(
    issue="p99 Latency > 5000ms (Critical): Queue saturation",
    title="Take the processing out of the request, and bound what waits",
    source=_OURS,
    text=block("""
        More comes in than is served, so requests wait behind one another, and p99 grows as long as the load lasts.
        See which queue it is: `redis_queue_backlog` growing means too few workers; pool usage at 1 the database;
        neither of them the event loop of Node (`perf_hooks.monitorEventLoopDelay`). Let the request commit the
        message and answer; refuse early (503) what could not be served within Twilio's 15 s anyway.
    """),
)
INVESTIGATE_ERRORS = Recommendation(
    issue="Error Rate 0.1-1% (Warning): Investigate",
    title="Find out which errors they are",
    source=_OURS,
    text=block("""
        The results list them by kind (`requests.failed`, `requests.rejected`), the daemon in
        `whatsapp_webhook_errors_total{reason}`. `timeout`: the target waits for something, see p99. `refused` or
        `reset`: the process is restarting or its backlog of connections is full. `server_error`: its log has the
        trace. 403: signature or HTTPS header, which `prober doctor` tells.
    """),
)
BREAKER = Recommendation(
    issue=_ERRORS[0],
    title="Put a circuit breaker before what fails",
    source=_ERRORS[1],
    text=block("""
        ```bash
        CIRCUIT_BREAKER_THRESHOLD=5
        CIRCUIT_BREAKER_TIMEOUT=2000   # ms until one attempt is let through again
        ```

        It keeps requests from queueing up behind a dependency that does not answer. It makes no request succeed:
        what comes in meanwhile has to be kept elsewhere. A 503 alone is a lost message: by default Twilio repeats
        failed connections only. `#rc=3&rp=5xx,ct,rt` at the end of the webhook's address (as set at Twilio) has it
        repeat these too, for 15 s in all; what is refused for longer than that is gone.
    """),
    corrected=(
        "The guide keeps the circuit open for 30000 ms. It then refuses for up to 30 s after the dependency is "
        "back, which alone can miss the guide's own targets (Redis back within 5 s, database within 10 s)."
    ),
)
RETRIES = Recommendation(
    issue=_ERRORS[0],
    title="Retry with exponential backoff and jitter",
    source=_ERRORS[1],
    text=block("""
        ```bash
        RETRY_ATTEMPTS=3
        RETRY_DELAY=100        # ms, doubled each time, ± a random half
        RETRY_MAX_DELAY=5000
        ```

        All attempts together have to end within Twilio's 15 s.
    """),
    corrected=(
        "The guide says neither what may be repeated nor that delays need jitter. Only what may happen twice may "
        "be repeated (a write under its idempotency key); without jitter all of them come back at the same "
        "instant and knock the dependency over again."
    ),
)
TIMEOUTS = Recommendation(
    issue=_ERRORS[0],
    title="Set the webhook timeout between p99 and Twilio's",
    source=_ERRORS[1],
    text=block("""
        ```bash
        WEBHOOK_TIMEOUT=10000   # ms
        ```
    """),
    corrected=(
        "The guide raises the timeout to lower the error rate. That turns errors into slow requests, which hold "
        "sessions and memory longer; it helps only where requests would in fact end between 5 and 10 s. Never "
        "above 15 s, when Twilio has given up."
    ),
)

ROWS: Mapping[tuple[Measure, str], tuple[Recommendation, ...]] = {
    (Measure.RPS, "100-500"): (POOL, RESPONSE_CACHE, QUEUE_WEBHOOKS),
    (Measure.RPS, "< 100"): (POOL, RESPONSE_CACHE, QUEUE_WEBHOOKS, COMPRESSION),
    (Measure.LATENCY_P99, "500-2000ms"): (SLOW_QUERIES, INDEXES),
    (Measure.LATENCY_P99, "> 2000ms"): (INDEXES, REPLICAS, QUERY_CACHE),
    (Measure.LATENCY_P99, "> 5000ms"): (SATURATION, INDEXES, REPLICAS, QUERY_CACHE),
    (Measure.ERROR_RATE, "0.1-1%"): (INVESTIGATE_ERRORS, RETRIES),
    (Measure.ERROR_RATE, "1-5%"): (INVESTIGATE_ERRORS, BREAKER, RETRIES, TIMEOUTS),
    (Measure.ERROR_RATE, "> 5%"): (INVESTIGATE_ERRORS, BREAKER, RETRIES, TIMEOUTS),
}
