#!/usr/bin/env bash
# Proves the Debian package on a machine that has systemd installed and need not run it:
# boots systemd as the first process of namespaces of its own, on a layer over this
# machine's files, so that nothing here changes. In there the package is installed,
# runs jobs, is upgraded while one runs, runs as API and worker on another PostgreSQL,
# is removed and purged.
#
# Needs root, systemd, PostgreSQL, ffmpeg, Go, and some 2 GiB of memory. WORK names a folder for what
# it makes; OLD and NEW are packages to use instead of building two.
set -euo pipefail
cd "$(dirname "$0")/.."
work=${WORK:-/tmp/copra-verify-debian}
mkdir -p "$work/shared"
say() { echo "== $*"; }
fail() { echo "verify-debian: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "run as root"

old=${OLD:-} new=${NEW:-}
if [ -z "$old" ]; then
  say "two packages"
  for version in 0.0.1 0.0.2; do
    ARCHS=$(dpkg --print-architecture) scripts/release.sh $version "$work/$version" >/dev/null
  done
  old=$(echo "$work"/0.0.1/*.deb) new=$(echo "$work"/0.0.2/*.deb)
fi
cp "$old" "$work/shared/old.deb"
cp "$new" "$work/shared/new.deb"
version_of() { dpkg-deb -f "$1" Version; }

if command -v lintian >/dev/null; then
  say "lintian"
  lintian --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs "$new"
fi

say "clips"
[ -e "$work/shared/short.mp4" ] || ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=320x180:r=25:d=2 -f lavfi -i sine=d=2 -y "$work/shared/short.mp4"
[ -e "$work/shared/long.mp4" ] || ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=640x360:r=25:d=60 -f lavfi -i sine=d=60 -preset ultrafast -y "$work/shared/long.mp4"

# The machine: a layer in memory over this one's files.
cat >"$work/boot.sh" <<'BOOT'
set -e
layer=$1 root=$1/root
mount -t tmpfs -o size=4g none "$layer"
mkdir "$layer/upper" "$layer/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$layer/upper,workdir=$layer/work" "$root"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 none "$root/run"
mount -t tmpfs -o mode=1777 none "$root/tmp"
mount -t tmpfs -o mode=755 none "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
for d in null zero full random urandom tty; do touch "$root/dev/$d"; mount --bind /dev/$d "$root/dev/$d"; done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 none "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=1777 none "$root/dev/shm"
mkdir -p "$root/mnt/shared"
mount --bind "$2" "$root/mnt/shared"
ip link set lo up
# An installation of Copra on this machine is no part of it.
rm -rf "$root/var/lib/copra" "$root/etc/copra"
rm -f "$root/usr/sbin/policy-rc.d" # which keeps packages from starting services
hostname copra-verify
exec env -i container=copra-verify PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" /lib/systemd/systemd --unit=basic.target
BOOT
mkdir -p "$work/layer"
unshare --mount --pid --fork --kill-child --cgroup --uts --ipc --net bash "$work/boot.sh" "$work/layer" "$work/shared" &
outer=$!
init=
trap '[ -z "$init" ] || kill -9 "$init"; wait "$outer" 2>/dev/null || true' EXIT
within() { nsenter -t "$init" -m -p -C -u -i -n -r -w env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
for _ in $(seq 600); do
  init=$(pgrep -P "$outer" -f '^/lib/systemd/systemd ' || true)
  [ -z "$init" ] || ! within systemctl is-active -q basic.target 2>/dev/null || break
  kill -0 "$outer" || fail "systemd did not start"
  sleep 0.5
done
within systemctl is-active -q basic.target || fail "systemd did not start within 5 min"
say "systemd $(within systemctl --version | awk 'NR == 1 {print $2}') runs in namespaces of its own"

# broken UNIT: why it is not as it should be.
broken() { within journalctl --no-pager -u "$1" | tail -40 >&2; fail "$2"; }
active() { within systemctl is-active -q "$1" || broken "$1" "$1 is not active"; }
idle() { ! within systemctl is-active -q "$1" || fail "$1 is active"; }
job() { # FILE: a job, as root, who finds the server by its data folder
  within copra submit "/mnt/shared/$1" -o mp4:240p -o 'jpg:160x;number=2' --json "${@:2}"
}
# jobs_that_are STATUS: how many.
jobs_that_are() { within copra jobs --status "$1" --json | grep -o '"created_at"' | wc -l; }
# secret WORD: it stands neither in the journal nor in the arguments of a process.
secret() {
  [ -n "$1" ] || fail "a secret is empty"
  if within journalctl --no-pager | grep -F "$1"; then fail "a secret is in the journal"; fi
  if within ps axww -o args | grep -v grep | grep -F "$1"; then fail "a secret is in the arguments of a process"; fi
}

say "install: $(version_of "$old")"
within dpkg -i /mnt/shared/old.deb >"$work/install.log" 2>&1 || { cat "$work/install.log" >&2; fail "dpkg -i"; }
active copra.service
idle copra-api.service
idle copra-worker.service
[ "$(within stat -c '%U:%G %a' /etc/copra/copra.env)" = "root:copra 640" ] || fail "copra.env: $(within stat -c '%U:%G %a' /etc/copra/copra.env)"
within systemctl is-enabled -q copra.service || fail "copra.service is not enabled"
! within systemctl is-enabled -q copra-worker.service || fail "copra-worker.service is enabled"
for p in $(within pgrep -u root -x copra || true); do fail "process $p of copra is root's"; done
secret "$(within cat /var/lib/copra/api-key)"
secret "$(within cat /var/lib/copra/operator-key)"
secret "$(within cat /var/lib/copra/secret-key)"

say "units"
for unit in copra copra-api copra-worker; do
  within systemd-analyze verify --man=no --recursive-errors=no $unit.service || fail "systemd-analyze verify $unit"
  within systemd-analyze security --no-pager --threshold=35 $unit.service | tail -1
done

say "what holds in the unit"
# The unit as it is, with another command.
within sh -c 'sed -e "s/^Type=.*/Type=oneshot/" -e "s|^ExecStart=.*|ExecStart=/usr/bin/copra doctor|" -e "/^Restart/d" -e "/^StandardOutput/d" -e "/^TimeoutStart/d" \
  /usr/lib/systemd/system/copra.service >/run/systemd/system/copra-doctor.service; systemctl daemon-reload; systemctl start copra-doctor.service' || broken copra-doctor.service "copra doctor fails in the unit"
within journalctl --no-pager -o cat -u copra-doctor.service >"$work/doctor.log"
grep -i sandbox "$work/doctor.log" || fail "doctor says nothing of the sandbox"
grep -q 'reaches its own files only' "$work/doctor.log" && grep -q 'makes no connections' "$work/doctor.log" || fail "the sandbox is not whole in the unit"

say "a job"
job short.mp4 >"$work/first.json"
grep -q '"job.completed"' "$work/first.json" || fail "$(cat "$work/first.json")"

say "upgrade to $(version_of "$new") while a job runs"
within sh -c 'printf "COPRA_REGION=here\nCOPRA_FFMPEG_STALL_TIMEOUT=30m\n" >>/etc/copra/copra.env; systemctl restart copra.service'
active copra.service
key=$(within cat /var/lib/copra/api-key)
job long.mp4 >"$work/second.json" 2>"$work/second.log" &
submit=$!
for _ in $(seq 600); do
  within pkill -STOP -x ffmpeg && break # so that the job is certainly under way
  sleep 0.2
done
[ "$(jobs_that_are processing)" = 1 ] || fail "the job does not run"
within dpkg -i /mnt/shared/new.deb >"$work/upgrade.log" 2>&1 || { cat "$work/upgrade.log" >&2; fail "dpkg -i"; }
active copra.service
wait $submit || true # whoever followed it may have seen the restart
for _ in $(seq 1200); do
  [ "$(jobs_that_are completed)" = 2 ] && break
  sleep 0.5
done
[ "$(jobs_that_are completed)" = 2 ] || { within copra jobs; fail "a job was lost"; }
[ "$(within cat /var/lib/copra/api-key)" = "$key" ] || fail "the API key has changed"
within grep -q COPRA_REGION=here /etc/copra/copra.env || fail "the upgrade has changed copra.env"
within curl -sf http://127.0.0.1:8080/healthz | grep -q here || fail "copra.env does not count"
if within journalctl --no-pager -u copra.service | grep -E 'level=(ERROR|WARN)'; then say "(warnings above)"; fi

say "API and worker on another PostgreSQL"
within systemctl disable -q --now copra.service
[ -z "$(within pgrep -u copra || true)" ] || fail "processes of copra stay after a stop"
within sh -ec '
  install -d -o copra -g copra -m 0700 /etc/copra/secrets
  runuser -u copra -- copra secrets /etc/copra/secrets >/dev/null
  install -d -o postgres -m 0700 /var/lib/other-pg
  install -o postgres -m 0600 /etc/copra/secrets/postgres-password /var/lib/other-pg.password
  bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
  runuser -u postgres -- $bin/initdb -D /var/lib/other-pg -A scram-sha-256 -U copra --pwfile=/var/lib/other-pg.password >/dev/null
  runuser -u postgres -- $bin/pg_ctl -D /var/lib/other-pg -o "-c port=5544 -c unix_socket_directories=/tmp" -l /var/lib/other-pg/log -w start >/dev/null
  cat >>/etc/copra/copra.env <<END
COPRA_DATABASE_URL=postgres://copra@127.0.0.1:5544/postgres
COPRA_DATABASE_PASSWORD_FILE=/etc/copra/secrets/postgres-password
COPRA_SECRET_KEY_FILE=/etc/copra/secrets/secret-key
COPRA_STORAGE_DIR=/var/lib/copra/storage
COPRA_PUBLIC_URL=http://127.0.0.1:8080
END
  systemctl enable -q --now copra-api.service copra-worker.service' || { within journalctl --no-pager -n 60 >&2; fail "API and worker do not start"; }
active copra-api.service
active copra-worker.service
within sh -c 'umask 077; runuser -u copra -- sh -c "set -a; . /etc/copra/copra.env; copra keys create --name first" >/root/key'
secret "$(within head -1 /root/key)"
secret "$(within cat /etc/copra/secrets/postgres-password)"
job short.mp4 --server http://127.0.0.1:8080/v2 --key-file /root/key >"$work/third.json"
grep -q '"job.completed"' "$work/third.json" || fail "$(cat "$work/third.json")"

say "remove"
within dpkg -r copra >/dev/null 2>&1 || fail "dpkg -r"
[ -z "$(within pgrep -u copra || true)" ] || fail "processes of copra stay"
within test -e /var/lib/copra/api-key || fail "remove has taken the data"
within test -e /etc/copra/copra.env || fail "remove has taken copra.env"

say "install once more, purge"
within dpkg -i /mnt/shared/new.deb >/dev/null 2>&1 || fail "dpkg -i after a remove"
active copra-worker.service
idle copra.service # it was disabled
within dpkg -P copra >"$work/purge.log" 2>&1 || { cat "$work/purge.log" >&2; fail "dpkg -P"; }
for path in /var/lib/copra /etc/copra/copra.env /usr/bin/copra /usr/share/doc/copra /etc/systemd/system/multi-user.target.wants/copra-worker.service; do
  ! within test -e $path || fail "purge has left $path"
done
within test -e /etc/copra/secrets/secret-key || fail "purge has taken what was the operator's"
say "all of it holds"
