// Package otlp sends the spans of package telemetry to a collector, by OTLP over HTTP.
//
// Spans wait in memory and are sent in the background. When the collector is away, or
// slower than spans are made, they are dropped and a line in the log says so; work
// never waits for it.
package otlp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/telemetry"
)

// Options are what spans say of this process, and where they go.
type Options struct {
	URL     string            // of the collector, with its path
	Headers map[string]string // of each request; they may hold credentials
	// Service, Version and Node name this process.
	Service, Version, Node string
	// Sampler is one of Samplers, Ratio the share that the ratio samplers keep.
	Sampler string
	Ratio   float64
	Log     *slog.Logger
}

// DefaultSampler keeps every trace but those of clients that do not keep theirs.
const DefaultSampler = "parentbased_always_on"

// Samplers are the values of OTEL_TRACES_SAMPLER that are known here.
func Samplers() []string {
	return []string{"always_on", "always_off", "traceidratio", DefaultSampler, "parentbased_always_off", "parentbased_traceidratio"}
}

func sampler(name string, ratio float64) sdktrace.Sampler {
	switch name {
	case "always_on":
		return sdktrace.AlwaysSample()
	case "always_off":
		return sdktrace.NeverSample()
	case "traceidratio":
		return sdktrace.TraceIDRatioBased(ratio)
	case "parentbased_always_off":
		return sdktrace.ParentBased(sdktrace.NeverSample())
	case "parentbased_traceidratio":
		return sdktrace.ParentBased(sdktrace.TraceIDRatioBased(ratio))
	default:
		return sdktrace.ParentBased(sdktrace.AlwaysSample())
	}
}

// Start begins to send spans. stop sends what is left until its context ends.
func Start(ctx context.Context, o Options) (t *telemetry.Tracer, stop func(context.Context), err error) {
	client, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(o.URL), otlptracehttp.WithHeaders(o.Headers))
	if err != nil {
		return nil, nil, fmt.Errorf("make the exporter of traces: %w", err)
	}
	// The later ones win: OTEL_RESOURCE_ATTRIBUTES may name the service too.
	described, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(
		attribute.String("service.name", o.Service), attribute.String("service.version", o.Version), attribute.String("service.instance.id", o.Node),
	), resource.WithFromEnv())
	if err != nil {
		return nil, nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(&exporter{SpanExporter: client, log: o.Log}),
		sdktrace.WithResource(described), sdktrace.WithSampler(sampler(o.Sampler, o.Ratio)),
	)
	return telemetry.NewTracer(provider), func(ctx context.Context) { _ = provider.Shutdown(ctx) }, nil
}

// complainEvery is how often the log says that spans were lost.
const complainEvery = time.Minute

// exporter logs what cannot be sent, seldom, in place of OpenTelemetry's handler of
// errors, which is one for the process.
type exporter struct {
	sdktrace.SpanExporter
	log *slog.Logger

	mu         sync.Mutex
	lost       int
	complained time.Time
}

// ExportSpans implements sdktrace.SpanExporter.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if err == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lost += len(spans)
	if time.Since(e.complained) >= complainEvery {
		e.log.WarnContext(ctx, "traces not sent", "spans", e.lost, "error", describe(err))
		e.lost, e.complained = 0, time.Now()
	}
	return nil
}

// describe shortens an error of the network, which quotes the address.
func describe(err error) string {
	if _, ok := errors.AsType[*url.Error](err); ok {
		return "the collector could not be reached: " + netguard.Describe(err)
	}
	return err.Error()
}

// checkTimeout is how long Check waits.
const checkTimeout = 5 * time.Second

// Check sends no spans to the collector, and says in a sentence why it would take none.
func Check(ctx context.Context, o Options) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.URL, http.NoBody) // an empty message has no bytes
	if err != nil {
		return fmt.Errorf("the address of the collector is not valid")
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	for name, value := range o.Headers {
		req.Header.Set(name, value)
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return errors.New(describe(err))
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 1<<16)
	switch {
	case resp.StatusCode/100 == 2:
		return nil
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		return fmt.Errorf("it answered %s: its credential belongs into OTEL_EXPORTER_OTLP_HEADERS", resp.Status)
	case resp.StatusCode == http.StatusNotFound:
		return fmt.Errorf("it answered %s: is that the address of a collector for OTLP over HTTP, whose port is 4318?", resp.Status)
	default:
		return fmt.Errorf("it answered %s", resp.Status)
	}
}
