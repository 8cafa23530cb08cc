# syntax=docker/dockerfile:1
# Two stages: what is needed to install stays behind; what runs is Python, the packages and one ordinary user.

FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/prober
COPY requirements/core.lock requirements/core.lock
RUN /opt/prober/bin/pip install --quiet --require-hashes -r requirements/core.lock
COPY pyproject.toml README.md ./
COPY prober ./prober
RUN /opt/prober/bin/pip install --quiet --no-deps --no-build-isolation .
# Bytecode of both forms that run, since the user who runs may not write it: the web process runs with -OO.
RUN /opt/prober/bin/python -m compileall -q -o 0 -o 2 /opt/prober/lib
RUN /opt/prober/bin/pip uninstall --quiet --yes wheel pip

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/prober --create-home --shell /usr/sbin/nologin prober
COPY --from=build /opt/prober /opt/prober
COPY --chown=root:root config.yaml /etc/prober/config.yaml
ENV PATH=/opt/prober/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PROBER_LISTEN=0.0.0.0:9877 \
    PROBER_DATA_DIR=/var/lib/prober
USER 10001
# The journal is evidence: keep it on a volume.
WORKDIR /var/lib/prober
VOLUME /var/lib/prober
EXPOSE 9877
# Ends in order on SIGTERM within `shutdown_timeout` (10 s by default): give `docker stop` a little more.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9877/-/healthy', timeout=4)"]
ENTRYPOINT ["prober"]
CMD ["run", "--config", "/etc/prober/config.yaml"]
