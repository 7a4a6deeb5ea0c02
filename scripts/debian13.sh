#!/usr/bin/env bash
# Runs make test in a chroot with Debian 13, whose ffmpeg is 7.1: what the container
# image has. debian13.sh [COMMAND...] runs another command in a copy of the tree there.
# The chroot stays for the next time: COPRA_DEBIAN13, else /var/tmp/copra-debian13.
set -euo pipefail
cd "$(dirname "$0")/.."
root=${COPRA_DEBIAN13:-/var/tmp/copra-debian13}
src=/src/copra

say() { echo "debian13: $*" >&2; }

if [ "$(id -u)" != 0 ]; then
  exec sudo --preserve-env=GOPROXY,COPRA_DEBIAN13,PATH "$0" "$@"
fi
if [ ! -e "$root/.done" ]; then
  command -v debootstrap >/dev/null || {
    say "installing debootstrap"
    apt-get update -q >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends debootstrap >/dev/null
  }
  mirror=$(sed -n 's|^URIs: *||p; s|^deb \(\[[^]]*\] \)\?\(http[^ ]*\) .*|\2|p' /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null | head -1 || true)
  say "installing Debian 13 into $root"
  rm -rf "$root"
  debootstrap --variant=minbase --include=ca-certificates,git,make,curl trixie "$root" "${mirror:-http://deb.debian.org/debian}" >"$root.log" 2>&1 || {
    tail -5 "$root.log" "$root/debootstrap/debootstrap.log" >&2 2>/dev/null
    exit 1
  }
  # How packages are had is the machine's matter: apt's proxies, npm's registry, certificates.
  cp /etc/apt/apt.conf.d/*{proxy,registry}* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
  cp ~/.npmrc "$root/root/" 2>/dev/null || true
  touch "$root/.done"
fi

# The tree as it is here, without what was built; what was installed there before stays.
mkdir -p "$root$src" "$root/usr/local/go" "$root/go" "$root/src/shared"
find "$root$src" -mindepth 1 -maxdepth 1 ! -name .cache -exec rm -rf {} +
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' f; do [ ! -e "$f" ] || printf '%s\0' "$f"; done |
  tar --null -T - -c | tar -x -C "$root$src"
[ $# -gt 0 ] || set -- make test

# Mounts and processes end with the command.
export ROOT=$root SRC=$src GOROOT_HERE MODCACHE SHARED
GOROOT_HERE=$(go env GOROOT) MODCACHE=$(go env GOMODCACHE) SHARED=$(realpath -q ../shared || true)
exec unshare --mount --pid --fork --kill-child bash -euc '
  mount --make-rprivate /
  mount --bind "$ROOT" "$ROOT"
  mount -t proc proc "$ROOT/proc"
  mount --rbind /sys "$ROOT/sys"
  mount --rbind /dev "$ROOT/dev"
  mount -t tmpfs tmpfs "$ROOT/dev/shm" 2>/dev/null || true
  mount --bind "$GOROOT_HERE" "$ROOT/usr/local/go"
  mkdir -p "$MODCACHE" "$ROOT/go/pkg/mod"
  mount --bind "$MODCACHE" "$ROOT/go/pkg/mod"
  [ -z "$SHARED" ] || mount --bind "$SHARED" "$ROOT/src/shared"
  mount --bind /etc/resolv.conf "$ROOT/etc/resolv.conf" 2>/dev/null || cp /etc/resolv.conf "$ROOT/etc/resolv.conf"
  mount --bind /etc/hosts "$ROOT/etc/hosts" 2>/dev/null || true
  # Also certificates that the machine has beside those of Debian.
  [ ! -e /etc/ssl/certs/ca-certificates.crt ] || mount --bind /etc/ssl/certs/ca-certificates.crt "$ROOT/etc/ssl/certs/ca-certificates.crt"
  # Not chroot alone: in one, Linux allows no user namespace.
  cd "$ROOT"
  pivot_root . mnt
  umount -l /mnt
  exec /usr/bin/env -u GOROOT HOME=/root GOPATH=/go GOMODCACHE=/go/pkg/mod GOFLAGS="${GOFLAGS:-}" \
    PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    bash -c "cd \"\$SRC\" && git -c safe.directory="*" init -q . 2>/dev/null && git -c safe.directory="*" add -A; cd \"\$SRC\" && exec \"\$@\"" - "$@"
' - "$@"
