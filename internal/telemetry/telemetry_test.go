package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/copra-video/copra/job"
)

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// TestUntraced: without a tracer nothing is begun and nothing is sent.
func TestUntraced(t *testing.T) {
	var none *Tracer
	ctx, span := none.Begin(t.Context(), parent, Consumer, "probe")
	if span != nil || ctx != t.Context() {
		t.Error("a nil tracer has begun a span")
	}
	ctx, span = Start(ctx, "step")
	span.Set(slog.Int("n", 1))
	span.Rename("other")
	Note(ctx, "a note")
	span.End(errors.New("broken"))
	h := http.Header{}
	Inject(ctx, h)
	if span != nil || len(h) != 0 || Traceparent(ctx) != "" {
		t.Errorf("%v, header %v", span, h)
	}
}

// TestSpans: spans go below that of the caller, have the fields of their context, and
// of an error its code.
func TestSpans(t *testing.T) {
	kept := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(kept))
	tracer := NewTracer(provider)
	ctx := With(t.Context(), slog.String("job", "one"), slog.Int("attempt", 1))
	ctx, outer := tracer.Begin(With(ctx, slog.Int("attempt", 2)), parent, Consumer, "transcode", slog.String("http.route", "/"))
	inner, span := Start(ctx, "ffmpeg")
	if got := Traceparent(inner); !strings.HasPrefix(got, parent[:36]) || strings.HasPrefix(got, parent[:52]) {
		t.Errorf("traceparent %s", got)
	}
	span.End(fmt.Errorf("canary: %w", job.Errorf(job.InputDamaged, "canary")))
	outer.End(nil)
	for _, bad := range []string{"", "canary", "00-" + strings.Repeat("0", 32) + "-b7ad6b7169203331-01"} {
		_, root := tracer.Begin(t.Context(), bad, Server, "POST")
		root.End(errors.New("canary"))
	}
	var got []string
	for _, s := range kept.GetSpans() {
		line := s.Name
		if s.Parent.IsValid() {
			line += " below " + s.Parent.SpanID().String()
		}
		for _, a := range s.Attributes {
			line += fmt.Sprintf(" %s=%s", a.Key, a.Value.String())
		}
		if s.Status.Code == codes.Error {
			line += " failed" + s.Status.Description
		}
		got = append(got, strings.ReplaceAll(line, outer.span.SpanContext().SpanID().String(), "outer"))
	}
	want := []string{
		"ffmpeg below outer copra.job=one copra.attempt=2 error.type=" + job.InputDamaged.Code() + " failed",
		"transcode below b7ad6b7169203331 copra.job=one copra.attempt=2 http.route=/",
		"POST error.type=_OTHER failed", "POST error.type=_OTHER failed", "POST error.type=_OTHER failed",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("spans (-want +got):\n" + diff)
	}
}

// TestHandler: a line has the fields of its context once.
func TestHandler(t *testing.T) {
	provider := sdktrace.NewTracerProvider()
	ctx := With(With(t.Context(), slog.String("job", "one"), slog.Int("task", 1)), slog.Int("task", 2))
	traced, span := NewTracer(provider).Begin(ctx, parent, Consumer, "task")
	defer span.End(nil)
	for _, c := range []struct {
		ctx  context.Context
		log  func(*slog.Logger) *slog.Logger
		args []any
		want string
	}{
		{t.Context(), nil, nil, "msg=m node=n\n"},
		{ctx, nil, nil, "msg=m node=n job=one task=2\n"},
		{ctx, nil, []any{"task", 7}, "msg=m node=n task=7 job=one\n"},
		{ctx, func(l *slog.Logger) *slog.Logger { return l.With("job", "own") }, nil, "msg=m node=n job=own task=2\n"},
		{ctx, func(l *slog.Logger) *slog.Logger { return l.WithGroup("g") }, []any{"a", 1}, "msg=m node=n g.a=1\n"},
		{traced, nil, nil, "msg=m node=n job=one task=2 trace_id=" + parent[3:35] + " span_id=" + span.span.SpanContext().SpanID().String() + "\n"},
	} {
		var out strings.Builder
		plain := slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
				return slog.Attr{}
			}
			return a
		}})
		log := slog.New(Handler(plain)).With("node", "n")
		if c.log != nil {
			log = c.log(log)
		}
		log.InfoContext(c.ctx, "m", c.args...)
		if out.String() != c.want {
			t.Errorf("%q, want %q", out.String(), c.want)
		}
	}
}
