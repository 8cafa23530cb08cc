"""A prober as the Dockerfile installs it: the core packages alone, and bytecode of both forms that run.

What a developers' environment has beside them costs memory: structlog, for one, loads greenlet where it finds it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent


@contextmanager
def core_python() -> Iterator[Path]:
    """The interpreter of an environment of its own, which ends with the block."""
    with TemporaryDirectory(prefix="prober-core-") as directory:
        python = Path(directory) / "bin" / "python"
        pip = (python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install")
        for command in (
            (sys.executable, "-m", "venv", directory),
            (*pip, "--require-hashes", "-r", ROOT / "requirements" / "core.lock"),
            (*pip, "--no-deps", "--no-build-isolation", ROOT),
            *((python, "-m", "compileall", "-q", "-o", level, Path(directory) / "lib") for level in ("0", "2")),
        ):
            subprocess.run(command, check=True, stdout=sys.stderr)
        yield python
