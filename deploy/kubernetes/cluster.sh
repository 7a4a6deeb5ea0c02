# Starts and ends a real Kubernetes control plane with KEDA on this machine, with
# tools/podrunner in the place of kubelets. Sourced by deploy/verify-kubernetes.sh.
#
#   BIN   the programs of deploy/kubernetes/build.sh and podrunner
#   WORK  an empty folder for all that runs
#   IMAGE the folder that podrunner takes for the image
#
# Everything listens on NODE, the address of a interface, which pods reach as
# the address of their node. Services get theirs from kube-proxy.

NODE=10.244.0.1
SERVICES=10.96.0.0/16
APISERVER=https://$NODE:6443
export KUBECONFIG=$WORK/kubeconfig

cluster_pids=()
# started remembers the process that was just started; the shell is to say nothing
# when it is killed.
started() { cluster_pids+=($!); disown $!; }

# certificate NAME CN SAN [ORGANISATION]: signed by ca.crt.
certificate() {
  openssl req -newkey rsa:2048 -nodes -keyout "$WORK/pki/$1.key" -out "$WORK/pki/$1.csr" -subj "${4:+/O=$4}/CN=$2" 2>/dev/null
  openssl x509 -req -in "$WORK/pki/$1.csr" -CA "$WORK/pki/ca.crt" -CAkey "$WORK/pki/ca.key" -CAcreateserial -days 2 -out "$WORK/pki/$1.crt" \
    -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$3") 2>/dev/null
}

cluster_network() {
  if ip route get "$NODE" 2>/dev/null | grep -q 'dev copra-k8s\|dev lo'; then ip link delete copra-k8s 2>/dev/null || true; fi
  ip link add copra-k8s type bridge
  ip address add "$NODE/32" dev copra-k8s
  ip link set copra-k8s up
  forwarding=$(cat /proc/sys/net/ipv4/ip_forward)
  echo 1 >/proc/sys/net/ipv4/ip_forward
}

