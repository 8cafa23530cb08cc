"""The daemon behind a proxy: it says what the network does, and calls nothing a violation that was the network."""

from __future__ import annotations

from prober.demo.process import Owner
from tests.system.daemon_stack import fast_stack, no_trace
from tests.system.watching import Watched

PROBES = {
    "webhook": {"interval": "100ms", "timeout": "1s", "down_interval": "100ms", "processing_deadline": "15s"},
    "race": {"interval": "300ms", "timeout": "2s"},
}


async def test_the_daemon_behind_a_bad_network(owner: Owner) -> None:
    stack = fast_stack(owner, PROBES)
    stack.proxied = True
    await stack.start_services()
    await stack.start_watcher()
    watched = Watched(stack)
    await watched.clean_again()
    before = (await stack.proxy.state()).counters
    assert before.connections > 0
    assert (before.resets, before.stalls, before.upstream_failures) == (0, 0, 0)
    await stack.proxy.set(refuse=True)
    await watched.grows("whatsapp_webhook_errors_total", by=2, reason="refused")
    await stack.proxy.set(refuse=False, reset={"share": 1, "when": "answer"})
    await watched.grows("whatsapp_webhook_errors_total", by=2, reason="reset")
    await stack.proxy.set(reset=0, stall=1)
    await watched.grows("whatsapp_webhook_errors_total", by=2, reason="timeout")
    after = (await stack.proxy.clear()).counters
    assert after.resets > 0
    assert after.stalls > 0
    await watched.clean_again()
    scrape = await watched.scrape()
    assert scrape.total("vendor_routing_race_conditions_total") == 0
    assert scrape.total("whatsapp_webhook_violations_total") == 0
    assert scrape.total("whatsapp_webhook_lost_total") == 0
    no_trace(stack.watcher)
