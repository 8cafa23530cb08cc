"""HTTP basic authentication against bcrypt hashes (RFC 7617), without stalling scrapes for bcrypt's sake."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

_REMEMBERED = 64
# bcrypt looks at 72 bytes; a longer password would be cut off in silence.
_LONGEST_PASSWORD = 72


class BasicAuth:
    """Decides on `Authorization` headers.

    One check costs bcrypt some 100 ms by design. It runs in the one thread of an executor, and what was right
    once is remembered as a keyed hash, so that a scraper pays once. Wrong passwords are never remembered.
    """

    def __init__(self, users: Mapping[str, str]) -> None:
        self._hashes = {name.encode(): hashed.encode() for name, hashed in users.items()}
        # An unknown user costs the same time as a wrong password, or names could be guessed by the clock.
        self._decoy = next(iter(self._hashes.values()))
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bcrypt")

    async def allows(self, header: str | None) -> bool:
        """Whether this header names a user and the right password."""
        credentials = _credentials(header)
        if credentials is None:
            return False
        name, password = credentials
        digest = hashlib.blake2b(name + b":" + password, key=self._key).digest()
        if digest in self._right:
            self._right.move_to_end(digest)
            return True
        loop = asyncio.get_running_loop()
        hashed = self._hashes.get(name)
        matches = await loop.run_in_executor(self._thread, _matches, password, hashed or self._decoy)
        if hashed is None or not matches:
            return False
        self._right[digest] = None
        if len(self._right) > _REMEMBERED:
            self._right.popitem(last=False)
        return True

    def close(self) -> None:
        """Give the thread back; a check under way is not waited for."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _credentials(header: str | None) -> tuple[bytes, bytes] | None:
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    name, colon, password = decoded.partition(b":")
    return (name, password) if colon else None


def _matches(password: bytes, hashed: bytes) -> bool:
    import bcrypt

    return len(password) <= _LONGEST_PASSWORD and bcrypt.checkpw(password, hashed)
