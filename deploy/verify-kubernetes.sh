#!/bin/bash
# Proves the chart on a machine that has no cluster and pulls no image: builds a
# real control plane (etcd, kube-apiserver, kube-controller-manager, kube-scheduler,
# kube-proxy), helm, kubectl and KEDA from Go modules, or takes them from the cache;
# starts them with tools/podrunner in the place of kubelets; installs the chart with
# `helm install --wait` and works a queue off with it, through a scaling from 0 to 3
# and back, a rolling upgrade and a drained node under load, and a scale-in in the
# middle of chunks. Prints what it measured; fails if anything is otherwise than
# docs/deploy/kubernetes.md says.
#
#   deploy/verify-kubernetes.sh          about 6 minutes; half an hour more on first use
#   KEEP=1 deploy/verify-kubernetes.sh   leaves the logs in WORK
#
# Needs Linux as root, Go, PostgreSQL, ffmpeg (scripts/setup.sh test), and
# iptables, iproute2, jq, curl, openssl.
set -euo pipefail
cd "$(dirname "$0")/.."
CACHE=${CACHE:-$PWD/.cache/kubernetes}
WORK=${WORK:-/tmp/copra-verify-kubernetes}
values=deploy/kubernetes/values.yaml
began=$SECONDS

say() { echo "== $(date +%T) $*"; }
die() { echo "FAILED: $*" >&2; exit 1; }
facts=()
fact() { facts+=("$1|$2"); echo "   $1: $2"; }
now() { date +%s.%N; }
calc() { awk "BEGIN {printf \"%.1f\", $1}"; }

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
  local end=$((SECONDS + $1)) what=$2; shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || die "$what did not come in time"
    sleep 0.3
  done
}

