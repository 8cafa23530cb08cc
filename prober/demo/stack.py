"""A whole stack of its own: PostgreSQL, Redis, the reference target, a config for it, the daemon, Prometheus."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from prober.config.fields import Address
from prober.config.load import load_config
from prober.daemon.assembly import database_addresses, load_contract
from prober.demo.alerting import Alerting
from prober.demo.control import DemoControl
from prober.demo.pager import Notified
from prober.demo.postgres import Postgres
from prober.demo.process import Owner, obstacle, unprivileged_user
from prober.demo.prometheus import installed
from prober.demo.proxy_server import Proxy
from prober.demo.redis_server import RedisServer
from prober.demo.target.forms import FormName
from prober.demo.target_server import Target
from prober.demo.watcher import Watcher
from prober.outcome import Service
from prober.setup import set_up

PUBLIC_URL = "https://orders.demo.example"
WEBHOOK_PATH = "/api/v1/whatsapp/webhook"
ACCOUNT_SID = "AC" + "0" * 31 + "1"
# A number that is ours: the reserved country code +999 reaches nobody.
FROM_NUMBER = "+999000000001"
INSTANCE = "demo"
SCRAPE_INTERVAL = 2.0  # seconds; of Prometheus, and of its rules
# Half a minute is to show everything, and nobody else asks this target.
CAP = {"requests": "50/1s", "burst": 100, "in_flight": 128}

# What the reference target can be, by the shipped contract that speaks of it.
FORMS: Mapping[str, FormName] = {"whatsapp-ordering-system": FormName.DEPLOYED, "guide": FormName.GUIDE}
DEFAULT_CONTRACT = "whatsapp-ordering-system"

# Short intervals, so that half a minute shows everything (SPEC 3).
PROBES: Mapping[str, Mapping[str, Any]] = {
    "webhook": {
        "interval": "1s",
        "timeout": "5s",
        "processing_deadline": "10s",
        "from_number": FROM_NUMBER,
        "checks_interval": "1m",
    },
    "race": {"interval": "2s", "timeout": "5s", "split_order_interval": "10s"},
    "redis": {"details_interval": "2s"},
    "database": {"details_interval": "2s"},
    "health": {"interval": "5s"},
}


def _say_nothing(_: str) -> None:
    """Report no progress."""


@dataclass(kw_only=True)
class Stack:
    """The servers of one demo or one system test. `progress` is told what is being done.

    `contract` is a shipped one; the target takes its form.
    """

    owner: Owner
    directory: Path
    contract: str = DEFAULT_CONTRACT
    listen: Address | None = None  # of the daemon; None: a free port of 127.0.0.1
    probes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # over PROBES, by probe
    target_settings: Mapping[str, Any] = field(default_factory=dict)
    target_config: Mapping[str, Any] = field(default_factory=dict)  # over the config's section `target`
    config_sections: Mapping[str, Any] = field(default_factory=dict)  # over the top level of the config
    proxied: bool = False  # whether the daemon reaches the target through a proxy of ours, `proxy`
    # Whether `prober drill` may break it: a control for its servers, and proxies on the target's way to them.
    drillable: bool = False
    progress: Callable[[str], None] = _say_nothing

    def __post_init__(self) -> None:
        self._auth_token = secrets.token_hex(16)
        # PostgreSQL may have to run as somebody who cannot enter our directory.
        public = obstacle(self.directory, unprivileged_user()) is None
        base = self.directory if public else self.owner.directory
        self.postgres = Postgres(self.owner, base / "postgres")
        # A message taken while PostgreSQL is down exists in Redis alone: it has to survive a crash of that too.
        self.redis = RedisServer(self.owner, self.directory / "redis", settings={"appendonly": "yes"})
        self.config_file = self.directory / "config.yaml"
        self.data_dir = self.directory / "prober-data"
        self.watcher = Watcher(self.owner, self.directory / "prober", self.config_file, listen=self.listen)
        self.control = DemoControl(self.directory, {Service.REDIS: self.redis, Service.DATABASE: self.postgres})

    async def start_services(self) -> None:
        """Start PostgreSQL, Redis and the target, and write the config of this stack."""
        self.progress("starting PostgreSQL")
        await self.postgres.start()
        dsn = await self.postgres.create_database("orders")
        self.progress("starting Redis")
        await self.redis.start()
        target_dsn, target_redis = dsn, self.redis.url()
        if self.drillable:
            target_dsn, target_redis = await self._start_drills(target_dsn, target_redis)
        self.progress("starting the reference target")
        self.target = Target(
            self.owner,
            self.directory / "target",
            dsn=target_dsn,
            redis_url=target_redis,
            auth_token=self._auth_token,
            public_url=PUBLIC_URL + WEBHOOK_PATH,
            settings={"form": FORMS[self.contract], **self.target_settings},
        )
        await self.target.start()
        if self.proxied:
            self.proxy = Proxy(self.owner, self.directory / "proxy", self.target.port)
            await self.proxy.start()
        self._write_config(dsn)
        await self._set_up()

    async def _start_drills(self, dsn: str, redis_url: str) -> tuple[str, str]:
        """Make the servers breakable; the target's ways to them, through proxies."""
        self.redis_proxy = Proxy(self.owner, self.directory / "redis-proxy", self.redis.port)
        self.database_proxy = Proxy(self.owner, self.directory / "database-proxy", self.postgres.port)
        await self.redis_proxy.start()
        await self.database_proxy.start()
        await self.control.start()
        return (
            dsn.replace(self.postgres.address, self.database_proxy.address),
            redis_url.replace(self.redis.address, self.redis_proxy.address),
        )

    async def stop_drills(self) -> None:
        """Let nobody break the servers any more, before they are stopped."""
        await self.control.stop()

    async def start_watcher(self) -> None:
        """Start the daemon and wait until every probe has run once."""
        self.progress("starting the prober")
        await self.watcher.start()
        await self.watcher.wait_complete()

    async def start_alerting(self, told: Callable[[Notified], None]) -> Alerting | None:
        """Start Prometheus and Alertmanager, where they are installed; `told` hears of every alert."""
        if not installed():
            return None
        self.progress("starting Prometheus and Alertmanager")
        alerting = Alerting(
            owner=self.owner,
            directory=self.directory,
            probers=[self.watcher.address],
            interval=SCRAPE_INTERVAL,
            told=told,
        )
        await alerting.start()
        return alerting

    def _write_config(self, dsn: str) -> None:
        probes = {name: {**PROBES[name], **self.probes.get(name, {})} for name in PROBES}
        probes["redis"] = {"url": self.redis.url(), **probes["redis"]}
        probes["database"] = {"dsn": dsn, **probes["database"]}
        document = {
            "instance": INSTANCE,
            "data_dir": str(self.data_dir),
            "listen": self.watcher.address,
            "target": {
                "contract": self.contract,
                "environment": "demo",
                "url": f"http://{self.proxy.address}" if self.proxied else self.target.url,
                "public_url": PUBLIC_URL,
                "account_sid": ACCOUNT_SID,
                "auth_token": self._auth_token,
                "app_name": "whatsapp-ordering-system",
                **self.target_config,
            },
            "cap": CAP,
            "probes": probes,
            **({"drills": self._drills()} if self.drillable else {}),
            **self.config_sections,
        }
        self.config_file.touch(mode=0o600)
        self.config_file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")

    def _drills(self) -> dict[str, Any]:
        proxies = {"redis": self.redis_proxy, "database": self.database_proxy}
        return {
            "demo": str(self.directory),
            **{
                name: {"proxy": {"control": str(proxy.directory), "listen": proxy.address}}
                for name, proxy in proxies.items()
            },
        }

    async def _set_up(self) -> None:
        config = load_config(self.config_file, {})
        contract = load_contract(config, self.directory)
        direct, _ = database_addresses(config.probes.database)
        if direct is not None:
            await set_up(direct, contract, config.instance, config.probes.race.vendors)
