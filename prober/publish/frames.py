"""How the two processes talk over their socketpair: frames of a 4-byte length and a payload.

Downwards (prober to web) the payload is a pickle. Unpickling runs whatever the sender says, so it happens in
the web process only, and only on the descriptor that its own parent handed it: nobody else can write there.
Upwards it is JSON: the web process faces the network, and what speaks to the process that holds the secrets
must not be able to say more than these few messages.
"""

from __future__ import annotations

import io
import json
import pickle
import struct
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from prober.web.settings import WebSettings

_LENGTH = struct.Struct("!I")
# Far above any event (a race of 50 vendors is some 20 kB): a longer one means that the stream is out of step.
MAX_FRAME = 16 * 1024 * 1024


class LogFormat(StrEnum):
    """How log lines look on stderr."""

    JSON = "json"
    CONSOLE = "console"


@dataclass(frozen=True, slots=True, kw_only=True)
class Configure:
    """The first frame downwards: where to listen and how."""

    host: str
    port: int
    web: WebSettings
    prober_pid: int
    log_format: LogFormat
    data_dir: Path | None = None  # where the journal is, which the pages read


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Upwards: the web process answers on this address."""

    host: str
    port: int
    tls: bool

    @property
    def url(self) -> str:
        """The address as people write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Upwards: the web process cannot serve, for the reason in this sentence, and ends."""

    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconfigure:
    """Downwards: serve in another way from now on, at the same address and with the same TLS."""

    web: WebSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadAsked:
    """Upwards: somebody who may do so asks for a reload; `Reloaded.asked` answers by this number."""

    id: int


Word = Ready | Failed | ReloadAsked


class BrokenFrameError(Exception):
    """The other end sent what is no frame of ours."""


_VOCABULARY = frozenset(
    {
        "prober.clock",
        "prober.event",
        "prober.outcome",
        "prober.publish.frames",
        "prober.result",
        "prober.web.settings",
        "pathlib",
    }
)


def pickled(message: object) -> bytes:
    """Make a frame for the web process."""
    payload = pickle.dumps(message, protocol=5)
    return _LENGTH.pack(len(payload)) + payload


class _Vocabulary(pickle.Unpickler):
    """Knows the shared vocabulary and nothing else.

    Whatever else an event would carry along (an enum of the config, say) would pull its module, and that
    one's imports, into the web process: it was 12 MB of pydantic once.
    """

    def find_class(self, module: str, name: str) -> Any:
        # Python before 3.11.4 writes a member of an enum as getattr(the enum, its name).
        if module not in _VOCABULARY and (module, name) != ("builtins", "getattr"):
            raise BrokenFrameError(f"events are made of {', '.join(sorted(_VOCABULARY))}; got {module}.{name}")
        return super().find_class(module, name)


def unpickled(payload: bytes) -> Any:
    """Read a frame of our own parent; see the module on why this must not be used for anything else.

    Raises BrokenFrameError for anything that is not made of the shared vocabulary.
    """
    return _Vocabulary(io.BytesIO(payload)).load()


def upward(message: Word) -> bytes:
    """Make a frame for the prober process."""
    payload = json.dumps({"is": type(message).__name__, **asdict(message)}).encode()
    return _LENGTH.pack(len(payload)) + payload


def read_upward(payload: bytes) -> Word:
    """Read a frame of the web process. Raises BrokenFrameError for anything else than its messages."""
    try:
        match json.loads(payload):
            case {"is": "Ready", "host": str(host), "port": int(port), "tls": bool(tls)}:
                return Ready(host=host, port=port, tls=tls)
            case {"is": "ReloadAsked", "id": int(id_)}:
                return ReloadAsked(id=id_)
            case {"is": "Failed", "sentence": str(sentence)}:
                return Failed(sentence=sentence)
    except ValueError:
        pass
    raise BrokenFrameError(f"expected Ready, Failed or ReloadAsked from the web process, got {payload[:100]!r}")


class FrameReader:
    """Cuts a stream into payloads."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take what came, give the payloads that are whole now. Raises BrokenFrameError for an absurd length."""
        self._pending += data
        payloads = []
        start = 0
        while len(self._pending) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._pending, start)
            if length > MAX_FRAME:
                raise BrokenFrameError(f"expected a frame of at most {MAX_FRAME} bytes, got one of {length}")
            end = start + _LENGTH.size + length
            if len(self._pending) < end:
                break
            payloads.append(bytes(self._pending[start + _LENGTH.size : end]))
            start = end
        del self._pending[:start]
        return payloads
