{{- define "copra.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 34 | trimSuffix "-" -}}
{{- end -}}

{{- define "copra.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 34 | trimSuffix "-" -}}
{{- else if contains (include "copra.name" .) .Release.Name -}}
{{- .Release.Name | trunc 34 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "copra.name" .) | trunc 34 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* What selects pods: never changes in the life of a release. */ -}}
{{- define "copra.selector" -}}
app.kubernetes.io/name: {{ include "copra.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "copra.labels" -}}
{{ include "copra.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "copra.metadata" -}}
{{- $root := index . 0 -}}
name: {{ index . 1 }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "copra.labels" $root | nindent 2 }}
  {{- with index . 2 }}
  app.kubernetes.io/component: {{ . }}
  {{- end }}
{{- end -}}

{{- define "copra.annotations" -}}
{{- with mergeOverwrite (dict) .common (.own | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "copra.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "copra.secretName" -}}
{{- required "secret.name is missing: the name of a Secret with the secret keys and the database URL; docs/deploy/kubernetes.md says how to make it" .Values.secret.name -}}
{{- end -}}

{{- define "copra.databaseSecret" -}}
{{- .Values.database.secretName | default (include "copra.secretName" .) -}}
{{- end -}}

{{- define "copra.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "copra.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "copra.publicUrl" -}}
{{- $host := first (concat .Values.ingress.hosts .Values.httpRoute.hostnames) -}}
{{- if .Values.settings.publicUrl -}}
{{ .Values.settings.publicUrl }}
{{- else if and .Values.ingress.enabled .Values.ingress.hosts -}}
{{ if .Values.ingress.tls }}https{{ else }}http{{ end }}://{{ first .Values.ingress.hosts }}
{{- else if and .Values.httpRoute.enabled .Values.httpRoute.hostnames -}}
https://{{ $host }}
{{- else -}}
{{ include "copra.serviceUrl" . }}
{{- end -}}
{{- end -}}

{{- define "copra.serviceUrl" -}}
http://{{ include "copra.fullname" . }}.{{ .Release.Namespace }}.svc:{{ .Values.service.port }}
{{- end -}}

{{- /* A pool with the defaults that it does not name; null is the default too.
       Arguments: root, the pool's values. */ -}}
{{- define "copra.pool" -}}
{{- mergeOverwrite (deepCopy (index . 0).Values.workers.defaults) (deepCopy (index . 1 | default dict)) | toYaml -}}
{{- end -}}

{{- define "copra.databaseEnv" -}}
- name: COPRA_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ include "copra.databaseSecret" . }}, key: {{ .Values.database.urlKey }}}}
- name: COPRA_SECRET_KEYS
  valueFrom: {secretKeyRef: {name: {{ include "copra.secretName" . }}, key: {{ .Values.secret.secretKeysKey }}}}
{{- end -}}

{{- define "copra.env" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{- define "copra.envFrom" -}}
- configMapRef: {name: {{ include "copra.fullname" . }}}
{{- range .Values.envFromSecrets }}
- secretRef: {name: {{ . }}}
{{- end }}
{{- end -}}

{{- /* What the pods of every kind share. */ -}}
{{- define "copra.podSpec" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
# No pod talks to Kubernetes, but for workers with podDeletionCost.
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- end -}}

{{- define "copra.container" -}}
image: {{ include "copra.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
{{- end -}}

{{- /* Where pods may run. Arguments: root, the values of the pods, component labels. */ -}}
{{- define "copra.scheduling" -}}
{{- $root := index . 0 -}}{{- $v := index . 1 -}}{{- $labels := index . 2 -}}
{{- with $v.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if $v.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml $v.topologySpreadConstraints | nindent 2 }}
{{- else if $v.topologySpread }}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "copra.selector" $root | nindent 8 }}
        {{- $labels | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "copra.storageMount" -}}
{{- if .Values.storage.enabled }}
- {name: storage, mountPath: /var/lib/copra/storage}
{{- end }}
{{- end -}}

{{- define "copra.storageVolume" -}}
{{- if .Values.storage.enabled }}
- name: storage
  persistentVolumeClaim: {claimName: {{ .Values.storage.existingClaim | default (printf "%s-storage" (include "copra.fullname" .)) }}}
{{- end }}
{{- end -}}
