"""The short form of `make chaos`: killed five times at random moments, nothing is left and nothing forgotten."""

from __future__ import annotations

import random

from proofs.chaos import chaos


async def test_five_kills_leave_nothing_and_forget_nothing() -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    figures = await chaos(5, seed)
    assert figures.broken == [], f"seed {seed}"
    assert figures.look_alikes >= 30
    assert (figures.rows_at_end, figures.keys_at_end, figures.marks_at_end) == (0, 0, 0)
