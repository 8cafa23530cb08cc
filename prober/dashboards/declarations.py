"""The six dashboards, in the order of their links."""

from __future__ import annotations

from prober.dashboards.database import DATABASE
from prober.dashboards.overview import OVERVIEW
from prober.dashboards.panel import Dashboard
from prober.dashboards.races import RACES
from prober.dashboards.redis import REDIS
from prober.dashboards.suites import SUITES
from prober.dashboards.webhook import WEBHOOK

DASHBOARDS: tuple[Dashboard, ...] = (OVERVIEW, WEBHOOK, RACES, REDIS, DATABASE, SUITES)
