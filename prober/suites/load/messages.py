"""Unique, correctly signed messages whose ids follow from (run id, ordinal), built in a few microseconds each.

So nothing has to be remembered of a message: who knows the run and how many there were can find every row of it.
"""

from __future__ import annotations

import hashlib
import secrets
from binascii import b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from prober.contract import Webhook, fill
from prober.http1 import Endpoint, build_request
from prober.probes.synthetic import HEADER, Mark
from prober.signature import sign_form

# An ordinal is written in so many digits wherever it stands, so that every request of a run has the same length.
DIGITS = 12
MOST = 10**DIGITS - 1
_BLOCK = 64  # bytes, of SHA-1 (RFC 2104)


@dataclass(frozen=True, slots=True)
class Ids:
    """The ids of one run's messages. `run_id` is that of one generator: each process has its own."""

    mark: Mark
    run_id: str

    @property
    def _stem(self) -> str:
        return hashlib.sha256(f"{self.mark.instance}/{self.run_id}".encode()).hexdigest()[: 32 - DIGITS]

    def sid(self, ordinal: int) -> str:
        """The MessageSid: `SM` and 32 hex digits, the last twelve of them the ordinal in decimal."""
        return f"SM{self._stem}{ordinal:0{DIGITS}d}"

    def sids(self, ordinals: range | list[int]) -> list[str]:
        """The MessageSids of many."""
        stem = f"SM{self._stem}"
        return [f"{stem}{ordinal:0{DIGITS}d}" for ordinal in ordinals]

    def body(self, ordinal: int) -> str:
        """The text: unique, and marked as ours."""
        return f"{self.mark.body(self.run_id)} {ordinal:0{DIGITS}d}"

    def bodies(self, ordinals: range | list[int]) -> list[str]:
        """The texts of many."""
        stem = self.mark.body(self.run_id)
        return [f"{stem} {ordinal:0{DIGITS}d}" for ordinal in ordinals]

    def traceparent(self, ordinal: int) -> str:
        """W3C Trace Context; its trace id is the MessageSid without `SM`."""
        return f"00-{self._stem}{ordinal:0{DIGITS}d}-{1:04d}{ordinal:0{DIGITS}d}-01"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """What all messages of a run have in common."""

    contract: Webhook
    endpoint: Endpoint
    public_url: str
    auth_token: str
    account_sid: str
    from_number: str

    @property
    def signed_url(self) -> str:
        """What Twilio would sign."""
        return self.public_url.rstrip("/") + self.contract.path

    def form(self, ids: Ids, ordinal: int) -> Mapping[str, str]:
        """The form of one message."""
        values = {
            "from_number": self.from_number,
            "body": ids.body(ordinal),
            "message_sid": ids.sid(ordinal),
            "account_sid": self.account_sid,
        }
        return {name: fill(template, values) for name, template in self.contract.form.items()}

    def headers(self, ids: Ids, ordinal: int) -> Mapping[str, str]:
        """The headers of one message, the signature first."""
        return {
            self.contract.signature.header: sign_form(self.auth_token, self.signed_url, self.form(ids, ordinal)),
            **self.contract.headers,
            "Content-Type": "application/x-www-form-urlencoded",
            HEADER: ids.mark.header(ids.run_id),
            "traceparent": ids.traceparent(ordinal),
        }

    def content(self, ids: Ids, ordinal: int) -> bytes:
        """The body of one request."""
        return urlencode(self.form(ids, ordinal)).encode()

    def request(self, ids: Ids, ordinal: int) -> bytes:
        """One whole request, built the long way."""
        return build_request(
            "POST",
            self.endpoint,
            self.contract.path,
            self.headers(ids, ordinal),
            self.content(ids, ordinal),
        )


class Composer:
    """Builds the requests of one run by filling the ordinal into parts that were made once.

    The parts are cut from a request that was built the long way; that both ways give the same is checked here,
    whatever the contract's form is.
    """

    def __init__(self, sender: Sender, ids: Ids) -> None:
        self.ids = ids
        sample = self._ordinal_of_its_own(sender, ids)
        written = f"{sample:0{DIGITS}d}".encode()
        self._sign = _Signer(sender, ids, sample).sign
        request = sender.request(ids, sample)
        before, signature, after = request.partition(self._sign(written))
        self._before = before
        self._after = after.split(written)
        if not signature or any(self.request(each) != sender.request(ids, each) for each in (1, MOST)):
            raise AssertionError("a message built in parts differs from one that was built as a whole")

    def _ordinal_of_its_own(self, sender: Sender, ids: Ids) -> int:
        """An ordinal whose digits stand nowhere in a message but in its own places."""
        other = sender.request(ids, 0) + sender.signed_url.encode()
        while True:
            found = secrets.randbelow(MOST)
            if f"{found:0{DIGITS}d}".encode() not in other:
                return found

    def signature(self, ordinal: int) -> bytes:
        """The part that takes its time; it can be made long before."""
        return self._sign(b"%012d" % ordinal)

    def signed(self, ordinal: int, signature: bytes) -> bytes:
        """The request with a signature that was made before."""
        return b"".join((self._before, signature, (b"%012d" % ordinal).join(self._after)))

    def request(self, ordinal: int) -> bytes:
        """One whole request."""
        written = b"%012d" % ordinal
        return b"".join((self._before, self._sign(written), written.join(self._after)))


class _Signer:
    """HMAC-SHA1 with everything that comes before the first ordinal hashed once (RFC 2104).

    hashlib's own HMAC objects cost three times as much to copy.
    """

    __slots__ = ("_inner", "_outer", "_parts")

    def __init__(self, sender: Sender, ids: Ids, sample: int) -> None:
        form = sender.form(ids, sample)
        text = (sender.signed_url + "".join(name + form[name] for name in sorted(form))).encode()
        first, *rest = text.split(f"{sample:0{DIGITS}d}".encode())
        key = sender.auth_token.encode()
        if len(key) > _BLOCK:
            key = hashlib.sha1(key, usedforsecurity=False).digest()
        key = key.ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha1(bytes(each ^ 0x36 for each in key) + first, usedforsecurity=False)
        self._outer = hashlib.sha1(bytes(each ^ 0x5C for each in key), usedforsecurity=False)
        self._parts = [b"", *rest] if rest else [b""]

    def sign(self, written: bytes) -> bytes:
        """The signature of the message with this ordinal."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(written.join(self._parts))
        outer.update(inner.digest())
        return b2a_base64(outer.digest(), newline=False)
