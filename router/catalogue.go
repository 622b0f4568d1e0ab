package router

import (
	"context"
	"slices"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/forward"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/bulk"
	sinkforward "github.com/firelane/firelane/sink/forward"
	"github.com/firelane/firelane/sink/stream"
)

// A row is one plugin: what config needs to know of it, and the constructor of its kind.
type row struct {
	config.Plugin
	input  inputMaker
	filter filterMaker
	output outputMaker
}

type (
	inputMaker  func(ctx context.Context, in config.Input, d config.Dialect, log zerolog.Logger) (server, error)
	filterMaker func(opts any, d config.Dialect, env enrich.Env) (enrich.Stage, error)
	outputMaker func(in config.Instance, d config.Dialect, env Env) (sink.Destination, error)
)

// rows is the catalogue: every plugin that there is, by its name in Fluent Bit and in Fluentd ("" where that dialect
// doesn't have it), with its options, its constructor and one line of help.
func rows() []row {
	return []row{
		inputRow("forward", "forward", options[forward.Options], listenForward, "the forward protocol, on TCP or a unix socket"),
		inputRow("", "unix", options[forward.UnixOptions], listenUnix, "the forward protocol, on a unix socket"),
		inputRow("tcp", "", options[forward.TCPOptions], listenTCP, "JSON or plain lines on TCP; ECS checks a router's health with it"),

		filterRow("record_modifier", "", enrich.NewModifier, "adds and removes fields"),
		filterRow("", "record_transformer", enrich.NewTransformer, "adds and removes fields"),
		filterRow("grep", "grep", enrich.NewGrep, "keeps or drops records whose fields match"),
		filterRow("parser", "parser", enrich.NewParse, "makes fields of a text field"),
		parserRow("json", options[enrich.ParserOptions], "JSON objects"),

		outputRow("es", "elasticsearch", options[bulk.Options], makeBulk, "Elasticsearch"),
		outputRow("opensearch", "opensearch", options[bulk.Options], makeBulk, "OpenSearch, also on AWS and Serverless"),
		outputRow("forward", "forward", options[sinkforward.Options], makeForward, "another router, by the forward protocol"),
		outputRow("stdout", "stdout", options[stream.StdoutOptions], makeStdout, "standard output"),
		outputRow("file", "file", options[stream.FileOptions], makeFile, "files"),
		outputRow("null", "null", options[stream.NullOptions], makeNull, "nowhere; records count as delivered"),
	}
}

// Catalogue is what config needs to know of every plugin.
func Catalogue() []config.Plugin {
	var plugins []config.Plugin
	for _, r := range rows() {
		plugins = append(plugins, r.Plugin)
	}
	return plugins
}

// rowOf finds the row that a plugin of a plan came from.
func rowOf(p *config.Plugin) row {
	all := rows()
	n := slices.IndexFunc(all, func(r row) bool {
		return r.Kind == p.Kind && slices.Equal(r.FluentBit, p.FluentBit) && slices.Equal(r.Fluentd, p.Fluentd)
	})
	return all[n]
}

func plugin(kind config.Kind, fluentBit, fluentd string, opts func() any, help string) config.Plugin {
	return config.Plugin{Kind: kind, FluentBit: names(fluentBit), Fluentd: names(fluentd), Options: opts, Help: help}
}

func inputRow(fluentBit, fluentd string, opts func() any, make inputMaker, help string) row {
	return row{Plugin: plugin(config.KindInput, fluentBit, fluentd, opts, help), input: make}
}

// filterRow takes a constructor of a Filter, a Step or a Holder.
func filterRow[O any, S enrich.Stage](fluentBit, fluentd string, make func(*O, config.Dialect, enrich.Env) (S, error), help string) row {
	return row{
		Plugin: plugin(config.KindFilter, fluentBit, fluentd, options[O], help),
		filter: func(opts any, d config.Dialect, env enrich.Env) (enrich.Stage, error) { return make(opts.(*O), d, env) },
	}
}

func parserRow(format string, opts func() any, help string) row {
	return row{Plugin: plugin(config.KindParser, format, "", opts, help)}
}

func outputRow(fluentBit, fluentd string, opts func() any, make outputMaker, help string) row {
	return row{Plugin: plugin(config.KindOutput, fluentBit, fluentd, opts, help), output: make}
}

// options makes an options struct.
func options[O any]() any { return new(O) }

func names(name string) []string {
	if name == "" {
		return nil
	}
	return []string{name}
}
