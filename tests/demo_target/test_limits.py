"""The shared memory of all workers: the rate limit's windows and the nonces of the replay protection."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.demo.target.limits import NONCES, SharedMemory, create_shared_memory


@pytest.fixture
def descriptor() -> Iterator[int]:
    descriptor = create_shared_memory()
    yield descriptor
    os.close(descriptor)


def test_a_window_begins_with_the_first_request_and_ends(descriptor: int) -> None:
    memory = SharedMemory(descriptor)
    allowed = [memory.count_request("127.0.0.1", 3, 60.0, 100.0 + second) for second in range(5)]
    assert [allowance.allowed for allowance in allowed] == [True, True, True, False, False]
    assert [allowance.remaining for allowance in allowed] == [2, 1, 0, 0, 0]
    assert allowed[4].reset == 56
    assert memory.count_request("127.0.0.2", 3, 60.0, 105.0).allowed
    assert not memory.count_request("127.0.0.1", 3, 60.0, 159.9).allowed
    assert memory.count_request("127.0.0.1", 3, 60.0, 160.0).remaining == 2


def test_a_nonce_is_new_once_until_it_is_forgotten(descriptor: int) -> None:
    memory = SharedMemory(descriptor)
    assert memory.remember(b"nonce", 330.0, 0.0)
    assert not memory.remember(b"nonce", 330.0, 329.0)
    assert memory.remember(b"another", 330.0, 0.0)
    assert memory.remember(b"nonce", 330.0, 331.0)
    memory.forget(b"nonce", 332.0)
    assert memory.remember(b"nonce", 330.0, 333.0)


def test_many_nonces_are_told_apart(descriptor: int) -> None:
    memory = SharedMemory(descriptor)
    count = NONCES // 4
    assert all(memory.remember(str(number).encode(), 60.0, 1.0) for number in range(count))
    assert not any(memory.remember(str(number).encode(), 60.0, 2.0) for number in range(count))


@given(clients=st.lists(st.sampled_from(["10.0.0.1", "10.0.0.2", "::1"]), max_size=60), limit=st.integers(1, 30))
def test_every_client_gets_exactly_its_limit(clients: list[str], limit: int) -> None:
    descriptor = create_shared_memory()
    try:
        memory = SharedMemory(descriptor)
        allowed = [client for client in clients if memory.count_request(client, limit, 60.0, 5.0).allowed]
    finally:
        os.close(descriptor)
    for client in set(clients):
        assert allowed.count(client) == min(clients.count(client), limit)


def _count(descriptor: int, times: int) -> None:
    memory = SharedMemory(descriptor)
    for _ in range(times):
        memory.count_request("127.0.0.1", 1_000_000, 60.0, 1.0)


def test_no_request_is_missed_when_processes_count_at_once(descriptor: int) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_count, args=(descriptor, 2_000)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60.0)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    left = SharedMemory(descriptor).count_request("127.0.0.1", 1_000_000, 60.0, 1.0).remaining
    assert left == 1_000_000 - 6_001
