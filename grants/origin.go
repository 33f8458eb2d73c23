package grants

import "context"

// Origin is whose request something is done for, as far as the audit log says it.
type Origin struct {
	IP        string // of the client
	RequestID string
}

type originKey struct{}

// WithOrigin gives a context whose events, unless they say so themselves, came from there.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// OriginOf is what [WithOrigin] has put into the context, the zero Origin where nothing has: a command, or work in the background.
func OriginOf(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return o
}
