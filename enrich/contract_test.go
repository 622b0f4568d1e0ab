package enrich_test

import (
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/enrich/steptest"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/record"
)

// maker returns a constructor's stage.
func maker[O any, S enrich.Stage](t *testing.T, make func(*O, config.Dialect, enrich.Env) (S, error), d config.Dialect, o O) func() enrich.Stage {
	env := enrich.Env{Hostname: "host", Log: zerolog.Nop(), Parsers: []config.Instance{
		{Name: "decoder", ID: "decoder", Options: &parse.Options{Name: "decoder", Format: "json", DecodeFieldAs: []config.Pair{{Key: "json", Value: "log"}}}},
		{Name: "json", ID: "json", Options: &parse.Options{Name: "json", TimeFormat: "%Y-%m-%dT%H:%M:%S%z"}},
	}}
	return func() enrich.Stage {
		s, err := make(&o, d, env)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

// when is a stage for the events whose log isn't x; nil for one that filters out the others.
func when(t *testing.T, s enrich.Stage) (made enrich.Stage) {
	t.Helper()
	c := &config.Condition{Rules: []config.Rule{{Field: "$log", Op: "neq", Values: []string{"x"}}}}
	var err error
	if s == nil {
		made, err = enrich.NewSelection(c, config.FluentBit, enrich.Env{})
	} else {
		made, err = enrich.When(c, s, config.FluentBit, enrich.Env{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestEveryStageKeepsTheContract(t *testing.T) {
	pairs := []config.Pair{{Key: "log", Value: "x"}, {Key: "ecs_cluster", Value: "demo"}}
	for name, make := range map[string]func() enrich.Stage{
		"constants":  maker(t, enrich.NewModifier, config.FluentBit, enrich.ModifierOptions{Record: pairs}),
		"modifier":   maker(t, enrich.NewModifier, config.FluentBit, enrich.ModifierOptions{Record: pairs, Remove: []string{"time"}, UUIDField: "id"}),
		"allowlist":  maker(t, enrich.NewModifier, config.FluentBit, enrich.ModifierOptions{Allow: []string{"log"}}),
		"grep":       maker(t, enrich.NewGrep, config.FluentBit, enrich.GrepOptions{Exclude: pairs[:1]}),
		"grep, ruby": maker(t, enrich.NewGrep, config.Fluentd, enrich.GrepOptions{Regexps: []enrich.GrepRule{{Key: "$.log.log", Pattern: "a"}}}),
		"parser":     maker(t, enrich.NewParse, config.FluentBit, enrich.ParseOptions{KeyName: "log", Parsers: []string{"json"}, ReserveData: true}),
		"parser, ruby": maker(t, enrich.NewParse, config.Fluentd, enrich.ParseOptions{
			KeyName: "$.log", ReserveData: true, RemoveKey: true, HashField: "parsed", Parse: &parse.Spec{Types: "a:string", NullEmpty: true},
		}),
		"transformer": maker(t, enrich.NewTransformer, config.Fluentd, enrich.TransformerOptions{
			Record: []config.Pair{{Key: "where", Value: `${tag_parts[0]} ${record["log"]} ${hostname}`}}, RemoveKeys: []string{"$.log.log[1].b"},
		}),
		"transformer, nested": maker(t, enrich.NewTransformer, config.Fluentd, enrich.TransformerOptions{
			Record: []config.Pair{{Key: "outer", Value: `{"inner":["${record['log']}"]}`}}, RemoveKeys: []string{"secret"}, AutoTypecast: true,
		}),
		"parser, decoder": maker(t, enrich.NewParse, config.FluentBit, enrich.ParseOptions{KeyName: "log", Parsers: []string{"decoder"}}),
		"modify": maker(t, enrich.NewModify, config.FluentBit, enrich.ModifyOptions{
			Set: []config.Ordered{{Value: "log x"}}, HardCopy: []config.Ordered{{Order: 1, Value: "log copy"}}, ToStart: []config.Ordered{{Order: 2, Value: "copy"}},
		}),
		"nest":        maker(t, enrich.NewNest, config.FluentBit, enrich.NestOptions{Operation: "nest", Wildcard: []string{"*"}, NestUnder: "all"}),
		"lift":        maker(t, enrich.NewNest, config.FluentBit, enrich.NestOptions{Operation: "lift", NestedUnder: "log", AddPrefix: "l."}),
		"rewrite_tag": maker(t, enrich.NewRewrite, config.FluentBit, enrich.RewriteOptions{Rules: []config.Ordered{{Value: "$log . new.$TAG true"}}}),
		"transformer, ruby": maker(t, enrich.NewTransformer, config.Fluentd, enrich.TransformerOptions{EnableRuby: true, AutoTypecast: true, Record: []config.Pair{
			{Key: "up", Value: `${record["log"].upcase}`}, {Key: "all", Value: `${record.merge("tag" => tag_parts)}`}, {Key: "text", Value: `<${record}>`},
			{Key: "gone", Value: `${record["log"].delete("log")}`},
		}, RemoveKeys: []string{"source"}}),
		"concat, lines": maker(t, enrich.NewConcat, config.Fluentd, enrich.ConcatOptions{Key: "log", Separator: "\n", Lines: 3, Flush: 5 * time.Second}),
		"concat, regexp": maker(t, enrich.NewConcat, config.Fluentd, enrich.ConcatOptions{
			Key: "log", Start: "/^(one|java)/", End: "/^end/", Continuous: "/^[^x]/", Identity: "container_id", Flush: 5 * time.Second, Label: "@TIMEOUT",
		}),
		"concat, partial":  maker(t, enrich.NewConcat, config.Fluentd, enrich.ConcatOptions{Key: "log", PartialKey: "partial_last", PartialValue: new("false"), Flush: time.Second, Overflow: "new", Limit: 5}),
		"concat, metadata": maker(t, enrich.NewConcat, config.Fluentd, enrich.ConcatOptions{Key: "log", Metadata: true, Flush: time.Second}),
		"rewrite_tag_filter": maker(t, enrich.NewRetag, config.Fluentd, enrich.RetagOptions{Capitalize: true, RemovePrefix: "app", Rules: []enrich.RetagRule{
			{Key: "$.log.log", Pattern: "/x(.)?/", Tag: "new.$1.${tag}.__TAG_PARTS[1]__"}, {Key: "source", Pattern: "/never/", Tag: "else", Invert: true, Label: "@X"},
		}}),
		"multiline":        maker(t, enrich.NewMultiline, config.FluentBit, enrich.MultilineOptions{Mode: "parser", Parsers: []string{"java", "docker"}}),
		"partial":          maker(t, enrich.NewMultiline, config.FluentBit, enrich.MultilineOptions{Mode: "partial_message", FlushMS: 2000}),
		"content_modifier": maker(t, enrich.NewContentModifier, config.FluentBit, enrich.ContentModifierOptions{Action: "hash", Key: "log"}),
		"sql":              maker(t, enrich.NewSQL, config.FluentBit, enrich.SQLOptions{Query: "SELECT log AS text, a FROM STREAM WHERE NOT b = 'x';"}),
		"sql, all":         maker(t, enrich.NewSQL, config.FluentBit, enrich.SQLOptions{Query: "SELECT * FROM STREAM WHERE log;"}),
		"sampling":         maker(t, enrich.NewSampling, config.FluentBit, enrich.SamplingOptions{}),
		"extract":          maker(t, enrich.NewContentModifier, config.FluentBit, enrich.ContentModifierOptions{Action: "extract", Key: "log", Pattern: "(?<log>.)(?<a>.*)"}),
		"stream":           maker(t, enrich.NewStreamTask, config.FluentBit, enrich.StreamOptions{Exec: "CREATE STREAM s AS SELECT log, RECORD_TAG(), * FROM TAG:'*' WHERE @record.contains(log);"}),
		"selection":        func() enrich.Stage { return when(t, nil) },
		"when, filter": func() enrich.Stage {
			return when(t, maker(t, enrich.NewModifier, config.FluentBit, enrich.ModifierOptions{Record: pairs})())
		},
		"when, step": func() enrich.Stage {
			return when(t, maker(t, enrich.NewRewrite, config.FluentBit, enrich.RewriteOptions{Rules: []config.Ordered{{Value: "$log . new true"}}})())
		},
		"when, holder": func() enrich.Stage {
			return when(t, maker(t, enrich.NewMultiline, config.FluentBit, enrich.MultilineOptions{Mode: "parser", Parsers: []string{"java"}})())
		},
		"throttle":      maker(t, enrich.NewThrottle, config.FluentBit, enrich.ThrottleOptions{Rate: 2, Window: 5, Interval: "1s", PrintStatus: true}),
		"throttle_size": maker(t, enrich.NewThrottleSize, config.FluentBit, enrich.ThrottleSizeOptions{Rate: 100, Window: 5, NameField: "source", PrintStatus: true}),
		"type_converter": maker(t, enrich.NewConvert, config.FluentBit, enrich.ConvertOptions{
			Str: []config.Ordered{{Value: "log log int"}, {Value: "partial_ordinal n float"}}, Float: []config.Ordered{{Value: "log text string"}},
		}),
		"checklist":         maker(t, enrich.NewChecklist, config.FluentBit, enrich.ChecklistOptions{File: "contract_test.go", LookupKey: "log", Records: pairs, IgnoreCase: true}),
		"checklist, prefix": maker(t, enrich.NewChecklist, config.FluentBit, enrich.ChecklistOptions{File: "contract_test.go", LookupKey: "log", Records: pairs, Mode: "partial"}),
		"expect":            maker(t, enrich.NewExpect, config.FluentBit, enrich.ExpectOptions{Equal: []config.Ordered{{Value: "log one "}}, Action: "result_key", ResultKey: "log"}),
		"sysinfo":           maker(t, enrich.NewSysinfo, config.FluentBit, enrich.SysinfoOptions{Hostname: "log", Version: "v"}),
		"joiner":            func() enrich.Stage { return enrich.NewJoiner(enrich.JoinerConfig{MaxLine: 100_000, MaxTotal: 200_000}) },
	} {
		t.Run(name, func(t *testing.T) { steptest.Run(t, make, parts(t)...) })
	}
}

// parts are two lines that Docker split, one of them without its end, and one of an older Docker.
func parts(t *testing.T) (events []record.Event) {
	for _, js := range []string{
		`{"container_id":"c1","source":"stdout","log":"one ","partial_message":"true","partial_id":"a","partial_ordinal":"1","partial_last":"false"}`,
		`{"container_id":"c2","source":"stdout","log":"no ","partial_message":"true","partial_id":"b","partial_ordinal":"1","partial_last":"false"}`,
		`{"container_id":"c1","source":"stdout","log":"two ","partial_message":"true","partial_id":"a","partial_ordinal":"2","partial_last":"false"}`,
		`{"container_id":"c1","source":"stdout","log":"two ","partial_message":"true","partial_id":"a","partial_ordinal":"2","partial_last":"false"}`,
		`{"container_id":"c1","source":"stdout","log":"three","partial_message":"true","partial_id":"a","partial_ordinal":"3","partial_last":"true"}`,
		`{"container_id":"c3","container_name":"/c3","source":"stdout","log":"old ","partial_message":"true"}`,
		`{"container_id":"c3","container_name":"/c3","source":"stdout","log":"end"}`,
		`{"container_id":"c3","source":"stderr","log":"java.lang.Error: x"}`,
		`{"container_id":"c4","source":"stderr","log":"java.lang.Error: y"}`,
		`{"container_id":"c3","source":"stderr","log":"\tat a.b"}`,
		`{"container_id":"c3","source":"stderr","log":"after"}`,
	} {
		b, err := record.AppendFromJSON(nil, []byte(js))
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, record.Event{Tag: "app", Body: b})
	}
	return events
}
