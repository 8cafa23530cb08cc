"""Our own HTTP/1.1 client: phases that add up, bounded in time and memory, last bytes released at one instant."""

from prober.http1.client import Client, tls_context
from prober.http1.connection import Connection
from prober.http1.endpoint import Endpoint
from prober.http1.exchange import Exchange, Limits, RequestSent
from prober.http1.message import Answer, build_request
from prober.http1.release import release_all

__all__ = [
    "Answer",
    "Client",
    "Connection",
    "Endpoint",
    "Exchange",
    "Limits",
    "RequestSent",
    "build_request",
    "release_all",
    "tls_context",
]
