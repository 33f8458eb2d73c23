package storage

import (
	"context"
	"log/slog"
	"time"

	"gorm.io/gorm/logger"
)

// slow is how long a statement may take before the log mentions it.
const slow = 500 * time.Millisecond

// maxLogged is how much of a statement the log shows. Those of many rows say the same again and again.
const maxLogged = 1000

// slowLog is GORM's logger. Errors are returned and not logged, so all that is left to tell is which statements are
// slow, with placeholders in the place of values.
type slowLog struct {
	log *slog.Logger
}

// LogMode implements logger.Interface.
func (l slowLog) LogMode(logger.LogLevel) logger.Interface { return l }

// Info implements logger.Interface.
func (l slowLog) Info(context.Context, string, ...any) {}

// Warn implements logger.Interface.
func (l slowLog) Warn(context.Context, string, ...any) {}

// Error implements logger.Interface.
func (l slowLog) Error(context.Context, string, ...any) {}

// Trace implements logger.Interface.
func (l slowLog) Trace(ctx context.Context, begin time.Time, statement func() (string, int64), _ error) {
	took := time.Since(begin)
	if took < slow {
		return
	}
	text, rows := statement()
	l.log.LogAttrs(ctx, slog.LevelWarn, "slow database statement",
		slog.String("sql", text[:min(len(text), maxLogged)]), slog.Int64("rows", rows), slog.Duration("took", took))
}

// ParamsFilter implements gorm.ParamsFilter: no value is ever part of the text.
func (l slowLog) ParamsFilter(_ context.Context, text string, _ ...any) (string, []any) {
	return text, nil
}
