#!/usr/bin/env bash
# Proves docker-compose.yml on a machine that can pull no image and has no
# container engine: builds stand-ins for the public images under the very same
# names out of Debian packages, starts podman's Docker API, brings the unchanged
# file up, runs a real job through it, scales the workers, and takes it down.
#
# Needs Debian 12 as root, the package mirror and the Go module proxy.
# CONTAINERS names a folder with containers.conf and the runtime shim
# runc-nolimits; it defaults to ../shared/tools/containers.
set -euo pipefail
cd "$(dirname "$0")/.."
shim=${CONTAINERS:-$PWD/../shared/tools/containers}
work=${WORK:-/tmp/copra-verify-compose}
project=copra-verify
mkdir -p "$work"
say() { echo "== $*"; }

[ "$(id -u)" = 0 ] || { echo "run as root" >&2; exit 1; }
[ -d "$shim" ] || { echo "no folder $shim; set CONTAINERS" >&2; exit 1; }

say "container programs"
need=()
for p in buildah podman debootstrap runc curl; do command -v $p >/dev/null || need+=($p); done
if [ ${#need[@]} -gt 0 ]; then
  apt-get update -q >"$work/apt.log" 2>&1
  apt-get install -y -q --no-install-recommends buildah debootstrap podman crun runc uidmap slirp4netns fuse-overlayfs netavark \
    aardvark-dns iptables containernetworking-plugins golang-github-containernetworking-plugin-dnsname curl >>"$work/apt.log" 2>&1
fi
install -m 755 "$shim/runc-nolimits" /usr/local/bin/runc-nolimits
export CONTAINERS_CONF=$shim/containers.conf BUILDAH_ISOLATION=chroot

# docker compose v2, built from its module: as a program of its own it needs no
# docker client. Its go.mod has excludes, so it cannot be installed directly.
compose_version=v2.40.3
if [ ! -x "$work/docker-compose" ]; then
  say "docker compose $compose_version"
  ( mkdir -p "$work/compose" && cd "$work/compose"
    src=$(GOFLAGS= go mod download -json github.com/docker/compose/v2@$compose_version | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
    cp "$src/go.mod" "$src/go.sum" . && chmod u+w go.mod go.sum
    go mod edit -module=composebuild -require=github.com/docker/compose/v2@$compose_version
    go build -mod=mod -trimpath -o "$work/docker-compose" github.com/docker/compose/v2/cmd ) >"$work/compose.log" 2>&1 ||
    { tail -20 "$work/compose.log"; exit 1; }
fi

build() { # NAME FOLDER [ARG...]: an image from FOLDER/Dockerfile
  buildah bud -q --layers --format docker --isolation chroot -t "$1" "${@:3}" "$2" >>"$work/build.log"
}

base() { # SUITE NAME: an image of a minimal Debian
  podman image exists "$2" && return
  say "stand-in $2"
  [ -d "$work/$1" ] || debootstrap --variant=minbase "$1" "$work/$1" >"$work/debootstrap-$1.log" 2>&1
  tar -C "$work/$1" -c . | podman import -q - "$2" >/dev/null
}

base bookworm localhost/debian:bookworm
base trixie docker.io/library/debian:trixie-slim

say "stand-in golang:1.26-bookworm"
if ! podman image exists docker.io/library/golang:1.26-bookworm; then
  go_dir=$work/golang; mkdir -p "$go_dir"
  [ -d "$go_dir/go" ] || cp -r "$(go env GOROOT)" "$go_dir/go"
  # This machine's module proxy and certificates are the image's too.
  cp /etc/ssl/certs/ca-certificates.crt "$go_dir/"
  printf 'FROM localhost/debian:bookworm\nCOPY go /usr/local/go\nCOPY ca-certificates.crt /etc/ssl/certs/\nENV PATH=/usr/local/go/bin:/usr/bin:/bin GOTOOLCHAIN=local GOPROXY=%s GOFLAGS=%s\n' \
    "$(go env GOPROXY)" "$(go env GOFLAGS)" >"$go_dir/Dockerfile"
  build docker.io/library/golang:1.26-bookworm "$go_dir"
fi
say "stand-in postgres:17"
build docker.io/library/postgres:17 deploy/standins/postgres
say "stand-in versity/versitygw:v1.8.0"
mkdir -p "$work/vgw"
[ -x "$work/vgw/versitygw" ] || CGO_ENABLED=0 GOBIN=$work/vgw GOFLAGS=-buildvcs=false go install github.com/versity/versitygw/cmd/versitygw@v1.8.0
cp deploy/standins/versitygw/Dockerfile "$work/vgw/"
build docker.io/versity/versitygw:v1.8.0 "$work/vgw"

say "stand-in prom/prometheus:v3.5.0"
build docker.io/prom/prometheus:v3.5.0 deploy/standins/prometheus

say "our image, from the Dockerfile as it is"
build docker.io/library/copra:local . -f Dockerfile

say "podman as the Docker API"
sock=$work/podman.sock; rm -f "$sock"
podman system service --time=0 "unix://$sock" >"$work/podman.log" 2>&1 & api=$!
for _ in $(seq 50); do [ -S "$sock" ] && break; sleep 0.2; done
export DOCKER_HOST=unix://$sock
# Without systemd podman has no timers: drive the health checks from here.
( for _ in $(seq 600); do
    for c in $(podman ps -q --filter health=starting --filter health=healthy --filter health=unhealthy 2>/dev/null); do
      podman healthcheck run "$c" >/dev/null 2>&1 || true
    done
    sleep 1
  done ) & health=$!
compose() { "$work/docker-compose" -p $project "$@"; }
cleanup() {
  compose down -v --timeout 5 >>"$work/down.log" 2>&1 || true
  kill $health $api 2>/dev/null || true
}
trap cleanup EXIT

say "docker-compose up"
start=$(date +%s)
export COPRA_PORT=18080 COPRA_S3_PORT=17070 COPRA_PUBLIC_URL=http://localhost:18080 COPRA_S3_PUBLIC_URL=http://localhost:17070
compose up -d --no-build >"$work/up.log" 2>&1 || { cat "$work/up.log"; compose logs | tail -50; exit 1; }
ready=
for _ in $(seq 120); do
  if curl -fsS -o /dev/null http://localhost:18080/readyz 2>/dev/null; then ready=1; break; fi
  sleep 1
done
[ -n "$ready" ] || { compose ps; compose logs | tail -80; echo "the API did not become ready" >&2; exit 1; }
say "ready after $(($(date +%s) - start)) s"
compose up -d --no-build --scale worker=3 >>"$work/up.log" 2>&1
compose ps
secret() { compose exec -T api cat "/var/lib/copra/secrets/$1" | tr -d '\r\n'; }
key=$(compose exec -T api cat /var/lib/copra/secrets/api-key | tr -d '\r\n')
say "API key ${key:0:6}..., made by the set-up; its user is $(compose exec -T api id -u | tr -d '\r')"

say "a real job: built-in storage and S3"
clip=$work/clip.mp4
[ -s "$clip" ] || ffmpeg -v error -f lavfi -i testsrc2=size=1280x720:rate=25 -f lavfi -i sine=frequency=440 -t 8 \
  -c:v libx264 -preset veryfast -pix_fmt yuv420p -c:a aac -shortest "$clip"
input=$(curl -fsS -u "$key:" -T "$clip" http://localhost:18080/v2/uploads/clip.mp4 | sed 's/.*"url": *"\([^"]*\)".*/\1/')
access=$(compose exec -T s3 cat /secrets/s3-access-key | tr -d '\r\n')
s3secret=$(compose exec -T s3 cat /secrets/s3-secret-key | tr -d '\r\n')
run_job() { # NAME STORAGE
  local id status
  id=$(curl -fsS -u "$key:" -d '{"input":{"url":"'"$input"'"},"storage":'"$2"',"outputs":{"mp4:360p":{"path":"/360p.mp4"},
    "jpg:320x":{"path":"/thumb_%02d.jpg","number":3},"httpstream":{"hls":{"path":"/hls"},"dash":{"path":"/dash","hlsfmp4":true}}}}' \
    http://localhost:18080/v2/jobs | sed 's/^{"id":"\([^"]*\)".*/\1/')
  for _ in $(seq 180); do
    status=$(curl -fsS -u "$key:" "http://localhost:18080/v2/jobs/$id")
    case $status in *'"job.completed"'*|*'"job.failed"'*) break ;; esac
    sleep 1
  done
  echo "$1: $status"
  case $status in *'"job.completed"'*) ;; *) compose logs worker | tail -40; exit 1 ;; esac
  last=$status
}
run_job "built-in storage" '{"service":"coconut"}'
hls=$(echo "$last" | grep -o '"http[^"]*hls/master.m3u8"' | tr -d '"')
ffprobe -v error -show_entries format=duration -of default=nw=1 "$hls"
run_job "S3" '{"service":"s3","bucket":"copra","region":"us-east-1","path":"/results","credentials":{"access_key_id":"'"$access"'","secret_access_key":"'"$s3secret"'"}}'
compose exec -T s3 sh -c 'ls /data/copra/results /data/copra/results/hls | head -20'
# Of the profile "observability" only Prometheus has a stand-in: Grafana and Jaeger are in
# no package of Debian.
say "profile observability: Prometheus finds the API and each worker"
export COPRA_PROMETHEUS_PORT=19091
compose --profile observability up -d --no-build --no-deps prometheus >>"$work/up.log" 2>&1
up() { curl -fsS -G http://localhost:19091/api/v1/query --data-urlencode 'query=count by (job) (up == 1)' 2>/dev/null || true; }
for _ in $(seq 60); do
  found=$(up)
  case $found in *copra-api*'"1"'*copra-worker*'"3"'*) break ;; esac
  sleep 1
done
echo "$found"
case $found in *copra-api*'"1"'*copra-worker*'"3"'*) ;; *) compose logs prometheus | tail -20; exit 1 ;; esac
curl -fsS http://localhost:19091/api/v1/rules | grep -q CopraDown || { echo "the alerts are not loaded" >&2; exit 1; }

say "no secret in the logs"
if compose logs 2>/dev/null | grep -F -e "$key" -e "$s3secret" -e "$access"; then echo "a secret was logged" >&2; exit 1; fi
say "docker-compose down"
compose down -v --timeout 10 >>"$work/down.log" 2>&1
say "passed in $(($(date +%s) - start)) s after the images were built"