[ "$(id -u)" = 0 ] || die "run as root"
missing=()
for p in ip iptables jq curl openssl psql ffmpeg go; do command -v $p >/dev/null || missing+=($p); done
[ ${#missing[@]} = 0 ] || die "please install: ${missing[*]} (apt-get install iproute2 iptables jq curl openssl postgresql ffmpeg)"
S3SERVER=${COPRA_TEST_VERSITYGW:-.cache/tools/bin/versitygw}
[ -x "$S3SERVER" ] || die "no S3 server: run scripts/setup.sh test"
rm -rf "$WORK"; mkdir -p "$WORK/image/bin" "$WORK/media"; chmod 755 "$WORK"

say "programs"
deploy/kubernetes/build.sh "$CACHE" >"$WORK/build.log" 2>&1 || { tail -20 "$WORK/build.log"; die "the control plane could not be built"; }
BIN=$CACHE
CGO_ENABLED=0 GOFLAGS=-buildvcs=false go build -trimpath -o "$BIN/podrunner" ./tools/podrunner
CGO_ENABLED=0 GOFLAGS=-buildvcs=false go build -trimpath -ldflags "-s -w" -o "$WORK/image/bin/copra" ./cmd/copra
PATH=$BIN:$PATH
IMAGE=$WORK/image
# What the image says of itself, out of the Dockerfile.
awk '/^FROM/ {env = ""; on = 1} /^ENV/ {sub(/^ENV /, ""); env = ""; on = 2}
  on == 2 {line = $0; more = sub(/ *\\$/, "", line); sub(/^ */, "", line); env = env (env ? "\n" : "") line; if (!more) on = 1} END {print env}' Dockerfile |
  jq -Rn '{env: [inputs], entrypoint: ["copra"], workingDir: "/var/lib/copra", user: 10001,
    folders: ["/var/lib/copra", "/var/lib/copra/storage", "/var/lib/copra/work"]}' >"$IMAGE/image.json"
[ "$(jq '.env | length' "$IMAGE/image.json")" -ge 3 ] || die "the Dockerfile's ENV was not found"

. deploy/kubernetes/cluster.sh

services_pids=()
cleanup() {
  local code=$? p
  set +e
  kill "${feeder:-}" 2>/dev/null
  cluster_down
  for p in "${services_pids[@]}"; do kill -INT "$p" 2>/dev/null; wait "$p" 2>/dev/null; done
  pkill -P $$ 2>/dev/null
  if [ $code != 0 ]; then
    echo "-- the last lines of what ran:" >&2
    tail -n 4 "$WORK"/log/* >&2
    echo "logs: $WORK" >&2
  elif [ -z "${KEEP:-}" ]; then
    rm -rf "$WORK"
  fi
}
trap cleanup EXIT

say "control plane"
from=$(now)
cluster_up
keda_up
fact "control plane, KEDA and 3 nodes are up after" "$(calc "$(now)-$from") s"

say "PostgreSQL and an S3 server outside of the cluster"
pg=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
install -d -o postgres -g postgres "$WORK/postgres"
runuser -u postgres -- "$pg/initdb" -D "$WORK/postgres" -A trust -U postgres >"$WORK/log/initdb"
echo "host all all 10.244.0.0/16 trust" >>"$WORK/postgres/pg_hba.conf"
runuser -u postgres -- "$pg/postgres" -D "$WORK/postgres" -h $NODE -p 5432 -k "$WORK/postgres" -c fsync=off -c max_connections=300 >"$WORK/log/postgres" 2>&1 &
services_pids+=($!)
DB="host=$NODE user=postgres dbname=copra"
sql() { psql -qAtX "$DB" -c "$1"; }
wait_for 30 PostgreSQL psql -qAtX "host=$NODE user=postgres dbname=postgres" -c "CREATE DATABASE copra"
access=access$(openssl rand -hex 4) secret=$(openssl rand -hex 16)
mkdir -p "$WORK/s3/artifacts" "$WORK/s3/results"
ROOT_ACCESS_KEY=$access ROOT_SECRET_KEY=$secret "$S3SERVER" --port $NODE:7070 posix "$WORK/s3" >"$WORK/log/s3" 2>&1 &
services_pids+=($!)

say "every object is taken by the API server (strict), in every set of values"
kubectl create namespace video >/dev/null
kubectl label namespace video pod-security.kubernetes.io/enforce=restricted pod-security.kubernetes.io/enforce-version=latest >/dev/null
objects=0
validate() { # NAME: the objects on stdin
  local out; out=$(kubectl apply --dry-run=server --validate=strict -f - 2>&1) || { echo "$out"; die "$1: not valid"; }
  if grep -qi warning <<<"$out"; then echo "$out"; die "$1: the API server warns"; fi
  objects=$((objects + $(wc -l <<<"$out")))
}
for file in deploy/helm/testdata/*.yaml $values; do
  helm lint --strict deploy/helm/copra -f "$file" >"$WORK/log/lint" || { cat "$WORK/log/lint"; die "$file: helm lint"; }
  validate "$file" < <(helm template copra deploy/helm/copra -n video -f "$file")
done
validate deploy/kustomize < <(kubectl kustomize deploy/kustomize)
if helm template copra deploy/helm/copra -n video -f $values | sed 's/ containerPort:/ containerPorts:/' | kubectl apply --dry-run=server --validate=strict -f - >/dev/null 2>&1; then
  die "the API server takes a wrong field too"
fi
fact "objects that the API server took in a dry run" "$objects, with Pod Security 'restricted' and no warning"

say "helm install --wait"
KEY=k-$(openssl rand -hex 16)
kubectl -n video create secret generic copra --from-literal=database-url="postgres://postgres@$NODE/copra" \
  --from-literal=secret-keys="$(openssl rand -base64 32)" --from-literal=api-key="$KEY" >/dev/null
kubectl -n video create secret generic s3 --from-literal=access-key="$access" --from-literal=secret-key="$secret" >/dev/null
from=$(now)
helm -n video install copra deploy/helm/copra -f $values --wait --timeout 5m >"$WORK/log/helm-install" 2>&1 || {
  cat "$WORK/log/helm-install"; kubectl -n video get pods -o wide; tail -n 20 "$WORK"/podrunner/logs/video_*; die "helm install"; }
fact "helm install --wait, with the migration" "$(calc "$(now)-$from") s"
operator_key() { kubectl -n video get secret copra-operator -o go-template='{{index .data "operator-key"}}'; }
operator=$(operator_key)
API=http://$(k8s /api/v1/namespaces/video/services/copra | jq -r .spec.clusterIP):8080
api() { curl -fsS --max-time 30 -u "$KEY:" "$@"; }
code=$(curl -sS -o /dev/null -w '%{http_code}' -u "$(base64 -d <<<"$operator"):" "$API/v2/nodes")
[ "$code" = 200 ] || die "the operator's key was answered $code"

say "helm test runs a real job"
from=$(now)
helm -n video test copra --logs --timeout 5m >"$WORK/log/helm-test" 2>&1 || { cat "$WORK/log/helm-test"; die "helm test"; }
grep -q 'job.completed\|completed' "$WORK/log/helm-test" || { cat "$WORK/log/helm-test"; die "helm test ran no job"; }
fact "helm test, with a real job" "$(calc "$(now)-$from") s"

# What follows works the queue off.
pods=$WORK/podrunner/pods.jsonl
# happened SINCE WHAT [POD]: times at which it happened to pods of the pool encode.
happened() { jq -r "select(.at >= $1 and .what == \"$2\" and (.pod | startswith(\"${3:-copra-worker-encode-}\"))) | .at" "$pods" | sort -n; }
count_pods() { k8s "/api/v1/namespaces/video/pods?labelSelector=copra/pool%3Dencode" | jq '.items | length'; }
ready_pods() { k8s "/api/v1/namespaces/video/pods?labelSelector=copra/pool%3Dencode" |
  jq -r '.items[] | select(.metadata.deletionTimestamp == null and any(.status.conditions[]?; .type == "Ready" and .status == "True")) | .metadata.name'; }
pods_are() { [ "$(count_pods)" = "$1" ]; }
ready_are() { [ "$(ready_pods | wc -l)" = "$1" ] && pods_are "$1"; }
left() { [ "$(sql "SELECT count(*) FROM jobs WHERE completed_at IS NULL")" = 0 ]; }
hold_pods() { # N: KEDA's own way to fix the number
  kubectl -n video annotate --overwrite scaledobject copra-worker-encode autoscaling.keda.sh/paused-replicas="$1" >/dev/null
  wait_for 120 "$1 pods" ready_are "$1"
}
let_pods() { kubectl -n video annotate scaledobject copra-worker-encode autoscaling.keda.sh/paused-replicas- >/dev/null; }

clip() { # NAME SECONDS SIZE
  ffmpeg -nostdin -v error -y -f lavfi -i "testsrc2=size=$3:rate=25" -f lavfi -i sine=frequency=440 -t "$2" -c:v libx264 -preset ultrafast -g 50 \
    -pix_fmt yuv420p -c:a aac -shortest "$WORK/media/$1.mp4"
  api -T "$WORK/media/$1.mp4" "$API/v2/uploads/$1.mp4" | jq -r .url
}
short=$(clip short 8 320x180)
long=$(clip long 180 640x360)
# post INPUT OUTPUTS [SETTINGS]: a job with results in the S3 server; its id.
number=0
post() {
  number=$((number + 1))
  api "$API/v2/jobs" -d '{"input":{"url":"'"$1"'"},"settings":'"${3:-{\}}"',"storage":{"service":"s3other","endpoint":"http://'$NODE':7070","force_path_style":true,
    "bucket":"results","region":"us-east-1","path":"/'"$BASHPID-$number"'","credentials":{"access_key_id":"'"$access"'","secret_access_key":"'"$secret"'"}},
    "outputs":'"$2"'}' | jq -r .id
}
slow='{"mp4:320x180::preset=slow":{"path":"/a.mp4"},"mp4:240x":{"path":"/b.mp4"},"jpg:160x":{"path":"/p.jpg"}}'
# disturbed SINCE: jobs that failed, and jobs with more runs than a probe and a
# transcode.
disturbed() { sql "SELECT count(*) FILTER (WHERE status <> 'job.completed') || ' ' || count(*) FILTER (WHERE run > 2) FROM jobs WHERE created_at >= to_timestamp($1)"; }
undisturbed() { # SINCE WHAT
  local failed again; read -r failed again <<<"$(disturbed "$1")"
  if [ "$failed" != 0 ] || [ "$again" != 0 ]; then
    sql "SELECT id, status, error, run FROM jobs WHERE created_at >= to_timestamp($1) AND (status <> 'job.completed' OR run > 2)"
    die "$2: $failed jobs failed, $again were started again"
  fi
}

say "KEDA: 0 -> 3 -> 0"
wait_for 120 "an empty pool" pods_are 0
from=$(now)
for _ in $(seq 12); do post "$short" "$slow" >/dev/null; done
fact "12 jobs were queued in" "$(calc "$(now)-$from") s"
wait_for 300 "the end of 12 jobs" left
done_at=$(sql "SELECT extract(epoch FROM max(completed_at)) FROM jobs")
wait_for 180 "an empty pool" pods_are 0
mapfile -t ready < <(happened "$from" ready)
[ ${#ready[@]} -ge 3 ] || die "only ${#ready[@]} pods came"
fact "from the first job to the first ready pod" "$(calc "${ready[0]}-$from") s"
fact "from the first job to 3 ready pods" "$(calc "${ready[2]}-$from") s"
fact "12 jobs were done after" "$(calc "$done_at-$from") s"
fact "from the last job to no pod" "$(calc "$(happened "$from" gone | tail -1)-$done_at") s"
undisturbed "$from" "scaling"
fact "lost or begun again by scaling" "0 of 12"

say "rolling upgrade under load"
from=$(now)
feed() { # posts a job each half second until it is told to stop
  local n=0
  trap 'exit 0' TERM
  while :; do
    n=$((n + 1))
    if post "$short" "$slow" >/dev/null 2>>"$WORK/log/feeder"; then echo ok; else echo refused; fi >>"$WORK/feed"
    sleep "$1" & wait $!
  done
}
: >"$WORK/feed"
feed 0.8 & feeder=$!
wait_for 60 "work" eval '[ "$(count_pods)" -ge 2 ]'
upgrade=$(now)
helm -n video upgrade copra deploy/helm/copra -f $values --set image.tag=second --wait --timeout 8m >"$WORK/log/helm-upgrade" 2>&1 || {
  cat "$WORK/log/helm-upgrade"; kubectl -n video get pods; die "helm upgrade"; }
upgraded=$(now)
fact "helm upgrade --wait under load" "$(calc "$upgraded-$upgrade") s"
[ "$(operator_key)" = "$operator" ] || die "the upgrade made another operator's key"

say "kubectl drain under load"
from_drain=$(now)
kubectl drain podrunner-1 --ignore-daemonsets --delete-emptydir-data --timeout=180s >"$WORK/log/drain" 2>&1 || { cat "$WORK/log/drain"; die "drain"; }
fact "kubectl drain of a node under load" "$(calc "$(now)-$from_drain") s, $(grep -c evicted "$WORK/log/drain") pods"
kubectl uncordon podrunner-1 >/dev/null
kill "$feeder"; wait "$feeder" 2>/dev/null || true; feeder=
wait_for 400 "the end of the jobs" left
posted=$(wc -l <"$WORK/feed") refused=$(grep -c refused "$WORK/feed" || true)
fact "jobs posted meanwhile" "$posted, refused $refused"
[ "$refused" = 0 ] || { tail "$WORK/log/feeder"; die "the API refused $refused jobs during the upgrade"; }
undisturbed "$from" "the upgrade"
fact "jobs lost, or begun again, by upgrade and drain" "0 of $posted"
killed=$(happened "$from" SIGKILL copra- | wc -l)
[ "$killed" = 0 ] || die "$killed pods had to be killed"
restarts=$(jq -r 'select(.what == "started" and .restarts > 0) | .pod' "$pods" | wc -l)
[ "$restarts" = 0 ] || die "$restarts restarts of containers"
images=$(kubectl -n video get deployments -o jsonpath='{.items[*].spec.template.spec.containers[0].image}')
case $images in *first*) die "a Deployment has the old image: $images" ;; esac

say "a scale-in takes the idle pods, by the deletion cost"
from=$(now)
hold_pods 2
heavy='{"mp4:720p::preset=veryslow":{"path":"/a.mp4"}}'
first=$(post "$long" "$heavy") second=$(post "$long" "$heavy")
running_on() { sql "SELECT node FROM jobs WHERE id = '$1' AND run = 2"; }
wait_for 60 "two busy pods" eval '[ -n "$(running_on "$first")" ] && [ -n "$(running_on "$second")" ]'
hold_pods 3
third=$(post "$long" "$heavy")
wait_for 60 "the third job" eval '[ -n "$(running_on "$third")" ]'
for id in "$first" "$second"; do api -X DELETE "$API/v2/jobs/$id" >/dev/null; done
busy=$(running_on "$third"); busy=${busy%%[/:@ ]*}
cost() { k8s "/api/v1/namespaces/video/pods/$1" | jq -r '.metadata.annotations["controller.kubernetes.io/pod-deletion-cost"] // "0"'; }
settled() {
  local p; for p in $(ready_pods); do
    case $busy in "$p"*) [ "$(cost "$p")" -gt 0 ] || return 1 ;; *) [ "$(cost "$p")" = 0 ] || return 1 ;; esac
  done
}
wait_for 60 "the deletion costs" settled
for p in $(ready_pods); do echo "   $p: cost $(cost "$p")"; done
youngest=$(k8s "/api/v1/namespaces/video/pods?labelSelector=copra/pool%3Dencode" | jq -r '.items | max_by(.metadata.creationTimestamp) | .metadata.name')
case $busy in "$youngest"*) ;; *) die "the busy pod $busy is not the youngest, $youngest; nothing is shown" ;; esac
hold_pods 1
case $busy in "$(ready_pods)"*) ;; *) die "the scale-in took the busy pod $busy and left $(ready_pods)" ;; esac
[ "$(running_on "$third")" != "" ] || die "the job of the busy pod was disturbed"
api -X DELETE "$API/v2/jobs/$third" >/dev/null
fact "of 3 pods the scale-in left" "the busy one, which was the youngest and would go first without its cost"

say "a scale-in in the middle of chunks"
let_pods
wait_for 180 "an empty pool" pods_are 0
helm -n video upgrade copra deploy/helm/copra -f $values --set image.tag=second --set workers.pools.encode.shutdownGraceSeconds=0 --wait --timeout 5m >"$WORK/log/helm-grace" 2>&1 ||
  { cat "$WORK/log/helm-grace"; die "helm upgrade"; }
hold_pods 3
from=$(now)
id=$(post "$long" '{"mp4:640x360::preset=slow":{"path":"/a.mp4"}}' '{"ultrafast":true}')
# Chunks that were encoded to their end: one line for each time.
chunks_done() { jq -rR --arg id "$id" 'fromjson? | select(.job == $id and .msg == "step done" and (.step | test("^encode-.*-c[0-9]+$"))) | .step' \
  "$WORK"/podrunner/logs/video_copra-worker-encode-*.log; }
# Some chunks are done, and two other pods have worked on one each for a while.
under_way() { [ "$(sql "SELECT count(*) FILTER (WHERE state = 'running' AND started_at < now() - interval '3 s') >= 2 AND count(*) FILTER (WHERE state = 'done') >= 1
  FROM tasks WHERE job_id = '$id'")" = t ]; }
wait_for 240 "chunks on other pods" under_way
kubectl -n video annotate --overwrite scaledobject copra-worker-encode autoscaling.keda.sh/paused-replicas=1 >/dev/null
wait_for 60 "one pod" ready_are 1
cut=$(happened "$from" SIGTERM | wc -l)
cut_at=$(happened "$from" SIGTERM | head -1)
before=$(chunks_done | sort -u | wc -l)
wait_for 400 "the end of the job" left
read -r status runs <<<"$(sql "SELECT status || ' ' || run FROM jobs WHERE id = '$id'")"
[ "$status" = job.completed ] || die "the job ended as $status"
all=$(chunks_done | wc -l) distinct=$(chunks_done | sort -u | wc -l)
[ "$cut" = 2 ] || die "$cut pods were ended instead of 2"
[ "$distinct" -ge 6 ] || die "the job was made in $distinct chunks"
[ "$before" -ge 1 ] || die "no chunk was finished before the scale-in; nothing is shown"
[ "$all" = "$distinct" ] || die "of $distinct chunks, $((all - distinct)) were finished and encoded again"
[ "$runs" -le 3 ] || die "the job was begun $runs times"
fact "pods ended, each in the middle of a chunk, without grace" "$cut of 3"
fact "finished chunks that were encoded again" "0 of $before; at most the $cut that were under way were begun again, of $distinct in all"
fact "the job, whose own pod was $([ "$runs" = 3 ] && echo "one of them" || echo "not one of them"), ended after the scale-in" "$(calc "$(sql "SELECT extract(epoch FROM completed_at) FROM jobs WHERE id = '$id'")-$cut_at") s"
let_pods

say "helm uninstall leaves nothing that runs"
helm -n video uninstall copra --wait >"$WORK/log/helm-uninstall" 2>&1 || { cat "$WORK/log/helm-uninstall"; die "helm uninstall"; }
wait_for 60 "the end of the pods" eval '[ "$(k8s /api/v1/namespaces/video/pods | jq ".items | length")" = 0 ]'

say "no secret is in a log"
if grep -rlF -e "$KEY" -e "$secret" -e "$(base64 -d <<<"$operator")" "$WORK/podrunner/logs"; then die "a secret was logged"; fi

echo
echo "Seen on $(nproc) cores in $((SECONDS - began)) s, Kubernetes $(kubectl version -o json | jq -r .serverVersion.gitVersion), KEDA $(cat "$BIN/.keda-operator.version"), $(helm version --short):"
for f in "${facts[@]}"; do printf '  %-55s %s\n' "${f%%|*}" "${f#*|}"; done
