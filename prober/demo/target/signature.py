"""Checks Twilio's signature the way the receiving side does.

Source: Twilio, "Validating requests": base64(HMAC-SHA1(auth token, URL + each name and value, sorted by name));
of a name given several times each distinct value counts once, sorted. Written apart from the prober's own
`prober.signature`, so that one cannot hide a mistake of the other.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from collections.abc import Iterable


def expected_signature(auth_token: str, url: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """The signature, base64, of a form with these (name, value) pairs posted to `url`."""
    mac = hmac.new(auth_token.encode(), url.encode(), hashlib.sha1)
    for name, value in sorted(set(fields)):
        mac.update(name.encode())
        mac.update(value.encode())
    return binascii.b2a_base64(mac.digest(), newline=False)


def is_signed(auth_token: str, url: str, fields: Iterable[tuple[str, str]], signature: str) -> bool:
    """Whether the signature is right; takes the same time wherever it differs."""
    return hmac.compare_digest(expected_signature(auth_token, url, fields), signature.encode("ascii", "replace"))
