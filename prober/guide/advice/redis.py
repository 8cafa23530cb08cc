"""Advice on failures of Redis: what keeps messages, what keeps callers from waiting, and how the backlog drains.

Source: "Tuning Recommendations by Breaking Point", "Redis Failure Resilience Issues". Messages that were refused
or lost call for the fallback queue, callers that waited for the circuit breaker; neither mends the other's
trouble.
"""

from __future__ import annotations

from collections.abc import Mapping

from prober.guide.advice.recommendation import NOT_KEPT, UNBOUNDED, WAITED, Recommendation, block
from prober.outcome import Measure

_CHAPTER = "Tuning Recommendations, Redis Failure Resilience Issues"
_ERRORS = ("Issue: Error Rate > 20% During Outage", f"{_CHAPTER}, Error Rate > 20% During Outage")
_BACKLOG = ("Issue: Queue Backlog > 1000 During Outage", f"{_CHAPTER}, Queue Backlog > 1000 During Outage")
_OURS = "Breaking Points Reference, Redis Failure; the guide names the action only, the text is prober's"

FALLBACK_QUEUE = Recommendation(
    issue=_ERRORS[0],
    title="Fall back to a queue in the database (fallback queue)",
    source=_ERRORS[1],
    clue=NOT_KEPT,
    text=block("""
        Store the job in the transaction that takes the message; Redis is only the quick way to the worker:

        ```sql
        -- deployed
        CREATE TABLE IF NOT EXISTS webhook_outbox (
            message_sid text PRIMARY KEY,
            payload jsonb NOT NULL,
            due_at timestamptz NOT NULL DEFAULT now()
        );
        CREATE INDEX IF NOT EXISTS idx_webhook_outbox_due_at ON webhook_outbox (due_at);
        ```

        ```javascript
        await prisma.$transaction(async (tx) => {
          await tx.processedMessage.create({ data: { messageSid, phoneNumber } });
          await tx.webhookOutbox.create({ data: { messageSid, payload } });
        });
        await queue.add('incoming', { messageSid }, { jobId: messageSid }).catch(() => {}); // may fail
        ```

        A worker, in one transaction with the effect, takes what is due; `SKIP LOCKED` lets several of them work at
        once. A worker that was handed a job by Redis deletes that one row in the same way, and does nothing where
        there is none: so a job that came by both ways is done once.

        ```sql
        -- deployed
        DELETE FROM webhook_outbox
         WHERE message_sid IN (SELECT message_sid FROM webhook_outbox WHERE due_at <= now()
                                ORDER BY due_at LIMIT 50 FOR UPDATE SKIP LOCKED)
        RETURNING message_sid, payload;
        ```
    """),
    corrected=(
        "The guide asks `redisUnavailable` first and stores the job only then. Redis can fail after it was asked, "
        "and between the row of the message and the job the process can die: answered with 200, and lost. The job "
        "has to be committed together with the message."
    ),
)
COMMAND_TIMEOUT = Recommendation(
    issue=_ERRORS[0],
    title="Bound every command to Redis",
    source=_ERRORS[1],
    clue=UNBOUNDED,
    text=block("""
        ```javascript
        const producer = new Redis(process.env.REDIS_URL, {
          connectTimeout: 500,
          commandTimeout: 500,        // ms
          maxRetriesPerRequest: 1,
          enableOfflineQueue: false,  // fail at once while disconnected
        });
        ```

        BullMQ's *workers* need a connection of their own, with `maxRetriesPerRequest: null` and no command
        timeout, since they wait for jobs.
    """),
    corrected=(
        "The guide races the command against a timer and turns every failure into null. The command still runs "
        "and may take effect after it was given up, the timer keeps running after a success, and a job that was "
        "not queued looks like one that was. Let the client time out, and handle the error."
    ),
)
REDIS_BREAKER = Recommendation(
    issue=_ERRORS[0],
    title="Put a circuit breaker before Redis (circuit breaker)",
    source=_ERRORS[1],
    clue=WAITED,
    text=block("""
        ```bash
        # .env
        REDIS_CIRCUIT_BREAKER=true
        REDIS_FAILURE_THRESHOLD=5
        REDIS_FAILURE_TIMEOUT=1000   # ms until one attempt is let through again
        ```

        After five failures Redis is not asked for a second, so that a frozen one costs five callers their time and
        not all of them. It keeps no message: that is the fallback queue's part.
    """),
    corrected=(
        "The guide leaves the circuit open for 60000 ms: for up to a minute after Redis is back it is not used, "
        "which alone can make a critical recovery time (> 30s) by the guide's own table."
    ),
)
WORKERS = Recommendation(
    issue=_BACKLOG[0],
    title="Increase the number of workers",
    source=_BACKLOG[1],
    text=block("""
        ```yaml
        # docker-compose.yml
        environment:
          WORKER_CONCURRENCY: "10"
        ```

        ```javascript
        const concurrency = Number(process.env.WORKER_CONCURRENCY);
        new Worker('whatsapp-webhooks', handle, { connection, concurrency });
        ```

        Each job needs a session of the database: concurrency times worker processes has to stay below what
        `connection_limit` gives them, or the backlog only moves to the pool.
    """),
)
QUEUE_BATCHES = Recommendation(
    issue=_BACKLOG[0],
    title="Add and write in batches",
    source=_BACKLOG[1],
    text=block("""
        `queue.addBulk([…])` adds many jobs in one round trip; in the worker let jobs that only write rows share an
        INSERT of many rows.

        ```bash
        QUEUE_BATCH_SIZE=50
        QUEUE_BATCH_TIMEOUT=500   # ms
        ```
    """),
    corrected=(
        "The guide's settings batch nothing by themselves: a worker of BullMQ 5 takes one job at a time (batches "
        "are part of BullMQ Pro). What gathers jobs must finish each of them by itself, or one bad job fails "
        "fifty."
    ),
)
PRIORITIES = Recommendation(
    issue=_BACKLOG[0],
    title="Serve what is urgent first",
    source=_BACKLOG[1],
    text=block("""
        ```bash
        HIGH_PRIORITY_QUEUE_WORKERS=5
        NORMAL_PRIORITY_QUEUE_WORKERS=3
        LOW_PRIORITY_QUEUE_WORKERS=1
        ```

        A queue and workers of its own for each class, or `queue.add(name, data, { priority: 1 })`. It changes who
        waits, not how long the backlog lasts.
    """),
    corrected=(
        "Jobs with a priority stand in the sorted set `prioritized` and not in the list `wait`: whoever watches "
        "`wait` alone sees no backlog any more. (prober counts both.)"
    ),
)
REDIS_STARTUP = Recommendation(
    issue="Recovery Time > 30s (Critical): Optimize startup",
    title="Shorten the start of Redis, and the way back of its clients",
    source=_OURS,
    text=block("""
        Two parts, which the results tell apart: until Redis answered, and from then until messages took effect
        again.

        - *Redis itself*: it answers LOADING until its data is read (`redis-cli INFO persistence`:
          `loading_eta_seconds`). `aof-use-rdb-preamble yes` and a recent rewrite make that short; let BullMQ
          remove what is done (`removeOnComplete: { count: 1000 }`, `removeOnFail: { age: 86400 }`), since all of
          it is loaded. With Sentinel a replica takes over instead.
        - *The clients*: `retryStrategy: (times) => Math.min(times * 50, 1000)`, and a circuit breaker that tries
          again after about a second.
    """),
)
INVESTIGATE_REDIS = Recommendation(
    issue="Error Rate 1-20% (Warning): Partial fallback",
    title="Find out which requests have no fallback",
    source=_OURS,
    text=block("""
        Some ways through the application keep working without Redis, others do not. The results list what failed
        in the phase `during` by kind; the first seconds after the fault alone mean that failures are noticed late
        (command timeout, circuit breaker), a steady share that one kind of message has no fallback.
    """),
)

_ALL = (FALLBACK_QUEUE, REDIS_BREAKER, COMMAND_TIMEOUT)
_DRAIN = (WORKERS, QUEUE_BATCHES, PRIORITIES)

ROWS: Mapping[tuple[Measure, str], tuple[Recommendation, ...]] = {
    (Measure.ERROR_RATE, "1-20%"): (*_ALL, INVESTIGATE_REDIS),
    (Measure.ERROR_RATE, "20-50%"): _ALL,
    (Measure.ERROR_RATE, "> 50%"): _ALL,
    (Measure.BACKLOG, "100-1000"): (WORKERS,),
    (Measure.BACKLOG, "> 1000"): _DRAIN,
    (Measure.RECOVERY_TIME, "> 30s"): (REDIS_STARTUP,),
}

# Called for by their clue alone, also where every row is good.
BY_CLUE: tuple[Recommendation, ...] = _ALL
