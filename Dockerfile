# syntax=docker/dockerfile:1
# The server with its ffmpeg. ffmpeg comes from Debian: security-supported, and
# with the hardware encoders wired up.

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=docker
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X github.com/copra-video/copra/internal/buildinfo.version=${VERSION}" -o /out/copra ./cmd/copra

FROM debian:trixie-slim
RUN export DEBIAN_FRONTEND=noninteractive \
 && apt-get update \
 && apt-get install -y --no-install-recommends ffmpeg ca-certificates libheif-examples libheif-plugin-libde265 libheif-plugin-dav1d \
 && rm -rf /var/lib/apt/lists/*
# A named user with a fixed id: volumes keep their owner over releases. The
# folders stand in the image so that new volumes get that owner too.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/copra --shell /usr/sbin/nologin copra \
 && install -d -o copra -g copra -m 0755 /var/lib/copra /var/lib/copra/storage /var/lib/copra/secrets \
 && install -d -o copra -g copra -m 0700 /var/lib/copra/work
COPY --from=build /out/copra /usr/local/bin/copra
USER copra
WORKDIR /var/lib/copra
ENV COPRA_STORAGE_DIR=/var/lib/copra/storage \
    COPRA_WORK_DIR=/var/lib/copra/work \
    COPRA_LOG_FORMAT=json
EXPOSE 8080
ENTRYPOINT ["copra"]
CMD ["help"]
