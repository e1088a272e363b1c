#!/usr/bin/env bash
# A real one-node Kubernetes and an image registry, in pid, net and mount namespaces of their own: kube.sh up | down
# Root. All of it ends with its first process, and nothing gets out of it: there is no route. One a machine, since the
# addresses are fixed. `eval "$(tools/kube.sh up)"` gives a shell its kubectl, crane, KUBECONFIG and REGISTRY.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
self=$root/tools/kube.sh
run=$root/build/kube
host=10.250.0.1
node=10.250.0.2
pods=10.244.0.0/16
services=10.96.0.0/16
api=10.96.0.1
registry=$node:5000
pause=localhost/pause:1

fail() {
    echo "kube: $1" >&2
    exit 3
}

wait_for() {
    for _ in $(seq 600); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.2
    done
    tail -n 5 "$run"/log/* >&2
    fail "gave up waiting for: $*"
}

certificate() { # NAME SUBJECT ARGUMENTS...
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "pki/$1.key" -x509 -days 30 -subj "$2" \
        -out "pki/$1.crt" "${@:3}" 2>/dev/null
}

client() { # NAME USER GROUP
    local token
    token=$(openssl rand -hex 16)
    echo "$token,$2,$2,$3" >>pki/tokens.csv
    cat >"$1.conf" <<CONFIG
{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
 users: [{name: u, user: {token: $token}}],
 clusters: [{name: c, cluster: {server: "https://$node:6443", certificate-authority: $run/pki/ca.crt}}]}
CONFIG
}

credentials() {
    certificate ca /CN=kube-ca
    local signed=(-CA pki/ca.crt -CAkey pki/ca.key -addext "basicConstraints=critical,CA:false")
    certificate apiserver /CN=kube-apiserver "${signed[@]}" \
        -addext "subjectAltName=IP:$node,IP:127.0.0.1,IP:$api,DNS:kubernetes.default.svc"
    certificate to-kubelet /O=system:masters/CN=apiserver-to-kubelet "${signed[@]}" -addext extendedKeyUsage=clientAuth
    openssl genrsa -out pki/sa.key 2048 2>/dev/null
    client admin admin system:masters
    client kubelet system:node:node1 system:nodes
    client proxy system:kube-proxy none
    client scheduler system:kube-scheduler none
    client controller system:kube-controller-manager none
}

configuration() {
    # restrict_oom_score_adj: the pause container's score may need a capability that this machine does not give.
    cat >containerd.toml <<CONFIG
version = 2
root = "$run/containerd"
state = "$run/containerd-state"
grpc = {address = "$run/containerd.sock"}
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$pause"
  restrict_oom_score_adj = true
  cni = {bin_dir = "/usr/lib/cni", conf_dir = "$run/cni"}
  registry = {config_path = "$run/certs.d"}
CONFIG
    # Every image, whatever its name says, comes from the registry in here.
    printf 'server = "http://%s"\n[host."http://%s"]\n' "$registry" "$registry" >certs.d/_default/hosts.toml
    cat >cni/pods.conflist <<CONFIG
{"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "bridge", "bridge": "cni0", "isGateway": true,
 "hairpinMode": true, "ipam": {"type": "host-local", "dataDir": "$run/ipam", "ranges": [[{"subnet": "10.244.0.0/24"}]],
 "routes": [{"dst": "0.0.0.0/0"}]}}]}
CONFIG
    cat >kubelet.yaml <<CONFIG
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
containerRuntimeEndpoint: unix://$run/containerd.sock
podLogsDir: $run/podlogs
resolvConf: /dev/null
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $run/pki/ca.crt}}
authorization: {mode: Webhook}
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
CONFIG
}

# The first process of the namespaces: every mount, link, rule and process below ends with it.
inside() {
    local binaries=$1
    cd "$run"
    ip link set lo up
    sysctl -qw net.ipv4.ip_forward=1
    for private in /run/containerd /run/netns /var/log/containers; do mount -t tmpfs none "$private"; done
    mount --bind kubelet /var/lib/kubelet
    touch isolated
    wait_for ip link show kube1
    ip addr add "$node/30" dev kube1
    ip link set kube1 up
    # The API server calls services too: their addresses need a route until kube-proxy rewrites them.
    ip route add "$services" via "$host"

    start() { "${@:2}" >"log/$1" 2>&1 & }
    start etcd etcd --data-dir etcd
    start registry "$binaries/crane" registry serve --address "$registry" --disk "$run/registry"
    start containerd containerd --config containerd.toml
    start apiserver "$binaries/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --advertise-address="$node" \
        --service-cluster-ip-range="$services" --allow-privileged --tls-cert-file=pki/apiserver.crt \
        --tls-private-key-file=pki/apiserver.key --client-ca-file=pki/ca.crt --token-auth-file=pki/tokens.csv \
        --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
        --feature-gates=SizeBasedListCostEstimate=false --service-account-issuer=https://kubernetes.default.svc \
        --service-account-key-file=pki/sa.key --service-account-signing-key-file=pki/sa.key \
        --kubelet-client-certificate=pki/to-kubelet.crt --kubelet-client-key=pki/to-kubelet.key \
        --kubelet-preferred-address-types=InternalIP
    wait_for curl -sfk https://127.0.0.1:6443/readyz
    start controller "$binaries/kube-controller-manager" --kubeconfig=controller.conf --leader-elect=false \
        --use-service-account-credentials --root-ca-file=pki/ca.crt --service-account-private-key-file=pki/sa.key
    start scheduler "$binaries/kube-scheduler" --kubeconfig=scheduler.conf --leader-elect=false
    # The connection tracker's numbers are the machine's and cannot be set from in here.
    start proxy "$binaries/kube-proxy" --kubeconfig=proxy.conf --proxy-mode=iptables --cluster-cidr="$pods" \
        --hostname-override=node1 --conntrack-max-per-core=0 --conntrack-min=0 \
        --conntrack-tcp-timeout-established=0 --conntrack-tcp-timeout-close-wait=0
    wait_for test -e paused
    start kubelet "$binaries/kubelet" --config=kubelet.yaml --kubeconfig=kubelet.conf --hostname-override=node1 \
        --node-ip="$node"
    wait
}

push_pause() {
    local binaries=$1 there=$registry/${pause#*/}
    wait_for curl -sf "http://$registry/v2/"
    tar -cf pause.tar -C "$binaries" pause
    {
        "$binaries/crane" append --insecure --new_layer pause.tar --new_tag "$there"
        "$binaries/crane" mutate --insecure "$there" --tag "$there" --entrypoint /pause --set-platform "linux/$(go env GOARCH)"
    } >log/pause 2>&1
    touch paused
}

