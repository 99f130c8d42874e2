# syntax=docker/dockerfile:1
# Two images from one file: `web` (pages, API, sweeper; no PyTorch) and `worker` (the model, on CPU or CUDA).

# Debian trixie, whose PostgreSQL is the one of docker-compose.yml: an older pg_dump makes no backup of it.
FROM python:3.11-slim-trixie AS base
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FACET_DATA=/data
RUN groupadd --gid 10001 facet \
    && useradd --uid 10001 --gid facet --home-dir /data --no-create-home --shell /usr/sbin/nologin facet \
    && install --directory --owner facet --group facet --mode 700 /data
WORKDIR /app

# Packages have stages of their own, so that a change of the code does not install them again.
FROM base AS web-packages
# Photos as many phones keep them, with --build-arg HEIF=yes. Its decoder holds libx265, under the GPL: whoever hands the
# image on is bound by that, so it is in none that nobody asked for it.
ARG HEIF=no
COPY requirements/web.lock requirements/web-heif.lock ./
RUN case "$HEIF" in yes) lock=web-heif.lock ;; no) lock=web.lock ;; *) echo "HEIF is yes or no" >&2; exit 1 ;; esac \
    && python -m venv /venv \
    && pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps -r "$lock"

FROM base AS worker-packages
COPY requirements/worker.lock .
RUN python -m venv /venv \
    && pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps -r worker.lock

FROM base AS web
ENV FACET_STATIC_ROOT=/app/staticfiles
# pg_dump and pg_restore, for `manage.py backup` and `restore`.
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends postgresql-client-17 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=web-packages /venv /venv
COPY . .
RUN FACET_DATA=/tmp/build python manage.py collectstatic --noinput --verbosity 0 \
    && rm -r /tmp/build
USER facet
VOLUME /data
EXPOSE 8000
# Any answer under 500 is a sign of life: with FACET_HOSTS or TLS set, a request to 127.0.0.1 is turned away politely.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s CMD ["python", "-c", "import http.client, sys; \
    site = http.client.HTTPConnection('127.0.0.1', 8000, timeout=4); site.request('GET', '/healthz'); \
    sys.exit(site.getresponse().status >= 500)"]
CMD ["python", "manage.py", "serve", "--bind", "0.0.0.0", "--port", "8000"]

FROM base AS worker
# The memory of a worker that meets photos of many sizes, and threads that sleep: the same settings as in `manage.py run`.
# captum brings matplotlib, whose cache of fonts has no place beside the photos.
ENV MALLOC_ARENA_MAX=2 \
    MALLOC_MMAP_THRESHOLD_=16777216 \
    MALLOC_TRIM_THRESHOLD_=67108864 \
    OMP_WAIT_POLICY=PASSIVE \
    MPLCONFIGDIR=/tmp/matplotlib
COPY --from=worker-packages /venv /venv
COPY . .
USER facet
VOLUME /data
# The model is loaded before the first sign of life, hence the long start.
HEALTHCHECK --interval=30s --timeout=15s --start-period=120s \
    CMD ["sh", "-c", "python manage.py workers --named worker@$(hostname)"]
CMD ["celery", "-A", "webapp", "worker", "--pool", "solo", "--concurrency", "1", "--hostname", "worker@%h", \
    "--without-gossip", "--without-mingle", "--loglevel", "WARNING"]