cluster_pki() {
  mkdir -p "$WORK/pki" "$WORK/keda"
  openssl genrsa -out "$WORK/pki/sa.key" 2048 2>/dev/null
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$WORK/pki/ca.key" -out "$WORK/pki/ca.crt" -days 2 -subj /CN=copra-verify 2>/dev/null
  certificate apiserver kube-apiserver "IP:$NODE,IP:10.96.0.1,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
  certificate front-proxy front-proxy DNS:front-proxy
  certificate keda keda "IP:$NODE,DNS:localhost,DNS:keda-operator.keda.svc,DNS:keda-metrics-apiserver.keda.svc"
  cp "$WORK/pki/ca.crt" "$WORK/keda/ca.crt"; cp "$WORK/pki/keda.crt" "$WORK/keda/tls.crt"; cp "$WORK/pki/keda.key" "$WORK/keda/tls.key"
  TOKEN=$(openssl rand -hex 16)
  echo "$TOKEN,admin,admin,system:masters" >"$WORK/pki/tokens.csv"
  printf %s "$TOKEN" >"$WORK/pki/token"
  printf 'header = "Authorization: Bearer %s"\n' "$TOKEN" >"$WORK/pki/curlrc"
  cat >"$KUBECONFIG" <<K
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "$APISERVER", certificate-authority: $WORK/pki/ca.crt}}]
users: [{name: u, user: {tokenFile: $WORK/pki/token}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
K
  chmod 600 "$KUBECONFIG" "$WORK"/pki/*
}

# k8s PATH [CURL OPTION...]: asks the API server; a fraction of what kubectl costs.
k8s() { curl -sS --fail --max-time 20 --cacert "$WORK/pki/ca.crt" -K "$WORK/pki/curlrc" "${@:2}" "$APISERVER$1"; }

cluster_up() {
  cluster_network
  cluster_pki
  local log=$WORK/log; mkdir -p "$log"
  "$BIN/etcd" --data-dir "$WORK/etcd" --listen-client-urls http://$NODE:2379 --advertise-client-urls http://$NODE:2379 \
    --listen-peer-urls http://$NODE:2380 --initial-advertise-peer-urls http://$NODE:2380 --initial-cluster default=http://$NODE:2380 \
    --unsafe-no-fsync >"$log/etcd" 2>&1 & started
  "$BIN/kube-apiserver" --etcd-servers=http://$NODE:2379 --bind-address=$NODE --advertise-address=$NODE --secure-port=6443 \
    --tls-cert-file="$WORK/pki/apiserver.crt" --tls-private-key-file="$WORK/pki/apiserver.key" --client-ca-file="$WORK/pki/ca.crt" \
    --service-account-key-file="$WORK/pki/sa.key" --service-account-signing-key-file="$WORK/pki/sa.key" \
    --service-account-issuer=https://kubernetes.default.svc --token-auth-file="$WORK/pki/tokens.csv" --authorization-mode=Node,RBAC \
    --service-cluster-ip-range=$SERVICES --kubelet-preferred-address-types=InternalIP \
    --requestheader-client-ca-file="$WORK/pki/ca.crt" --requestheader-allowed-names=front-proxy --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --requestheader-group-headers=X-Remote-Group --requestheader-username-headers=X-Remote-User \
    --proxy-client-cert-file="$WORK/pki/front-proxy.crt" --proxy-client-key-file="$WORK/pki/front-proxy.key" >"$log/kube-apiserver" 2>&1 & started
  wait_for 120 "the API server" k8s /readyz
  local as=(--kubeconfig="$KUBECONFIG" --authentication-kubeconfig="$KUBECONFIG" --authorization-kubeconfig="$KUBECONFIG" --bind-address=$NODE --leader-elect=false)
  "$BIN/kube-scheduler" "${as[@]}" >"$log/kube-scheduler" 2>&1 & started
  "$BIN/kube-controller-manager" "${as[@]}" --service-account-private-key-file="$WORK/pki/sa.key" --root-ca-file="$WORK/pki/ca.crt" \
    --use-service-account-credentials=true --horizontal-pod-autoscaler-sync-period=5s >"$log/kube-controller-manager" 2>&1 & started
  "$BIN/podrunner" -server $APISERVER -token "$WORK/pki/token" -ca "$WORK/pki/ca.crt" -image "$IMAGE" -dir "$WORK/podrunner" -address $NODE \
    >"$log/podrunner" 2>&1 & started; podrunner=$!
  "$BIN/kube-proxy" --kubeconfig="$KUBECONFIG" --hostname-override=podrunner-1 --cluster-cidr=10.244.0.0/16 --proxy-mode=iptables \
    --conntrack-max-per-core=0 --conntrack-min=0 --metrics-bind-address=$NODE:10249 --healthz-bind-address=$NODE:10256 >"$log/kube-proxy" 2>&1 & started
  wait_for 60 "three nodes" nodes_ready
  kubectl apply -f - >/dev/null <<'E'
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: podrunner}
provisioner: copra.example.com/podrunner
volumeBindingMode: Immediate
E
}

nodes_ready() { [ "$(k8s /api/v1/nodes | jq '[.items[] | select(any(.status.conditions[]; .type == "Ready" and .status == "True") and ((.spec.taints // []) == []))] | length')" = 3 ]; }

# keda_up: the operator and the metrics server, as two processes of this machine.
keda_up() {
  local log=$WORK/log dir
  for dir in "$BIN"/crds/*; do
    [ -f "$dir/kustomization.yaml" ] && rm -f "$dir/kustomization.yaml"
    kubectl apply --server-side -f "$dir" >/dev/null
  done
  kubectl create namespace keda >/dev/null
  kubectl apply -f - >/dev/null <<E
apiVersion: v1
kind: Service
metadata: {name: keda-metrics-apiserver, namespace: keda}
spec: {ports: [{name: https, port: 443, targetPort: 6553}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: keda-metrics-apiserver-1, namespace: keda, labels: {kubernetes.io/service-name: keda-metrics-apiserver}}
addressType: IPv4
ports: [{name: https, port: 6553}]
endpoints: [{addresses: [$NODE], conditions: {ready: true}}]
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.external.metrics.k8s.io}
spec:
  service: {name: keda-metrics-apiserver, namespace: keda, port: 443}
  group: external.metrics.k8s.io
  version: v1beta1
  caBundle: $(base64 -w0 "$WORK/pki/ca.crt")
  groupPriorityMinimum: 100
  versionPriority: 100
E
  local env=(env POD_NAMESPACE=keda KEDA_CLUSTER_OBJECT_NAMESPACE=keda POD_NAME=keda WATCH_NAMESPACE=)
  "${env[@]}" "$BIN/keda-operator" --kubeconfig="$KUBECONFIG" --leader-elect=false --cert-dir="$WORK/keda" --enable-cert-rotation=false \
    --metrics-bind-address=$NODE:8088 --health-probe-bind-address=$NODE:8089 --metrics-service-bind-address=$NODE:9666 >"$log/keda-operator" 2>&1 & started
  wait_for 60 "the KEDA operator" curl -fsS -o /dev/null http://$NODE:8089/readyz
  "${env[@]}" "$BIN/keda-adapter" --kubeconfig="$KUBECONFIG" --lister-kubeconfig="$KUBECONFIG" --authentication-kubeconfig="$KUBECONFIG" \
    --authorization-kubeconfig="$KUBECONFIG" --secure-port=6553 --bind-address=$NODE --port=8087 --metrics-service-address=$NODE:9666 \
    --cert-dir="$WORK/keda" --tls-cert-file="$WORK/keda/tls.crt" --tls-private-key-file="$WORK/keda/tls.key" >"$log/keda-adapter" 2>&1 & started
  wait_for 60 "the metrics API" keda_available
}

keda_available() {
  [ "$(k8s /apis/apiregistration.k8s.io/v1/apiservices/v1beta1.external.metrics.k8s.io | jq -r '.status.conditions[]? | select(.type == "Available") | .status')" = True ]
}

# gone waits for the end of a process, and brings it about after five seconds.
gone() {
  for _ in $(seq 50); do kill -0 "$1" 2>/dev/null || return 0; sleep 0.1; done
  kill -9 "$1" 2>/dev/null || true
}

# cluster_down ends what was started, pods first, and removes rules and interfaces.
cluster_down() {
  local p i
  if [ -n "${podrunner:-}" ]; then kill "$podrunner" 2>/dev/null || true; gone "$podrunner"; fi
  for ((i = ${#cluster_pids[@]} - 1; i >= 0; i--)); do kill "${cluster_pids[i]}" 2>/dev/null || true; done
  for p in "${cluster_pids[@]}"; do gone "$p"; done
  [ -x "$BIN/kube-proxy" ] && "$BIN/kube-proxy" --cleanup >/dev/null 2>&1 || true
  for i in $(ip netns list 2>/dev/null | awk '/^podrunner-/ {print $1}'); do ip netns delete "$i" || true; done
  ip link delete copra-k8s 2>/dev/null || true
  [ -z "${forwarding:-}" ] || echo "$forwarding" >/proc/sys/net/ipv4/ip_forward
}
