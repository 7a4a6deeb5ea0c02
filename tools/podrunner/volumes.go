package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// mounts makes the volumes of the pod, and says where each goes.
func (p *podRun) mounts(ctx context.Context) ([]mount, error) {
	folders := map[string]string{}
	for i := range p.pod.Spec.Volumes {
		v := &p.pod.Spec.Volumes[i]
		folder, err := p.volume(ctx, v)
		if err != nil {
			return nil, fmt.Errorf("volume %s: %w", v.Name, err)
		}
		folders[v.Name] = folder
	}
	var all []mount
	for _, m := range p.container().VolumeMounts {
		all = append(all, mount{From: filepath.Join(folders[m.Name], m.SubPath), To: m.MountPath, ReadOnly: m.ReadOnly})
	}
	return all, nil
}

// volume returns the folder of this machine that is the volume.
func (p *podRun) volume(ctx context.Context, v *volume) (string, error) {
	folder := filepath.Join(p.dir, "volumes", v.Name)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	namespace := p.pod.Metadata.Namespace
	switch {
	case v.EmptyDir != nil:
		return folder, p.share(folder, 0o777)
	case v.Secret != nil:
		return folder, p.files(ctx, folder, "secrets", v.Secret.SecretName, v.Secret.Items)
	case v.ConfigMap != nil:
		return folder, p.files(ctx, folder, "configmaps", v.ConfigMap.Name, v.ConfigMap.Items)
	case v.PersistentVolumeClaim != nil:
		return p.claim(ctx, namespace, v.PersistentVolumeClaim.ClaimName)
	case v.Ephemeral != nil:
		return p.claim(ctx, namespace, p.pod.Metadata.Name+"-"+v.Name)
	case v.Projected != nil:
		return folder, p.projected(ctx, v, folder)
	}
	return "", fmt.Errorf("podrunner knows no such volume")
}

// share gives a folder to fsGroup, as a kubelet does.
func (p *podRun) share(folder string, mode os.FileMode) error {
	group := p.pod.Spec.SecurityContext.FSGroup
	if err := os.Chown(folder, 0, group); err != nil {
		return err
	}
	if group != 0 {
		mode |= os.ModeSetgid
	}
	return os.Chmod(folder, mode)
}

// claim returns the folder of the claim's volume, as soon as it is bound.
func (p *podRun) claim(ctx context.Context, namespace, name string) (string, error) {
	for {
		var claim struct {
			Spec struct {
				VolumeName string `json:"volumeName"`
			} `json:"spec"`
			Status struct{ Phase string } `json:"status"`
		}
		err := p.r.api.do(ctx, http.MethodGet, fmt.Sprintf("/api/v1/namespaces/%s/persistentvolumeclaims/%s", namespace, name), nil, &claim)
		if err == nil && claim.Status.Phase == "Bound" {
			folder := filepath.Join(p.r.dir, "volumes", claim.Spec.VolumeName)
			return folder, p.share(folder, 0o775)
		}
		select {
		case <-p.deleting:
			return "", fmt.Errorf("the pod was deleted before claim %s was bound: %w", name, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// files writes the keys of a Secret or ConfigMap: those of items, or all.
func (p *podRun) files(ctx context.Context, folder, resource, name string, items []keyPath) error {
	data, err := p.r.api.data(ctx, p.pod.Metadata.Namespace, resource, name)
	if err != nil {
		return err
	}
	if items == nil {
		for key := range data {
			items = append(items, keyPath{key, key})
		}
	}
	for _, item := range items {
		value, ok := data[item.Key]
		if !ok {
			return fmt.Errorf("%s %s has no key %s", resource, name, item.Key)
		}
		if err := p.file(folder, item.Path, value); err != nil {
			return err
		}
	}
	return nil
}

func (p *podRun) file(folder, path, text string) error {
	file := filepath.Join(folder, path)
	if err := os.WriteFile(file, []byte(text), 0o640); err != nil {
		return err
	}
	return os.Chown(file, 0, p.pod.Spec.SecurityContext.FSGroup)
}

// projected writes tokens, ConfigMaps and fields of the pod into one folder.
func (p *podRun) projected(ctx context.Context, v *volume, folder string) error {
	for _, s := range v.Projected.Sources {
		switch {
		case s.ServiceAccountToken != nil:
			token, err := p.token(ctx, s.ServiceAccountToken.ExpirationSeconds)
			if err != nil {
				return err
			}
			if err := p.file(folder, s.ServiceAccountToken.Path, token); err != nil {
				return err
			}
		case s.ConfigMap != nil:
			if err := p.files(ctx, folder, "configmaps", s.ConfigMap.Name, s.ConfigMap.Items); err != nil {
				return err
			}
		case s.DownwardAPI != nil:
			for _, item := range s.DownwardAPI.Items {
				text, err := p.field(item.FieldRef.FieldPath)
				if err != nil {
					return err
				}
				if err := p.file(folder, item.Path, text); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// token is one of the pod's service account, bound to the pod.
func (p *podRun) token(ctx context.Context, seconds int64) (string, error) {
	m := p.pod.Metadata
	request := object{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": object{
		"expirationSeconds": seconds, "boundObjectRef": object{"apiVersion": "v1", "kind": "Pod", "name": m.Name, "uid": m.UID},
	}}
	var answer struct {
		Status struct {
			Token string `json:"token"`
		} `json:"status"`
	}
	path := fmt.Sprintf("/api/v1/namespaces/%s/serviceaccounts/%s/token", m.Namespace, p.pod.Spec.ServiceAccountName)
	if err := p.r.api.do(ctx, http.MethodPost, path, request, &answer); err != nil {
		return "", err
	}
	return answer.Status.Token, nil
}
