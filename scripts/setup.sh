#!/usr/bin/env bash
# Installs what is missing on Debian and Ubuntu: setup.sh run|test|players|lint|release.
# What is there already is left alone; nothing is asked.
set -euo pipefail
cd "$(dirname "$0")/.."
want=${1:?run, test, players, lint or release}
players=
# What make players needs, and all that tests need.
[ "$want" != players ] || { players=1; want=test; }
tools=$PWD/.cache/tools

versitygw=v1.8.0
golangci=v2.15.0
cyclonedx=v1.10.0

say() { echo "setup: $*" >&2; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@" 2>/dev/null || sudo "$@"; fi
}

# apt PACKAGE...: one update, then the packages.
apt() {
  if ! command -v apt-get >/dev/null; then
    say "please install: $* (no apt-get here)"; exit 1
  fi
  say "installing $*"
  log=$(mktemp)
  if ! { as_root apt-get update -q && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"; } >"$log" 2>&1; then
    tail -20 "$log" >&2; say "apt-get could not install $*"; exit 1
  fi
  rm -f "$log"
}

have_postgres() {
  command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1
}

# go_tool MODULE/PATH VERSION: builds a tool into the cache, once a version.
go_tool() {
  local name stamp
  name=$(basename "$1")
  stamp=$tools/$name-$2.done
  [ -e "$stamp" ] && [ -x "$tools/bin/$name" ] && return
  say "building $name $2"
  mkdir -p "$tools/bin"
  GOBIN=$tools/bin GOFLAGS=-buildvcs=false go install "$1@$2"
  touch "$stamp"
}

# distribution_chromium: whether a package holds a Chromium; Ubuntu's only asks
# snapd for one, which containers and many servers do not run.
distribution_chromium() {
  ! grep -qs '^ID=ubuntu' /etc/os-release
}

# have_gstreamer: its Python bindings, and the plugins for MP4, TS, HLS, DASH,
# H.264 and AAC.
have_gstreamer() {
  /usr/bin/python3 -c "import gi; gi.require_version('GstApp', '1.0')" 2>/dev/null &&
    ls /usr/lib/*/gstreamer-1.0/libgst{playback,isomp4,adaptivedemux2,mpegtsdemux,libav}.so >/dev/null 2>&1
}

packages=()
if [ "$want" = run ] || [ "$want" = test ]; then
  command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null || packages+=(ffmpeg)
  have_postgres || packages+=(postgresql)
  [ -e /etc/ssl/certs/ca-certificates.crt ] || packages+=(ca-certificates)
fi
if [ "$want" = test ]; then
  command -v npm >/dev/null || packages+=(nodejs npm)
  command -v curl >/dev/null || packages+=(curl)
  # The languages of the snippets in docs/webhooks.md and of the request builder.
  command -v php >/dev/null || packages+=(php-cli)
  command -v ruby >/dev/null || packages+=(ruby)
  command -v python3 >/dev/null || packages+=(python3)
  for proxy in pgbouncer nginx haproxy caddy; do
    [ -x /usr/sbin/"${proxy#*:}" ] || [ -x /usr/bin/"${proxy#*:}" ] || packages+=("${proxy%:*}")
  done
  if distribution_chromium; then
    command -v chromium >/dev/null || packages+=(chromium)
    # Ubuntu's Firefox is snapd's too.
    command -v firefox-esr >/dev/null || packages+=(firefox-esr)
  fi
  command -v openssl >/dev/null || packages+=(openssl)
  # It decodes the photos of phones.
  if ! heif-convert --list-decoders 2>/dev/null | grep libde265 >/dev/null; then
    packages+=(libheif-examples)
    case $(. /etc/os-release && echo "$ID $VERSION_ID") in
      "debian 12" | "ubuntu 22.04") ;; # its codecs are no plugins yet
      *) packages+=(libheif-plugin-{libde265,dav1d}) ;;
    esac
  fi
  have_gstreamer || packages+=(python3-gi gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-{base,good,bad} gstreamer1.0-libav)
  if [ -n "$players" ]; then
    command -v cvlc >/dev/null || packages+=(vlc-bin vlc-plugin-base)
  fi
  command -v promtool >/dev/null || packages+=(prometheus) # checks alerts and dashboard
  command -v gcc >/dev/null || packages+=(gcc libc6-dev) # the race detector links with cgo
fi
[ ${#packages[@]} = 0 ] || apt "${packages[@]}"

if [ "$want" = test ]; then
  go_tool github.com/versity/versitygw/cmd/versitygw $versitygw
  # Renders and lints the chart. Of Helm it has two packages, not the program.
  if [ ! -x "$tools/bin/charttool" ] || [ -n "$(find deploy/helm/tool -newer "$tools/bin/charttool")" ]; then
    say "building charttool"
    (cd deploy/helm/tool && GOFLAGS=-buildvcs=false go build -trimpath -o "$tools/bin/charttool" .)
  fi
  # The published Node client, the players that judge streams, and the clip that
  # the demo and the tests use; versions are pinned by the lock file.
  mkdir -p .cache/node
  if ! cmp -s tools/node/package-lock.json .cache/node/installed-lock.json; then
    say "installing the published Node client and players"
    cp tools/node/package.json tools/node/package-lock.json .cache/node/
    (cd .cache/node && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    cp tools/node/package-lock.json .cache/node/installed-lock.json
  fi
  if ! distribution_chromium && ! cmp -s tools/chromium/package-lock.json .cache/chromium/installed-lock.json; then
    say "installing a headless Chromium"
    mkdir -p .cache/chromium
    cp tools/chromium/package.json tools/chromium/package-lock.json .cache/chromium/
    (cd .cache/chromium && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    node tools/chromium/unpack.mjs .cache/chromium/node_modules .cache/chromium/browser
    # A program of this name is what the tests look for.
    printf '#!/bin/sh\nLD_LIBRARY_PATH="%s/lib" exec "%s/chromium" "$@"\n' "$PWD/.cache/chromium/browser" "$PWD/.cache/chromium/browser" >"$tools/bin/chromium"
    chmod +x "$tools/bin/chromium"
    cp tools/chromium/package-lock.json .cache/chromium/installed-lock.json
  fi
fi
if [ "$want" = test ] || [ "$want" = release ]; then
  go_tool github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod $cyclonedx
fi
if [ "$want" = lint ]; then
  go_tool github.com/golangci/golangci-lint/v2/cmd/golangci-lint $golangci
fi
