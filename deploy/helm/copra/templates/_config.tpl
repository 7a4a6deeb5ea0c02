{{- /* The settings that all processes share; nothing here is secret. */ -}}
{{- define "copra.config" -}}
COPRA_DATABASE_CONNS: {{ .Values.database.connections | quote }}
COPRA_LOG_FORMAT: json
COPRA_LOG_LEVEL: {{ .Values.settings.logLevel }}
COPRA_PUBLIC_URL: {{ include "copra.publicUrl" . | quote }}
# Empty is no built-in storage: the image names a folder.
COPRA_STORAGE_DIR: {{ if .Values.storage.enabled }}/var/lib/copra/storage{{ else }}""{{ end }}
{{- with .Values.settings.region }}
COPRA_REGION: {{ . | quote }}
{{- end }}
{{- with .Values.settings.allowNetworks }}
COPRA_ALLOW_NETWORKS: {{ join "," . | quote }}
{{- end }}
{{- with .Values.settings.s3Endpoint }}
COPRA_S3_ENDPOINT: {{ . | quote }}
{{- end }}
{{- with .Values.settings.s3PublicUrl }}
COPRA_S3_PUBLIC_URL: {{ . | quote }}
{{- end }}
{{- with .Values.artifactStore.address }}
COPRA_ARTIFACT_STORE: {{ . | quote }}
{{- end }}
{{- with .Values.artifactStore.retention }}
COPRA_ARTIFACT_RETENTION: {{ . | quote }}
{{- end }}
{{- with .Values.artifactStore.s3.endpoint }}
COPRA_ARTIFACT_S3_ENDPOINT: {{ . | quote }}
{{- end }}
{{- with .Values.artifactStore.s3.region }}
COPRA_ARTIFACT_S3_REGION: {{ . | quote }}
{{- end }}
{{- range $name, $value := .Values.env }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end -}}

{{- /* What only workers use: the speech service and fonts. */ -}}
{{- define "copra.speechEnv" -}}
{{- with .Values.speech -}}
{{- if .url -}}
{{- $env := dict "COPRA_SPEECH_URL" .url -}}
{{- with .model -}}{{- $_ := set $env "COPRA_SPEECH_MODEL" . -}}{{- end -}}
{{- with .requests -}}{{- $_ := set $env "COPRA_SPEECH_REQUESTS" (int .) -}}{{- end -}}
{{- with .timeout -}}{{- $_ := set $env "COPRA_SPEECH_TIMEOUT" . -}}{{- end -}}
{{- include "copra.env" $env -}}
{{- with .secretName }}
- name: COPRA_SPEECH_KEY
  valueFrom: {secretKeyRef: {name: {{ . }}, key: {{ $.Values.speech.secretKey }}}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if include "copra.fonts" . -}}
{{- include "copra.env" (dict "COPRA_FONTS" "/srv/fonts") -}}
{{- end -}}
{{- end -}}

{{- /* The volume with fonts; empty: none. */ -}}
{{- define "copra.fonts" -}}
{{- with .Values.fonts -}}
{{- if and .existingClaim .configMap -}}
{{- fail "fonts: either existingClaim or configMap, not both" -}}
{{- else if .existingClaim -}}
persistentVolumeClaim: {claimName: {{ .existingClaim }}, readOnly: true}
{{- else if .configMap -}}
configMap: {name: {{ .configMap }}}
{{- end -}}
{{- end -}}
{{- end -}}
