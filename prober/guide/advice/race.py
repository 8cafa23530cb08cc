"""Advice on vendor races: one winner, found fast.

Source: "Tuning Recommendations by Breaking Point", "Vendor Race Condition Issues".
"""

from __future__ import annotations

from collections.abc import Mapping

from prober.guide.advice.recommendation import Recommendation, block
from prober.outcome import Measure

_CHAPTER = "Tuning Recommendations, Vendor Race Condition Issues"
_WINS = ("Issue: Win Rate < 95% (Race Conditions)", f"{_CHAPTER}, Win Rate < 95%")
_TIME = ("Issue: Race Time > 1000ms", f"{_CHAPTER}, Race Time > 1000ms")

UNIQUE_INDEX = Recommendation(
    issue=_WINS[0],
    title="Let the database refuse a second winner: a partial unique index",
    source=_WINS[1],
    text=block("""
        With the guide's tables:

        ```sql
        -- guide
        CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS unique_routing_acceptance
            ON vendor_routing_responses (routing_id) WHERE response = 'ACCEPTED';
        ```

        As deployed, for one winner in a routing, and one over all routings of an order:

        ```sql
        -- deployed
        CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS unique_routing_acceptance
            ON vendor_responses ("vendorRoutingId")
         WHERE "responseType" = 'ACCEPT' AND "acceptedAt" IS NOT NULL;
        CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS unique_order_lock
            ON vendor_routings ("orderId") WHERE "lockedWholesalerId" IS NOT NULL;
        ```

        Double winners that are there already have to be settled first; this finds them (an index that failed over
        them stays behind as INVALID: drop it before the next try):

        ```sql
        -- deployed
        SELECT "vendorRoutingId", count(*) FROM vendor_responses
         WHERE "responseType" = 'ACCEPT' AND "acceptedAt" IS NOT NULL
         GROUP BY 1 HAVING count(*) > 1;
        ```

        `unique_order_lock` presumes that the lock of a winner who cancels is cleared before another one may win.
        The application has to read the refusal (Prisma `P2002`, SQLSTATE 23505) as *lost*, not as a 500.
    """),
    corrected=(
        "The guide writes ALTER TABLE … ADD CONSTRAINT … UNIQUE (routing_id) WHERE response = 'ACCEPTED'. "
        "PostgreSQL has no constraint with WHERE and answers with a syntax error (42601), so nothing is "
        "protected. A unique index may be partial. The deployed table is vendor_responses, with other columns."
    ),
)
FOR_UPDATE = Recommendation(
    issue=_WINS[0],
    title="Lock the row, look, and write in one transaction",
    source=_WINS[1],
    text=block("""
        ```javascript
        // In vendorRouting.service.js; names as deployed
        await prisma.$transaction(async (tx) => {
          const [routing] = await tx.$queryRaw`
            SELECT id, "lockedWholesalerId" FROM vendor_routings WHERE id = ${routingId} FOR UPDATE`;
          if (!routing) throw new NotFound(routingId);
          if (routing.lockedWholesalerId !== null) {
            return routing.lockedWholesalerId === vendorId ? 'ALREADY_ACCEPTED' : 'LOST_RACE';
          }
          await tx.$executeRaw`
            UPDATE vendor_routings SET "lockedWholesalerId" = ${vendorId}, "lockedAt" = now() AT TIME ZONE 'UTC',
                   version = version + 1, "updatedAt" = now() AT TIME ZONE 'UTC' WHERE id = ${routingId}`;
          await tx.$executeRaw`
            UPDATE vendor_responses SET "responseType" = 'ACCEPT', "acceptedAt" = now() AT TIME ZONE 'UTC',
                   "updatedAt" = now() AT TIME ZONE 'UTC'
             WHERE "vendorRoutingId" = ${routingId} AND "wholesalerId" = ${vendorId}`;
          return 'LOCKED';
        });
        ```

        Or without a lock of one's own, in one statement that only one vendor can get a row from:

        ```sql
        -- deployed
        UPDATE vendor_routings SET "lockedWholesalerId" = 'vendor', "lockedAt" = now() AT TIME ZONE 'UTC',
               version = version + 1, "updatedAt" = now() AT TIME ZONE 'UTC'
         WHERE id = 'routing' AND "lockedWholesalerId" IS NULL;
        ```

        One row changed: won. None: lost, or asked again by the winner. (With the guide's names the table is
        vendor_routing.)
    """),
    corrected=(
        "The guide reads the routing first and then sends SELECT … FOR UPDATE as a statement of its own. Outside "
        "a transaction the lock ends with that statement, before anything is written; and what was read before "
        "the lock may be old by then. Lock, look and write have to be in one transaction, in this order."
    ),
)
SERIALIZABLE = Recommendation(
    issue=_WINS[0],
    title="Or isolate the transaction, with retries",
    source=_WINS[1],
    text=block("""
        ```javascript
        const MAY_BE_REPEATED = (error) =>
          error.code === 'P2034' || error.meta?.code === '40001' || error.meta?.code === '40P01';

        async function accept(routingId, vendorId, attempts = 5) {
          for (let attempt = 1; ; attempt += 1) {
            try {
              return await prisma.$transaction((tx) => acceptIn(tx, routingId, vendorId), {
                isolationLevel: 'Serializable',
              });
            } catch (error) {
              if (attempt === attempts || !MAY_BE_REPEATED(error)) throw error;
              await new Promise((resume) => setTimeout(resume, Math.random() * 20 * 2 ** attempt));
            }
          }
        }
        ```

        It stands in for the lock, not beside it, and costs aborted transactions under contention: the unique index
        and the lock are the better way here.
    """),
    corrected=(
        "The guide sets DATABASE_TRANSACTION_ISOLATION=SERIALIZABLE. Prisma does not read it; and SERIALIZABLE "
        "makes PostgreSQL abort the losers with 40001 (Prisma P2034), which without a retry reach the vendor as "
        "500s."
    ),
)
RACE_INDEX = Recommendation(
    issue=_TIME[0],
    title="Index the lookup of responses",
    source=_TIME[1],
    text=block("""
        With the guide's tables:

        ```sql
        -- guide
        CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_vendor_routing_responses_routing_response
            ON vendor_routing_responses (routing_id, response);
        ```

        As deployed the UNIQUE pair ("vendorRoutingId", "wholesalerId") serves it: look for waiting instead, while
        races run. Whoever blocks others, and with what:

        ```sql
        -- deployed
        SELECT pid, pg_blocking_pids(pid) AS waits_for, now() - xact_start AS since, left(query, 80) AS statement
          FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0;
        ```

        What holds the lock for long is what the transaction does besides: messages to vendors and calls to other
        services belong after the commit.
    """),
    corrected=(
        "The guide's table does not exist as deployed, where the index would repeat one that is there. Without "
        "CONCURRENTLY it stops all accepts while it is built."
    ),
)
ROUTING_CACHE = Recommendation(
    issue=_TIME[0],
    title="Cache that a routing is won, never that it is free",
    source=_TIME[1],
    text=block("""
        ```bash
        CACHE_ROUTING_STATE=true
        ROUTING_CACHE_TTL=300
        ```

        Written after the commit of the winner, so that those who come late are told without the database.
    """),
    corrected=(
        "The guide caches the routing's state. A cached `free` is old by the time it is used and lets a second "
        "vendor through; only `won by …` never changes."
    ),
)
FAST_PATH = Recommendation(
    issue=_TIME[0],
    title="A fast path for those who have lost",
    source=_TIME[1],
    text=block("""
        ```javascript
        const key = `routing:${routingId}:winner`;
        const winner = await redis.get(key).catch(() => null); // Redis away: the database decides
        if (winner !== null) return winner === vendorId ? 'ALREADY_ACCEPTED' : 'LOST_RACE';

        const result = await acceptInDatabase(routingId, vendorId); // the lock of above
        if (result === 'LOCKED') await redis.set(key, vendorId, 'EX', 600).catch(() => {});
        return result;
        ```

        If you keep `INCR`: `MULTI`, `INCR`, `EXPIRE 600`, `EXEC`; on any error of Redis ask the database; delete
        the key when the write of the first fails; and let the database decide in any case.
    """),
    corrected=(
        "The guide lets INCR decide who won. The key has no expiry, so keys pile up; without Redis nobody can "
        "win; when the first dies between INCR and its write the order has no winner for ever; the winner that "
        "asks again is told it lost; and after a failover of Redis the count begins again, with a second winner. "
        "It needs an expiry and a fallback, and the database has to decide."
    ),
)

_ONE_WINNER = (UNIQUE_INDEX, FOR_UPDATE, SERIALIZABLE)
_FAST = (RACE_INDEX, ROUTING_CACHE, FAST_PATH)

ROWS: Mapping[tuple[Measure, str], tuple[Recommendation, ...]] = {
    (Measure.WIN_RATE, "80-95%"): _ONE_WINNER,
    (Measure.WIN_RATE, "< 80%"): _ONE_WINNER,
    (Measure.RACE_CONDITIONS, "0-1%"): (UNIQUE_INDEX, FOR_UPDATE),
    (Measure.RACE_CONDITIONS, "> 1%"): _ONE_WINNER,
    (Measure.RACE_TIME, "500-1000ms"): _FAST,
    (Measure.RACE_TIME, "> 1000ms"): _FAST,
}
