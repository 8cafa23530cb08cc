"""A server on a real socket that does exactly what a script says, however wrong that is."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator

# No step of a script lasts longer; far above what any takes on a busy machine.
PATIENCE = 20.0


class Peer:
    """One accepted connection, as a script sees it; every call blocks, at most for PATIENCE."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number  # counts the connections of this server from 0
        self.requests: list[bytes] = []
        self._pending = b""
        sock.settimeout(PATIENCE)

    def read_request(self) -> bytes:
        """Read one whole request, by its Content-Length; EOFError when the client closes instead."""
        while b"\r\n\r\n" not in self._pending:
            self._read_more()
        head, _, _ = self._pending.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        size = len(head) + 4 + (int(length[1]) if length else 0)
        while len(self._pending) < size:
            self._read_more()
        request, self._pending = self._pending[:size], self._pending[size:]
        self.requests.append(request)
        return request

    def read_exactly(self, size: int) -> bytes:
        """Read so many bytes."""
        while len(self._pending) < size:
            self._read_more()
        data, self._pending = self._pending[:size], self._pending[size:]
        return data

    def nothing_more_within(self, seconds: float) -> bool:
        """Whether the client stays silent for so long."""
        if self._pending:
            return False
        self.sock.settimeout(seconds)
        try:
            self._read_more()
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(PATIENCE)
        return False

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.sock.sendall(data)

    def send_for_ever(self, data: bytes) -> int:
        """Send it again and again until the client hangs up; how many bytes were taken."""
        taken = 0
        with contextlib.suppress(OSError):
            while True:
                taken += self.sock.send(data)
        return taken

    def trickle(self, data: bytes, pause: float) -> None:
        """Send it byte by byte."""
        for byte in data:
            self.sock.sendall(bytes([byte]))
            time.sleep(pause)

    def wait_hung_up(self) -> None:
        """Wait until the client closes its side, and take what it sends meanwhile."""
        with contextlib.suppress(ConnectionError, EOFError, ssl.SSLError):
            while True:
                self._read_more()

    def reset(self) -> None:
        """Close with an RST instead of a goodbye."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _read_more(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise EOFError
        self._pending += data


Script = Callable[[Peer], None]


class RawServer:
    """Runs a script in a thread for every connection; `close` ends them all and reports their failures."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self._script = script
        self._tls = tls
        self._listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port: int = self._listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self.url = f"{'http' if tls is None else 'https'}://{shown}:{self.port}"
        self.accepted = 0
        self.finished = threading.Semaphore(0)  # released once for every script that has ended
        self.failures: list[BaseException] = []
        self._closing = False
        self._peers: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def wait_finished(self) -> None:
        """Wait until one more script has ended."""
        assert self.finished.acquire(timeout=PATIENCE), "the script of the server does not end"

    def close(self) -> None:
        """Close every socket, wait for every thread, and raise what a script failed with."""
        self._closing = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(PATIENCE)
        for peer in self._peers:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(peer, socket.SHUT_RDWR)  # that of a TLS socket would forget its TLS
        for thread in self._threads:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in self._threads), "a server thread does not end"
        if self.failures:
            raise self.failures[0]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._peers.append(sock)
                thread = threading.Thread(target=self._serve, args=(sock, self.accepted))
                self.accepted += 1
                self._threads.append(thread)
                thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            with sock:
                if self._tls is None:
                    self._script(Peer(sock, number))
                    return
                with self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False) as encrypted:
                    self._peers.append(encrypted)  # it has taken the descriptor of the plain socket over
                    peer = Peer(encrypted, number)
                    if not self._closing:
                        encrypted.do_handshake()
                        self._script(peer)
        except (OSError, EOFError):
            pass  # the client hung up, which is its right
        except BaseException as failure:  # told by `close`, in the thread of the test
            self.failures.append(failure)
        finally:
            self.finished.release()


@contextlib.contextmanager
def serving(script: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[RawServer]:
    """Run a server while the block runs."""
    server = RawServer(script, tls, host)
    try:
        yield server
    finally:
        server.close()
