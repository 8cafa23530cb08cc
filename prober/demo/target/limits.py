"""Memory that all worker processes share: the rate limit's counts and the replay protection's nonces.

The deployed system is one process and keeps both in its memory; here an anonymous file (memfd_create(2)) is
mapped by all workers and guarded by an fcntl lock, which the kernel releases when a holder is killed.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_CLIENT = struct.Struct("=8sdI")  # digest of the address, end of its window (monotonic), requests in it
_NONCE = struct.Struct("=8sd")  # digest, monotonic second at which it may be forgotten
CLIENTS = 4_096
NONCES = 65_536
PROBES = 64  # slots looked at for one key; when all are taken the one that ends first is overwritten
SIZE = CLIENTS * _CLIENT.size + NONCES * _NONCE.size


def create_shared_memory() -> int:
    """A file descriptor for `SharedMemory`, inheritable; it has no name and goes with its last holder."""
    descriptor = os.memfd_create("prober-target")
    os.ftruncate(descriptor, SIZE)
    os.set_inheritable(descriptor, True)
    return descriptor


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the limit says of one request. `reset` is in whole seconds from now."""

    allowed: bool
    limit: int
    remaining: int
    reset: int


class SharedMemory:
    """The mapped tables. Digests are of 64 bits; a table full of live entries forgets the oldest."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._memory = mmap.mmap(descriptor, SIZE)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def count_request(self, client: str, limit: int, window: float, now: float) -> Allowance:
        """Count one request of a client in its fixed window, which begins with its first request."""
        with self._locked():
            offset, found = self._slot(client.encode(), 0, CLIENTS, _CLIENT, now)
            _, ends, count = _CLIENT.unpack_from(self._memory, offset)
            if not found:
                ends, count = now + window, 0
            count = min(count + 1, 0xFFFFFFFF)
            _CLIENT.pack_into(self._memory, offset, _digest(client.encode()), ends, count)
        return Allowance(count <= limit, limit, max(limit - count, 0), math.ceil(ends - now))

    def remember(self, nonce: bytes, seconds: float, now: float) -> bool:
        """Whether the nonce is new; it is remembered for so long."""
        with self._locked():
            offset, found = self._slot(nonce, CLIENTS * _CLIENT.size, NONCES, _NONCE, now)
            if not found:
                _NONCE.pack_into(self._memory, offset, _digest(nonce), now + seconds)
            return not found

    def forget(self, nonce: bytes, now: float) -> None:
        """Take a nonce back, since its message was not taken."""
        with self._locked():
            offset, found = self._slot(nonce, CLIENTS * _CLIENT.size, NONCES, _NONCE, now)
            if found:
                _NONCE.pack_into(self._memory, offset, bytes(8), 0.0)

    def _slot(self, key: bytes, base: int, slots: int, entry: struct.Struct, now: float) -> tuple[int, bool]:
        """(offset, True) of the key's live entry, or (offset, False) of the entry to overwrite."""
        digest = _digest(key)
        first = int.from_bytes(digest, "little")
        free, free_ends = -1, math.inf
        for step in range(PROBES):
            offset = base + (first + step) % slots * entry.size
            name, ends = entry.unpack_from(self._memory, offset)[:2]
            if ends <= now:
                ends = -math.inf
            elif name == digest:
                return offset, True
            if ends < free_ends:
                free, free_ends = offset, ends
        return free, False


def _digest(key: bytes) -> bytes:
    return hashlib.blake2b(key, digest_size=8).digest()
