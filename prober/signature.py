"""Twilio's request signature for form posts.

Source: Twilio, "Validating requests": HMAC-SHA1 with the auth token over the full URL followed by each
parameter's name and value, sorted by name, in base64.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping


def sign_form(auth_token: str, url: str, form: Mapping[str, str]) -> str:
    """Sign a form post to `url`, the public URL exactly as Twilio was told it."""
    text = url + "".join(name + form[name] for name in sorted(form))
    digest = hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def forge_form(auth_token: str, url: str, form: Mapping[str, str]) -> str:
    """Sign with a key that is certainly not the right one: well-formed, and wrong."""
    return sign_form(hashlib.sha256(b"forged:" + auth_token.encode()).hexdigest(), url, form)
