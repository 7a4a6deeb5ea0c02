package settings

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/copra-video/copra/internal/telemetry/otlp"
	"github.com/copra-video/copra/job"
)

// tracing are the settings of OpenTelemetry that are read here. Its library reads the
// others itself.
type tracing struct {
	exporter                 string // "otlp", "none"; "": otlp where there is an endpoint
	endpoint, tracesEndpoint string
	headers, tracesHeaders   job.Secret
	protocol, tracesProtocol string
	disabled                 bool
	service                  string
	sampler                  string
	ratio                    float64
}

// localCollector is where OpenTelemetry looks for a collector that was not named.
const localCollector = "http://localhost:4318"

func (t *tracing) rows() []Row {
	return []Row{
		{Group: Traces, Env: "OTEL_EXPORTER_OTLP_ENDPOINT", Set: plainURL(&t.endpoint, "OTEL_EXPORTER_OTLP_HEADERS"),
			Help: "collector of OpenTelemetry that gets traces, http://otel:4318; /v1/traces is added. Without it and OTEL_TRACES_EXPORTER nothing is traced."},
		{Group: Traces, Env: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", Shown: "that of OTEL_EXPORTER_OTLP_ENDPOINT", Set: plainURL(&t.tracesEndpoint, "OTEL_EXPORTER_OTLP_HEADERS"),
			Help: "the same with its path, http://otel:4318/v1/traces."},
		{Group: Traces, Env: "OTEL_TRACES_EXPORTER", Shown: "otlp where an endpoint is set", Set: oneOf(&t.exporter, "otlp", "none"),
			Help: "otlp sends traces, to " + localCollector + " where no endpoint is set; none sends none."},
		{Group: Traces, Env: "OTEL_EXPORTER_OTLP_HEADERS", Set: headers(&t.headers),
			Help: "headers for the collector, name=value, separated by commas, with the values encoded as in a URL. They may hold its credential."},
		{Group: Traces, Env: "OTEL_EXPORTER_OTLP_TRACES_HEADERS", Shown: "those of OTEL_EXPORTER_OTLP_HEADERS", Set: headers(&t.tracesHeaders),
			Help: "the same, for traces alone."},
		{Group: Traces, Env: "OTEL_EXPORTER_OTLP_PROTOCOL", Default: "http/protobuf", Set: protocol(&t.protocol),
			Help: "http/protobuf is the only one."},
		{Group: Traces, Env: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", Default: "http/protobuf", Set: protocol(&t.tracesProtocol),
			Help: "the same, for traces alone."},
		{Group: Traces, Env: "OTEL_SDK_DISABLED", Default: "false", Set: trueFalse(&t.disabled),
			Help: "true: nothing is traced, whatever else is set."},
		{Group: Traces, Env: "OTEL_SERVICE_NAME", Shown: "copra-api, copra-worker or copra", Set: Text(&t.service),
			Help: "the name of this process in traces."},
		{Group: Traces, Env: "OTEL_TRACES_SAMPLER", Default: otlp.DefaultSampler, Set: oneOf(&t.sampler, otlp.Samplers()...),
			Help: "which traces are kept. A parentbased one keeps and drops what the client of a POST does with its own."},
		{Group: Traces, Env: "OTEL_TRACES_SAMPLER_ARG", Default: "1", Set: share(&t.ratio),
			Help: "share of the traces that a traceidratio sampler keeps, 0 to 1."},
	}
}

// Tracing returns where traces go and as what; on is false if there are to be none.
// service is the name of this process if the settings give none.
func (s *Settings) Tracing(service string) (o otlp.Options, on bool) {
	t := &s.Traces
	given := t.endpoint != "" || t.tracesEndpoint != ""
	if t.disabled || t.exporter == "none" || t.exporter == "" && !given {
		return otlp.Options{}, false
	}
	o = otlp.Options{URL: t.tracesEndpoint, Service: service, Sampler: t.sampler, Ratio: t.ratio}
	switch {
	case o.URL != "":
	case t.endpoint != "":
		o.URL = t.endpoint + "/v1/traces"
	default:
		o.URL = localCollector + "/v1/traces"
	}
	if t.service != "" {
		o.Service = t.service
	}
	set := t.headers
	if !t.tracesHeaders.IsZero() {
		set = t.tracesHeaders
	}
	o.Headers, _ = parseHeaders(set.Reveal()) // it was parsed when it was set
	return o, true
}

// headers takes name=value pairs and keeps them out of logs, also where they are wrong.
func headers(p *job.Secret) Parser {
	return func(v string) error {
		if _, err := parseHeaders(v); err != nil {
			return err
		}
		*p = job.NewSecret(v)
		return nil
	}
}

// parseHeaders reads pairs as OpenTelemetry writes them.
func parseHeaders(v string) (map[string]string, error) {
	set := map[string]string{}
	for i, pair := range split(v) {
		if pair == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || err != nil || !isToken(name) || strings.ContainsAny(value, "\r\n\x00") {
			return nil, fmt.Errorf("pair %d is not name=value, such as authorization=Basic%%20dXNlcg==", i+1)
		}
		set[name] = value
	}
	return set, nil
}

// isToken reports whether a text may be the name of a header.
func isToken(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

func protocol(p *string) Parser {
	return func(v string) error {
		if v != "http/protobuf" {
			return fmt.Errorf("%q is not http/protobuf, the only protocol here, for which collectors listen on port 4318", v)
		}
		*p = v
		return nil
	}
}

// trueFalse takes what OpenTelemetry takes for its switches.
func trueFalse(p *bool) Parser {
	return func(v string) error {
		switch strings.ToLower(v) {
		case "true":
			*p = true
		case "false":
			*p = false
		default:
			return fmt.Errorf("%q is not true or false", v)
		}
		return nil
	}
}

// share takes numbers from 0 to 1.
func share(p *float64) Parser {
	return func(v string) error {
		f, err := strconv.ParseFloat(v, 64)
		if err != nil || !(f >= 0 && f <= 1) {
			return fmt.Errorf("%q is not a number from 0 to 1", v)
		}
		*p = f
		return nil
	}
}
