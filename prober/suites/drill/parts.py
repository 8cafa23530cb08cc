"""What works at one drill, made from the config: who sends, who follows, who watches."""

from __future__ import annotations

from dataclasses import dataclass

from prober.config.model import Config
from prober.daemon.assembly import database_addresses, redis_address, routes_of, target_client
from prober.outcome import Service
from prober.probes.marks import Marks
from prober.probes.synthetic import NOBODYS_NUMBER, Mark
from prober.probes.witness import Witness
from prober.suites.drill.following import Following
from prober.suites.drill.queue_watch import QueueWatch
from prober.suites.drill.service_watch import ServiceWatch
from prober.suites.drill.traffic import Traffic
from prober.suites.drill.transactions import Transactions
from prober.suites.load.messages import Ids, Sender
from prober.suites.observing import BacklogSource
from prober.suites.running import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What works at one drill. `transactions`: where the database is broken; `queues`: where Redis is known."""

    watch: ServiceWatch
    following: Following
    traffic: Traffic
    transactions: Transactions | None
    queues: QueueWatch | None


def parts_of(session: Session, service: Service, rate: float, *, way: Config, witness: Witness) -> Parts:
    """The parts of a drill of `service` (`rate`: messages a second). `way`: the config of who sees the fault."""
    config, contract = session.settings.config, session.settings.contract
    watch = ServiceWatch(way, contract, service)
    following = Following(config, contract, Marks(witness, f"{config.instance}/drill"), watch.service_time)
    redis = config.probes.redis
    return Parts(
        watch=watch,
        following=following,
        traffic=_traffic(session, following, rate),
        transactions=_transactions(config, service),
        queues=QueueWatch(BacklogSource(redis_address(redis), config, contract)) if redis.enabled else None,
    )


def ids_of(session: Session) -> Ids:
    """The ids of a run's messages."""
    return Ids(Mark(session.settings.config.instance), session.run_id)


def from_number_of(config: Config) -> str:
    """Who sends them."""
    return config.probes.webhook.from_number or NOBODYS_NUMBER


def _traffic(session: Session, following: Following, rate: float) -> Traffic:
    config, contract = session.settings.config, session.settings.contract
    section, target = config.probes.webhook, config.target
    client = target_client(config)
    sender = Sender(
        contract=contract.webhook,
        endpoint=client.endpoint,
        public_url=target.public_url,
        auth_token=target.auth_token.get_secret_value(),
        account_sid=target.account_sid,
        from_number=from_number_of(config),
    )
    return Traffic(
        sender,
        ids_of(session),
        client,
        routes_of(config, contract),
        started=session.started,
        mode=section.mode,
        rate=rate,
        timeout=section.timeout,
        accepted=following.accepted,
    )


def _transactions(config: Config, service: Service) -> Transactions | None:
    direct, pooled = database_addresses(config.probes.database)
    address = direct or pooled
    if service is not Service.DATABASE or address is None:
        return None
    return Transactions(address, config.instance)
