"""Removing what was left of ours: orders by themselves, orphans of any prober handed to who removes them."""

from prober.daemon.sweep.orders import OrderSweep
from prober.daemon.sweep.orphans import OrphanSweep

__all__ = ["OrderSweep", "OrphanSweep"]
