package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// class is the name of the storage class whose claims get folders of this machine.
const class = "podrunner"

type claim struct {
	Metadata metadata `json:"metadata"`
	Spec     struct {
		StorageClassName string   `json:"storageClassName"`
		VolumeName       string   `json:"volumeName"`
		AccessModes      []string `json:"accessModes"`
		Resources        struct {
			Requests struct {
				Storage string `json:"storage"`
			} `json:"requests"`
		} `json:"resources"`
	} `json:"spec"`
}

// provision makes a volume for each claim of the class, and removes it after its
// claim.
func (r *runner) provision(ctx context.Context) {
	for ; ctx.Err() == nil; pause(ctx, time.Second) {
		var claims struct {
			Items []claim `json:"items"`
		}
		if err := r.api.do(ctx, http.MethodGet, "/api/v1/persistentvolumeclaims", nil, &claims); err != nil {
			continue
		}
		for _, c := range claims.Items {
			if c.Spec.StorageClassName == class && c.Spec.VolumeName == "" {
				if err := r.makeVolume(ctx, c); err != nil {
					r.log.WarnContext(ctx, "make a volume", "claim", c.Metadata.Name, "error", err)
				}
			}
		}
		r.removeVolumes(ctx)
	}
}

func (r *runner) makeVolume(ctx context.Context, c claim) error {
	name := "pvc-" + c.Metadata.UID
	folder := filepath.Join(r.dir, "volumes", name)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	err := r.api.do(ctx, http.MethodPost, "/api/v1/persistentvolumes", object{
		"apiVersion": "v1", "kind": "PersistentVolume", "metadata": object{"name": name},
		"spec": object{
			"capacity": object{"storage": c.Spec.Resources.Requests.Storage}, "accessModes": c.Spec.AccessModes, "storageClassName": class,
			"persistentVolumeReclaimPolicy": "Retain", "hostPath": object{"path": folder},
			"claimRef": object{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": c.Metadata.Namespace, "name": c.Metadata.Name, "uid": c.Metadata.UID},
		},
	}, nil)
	if isStatus(err, http.StatusConflict) {
		return nil
	}
	return err
}

func (r *runner) removeVolumes(ctx context.Context) {
	var volumes struct {
		Items []struct {
			Metadata metadata               `json:"metadata"`
			Status   struct{ Phase string } `json:"status"`
		} `json:"items"`
	}
	if err := r.api.do(ctx, http.MethodGet, "/api/v1/persistentvolumes", nil, &volumes); err != nil {
		return
	}
	for _, v := range volumes.Items {
		if v.Status.Phase == "Released" && r.api.do(ctx, http.MethodDelete, "/api/v1/persistentvolumes/"+v.Metadata.Name, nil, nil) == nil {
			_ = os.RemoveAll(filepath.Join(r.dir, "volumes", v.Metadata.Name))
		}
	}
}
