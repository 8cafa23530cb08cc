"""Server-side TLS from a certificate and a key, renewed without a restart when the files change."""

from __future__ import annotations

import ssl

from prober.web.settings import ClientAuth, TlsSettings, TlsVersion

_VERSIONS = {TlsVersion.TLS12: ssl.TLSVersion.TLSv1_2, TlsVersion.TLS13: ssl.TLSVersion.TLSv1_3}
_CLIENT_AUTH = {
    ClientAuth.NONE: ssl.CERT_NONE,
    ClientAuth.IF_GIVEN: ssl.CERT_OPTIONAL,
    ClientAuth.REQUIRED: ssl.CERT_REQUIRED,
}


class TlsUnusableError(Exception):
    """Certificate, key or authorities cannot be used; the text says which file and why."""


class ServerTls:
    """The context of a listening socket, and the certificate in it."""

    def __init__(self, settings: TlsSettings) -> None:
        """Load all files. Raises TlsUnusableError."""
        self._settings = settings
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = _VERSIONS[settings.min_version]
        self.context.maximum_version = _VERSIONS[settings.max_version]
        self.context.set_alpn_protocols(["http/1.1"])
        self.context.verify_mode = _CLIENT_AUTH[settings.client_auth]
        if settings.client_ca_file is not None:
            try:
                self.context.load_verify_locations(settings.client_ca_file)
            except OSError as error:
                raise TlsUnusableError(
                    f"expected certificates of authorities in {settings.client_ca_file}: {_reason(error)}"
                ) from error
        self._written = self._state_of_files()
        self._load()

    def renew(self) -> bool:
        """Load certificate and key again if the files changed; True if they did.

        Raises TlsUnusableError when the new ones are no good; the old ones stay in use, and the next change of the
        files is another try.
        """
        written = self._state_of_files()
        if written == self._written:
            return False
        self._written = written
        self._load()
        return True

    def _load(self) -> None:
        settings = self._settings
        try:
            # Tried apart first: half a renewal, a new certificate and the old key, must not break the context.
            for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.context):
                # Without a password given, OpenSSL would stop and ask the terminal for one.
                context.load_cert_chain(settings.cert_file, settings.key_file, password="")
        except OSError as error:
            raise TlsUnusableError(
                f"expected a certificate in {settings.cert_file} and its key without a passphrase in "
                f"{settings.key_file}, both PEM: {_reason(error)}"
            ) from error

    def _state_of_files(self) -> tuple[object, ...]:
        state: list[object] = []
        for file in (self._settings.cert_file, self._settings.key_file):
            try:
                status = file.stat()
                state.append((status.st_mtime_ns, status.st_size, status.st_ino))
            except OSError:
                state.append(None)
        return tuple(state)


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not PEM").lower().replace("_", " ")
    return error.strerror or str(error)