up() {
    [ "$(id -u)" = 0 ] || fail "a cluster needs root"
    local binaries
    binaries=$("$root/tools/kube-binaries.sh")
    "$root/tools/apt-install.sh" containerd runc containernetworking-plugins curl etcd-server iproute2 iptables openssl procps
    down
    mkdir -p "$run"/{pki,cni,log,kubelet,podlogs,certs.d/_default,registry} \
        /run/containerd /run/netns /var/lib/kubelet /var/log/containers
    cd "$run"
    # The kubelet sets these, and they are the whole machine's.
    sysctl vm.overcommit_memory kernel.panic kernel.panic_on_oops >sysctl.before
    credentials
    configuration
    setsid unshare --pid --net --mount --fork --kill-child --mount-proc "$self" inside "$binaries" >log/inside 2>&1 </dev/null &
    echo $! >unshare.pid
    wait_for test -e isolated
    pgrep -P "$(cat unshare.pid)" >init.pid
    ip link add kube0 type veth peer name kube1 netns "$(cat init.pid)"
    ip addr add "$host/30" dev kube0
    ip link set kube0 up
    # What the node asks of a service that nothing serves must not come back to it for ever.
    sysctl -qw net.ipv4.conf.kube0.forwarding=0
    ip route add "$services" via "$node"
    ip route add "$pods" via "$node"
    push_pause "$binaries"
    export KUBECONFIG=$run/admin.conf
    wait_for "$binaries/kubectl" get node/node1 serviceaccount/default
    "$binaries/kubectl" wait --for=condition=Ready node/node1 --timeout=120s >&2
    # Its user's shell puts its own PATH behind.
    # shellcheck disable=SC2016
    printf 'export PATH=%q:$PATH KUBECONFIG=%q REGISTRY=%q\n' "$binaries" "$KUBECONFIG" "$registry"
}

down() {
    local init
    init=$(cat "$run/init.pid" 2>/dev/null || true)
    if [ -n "$init" ] && grep -qsF "$self" "/proc/$init/cmdline"; then
        kill -9 "$init"
        wait_for test ! -e "/proc/$(cat "$run/unshare.pid")"
        sysctl -qp "$run/sysctl.before"
    fi
    ip link del kube0 2>/dev/null || true
    find /sys/fs/cgroup -depth -type d -path '*/kubepods*' -exec rmdir {} + 2>/dev/null || true
    rm -rf "$run"
}

case ${1:-} in
    up | down) "$1" ;;
    inside) inside "$2" ;;
    *)
        echo "usage: $0 up|down" >&2
        exit 2
        ;;
esac
