package server

import (
	"context"
	"log/slog"
)

// minLevel returns a log that drops what is below the level.
func minLevel(log *slog.Logger, level slog.Level) *slog.Logger {
	return slog.New(levelHandler{log.Handler(), level})
}

type levelHandler struct {
	slog.Handler
	level slog.Level
}

func (h levelHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.level && h.Handler.Enabled(ctx, l)
}

func (h levelHandler) WithAttrs(a []slog.Attr) slog.Handler {
	return levelHandler{h.Handler.WithAttrs(a), h.level}
}

func (h levelHandler) WithGroup(n string) slog.Handler {
	return levelHandler{h.Handler.WithGroup(n), h.level}
}
