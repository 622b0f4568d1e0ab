package router

import (
	"slices"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/forward"
	"github.com/firelane/firelane/input"
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
	inputMaker  func(opts any, d config.Dialect, env input.Env) (input.Input, error)
	filterMaker func(opts any, d config.Dialect, env enrich.Env) (enrich.Stage, error)
	outputMaker func(opts any, d config.Dialect, env sink.Env) (sink.Destination, error)
)

// rows is the catalogue: every plugin that there is, by its name in Fluent Bit and in Fluentd ("" where that dialect
// doesn't have it), with its options, its constructor and one line of help.
func rows() []row {
	return []row{
		inputRow("forward", "forward", forward.New, "the forward protocol, on TCP or a unix socket"),
		inputRow("", "unix", forward.NewUnix, "the forward protocol, on a unix socket"),
		inputRow("tcp", "", forward.NewTCP, "JSON or plain lines on TCP; ECS checks a router's health with it"),

		filterRow("record_modifier", "", enrich.NewModifier, "adds and removes fields"),
		filterRow("", "record_transformer", enrich.NewTransformer, "adds and removes fields"),
		filterRow("grep", "grep", enrich.NewGrep, "keeps or drops records whose fields match"),
		filterRow("parser", "parser", enrich.NewParse, "makes fields of a text field"),
		parserRow("json", options[enrich.ParserOptions], "JSON objects"),

		outputRow("es", "elasticsearch", bulk.New, "Elasticsearch"),
		outputRow("opensearch", "opensearch", bulk.New, "OpenSearch, also on AWS and Serverless"),
		outputRow("forward", "forward", sinkforward.New, "another router, by the forward protocol"),
		outputRow("stdout", "stdout", stream.NewStdout, "standard output"),
		outputRow("file", "file", stream.NewFile, "files"),
		outputRow("null", "null", stream.NewNull, "nowhere; records count as delivered"),
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

func inputRow[O any](fluentBit, fluentd string, make func(*O, config.Dialect, input.Env) (input.Input, error), help string) row {
	return row{
		Plugin: plugin(config.KindInput, fluentBit, fluentd, options[O], help),
		input:  func(opts any, d config.Dialect, env input.Env) (input.Input, error) { return make(opts.(*O), d, env) },
	}
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

func outputRow[O any](fluentBit, fluentd string, make func(*O, config.Dialect, sink.Env) (sink.Destination, error), help string) row {
	return row{
		Plugin: plugin(config.KindOutput, fluentBit, fluentd, options[O], help),
		output: func(opts any, d config.Dialect, env sink.Env) (sink.Destination, error) {
			return make(opts.(*O), d, env)
		},
	}
}

// options makes an options struct.
func options[O any]() any { return new(O) }

func names(name string) []string {
	if name == "" {
		return nil
	}
	return []string{name}
}
