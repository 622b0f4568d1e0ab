package router

import (
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/bulk"
	sinkforward "github.com/firelane/firelane/sink/forward"
	"github.com/firelane/firelane/sink/stream"
)

func makeBulk(in config.Instance, d config.Dialect, env Env) (sink.Destination, error) {
	return bulk.New(in.Options.(*bulk.Options), d, bulk.Env{Log: env.Log})
}

func makeForward(in config.Instance, d config.Dialect, env Env) (sink.Destination, error) {
	return sinkforward.New(in.Options.(*sinkforward.Options), d, env.Log)
}

func makeStdout(in config.Instance, d config.Dialect, env Env) (sink.Destination, error) {
	return stream.NewStdout(in.Options.(*stream.StdoutOptions), d, stream.Env{Hostname: env.Hostname})
}

func makeFile(in config.Instance, d config.Dialect, env Env) (sink.Destination, error) {
	return stream.NewFile(in.Options.(*stream.FileOptions), d, stream.Env{Hostname: env.Hostname})
}

func makeNull(in config.Instance, d config.Dialect, env Env) (sink.Destination, error) {
	return stream.NewNull(in.Options.(*stream.NullOptions), d, stream.Env{Hostname: env.Hostname})
}
