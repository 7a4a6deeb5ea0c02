// Command podrunner stands in for kubelets and container runtimes, so that
// deploy/verify-kubernetes.sh can show the chart on a plain machine that pulls no
// image: control plane, chart and programs are real, nodes are not.
//
//	podrunner -server URL -token FILE -ca FILE -image DIR -dir DIR [-nodes N]
//
// It registers nodes, and does with each pod that the scheduler gives them what a
// kubelet does: an address in a network namespace of its own, volumes, variables
// from ConfigMaps and Secrets, a token of the service account, a process with the
// pod's user on a read-only root, probes over HTTP, preStop, SIGTERM, SIGKILL
// after terminationGracePeriodSeconds, restarts. It is also the provisioner of the
// storage class podrunner, and answers kubectl logs.
//
// What it does not do: limits of CPU and memory, seccomp, init and sidecar
// containers, probes other than httpGet. A pod that asks for one of the last two
// stays Pending and says so. It runs as root on Linux.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == sandboxArg {
		fmt.Fprintln(os.Stderr, "podrunner:", enter(os.Args[2]))
		os.Exit(128)
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "podrunner:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	server, token, ca string
	dir               string // for pods and volumes
	image             string // folder with the programs of the image, and with image.json
	address           string // of every node, IPv4
	nodes             int
}

// runner is all nodes at once.
type runner struct {
	options
	api   *cluster
	image image
	log   *slog.Logger

	mu      sync.Mutex
	pods    map[string]*podRun // by UID
	address int                // last one given to a pod
	record  *os.File           // what happened to pods, a line of JSON each
}

func run() error {
	var o options
	flag.StringVar(&o.server, "server", "", "address of the API server")
	flag.StringVar(&o.token, "token", "", "file with a token of it")
	flag.StringVar(&o.ca, "ca", "", "file with its certificates")
	flag.StringVar(&o.dir, "dir", "", "folder for pods and volumes")
	flag.StringVar(&o.image, "image", "", "folder of the image")
	flag.StringVar(&o.address, "address", "10.244.0.1", "address of the nodes, on an interface of this machine")
	flag.IntVar(&o.nodes, "nodes", 3, "number of nodes")
	flag.Parse()
	api, err := newCluster(o.server, o.token, o.ca)
	if err != nil {
		return err
	}
	img, err := readImage(o.image)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(o.dir, "logs"), 0o755); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	record, err := os.Create(filepath.Join(o.dir, "pods.jsonl"))
	if err != nil {
		return fmt.Errorf("make the record: %w", err)
	}
	defer record.Close()
	r := &runner{options: o, api: api, image: img, log: slog.New(slog.NewTextHandler(os.Stderr, nil)), pods: map[string]*podRun{}, record: record}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	port, err := r.serveLogs(ctx)
	if err != nil {
		return err
	}
	for i := range o.nodes {
		if err := r.register(ctx, nodeName(i), port); err != nil {
			return err
		}
	}
	var background sync.WaitGroup
	background.Go(func() { r.renewLeases(ctx) })
	background.Go(func() { r.provision(ctx) })
	err = r.watch(ctx)
	r.killAll()
	background.Wait()
	return err
}

// watch takes pods to run, and what is asked of them, until ctx ends.
func (r *runner) watch(ctx context.Context) error {
	for ctx.Err() == nil {
		err := r.api.watchPods(ctx, func(kind string, p *pod) {
			if kind == "DELETED" {
				r.forget(p)
				return
			}
			r.see(ctx, p)
		})
		if ctx.Err() == nil && err != nil && !errors.Is(err, errWatchEnded) {
			r.log.WarnContext(ctx, "watch pods", "error", err)
			pause(ctx, time.Second)
		}
	}
	return nil
}

// see starts a pod that is new here, or tells the one that runs what is wanted now.
func (r *runner) see(ctx context.Context, p *pod) {
	if !r.ours(p.Spec.NodeName) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	running := r.pods[p.Metadata.UID]
	if p.Status.Phase == "Succeeded" || p.Status.Phase == "Failed" {
		if p.Metadata.DeletionTimestamp != "" && running.hasEnded() {
			go newPodRun(r, p, 0).remove(context.WithoutCancel(ctx))
		}
		return
	}
	if running == nil {
		r.address++
		running = newPodRun(r, p, r.address)
		r.pods[p.Metadata.UID] = running
		go running.run(context.WithoutCancel(ctx))
	}
	if p.Metadata.DeletionTimestamp != "" {
		running.delete(time.Duration(p.Metadata.DeletionGracePeriodSeconds) * time.Second)
	}
}

// forget ends what runs of a pod that is gone from the API server.
func (r *runner) forget(p *pod) {
	r.mu.Lock()
	running := r.pods[p.Metadata.UID]
	delete(r.pods, p.Metadata.UID)
	r.mu.Unlock()
	if running != nil {
		running.delete(0)
	}
}

// killAll ends all pods at once, and waits for them.
func (r *runner) killAll() {
	r.mu.Lock()
	all := make([]*podRun, 0, len(r.pods))
	for _, p := range r.pods {
		all = append(all, p)
	}
	r.mu.Unlock()
	for _, p := range all {
		p.delete(0)
	}
	for _, p := range all {
		<-p.ended
	}
}

// pause waits for d, or less if ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
