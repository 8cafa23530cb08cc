"""Advice on restarts of PostgreSQL: what is kept meanwhile, and how fast and how wholly it all comes back.

Source: "Tuning Recommendations by Breaking Point", "Database Restart Issues".
"""

from __future__ import annotations

from collections.abc import Mapping

from prober.guide.advice.recommendation import NOT_KEPT, WAITED, Recommendation, block
from prober.outcome import Measure

_CHAPTER = "Tuning Recommendations, Database Restart Issues"
_TIME = ("Issue: Recovery Time > 30s", f"{_CHAPTER}, Recovery Time > 30s")
_AFTER = ("Issue: Success Rate < 95% After Recovery", f"{_CHAPTER}, Success Rate < 95% After Recovery")
_OURS = "Breaking Points Reference, Database Restart; the guide names the action only, the text is prober's"

FAILOVER = Recommendation(
    issue="During Failure 0% success, Recovery Time > 30s (Critical): failover",
    title="Let a standby take over",
    source=_OURS,
    text=block("""
        A streaming standby that is promoted by something that watches (Patroni, repmgr, or the provider's own
        failover), behind an address that moves with the primary; Prisma knows one address only. With asynchronous
        replication the last commits may be gone after a failover: set `synchronous_standby_names` if an accepted
        message must not be lost. Practise it: a failover that nobody has tried takes longer than a restart.
    """),
)
KEEP_MESSAGES = Recommendation(
    issue="During Failure 0% success (Critical)",
    title="Keep messages while PostgreSQL is away (fallback queue)",
    source=_OURS,
    clue=NOT_KEPT,
    text=block("""
        ```javascript
        try {
          await take(message); // commits the row
        } catch (error) {
          if (!isConnectionError(error)) throw error;
          // Redis has to persist (appendonly yes), and the worker takes the row first, under the same MessageSid.
          await queue.add('deferred', message, { jobId: message.MessageSid });
        }
        return res.status(200).send('OK');
        ```

        If neither took it, answer 503, and have Twilio repeat those (`#rc=3&rp=5xx,ct,rt` at the end of the
        webhook's address; by default it repeats failed connections only, and all attempts end within 15 s). Never
        200 for a message that nothing has kept; as deployed a message that comes in without PostgreSQL gets its
        200 and is lost.
    """),
)
DATABASE_BREAKER = Recommendation(
    issue="During Failure (Warning, Critical)",
    title="Put a circuit breaker and timeouts before PostgreSQL (circuit breaker)",
    source=_OURS,
    clue=WAITED,
    text=block("""
        ```bash
        # .env; seconds. pool_timeout: for a free session; socket_timeout: for the answer to a statement
        DATABASE_URL="postgresql://…/orders?connect_timeout=2&pool_timeout=2&socket_timeout=5"
        CIRCUIT_BREAKER_THRESHOLD=5
        CIRCUIT_BREAKER_TIMEOUT=1000   # ms until one attempt is let through again
        ```

        A frozen server refuses nothing: without these each request waits until its caller gives up. In the server
        `statement_timeout`, `lock_timeout` and `idle_in_transaction_session_timeout` bound what one session can
        hold.
    """),
)
CACHING = Recommendation(
    issue="During Failure 1-10% success (Warning): Add caching",
    title="Answer from a cache what may be old",
    source=_OURS,
    text=block("""
        Reads that seldom change (catalogue, profiles of retailers and vendors) can be answered while the database
        is away, marked as possibly old. Taking an order and winning a race cannot: those need a queue or a
        failover.
    """),
)
WARMUP = Recommendation(
    issue=_TIME[0],
    title="Open the pool's connections before traffic needs them",
    source=_TIME[1],
    text=block("""
        ```javascript
        // In database.js: at the start, and again whenever the database was away
        async function warmUp(prisma, poolSize) {
          // Held for a moment, so that they overlap and each opens a session of its own.
          const open = () => prisma.$queryRaw`SELECT 1 FROM pg_sleep(0.05)`;
          const tasks = Array.from({ length: Math.ceil(poolSize / 2) }, open);
          const failed = (await Promise.allSettled(tasks)).filter((task) => task.status === 'rejected');
          if (failed.length > 0) throw new Error(`${failed.length} sessions not opened: ${failed[0].reason}`);
        }
        ```

        What takes long in the server itself is the recovery from the write-ahead log: `checkpoint_timeout` and
        `max_wal_size` bound how much there is to read, and its log tells how long it took (`redo done at …
        elapsed`).
    """),
    corrected=(
        "The guide runs its warmup when the application starts; when the database restarts, the application does "
        "not. Its SELECT 1 ends before the next one begins, so that a few sessions serve them all; and errors are "
        "swallowed, so the warmup of a dead database succeeds."
    ),
)
HEALTH = Recommendation(
    issue=_TIME[0],
    title="A faster health check, which tells the truth",
    source=_TIME[1],
    text=block("""
        ```bash
        HEALTH_CHECK_TIMEOUT=3000   # ms, instead of 5000
        HEALTH_CHECK_QUERY="SELECT 1"
        ```

        Ask often (every second or two) with a short timeout, and answer 503 when the query fails, so that the load
        balancer leaves out and takes back the instance by what is so.
    """),
    corrected=(
        "The guide shortens the timeout only. As deployed /health/detailed and /health/monitor answer 200 with "
        "PostgreSQL down: whoever routes by them learns nothing, however fast."
    ),
)
PGBOUNCER = Recommendation(
    issue=_TIME[0],
    title="Pool connections with PgBouncer, set to come back at once",
    source=_TIME[1],
    text=block("""
        ```yaml
        # docker-compose.yml
        services:
          pgbouncer:
            image: edoburu/pgbouncer
            environment:
              DATABASE_URL: postgresql://...
              POOL_MODE: transaction
              MAX_CLIENT_CONN: "1000"
              DEFAULT_POOL_SIZE: "25"
              SERVER_LOGIN_RETRY: "1"
              SERVER_CHECK_DELAY: "5"
        ```

        ```bash
        # .env of the application
        DATABASE_URL="postgresql://user:password@pgbouncer:5432/orders?pgbouncer=true"
        ```
    """),
    corrected=(
        "With the guide's settings PgBouncer makes recovery slower: after a failed login it waits "
        "server_login_retry, 15 s by default, before it tries the server again (13.8 s were measured after a "
        "restart, with version 1.18). And in transaction mode prepared statements fail unless Prisma is told "
        "(pgbouncer=true)."
    ),
)
CONNECTION_ERRORS = Recommendation(
    issue=_AFTER[0],
    title="Tell connection errors from others, and repeat only what may be repeated",
    source=_AFTER[1],
    text=block("""
        ```javascript
        // P1001 not reachable, P1002 reached but timed out, P1008 operation timed out,
        // P1017 server closed the connection, P2024 no free session in the pool
        const CONNECTION_ERRORS = new Set(['P1001', 'P1002', 'P1008', 'P1017', 'P2024']);
        const isConnectionError = (error) => CONNECTION_ERRORS.has(error.code ?? error.errorCode);

        const READS = new Set(['findUnique', 'findFirst', 'findMany', 'count', 'aggregate', 'groupBy']);
        const prisma = new PrismaClient().$extends({
          query: {
            async $allOperations({ operation, args, query }) {
              try {
                return await query(args);
              } catch (error) {
                if (!isConnectionError(error) || !READS.has(operation)) throw error;
                return query(args); // once, on another session of the pool
              }
            },
          },
        });
        ```
    """),
    corrected=(
        "The guide takes P2002 for a connection error. P2002 is a violated unique constraint, here: a repeated "
        "message or a lost race, after which it would disconnect everybody, while real connection errors (P1001, "
        "P1002, P1008, P1017, P2024) pass by unhandled. $disconnect on the shared client also cuts off requests "
        "that are well; the pool opens new sessions by itself. And $use is deprecated in Prisma 5, and gone from "
        "later ones."
    ),
)
RECONNECT = Recommendation(
    issue=_AFTER[0],
    title="Get rid of dead sessions soon",
    source=_AFTER[1],
    text=block("""
        ```bash
        # .env; seconds
        DATABASE_URL="postgresql://…/orders?connect_timeout=2&socket_timeout=5&pool_timeout=5"
        ```

        A server that was killed closes its sessions, and they are replaced at their next use. One that vanished
        (host or network) closes nothing: `socket_timeout`, and in the operating system `net.ipv4.tcp_retries2=8`,
        end those.
    """),
    corrected=(
        "The guide sets DATABASE_AUTO_RECONNECT and DATABASE_RECONNECT_TIMEOUT, which neither Prisma nor "
        "PostgreSQL reads. Prisma reconnects without being told."
    ),
)
RETRY_FRESH = Recommendation(
    issue=_AFTER[0],
    title="Retry with backoff, on whatever session the pool gives",
    source=_AFTER[1],
    text=block("""
        ```javascript
        if (isConnectionError(error) && mayBeRepeated) {
          return retryWithBackoff(() => query(), { attempts: 4, firstDelay: 100, maxDelay: 2000, jitter: true });
        }
        ```

        `mayBeRepeated`: a read, or a write under a unique key (MessageSid, idempotency key). After P1017 nobody
        knows whether the commit went through; a write without such a key must not be sent again.
    """),
    corrected=(
        "The guide calls prisma.$disconnect() before each retry, which ends the sessions of every other request "
        "in the process, at the moment when all of them come back."
    ),
)

_BACK = (WARMUP, HEALTH, PGBOUNCER)
_DURING = (KEEP_MESSAGES, DATABASE_BREAKER)

ROWS: Mapping[tuple[Measure, str], tuple[Recommendation, ...]] = {
    (Measure.SUCCESS_DURING, "0% success"): (FAILOVER, *_DURING),
    (Measure.SUCCESS_DURING, "above 0% and under 1% success"): (CACHING, FAILOVER, *_DURING),
    (Measure.SUCCESS_DURING, "1-10% success"): (CACHING, *_DURING),
    (Measure.SUCCESS_AFTER, "< 95%"): (CONNECTION_ERRORS, RECONNECT, RETRY_FRESH),
    (Measure.RECOVERY_TIME, "10-30s"): _BACK,
    (Measure.RECOVERY_TIME, "> 30s"): (*_BACK, FAILOVER),
}

# Called for by their clue alone, also where every row is good.
BY_CLUE: tuple[Recommendation, ...] = _DURING
