package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const nodePrefix = "podrunner-"

func nodeName(i int) string { return fmt.Sprint(nodePrefix, i+1) }

func (r *runner) ours(node string) bool { return strings.HasPrefix(node, nodePrefix) }

// microTime is how Kubernetes writes the times of leases.
const microTime = "2006-01-02T15:04:05.000000Z07:00"

type object = map[string]any

// register makes a node that is ready. The scheduler believes what it says of its
// size: more than this machine has, for encodes here are small.
func (r *runner) register(ctx context.Context, name string, logPort int) error {
	node := object{
		"apiVersion": "v1", "kind": "Node",
		"metadata": object{"name": name, "labels": object{
			"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "topology.kubernetes.io/zone": "zone-" + strings.TrimPrefix(name, nodePrefix),
		}},
	}
	if err := r.api.do(ctx, http.MethodPost, "/api/v1/nodes", node, nil); err != nil && !isStatus(err, http.StatusConflict) {
		return err
	}
	size := object{"cpu": "16", "memory": "64Gi", "pods": "50", "ephemeral-storage": "1Ti"}
	now := time.Now().UTC().Format(time.RFC3339)
	status := object{"status": object{
		"capacity": size, "allocatable": size,
		"addresses":       []object{{"type": "InternalIP", "address": r.options.address}, {"type": "Hostname", "address": name}},
		"daemonEndpoints": object{"kubeletEndpoint": object{"Port": logPort}},
		"nodeInfo": object{
			"kubeletVersion": "v0.0.0-podrunner", "operatingSystem": "linux", "architecture": "amd64", "machineID": "", "systemUUID": "", "bootID": "",
			"kernelVersion": "", "osImage": "", "containerRuntimeVersion": "podrunner://0", "kubeProxyVersion": "",
		},
		"conditions": []object{{
			"type": "Ready", "status": "True", "reason": "Registered", "message": "podrunner runs", "lastHeartbeatTime": now, "lastTransitionTime": now,
		}},
	}}
	return r.api.do(ctx, http.MethodPatch, "/api/v1/nodes/"+name+"/status", status, nil)
}

// renewLeases says every few seconds that the nodes live; without it their pods
// would be taken for lost.
func (r *runner) renewLeases(ctx context.Context) {
	const path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
	for ctx.Err() == nil {
		for i := range r.nodes {
			name := nodeName(i)
			lease := object{
				"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": object{"name": name, "namespace": "kube-node-lease"},
				"spec": object{"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": time.Now().UTC().Format(microTime)},
			}
			err := r.api.do(ctx, http.MethodPatch, path+"/"+name, lease, nil)
			if isStatus(err, http.StatusNotFound) {
				err = r.api.do(ctx, http.MethodPost, path, lease, nil)
			}
			if err != nil && ctx.Err() == nil {
				r.log.WarnContext(ctx, "renew a lease", "node", name, "error", err)
			}
		}
		pause(ctx, 8*time.Second)
	}
}
