# One image for every service; docker-compose.yml says which command each runs.
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
WORKDIR /src

# The libraries first: this layer is built anew only when their versions change.
COPY pyproject.toml constraints.txt ./
RUN python -m venv /opt/keepbest \
 && awk '/^[^ ]/ { wanted = /^uv==/ } wanted' constraints.txt > /tmp/uv.txt \
 && python -m pip install --require-hashes -r /tmp/uv.txt \
 && python -m uv pip install --python /opt/keepbest/bin/python -c constraints.txt -r pyproject.toml --extra train --extra postgres

# The build hook makes the dashboard with Node from PyPI.
COPY . .
RUN python -m uv pip install --python /opt/keepbest/bin/python --build-constraints constraints.txt --no-deps .


FROM python:3.13-slim
RUN useradd --uid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin keepbest \
 && install -d -m 0700 -o keepbest -g keepbest /data /store
COPY --from=build /opt/keepbest /opt/keepbest
ENV PATH=/opt/keepbest/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOME=/data \
    KEEPBEST_DIR=/data \
    KEEPBEST_STORE=/store
USER keepbest
WORKDIR /data
EXPOSE 7766
CMD ["keepbest", "--help"]
