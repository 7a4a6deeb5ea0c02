// Package telemetry says whose work something is: log lines and spans have the
// fields of their context, as the job, its key and the attempt.
//
// A trace begins with the request that makes a job and ends with the job's
// webhooks. The context of its first span is stored with the job, and that of a run
// with the tasks that it offers, so that spans of other processes go below them.
// Without a Tracer, which package otlp makes, there are no spans and nothing of this
// package costs anything.
//
// Spans hold no text of errors and no address: an error is named by its code.
package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/copra-video/copra/job"
)

type fieldsKey struct{}

func fieldsOf(ctx context.Context) []slog.Attr {
	fields, _ := ctx.Value(fieldsKey{}).([]slog.Attr)
	return fields
}

// With returns a context whose log lines and later spans have the fields. One that the
// context has is replaced.
func With(ctx context.Context, fields ...slog.Attr) context.Context {
	old := fieldsOf(ctx)
	all := make([]slog.Attr, 0, len(old)+len(fields))
	for _, f := range old {
		if !slices.ContainsFunc(fields, func(g slog.Attr) bool { return g.Key == f.Key }) {
			all = append(all, f)
		}
	}
	return context.WithValue(ctx, fieldsKey{}, append(all, fields...))
}

// tracerName is the name of the instrumentation.
const tracerName = "github.com/copra-video/copra"

// prefix is that of the names of attributes that are Copra's own.
const prefix = "copra."

// A Tracer begins spans at the edges of a process. A nil Tracer begins none.
type Tracer struct {
	provider trace.TracerProvider
}

// NewTracer returns a Tracer whose spans go to the provider.
func NewTracer(p trace.TracerProvider) *Tracer { return &Tracer{p} }

// Kinds of spans at an edge.
const (
	Server   = trace.SpanKindServer   // answers a request
	Consumer = trace.SpanKindConsumer // works a River job
)

// Begin begins a span below the one of a traceparent header, which another process has
// sent or stored. If that is "" or not valid, the span begins a trace.
func (t *Tracer) Begin(ctx context.Context, traceparent string, kind trace.SpanKind, name string, fields ...slog.Attr) (context.Context, *Span) {
	if t == nil {
		return ctx, nil
	}
	header := propagation.MapCarrier{"traceparent": traceparent}
	ctx = propagation.TraceContext{}.Extract(ctx, header)
	return begin(ctx, t.provider, name, fields, trace.WithSpanKind(kind))
}

// Start begins a span below the one of ctx. Without one it begins none.
func Start(ctx context.Context, name string, fields ...slog.Attr) (context.Context, *Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, nil
	}
	return begin(ctx, parent.TracerProvider(), name, fields)
}

func begin(ctx context.Context, p trace.TracerProvider, name string, fields []slog.Attr, o ...trace.SpanStartOption) (context.Context, *Span) {
	o = append(o, trace.WithAttributes(attributes(fieldsOf(ctx))...), trace.WithAttributes(attributes(fields)...))
	ctx, span := p.Tracer(tracerName).Start(ctx, name, o...)
	return ctx, &Span{span}
}

// Span is a piece of work that takes time. A nil Span does nothing.
type Span struct{ span trace.Span }

// Set adds fields.
func (s *Span) Set(fields ...slog.Attr) {
	if s != nil {
		s.span.SetAttributes(attributes(fields)...)
	}
}

// Rename gives the span a name that was not known at its begin.
func (s *Span) Rename(name string) {
	if s != nil {
		s.span.SetName(name)
	}
}

// Fail marks the work as failed, for a reason that is no error.
func (s *Span) Fail(errorType string) {
	if s != nil {
		s.span.SetStatus(codes.Error, "")
		s.span.SetAttributes(attribute.String("error.type", errorType))
	}
}

// Note says that something has happened during the span of ctx.
func Note(ctx context.Context, what string) { trace.SpanFromContext(ctx).AddEvent(what) }

// End ends the work, which has failed if err is not nil. Of an error only its code is
// kept: its text may be long and belongs into the log.
func (s *Span) End(err error) {
	if s == nil {
		return
	}
	if err != nil {
		s.Fail(errorType(err))
	}
	s.span.End()
}

// errorType is the code of an error; "_OTHER" is what OpenTelemetry calls one without.
func errorType(err error) string {
	if e, ok := errors.AsType[*job.Error](err); ok {
		return e.Reason.Code()
	}
	switch {
	case errors.Is(err, context.Canceled):
		return "cancelled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, job.ErrLeaseLost):
		return "lease_lost"
	}
	return "_OTHER"
}

// attributes converts fields. Names without a dot are Copra's own.
func attributes(fields []slog.Attr) []attribute.KeyValue {
	list := make([]attribute.KeyValue, 0, len(fields))
	for _, f := range fields {
		name := f.Key
		if !slices.Contains([]byte(name), '.') {
			name = prefix + name
		}
		key, v := attribute.Key(name), f.Value.Resolve()
		switch v.Kind() {
		case slog.KindInt64:
			list = append(list, key.Int64(v.Int64()))
		case slog.KindFloat64:
			list = append(list, key.Float64(v.Float64()))
		case slog.KindBool:
			list = append(list, key.Bool(v.Bool()))
		case slog.KindDuration:
			list = append(list, key.Float64(v.Duration().Seconds()))
		default:
			list = append(list, key.String(v.String()))
		}
	}
	return list
}

// Traceparent is the context's span as a header, for work that goes on elsewhere; "":
// it has none.
func Traceparent(ctx context.Context) string {
	header := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, header)
	return header["traceparent"]
}

// Inject adds the context's span to the header of a request, if it has one.
func Inject(ctx context.Context, h http.Header) {
	if t := Traceparent(ctx); t != "" {
		h.Set("Traceparent", t)
	}
}
