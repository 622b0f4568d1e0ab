package router

import (
	"context"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/forward"
)

func listenForward(ctx context.Context, in config.Input, d config.Dialect, log zerolog.Logger) (server, error) {
	return forward.Listen(ctx, in.Options.(*forward.Options), d, log)
}

func listenUnix(ctx context.Context, in config.Input, _ config.Dialect, log zerolog.Logger) (server, error) {
	return forward.ListenUnix(ctx, in.Options.(*forward.UnixOptions), log)
}

func listenTCP(ctx context.Context, in config.Input, _ config.Dialect, log zerolog.Logger) (server, error) {
	opts := *in.Options.(*forward.TCPOptions)
	if opts.Tag == "" {
		opts.Tag = in.ID // as Fluent Bit has it: tcp.0
	}
	return forward.ListenTCP(ctx, &opts, log)
}
