package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

func readImage(dir string) (image, error) {
	var img image
	text, err := os.ReadFile(filepath.Join(dir, "image.json"))
	if err != nil {
		return img, fmt.Errorf("read the image: %w", err)
	}
	if err := json.Unmarshal(text, &img); err != nil {
		return img, fmt.Errorf("read the image: %w", err)
	}
	return img, nil
}

// prepare gets all that the container of the pod needs.
func (p *podRun) prepare(ctx context.Context) (*sandboxSpec, error) {
	spec := &p.pod.Spec
	if len(spec.InitContainers) > 0 || len(spec.Containers) != 1 {
		return nil, errors.New("podrunner runs pods of one container")
	}
	c := p.container()
	for _, pr := range []*probe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
		if pr != nil && pr.HTTPGet == nil {
			return nil, errors.New("podrunner knows httpGet probes only")
		}
	}
	if err := p.net.up(); err != nil {
		return nil, err
	}
	env, err := p.env(ctx)
	if err != nil {
		return nil, err
	}
	mounts, err := p.mounts(ctx)
	if err != nil {
		return nil, err
	}
	hosts, err := p.hosts(ctx)
	if err != nil {
		return nil, err
	}
	img := p.r.image
	args := c.Command
	if args == nil {
		args = img.Entrypoint
	}
	s := &sandboxSpec{
		Root: filepath.Join(p.dir, "root"), Image: p.r.options.image, Network: "/var/run/netns/" + p.net.namespace,
		Hostname: p.pod.Metadata.Name, Hosts: hosts, Args: append(append([]string{}, args...), c.Args...), Env: env,
		Dir: img.WorkingDir, UID: img.User, GID: img.User, FSGroup: spec.SecurityContext.FSGroup, Owned: img.Folders, Owner: img.User,
		Mounts: mounts, ReadOnly: c.SecurityContext.ReadOnlyRootFilesystem,
		NoNewPrivileges: c.SecurityContext.AllowPrivilegeEscalation != nil && !*c.SecurityContext.AllowPrivilegeEscalation,
	}
	if c.WorkingDir != "" {
		s.Dir = c.WorkingDir
	}
	if u := spec.SecurityContext.RunAsUser; u != 0 {
		s.UID, s.GID = u, spec.SecurityContext.RunAsGroup
	}
	return s, nil
}

// env are the variables of the image, then those of envFrom, then those of env.
func (p *podRun) env(ctx context.Context) ([]string, error) {
	all := map[string]string{"PATH": imageBin + ":/usr/local/bin:/usr/bin:/bin", "HOSTNAME": p.pod.Metadata.Name}
	for _, line := range p.r.image.Env {
		name, value, _ := strings.Cut(line, "=")
		all[name] = value
	}
	namespace, c := p.pod.Metadata.Namespace, p.container()
	for _, from := range c.EnvFrom {
		resource, name := "configmaps", ""
		switch {
		case from.ConfigMapRef != nil:
			name = from.ConfigMapRef.Name
		case from.SecretRef != nil:
			resource, name = "secrets", from.SecretRef.Name
		}
		data, err := p.r.api.data(ctx, namespace, resource, name)
		if err != nil {
			return nil, err
		}
		for key, value := range data {
			all[key] = value
		}
	}
	for _, v := range c.Env {
		value, set, err := p.value(ctx, v)
		if err != nil {
			return nil, err
		}
		if set {
			all[v.Name] = value
		}
	}
	list := make([]string, 0, len(all))
	for name, value := range all {
		list = append(list, name+"="+value)
	}
	return list, nil
}

// value is that of a variable; an optional reference to what is not there sets none.
func (p *podRun) value(ctx context.Context, v envVar) (value string, set bool, err error) {
	if v.ValueFrom == nil {
		return v.Value, true, nil
	}
	resource, ref := "secrets", v.ValueFrom.SecretKeyRef
	if ref == nil {
		resource, ref = "configmaps", v.ValueFrom.ConfigMapKeyRef
	}
	if ref == nil {
		if v.ValueFrom.FieldRef == nil {
			return "", false, fmt.Errorf("variable %s: podrunner knows no such source", v.Name)
		}
		value, err = p.field(v.ValueFrom.FieldRef.FieldPath)
		return value, true, err
	}
	data, err := p.r.api.data(ctx, p.pod.Metadata.Namespace, resource, ref.Name)
	if err != nil && (!ref.Optional || !isStatus(err, http.StatusNotFound)) {
		return "", false, fmt.Errorf("variable %s: %w", v.Name, err)
	}
	value, set = data[ref.Key]
	if !set && !ref.Optional {
		return "", false, fmt.Errorf("variable %s: %s %s has no key %s", v.Name, resource, ref.Name, ref.Key)
	}
	return value, set, nil
}

// field is one of the pod's own.
func (p *podRun) field(path string) (string, error) {
	switch path {
	case "metadata.name":
		return p.pod.Metadata.Name, nil
	case "metadata.namespace":
		return p.pod.Metadata.Namespace, nil
	case "metadata.uid":
		return p.pod.Metadata.UID, nil
	case "spec.nodeName":
		return p.pod.Spec.NodeName, nil
	case "status.podIP":
		return p.net.address, nil
	}
	return "", fmt.Errorf("podrunner does not know the field %s", path)
}

// hosts stands in for the DNS server of a cluster: every Service by its names.
func (p *podRun) hosts(ctx context.Context) (string, error) {
	var list struct {
		Items []struct {
			Metadata metadata                         `json:"metadata"`
			Spec     struct{ ClusterIP, Type string } `json:"spec"`
		} `json:"items"`
	}
	if err := p.r.api.do(ctx, http.MethodGet, "/api/v1/services", nil, &list); err != nil {
		return "", err
	}
	text := fmt.Sprintf("127.0.0.1 localhost\n%s %s\n", p.net.address, p.pod.Metadata.Name)
	for _, s := range list.Items {
		if s.Spec.ClusterIP == "" || s.Spec.ClusterIP == "None" {
			continue
		}
		name := s.Metadata.Name + "." + s.Metadata.Namespace
		text += fmt.Sprintf("%s %s %s.svc %s.svc.cluster.local", s.Spec.ClusterIP, name, name, name)
		if s.Metadata.Namespace == p.pod.Metadata.Namespace {
			text += " " + s.Metadata.Name
		}
		text += "\n"
	}
	return text, nil
}
