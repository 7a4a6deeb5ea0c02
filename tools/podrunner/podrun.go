package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// podRun is one pod from its start to its end.
type podRun struct {
	r     *runner
	pod   *pod
	dir   string
	net   network
	ended chan struct{}

	mu       sync.Mutex
	deleting chan struct{} // closed when the pod is to go
	grace    time.Duration
	kill     chan struct{} // closed when it is to go at once
	state    containerState
}

// containerState is what the status of the pod says of its container.
type containerState struct {
	started, ready bool
	restarts       int
	since          string // it runs, or has ended
	exit           *int   // code of the process that has ended
	phase          string
	message        string
}

func newPodRun(r *runner, p *pod, address int) *podRun {
	return &podRun{
		r: r, pod: p, dir: filepath.Join(r.dir, "pods", p.Metadata.UID), net: newNetwork(address, r.options.address),
		ended: make(chan struct{}), deleting: make(chan struct{}), kill: make(chan struct{}), state: containerState{phase: "Pending"},
	}
}

// delete ends the pod within grace. It can be called again, with less grace.
func (p *podRun) delete(grace time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.deleting:
	default:
		p.grace = grace
		close(p.deleting)
	}
	if grace == 0 {
		select {
		case <-p.kill:
		default:
			close(p.kill)
		}
	}
}

// hasEnded says whether nothing of a pod runs here; p may be nil.
func (p *podRun) hasEnded() bool {
	if p == nil {
		return true
	}
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

func (p *podRun) path() string {
	return fmt.Sprintf("/api/v1/namespaces/%s/pods/%s", p.pod.Metadata.Namespace, p.pod.Metadata.Name)
}

// note writes what happened to the pod into the record.
func (p *podRun) note(what string, more object) {
	line := object{"at": float64(time.Now().UnixMilli()) / 1000, "pod": p.pod.Metadata.Name, "what": what}
	for key, value := range more {
		line[key] = value
	}
	data, err := json.Marshal(line)
	if err != nil {
		return
	}
	p.r.mu.Lock()
	defer p.r.mu.Unlock()
	fmt.Fprintf(p.r.record, "%s\n", data)
}

func (p *podRun) run(ctx context.Context) {
	defer close(p.ended)
	defer p.cleanUp()
	p.note("scheduled", object{"node": p.pod.Spec.NodeName})
	spec, err := p.prepare(ctx)
	if err != nil {
		p.r.log.ErrorContext(ctx, "prepare a pod", "pod", p.pod.Metadata.Name, "error", err)
		p.update(ctx, func(s *containerState) { s.message = err.Error() })
		<-p.deleting
	} else {
		p.restartLoop(ctx, spec)
	}
	select {
	case <-p.deleting:
		p.remove(ctx)
	default:
	}
}

// remove tells the API server that nothing of a deleted pod is left.
func (p *podRun) remove(ctx context.Context) {
	err := p.r.api.do(ctx, http.MethodDelete, p.path(), object{"gracePeriodSeconds": 0, "preconditions": object{"uid": p.pod.Metadata.UID}}, nil)
	if err != nil && !isStatus(err, http.StatusNotFound) && !isStatus(err, http.StatusConflict) {
		p.r.log.WarnContext(ctx, "remove a pod", "pod", p.pod.Metadata.Name, "error", err)
	}
	p.note("gone", nil)
}

// restartLoop runs the container until the pod is deleted, or has ended for good by
// its restartPolicy.
func (p *podRun) restartLoop(ctx context.Context, spec *sandboxSpec) {
	for restarts := 0; ; restarts++ {
		code, err := p.once(ctx, spec, restarts)
		if err != nil {
			p.r.log.ErrorContext(ctx, "run a pod", "pod", p.pod.Metadata.Name, "error", err)
			code = 128
		}
		policy := p.pod.Spec.RestartPolicy
		done := policy == "Never" || policy == "OnFailure" && code == 0
		select {
		case <-p.deleting:
			done = true
		default:
		}
		p.update(ctx, func(s *containerState) {
			s.started, s.ready, s.exit, s.since = false, false, &code, now()
			if done {
				s.phase = "Succeeded"
				if code != 0 {
					s.phase = "Failed"
				}
			}
		})
		if done {
			return
		}
		select { // as a kubelet waits: 10 s, 20 s, 40 s
		case <-p.deleting:
			return
		case <-time.After(min(10*time.Second<<restarts, time.Minute)):
		}
	}
}

// once runs the process, and returns its exit code: 137 for SIGKILL.
func (p *podRun) once(ctx context.Context, spec *sandboxSpec, restarts int) (int, error) {
	cmd, err := p.command(spec)
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start the container: %w", err)
	}
	p.note("started", object{"restarts": restarts})
	exited := make(chan struct{})
	var waited error
	go func() { waited = cmd.Wait(); close(exited) }()
	p.update(ctx, func(s *containerState) {
		s.phase, s.since, s.restarts, s.exit = "Running", now(), restarts, nil
		s.started = p.container().StartupProbe == nil
		s.ready = s.started && p.container().ReadinessProbe == nil
	})
	probing, stop := context.WithCancel(ctx)
	unhealthy := p.probe(probing)
	select {
	case <-exited:
	case <-unhealthy:
		p.note("unhealthy", nil)
		p.end(cmd, exited, 30*time.Second)
	case <-p.deleting:
		p.preStop(exited)
		stop()
		p.mu.Lock()
		left := p.grace
		p.mu.Unlock()
		if s := p.container().Lifecycle.PreStop; s != nil && s.Sleep != nil {
			left -= time.Duration(s.Sleep.Seconds) * time.Second
		}
		p.end(cmd, exited, left)
	}
	stop()
	<-exited
	code := exitCode(waited)
	p.note("exited", object{"code": code})
	return code, nil
}

// preStop runs the hook. The pod still answers meanwhile.
func (p *podRun) preStop(exited <-chan struct{}) {
	hook := p.container().Lifecycle.PreStop
	if hook == nil || hook.Sleep == nil {
		return
	}
	p.note("preStop", nil)
	select {
	case <-exited:
	case <-p.kill:
	case <-time.After(time.Duration(hook.Sleep.Seconds) * time.Second):
	}
}

// end sends SIGTERM, and SIGKILL after grace.
func (p *podRun) end(cmd *exec.Cmd, exited <-chan struct{}, grace time.Duration) {
	p.note("SIGTERM", nil)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-exited:
		return
	case <-p.kill:
	case <-time.After(max(grace, 0)):
	}
	p.note("SIGKILL", nil)
	_ = cmd.Process.Kill()
}

func exitCode(err error) int {
	exit := (*exec.ExitError)(nil)
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &exit):
		return 128
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}

// command is the process of the container, in namespaces of its own.
func (p *podRun) command(spec *sandboxSpec) (*exec.Cmd, error) {
	file := filepath.Join(p.dir, "sandbox.json")
	data, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("write the sandbox: %w", err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return nil, fmt.Errorf("write the sandbox: %w", err)
	}
	log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.Command(self, sandboxArg, file)
	cmd.Env = []string{}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL, Setsid: true,
	}
	return cmd, nil
}

func (p *podRun) container() *container { return &p.pod.Spec.Containers[0] }

func (p *podRun) logFile() string {
	m := p.pod.Metadata
	return filepath.Join(p.r.dir, "logs", fmt.Sprintf("%s_%s_%s.log", m.Namespace, m.Name, p.container().Name))
}

func (p *podRun) cleanUp() {
	p.net.down()
	_ = os.RemoveAll(p.dir)
}

func now() string { return time.Now().UTC().Format(time.RFC3339) }
