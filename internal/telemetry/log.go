package telemetry

import (
	"context"
	"log/slog"
	"slices"

	"go.opentelemetry.io/otel/trace"
)

// Handler returns a log handler that adds the fields of the context to each line, and
// the ids of its span. A line or logger that has a field of that name keeps its own.
func Handler(h slog.Handler) slog.Handler { return handler{Handler: h} }

type handler struct {
	slog.Handler
	own    []string // names of the logger's own fields
	groups bool     // the logger has a group, into which fields would go
}

// Handle implements slog.Handler.
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	fields := fieldsOf(ctx)
	span := trace.SpanContextFromContext(ctx)
	if h.groups || len(fields) == 0 && !span.IsValid() {
		return h.Handler.Handle(ctx, r)
	}
	own := slices.Clone(h.own)
	r.Attrs(func(a slog.Attr) bool { own = append(own, a.Key); return true })
	r = r.Clone()
	for _, f := range fields {
		if !slices.Contains(own, f.Key) {
			r.AddAttrs(f)
		}
	}
	if span.IsValid() {
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	own := slices.Clone(h.own)
	for _, a := range attrs {
		own = append(own, a.Key)
	}
	return handler{h.Handler.WithAttrs(attrs), own, h.groups}
}

// WithGroup implements slog.Handler.
func (h handler) WithGroup(name string) slog.Handler {
	return handler{h.Handler.WithGroup(name), h.own, h.groups || name != ""}
}
