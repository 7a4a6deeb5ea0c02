package settings

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/telemetry/otlp"
)

func TestTracing(t *testing.T) {
	for name, c := range map[string]struct {
		vars map[string]string
		want otlp.Options
		off  bool
	}{
		"nothing set": {off: true},
		"an endpoint": {vars: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel:4318/"}, want: otlp.Options{URL: "http://otel:4318/v1/traces"}},
		"for traces": {vars: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://otel/x"},
			want: otlp.Options{URL: "https://otel/x"}},
		"the exporter alone": {vars: map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, want: otlp.Options{URL: "http://localhost:4318/v1/traces"}},
		"none":               {vars: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_TRACES_EXPORTER": "none"}, off: true},
		"disabled":           {vars: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_SDK_DISABLED": "true"}, off: true},
		"all": {vars: map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SERVICE_NAME": "video", "OTEL_EXPORTER_OTLP_HEADERS": "a=b%20c, d = e=f",
			"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
			want: otlp.Options{URL: "http://localhost:4318/v1/traces", Service: "video", Headers: map[string]string{"a": "b c", "d": "e=f"}, Sampler: "traceidratio", Ratio: 0.25}},
	} {
		var s Settings
		if err := s.ParseFlags(call(c.vars, io.Discard), Traces); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, on := s.Tracing("copra")
		if !c.off {
			if c.want.Sampler == "" {
				c.want.Sampler, c.want.Ratio = otlp.DefaultSampler, 1
			}
			if c.want.Service == "" {
				c.want.Service = "copra"
			}
			if c.want.Headers == nil {
				c.want.Headers = map[string]string{}
			}
		}
		if diff := cmp.Diff(c.want, got); on == c.off || diff != "" {
			t.Errorf("%s: on %v (-want +got):\n%s", name, on, diff)
		}
	}
}

// TestBadTracing: what cannot be used is named, without a credential.
func TestBadTracing(t *testing.T) {
	for env, c := range map[string]struct{ value, want string }{
		"OTEL_EXPORTER_OTLP_ENDPOINT":        {"otel:4318", "such as http://host:port"},
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": {"http://user:canary@otel", "OTEL_EXPORTER_OTLP_HEADERS"},
		"OTEL_TRACES_EXPORTER":               {"jaeger", "otlp or none"},
		"OTEL_EXPORTER_OTLP_HEADERS":         {"authorization=canary,canary", "pair 2 is not name=value"},
		"OTEL_EXPORTER_OTLP_PROTOCOL":        {"grpc", "port 4318"},
		"OTEL_SDK_DISABLED":                  {"yes", "true or false"},
		"OTEL_TRACES_SAMPLER":                {"sometimes", "parentbased_always_on"},
		"OTEL_TRACES_SAMPLER_ARG":            {"2", "from 0 to 1"},
	} {
		var s Settings
		err := s.ParseFlags(call(map[string]string{env: c.value}, io.Discard), Traces)
		if _, ok := errors.AsType[command.UsageError](err); !ok || !strings.Contains(err.Error(), env) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s=%s: %v", env, c.value, err)
		}
	}
}
