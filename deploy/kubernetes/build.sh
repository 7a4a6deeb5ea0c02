#!/bin/bash
# Builds a real Kubernetes control plane, helm and KEDA from Go modules, for
# deploy/verify-kubernetes.sh. About half an hour of one core the first time;
# what is there already, in the versions named here, is left alone.
#
#   deploy/kubernetes/build.sh [FOLDER]     default .cache/kubernetes
#
# The go command checks each module against its checksum database. The modules
# are built from modules of our own, because `go install pkg@version`
# refuses modules whose go.mod has replace lines.
set -euo pipefail
cd "$(dirname "$0")/../.."
BIN=$(mkdir -p "${1:-.cache/kubernetes}" && cd "${1:-.cache/kubernetes}" && pwd)

KUBERNETES=v1.37.2
KEDA=v2.21.0
HELM=v4.3.1
GATEWAY=v1.6.3
PROMETHEUS_OPERATOR=v0.85.0

export GOFLAGS="-trimpath -mod=mod -buildvcs=false -p=${COPRA_BUILD_JOBS:-1}" CGO_ENABLED=0 GOWORK=off
work=$BIN/.build
mkdir -p "$work" "$BIN/crds"

# fresh PROGRAM VERSION: the program is there in that version.
fresh() { [ -s "$BIN/$1" ] && [ "$(cat "$BIN/.$1.version" 2>/dev/null)" = "$2" ]; }

# build PROGRAM VERSION PACKAGE [LDFLAGS]: in the module in the current folder.
build() {
  fresh "$1" "$2" && return
  local from=$SECONDS
  nice -n "${COPRA_BUILD_NICE:-15}" go build -ldflags "-s -w ${4:-}" -o "$BIN/$1.new" "$3"
  mv "$BIN/$1.new" "$BIN/$1"
  echo "$2" > "$BIN/.$1.version"
  echo "built $1 $2 in $((SECONDS - from)) s" >&2
}

moddir() { go mod download -json "$1@$2" | sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p'; }

# Kubernetes' own modules are folders of its repository (./staging/src/...);
# outside it they are released as v0.X.Y.
kubernetes() {
  local p all=1 dir
  for p in etcd kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubectl; do fresh $p $KUBERNETES || all=; done
  [ -z "$all" ] || return 0
  dir=$(moddir k8s.io/kubernetes $KUBERNETES)
  mkdir -p "$work/kubernetes"; cd "$work/kubernetes"
  { echo "module build"; sed -e "s,=> \./staging/src/\(k8s.io/.*\),=> \1 ${KUBERNETES/v1/v0}," \
      -e '/^module /d' "$dir/go.mod"; echo "require k8s.io/kubernetes $KUBERNETES"; } > go.mod
  cp "$dir/go.sum" go.sum
  cat > pin.go <<'GO'
//go:build pin

package build

import (
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver/app"
)
GO
  local minor=${KUBERNETES#v1.}; minor=${minor%%.*}
  local v="-X k8s.io/component-base/version.gitVersion=$KUBERNETES -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=$minor"
  build etcd $KUBERNETES go.etcd.io/etcd/server/v3
  for p in kubectl kube-apiserver kube-scheduler kube-proxy kube-controller-manager; do
    build $p $KUBERNETES k8s.io/kubernetes/cmd/$p "$v"
  done
}

helm() {
  fresh helm $HELM && return 0
  local dir; dir=$(moddir helm.sh/helm/v4 $HELM)
  mkdir -p "$work/helm"; cd "$work/helm"
  { echo "module build"; sed '/^module /d' "$dir/go.mod"; echo "require helm.sh/helm/v4 $HELM"; } > go.mod
  cp "$dir/go.sum" go.sum
  build helm $HELM helm.sh/helm/v4/cmd/helm "-X helm.sh/helm/v4/internal/version.version=$HELM"
}

keda() {
  local dir
  if ! fresh keda-operator $KEDA || ! fresh keda-adapter $KEDA || [ ! -d "$BIN/crds/keda-$KEDA" ]; then
    dir=$(moddir github.com/kedacore/keda/v2 $KEDA)
    mkdir -p "$work/keda" "$BIN/crds/keda-$KEDA"; cd "$work/keda"
    cp "$dir"/config/crd/bases/*.yaml "$BIN/crds/keda-$KEDA/"
    { echo "module build"; sed '/^module /d' "$dir/go.mod"; echo "require github.com/kedacore/keda/v2 $KEDA"; } > go.mod
    cp "$dir/go.sum" go.sum
    build keda-operator $KEDA github.com/kedacore/keda/v2/cmd/operator
    build keda-adapter $KEDA github.com/kedacore/keda/v2/cmd/adapter
  fi
}

# crds NAME MODULE VERSION FOLDER: the definitions of objects that the chart
# makes for operators it works with.
crds() {
  [ ! -d "$BIN/crds/$1-$3" ] || return 0
  local dir; dir=$(moddir "$2" "$3")
  mkdir -p "$BIN/crds/$1-$3.new"
  cp "$dir/$4"/*.yaml "$BIN/crds/$1-$3.new/"
  mv "$BIN/crds/$1-$3.new" "$BIN/crds/$1-$3"
}

(kubernetes)
(helm)
(keda)
(crds gateway sigs.k8s.io/gateway-api $GATEWAY config/crd/standard)
(crds prometheus github.com/prometheus-operator/prometheus-operator $PROMETHEUS_OPERATOR example/prometheus-operator-crd)
rm -rf "$work"
echo "$BIN"
