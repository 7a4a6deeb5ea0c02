package main

import (
	"context"
	"net/http"
)

// update changes the state, and writes it into the status of the pod.
func (p *podRun) update(ctx context.Context, change func(*containerState)) {
	p.mu.Lock()
	wasReady := p.state.ready
	change(&p.state)
	s := p.state
	p.mu.Unlock()
	if s.ready != wasReady {
		p.note(map[bool]string{true: "ready", false: "not ready"}[s.ready], nil)
	}
	err := p.r.api.do(ctx, http.MethodPatch, p.path()+"/status", object{"metadata": object{"uid": p.pod.Metadata.UID}, "status": p.status(s)}, nil)
	if err != nil && !isStatus(err, http.StatusNotFound) && !isStatus(err, http.StatusConflict) {
		p.r.log.WarnContext(ctx, "write the status of a pod", "pod", p.pod.Metadata.Name, "error", err)
	}
}

// status is that of a kubelet: phase, conditions, and the state of the container.
func (p *podRun) status(s containerState) object {
	c := p.container()
	var state object
	switch {
	case s.exit != nil:
		reason := "Completed"
		if *s.exit != 0 {
			reason = "Error"
		}
		state = object{"terminated": object{"exitCode": *s.exit, "reason": reason, "finishedAt": s.since, "startedAt": s.since}}
	case s.phase == "Running":
		state = object{"running": object{"startedAt": s.since}}
	default:
		state = object{"waiting": object{"reason": "ContainerCreating", "message": s.message}}
	}
	conditions := []condition{}
	for _, old := range p.pod.Status.Conditions { // what the scheduler wrote
		if old.Type == "PodScheduled" {
			conditions = append(conditions, old)
		}
	}
	yes := map[bool]string{true: "True", false: "False"}
	for _, c := range []struct {
		kind string
		is   bool
	}{{"PodReadyToStartContainers", s.phase != "Pending"}, {"Initialized", true}, {"ContainersReady", s.ready}, {"Ready", s.ready}} {
		conditions = append(conditions, condition{Type: c.kind, Status: yes[c.is], LastTransitionTime: now()})
	}
	return object{
		"phase": s.phase, "message": s.message, "hostIP": p.r.options.address, "podIP": p.net.address, "podIPs": []object{{"ip": p.net.address}},
		"hostIPs": []object{{"ip": p.r.options.address}}, "conditions": conditions,
		"containerStatuses": []object{{
			"name": c.Name, "image": c.Image, "imageID": c.Image, "containerID": "podrunner://" + p.pod.Metadata.UID,
			"ready": s.ready, "started": s.started, "restartCount": s.restarts, "state": state,
		}},
	}
}
