package main

import "encoding/json"

// What is read of Kubernetes' objects. The API server has filled in defaults.

type metadata struct {
	Name                       string            `json:"name"`
	Namespace                  string            `json:"namespace"`
	UID                        string            `json:"uid"`
	Labels                     map[string]string `json:"labels"`
	Annotations                map[string]string `json:"annotations"`
	DeletionTimestamp          string            `json:"deletionTimestamp"`
	DeletionGracePeriodSeconds int64             `json:"deletionGracePeriodSeconds"`
}

type pod struct {
	Metadata metadata `json:"metadata"`
	Spec     podSpec  `json:"spec"`
	Status   struct {
		Phase      string      `json:"phase"`
		Conditions []condition `json:"conditions"`
	} `json:"status"`
}

type condition struct {
	Type               string `json:"type"`
	Status             string `json:"status"`
	LastTransitionTime string `json:"lastTransitionTime"`
	Reason             string `json:"reason,omitempty"`
	Message            string `json:"message,omitempty"`
}

type podSpec struct {
	NodeName           string            `json:"nodeName"`
	Containers         []container       `json:"containers"`
	InitContainers     []json.RawMessage `json:"initContainers"`
	RestartPolicy      string            `json:"restartPolicy"`
	ServiceAccountName string            `json:"serviceAccountName"`
	SecurityContext    struct {
		RunAsUser  int `json:"runAsUser"`
		RunAsGroup int `json:"runAsGroup"`
		FSGroup    int `json:"fsGroup"`
	} `json:"securityContext"`
	Volumes []volume `json:"volumes"`
}

type container struct {
	Name       string   `json:"name"`
	Image      string   `json:"image"`
	Command    []string `json:"command"`
	Args       []string `json:"args"`
	WorkingDir string   `json:"workingDir"`
	Env        []envVar `json:"env"`
	EnvFrom    []struct {
		ConfigMapRef *struct{ Name string } `json:"configMapRef"`
		SecretRef    *struct{ Name string } `json:"secretRef"`
	} `json:"envFrom"`
	Ports []struct {
		Name          string `json:"name"`
		ContainerPort int    `json:"containerPort"`
	} `json:"ports"`
	VolumeMounts []struct {
		Name      string `json:"name"`
		MountPath string `json:"mountPath"`
		SubPath   string `json:"subPath"`
		ReadOnly  bool   `json:"readOnly"`
	} `json:"volumeMounts"`
	StartupProbe   *probe `json:"startupProbe"`
	ReadinessProbe *probe `json:"readinessProbe"`
	LivenessProbe  *probe `json:"livenessProbe"`
	Lifecycle      struct {
		PreStop *struct {
			Sleep *struct {
				Seconds int64 `json:"seconds"`
			} `json:"sleep"`
		} `json:"preStop"`
	} `json:"lifecycle"`
	SecurityContext struct {
		ReadOnlyRootFilesystem   bool  `json:"readOnlyRootFilesystem"`
		AllowPrivilegeEscalation *bool `json:"allowPrivilegeEscalation"`
	} `json:"securityContext"`
}

type keyRef struct {
	Name     string `json:"name"`
	Key      string `json:"key"`
	Optional bool   `json:"optional"`
}

type envVar struct {
	Name      string `json:"name"`
	Value     string `json:"value"`
	ValueFrom *struct {
		SecretKeyRef    *keyRef `json:"secretKeyRef"`
		ConfigMapKeyRef *keyRef `json:"configMapKeyRef"`
		FieldRef        *struct {
			FieldPath string `json:"fieldPath"`
		} `json:"fieldRef"`
	} `json:"valueFrom"`
}

type probe struct {
	HTTPGet *struct {
		Path string          `json:"path"`
		Port json.RawMessage `json:"port"` // a number, or the name of a port
	} `json:"httpGet"`
	InitialDelaySeconds int64 `json:"initialDelaySeconds"`
	PeriodSeconds       int64 `json:"periodSeconds"`
	TimeoutSeconds      int64 `json:"timeoutSeconds"`
	FailureThreshold    int   `json:"failureThreshold"`
}

type keyPath struct {
	Key  string `json:"key"`
	Path string `json:"path"`
}

type volume struct {
	Name                  string    `json:"name"`
	EmptyDir              *struct{} `json:"emptyDir"`
	Ephemeral             *struct{} `json:"ephemeral"`
	PersistentVolumeClaim *struct {
		ClaimName string `json:"claimName"`
	} `json:"persistentVolumeClaim"`
	Secret *struct {
		SecretName string    `json:"secretName"`
		Items      []keyPath `json:"items"`
	} `json:"secret"`
	ConfigMap *struct {
		Name  string    `json:"name"`
		Items []keyPath `json:"items"`
	} `json:"configMap"`
	Projected *struct {
		Sources []struct {
			ServiceAccountToken *struct {
				Path              string `json:"path"`
				ExpirationSeconds int64  `json:"expirationSeconds"`
			} `json:"serviceAccountToken"`
			ConfigMap *struct {
				Name  string    `json:"name"`
				Items []keyPath `json:"items"`
			} `json:"configMap"`
			DownwardAPI *struct {
				Items []struct {
					Path     string `json:"path"`
					FieldRef struct {
						FieldPath string `json:"fieldPath"`
					} `json:"fieldRef"`
				} `json:"items"`
			} `json:"downwardAPI"`
		} `json:"sources"`
	} `json:"projected"`
}

// image is what a container image says of itself, in image.json of its folder.
// Programs are in the folder bin, which is first in PATH.
type image struct {
	Env        []string `json:"env"` // NAME=value
	Entrypoint []string `json:"entrypoint"`
	WorkingDir string   `json:"workingDir"`
	User       int      `json:"user"`
	Folders    []string `json:"folders"` // that belong to User
}
