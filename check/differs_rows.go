package check

import (
	"regexp"
	"strings"

	"github.com/firelane/firelane/config"
)

// differences are the rows of docs/compatibility.md, in the order of their numbers. A test compares their sentences with the page's.
func differences() []difference {
	return append(bitDifferences(), otherDifferences()...)
}

const (
	bit     = config.FluentBit
	fluentd = config.Fluentd
)

func bitDifferences() []difference {
	in, filter, out, parser := config.KindInput, config.KindFilter, config.KindOutput, config.KindParser
	return []difference{
		{"F601", "nanoseconds", "Times in documents of `es` and `opensearch` have nine fractional digits, unless `Time_Key_Nanos` or `Time_Key_Format` is set; Fluent Bit writes three",
			within(out, bit, "es opensearch", lacks("time_key_nanos", "time_key_format"))},
		{"F602", "micros-truncated", "Times with six digits (`json_date_format double`) are truncated; Fluent Bit rounds them", within(out, bit, "http tcp udp stdout s3 kafka", is("json_date_format", "double"))},
		{"F603", "type-name", "`es` sends no `_type` unless `Type` is set; Fluent Bit sends `_doc`", within(out, bit, "es", lacks("type", "suppress_type_name"))},
		{"F604", "float-digits", "Floats in `csv` and in `stdout`'s readable form have as many digits as they need; in Fluent Bit always six",
			either(within(out, bit, "file", is("format", "csv")), within(out, bit, "stdout", lacks("format")))},
		{"F605", "splunk-content-type", "Requests to Splunk have `Content-Type: application/json`; those of Fluent Bit have no `Content-Type`", within(out, bit, "splunk", nil)},
		{"F606", "numeric-time", "`Time_Format %s` also reads a JSON number as a time; Fluent Bit reads only strings", within(parser, bit, "json", some(contains("%s"), "time_format"))},
		{"F607", "text-after-json", "", nil},
		{"F608", "beyond-64-bits", "", nil},
		{"F609", "parsed-name-taken", "With `Reserve_Data`, a parsed field replaces the record's field of the same name (such as `source`); Fluent Bit drops the parsed one",
			within(filter, bit, "parser", is("reserve_data", on...))},
		{"F610", "dotted-names", "grep finds a field whose name has a dot (`a.b`); Fluent Bit never finds it", within(filter, bit, "grep", some(dottedKey, "regex", "exclude"))},
		{"F611", "exclude-after-regex", "grep applies every `Exclude`; Fluent Bit ignores those after a `Regex`", within(filter, bit, "grep", all(gives("regex"), gives("exclude")))},
		{"F612", "odd-dates", "", nil},
		{"F613", "odd-fractions", "`%L` accepts more than nine digits, and a time without a fraction; Fluent Bit gives such a record the year 1970, or no time",
			within(parser, bit, "json", some(contains("%L"), "time_format"))},
		{"F614", "condition-floats", "A condition compares a float as it is written in JSON (`1.5`); Fluent Bit compares it with six digits (`1.500000`)", conditions("eq", "regex")},
		{"F615", "routes-of-one-output", "", nil},
		{"F616", "wildcard-star", "modify: `Remove_wildcard a*` removes fields that begin with `a`; Fluent Bit removes those that begin with `a*`",
			within(filter, bit, "modify", some(func(v string) bool { return strings.HasSuffix(v, "*") }, "remove_wildcard"))},
		{"F617", "opentelemetry-empty", "A request to `opentelemetry` without records gets the answer 201; from Fluent Bit it gets 400", within(in, bit, "opentelemetry", nil)},
		{"F618", "tcp-empty-line", "tcp with `Format none` reads on after an empty line; Fluent Bit loses the rest of what it has read", within(in, bit, "tcp", is("format", "none"))},
		{"F619", "http-not-objects", "http refuses the whole body (400) if any record in it isn't an object; Fluent Bit takes the objects before that one", within(in, bit, "http", nil)},
		{"F620", "current-time", "es: `Current_Time_Index` affects only the index name; in Fluent Bit it also sets `@timestamp` to the current time",
			within(out, bit, "es opensearch", is("current_time_index", on...))},
		{"F621", "condition-integer", "`gt`, `gte`, `lt` and `lte` of conditions in YAML work with an integer (`value: 500`); in Fluent Bit only with a float (`500.0`)", conditions("gt", "gte", "lt", "lte")},
		{"F622", "values-with-blanks", "`Record`, `Set` and `Add` take values of several words without quotes; Fluent Bit ignores such a rule",
			within(filter, bit, "record_modifier modify", some(severalWords, "record", "set", "add"))},
		{"F623", "nothing-left", "record_modifier: a record whose fields are all removed, or that has no field of `Allowlist_key`, becomes `{}`; Fluent Bit passes it unchanged",
			within(filter, bit, "record_modifier", gives("allowlist_key", "whitelist_key", "remove_key"))},
		{"F624", "lenient-start", "Unknown options, an output `cloudwatch` or `cloudwatch_logs` without a stream, a filter without `Match`, tabs mixed with blanks, two parsers of the same name, and options of earlier versions are accepted, most with a warning; Fluent Bit doesn't start. Two patterns for one field are accepted, too; Fluentd doesn't start. Of unknown options Fluentd only warns",
			lenient},
		{"F625", "include-beside", "", nil},
		{"F626", "python-traceback", "`multiline.parser python`: the exception's own line belongs to the traceback; Fluent Bit's parser leaves it out", multilineParser("python")},
		{"F627", "multiline-newline", "tail with `multiline.parser`: a record doesn't end with a newline; in Fluent Bit it does", within(in, bit, "tail", gives("multiline.parser"))},
		{"F628", "keys-not-text", "", nil},
		{"F629", "invalid-utf8", "", nil},
		{"F630", "float-time", "", nil},
		{"F631", "exec-off", "`exec` runs its command only if `allow_exec` is on in `[SERVICE]` or `<system>`; Fluent Bit and Fluentd always run it. In Fluent Bit's dialect a `curl` of the router's own HTTP page is answered without that", func(p *config.Plan) []config.Pos {
			if p.Service.AllowExec {
				return nil
			}
			return either(within(in, bit, "exec", nil), within(in, fluentd, "exec", nil))(p)
		}},
		{"F632", "unfinished-line", "tcp and udp with `Format none`: a last line without a separator, at the end of a connection or datagram, is a record; Fluent Bit loses it",
			within(in, bit, "tcp udp", is("format", "none"))},
		{"F633", "statsd-timer", "statsd: a timer has only its own fields; Fluent Bit 5.1.1 adds those of a set", within(in, bit, "statsd", nil)},
		{"F634", "http-ndjson", "http accepts JSON lines (`application/x-ndjson`); Fluent Bit refuses them", within(in, bit, "http", nil)},
		{"F636", "opentelemetry-metadata", "Records of `opentelemetry` have a log record's severity, attributes, resource and scope in the field `otlp`; Fluent Bit keeps them beside the record, where most outputs ignore them",
			within(in, bit, "opentelemetry", func(i *config.Instance) bool { return !is("logs_metadata", "off", "false")(i) })},
	}
}

func otherDifferences() []difference {
	in, filter, out := config.KindInput, config.KindFilter, config.KindOutput
	return []difference{
		{"F635", "http-bad-json", "http in Fluentd's dialect answers 400 to a body that isn't JSON; Fluentd answers 200", within(in, fluentd, "http", nil)},
		{"F637", "ruby-maps", "In the format `ltsv` of Fluentd, firelane writes maps and lists as JSON; Fluentd writes them in Ruby's notation", within(out, fluentd, "stdout file http s3 kafka2", anyOf(is("format", "ltsv"), is("format.@type", "ltsv")))},
		{"F638", "whole-float-as-text", "`record_transformer` with `auto_typecast false` writes 1.0 as `1`; Fluentd writes `1.0`", within(filter, fluentd, "record_transformer", is("auto_typecast", "false"))},
		{"F639", "time-kept", "If the text that Fluentd's `parser` parses has no time, firelane keeps the event's time; Fluentd sets the current time",
			within(filter, fluentd, "parser", func(i *config.Instance) bool { return !is("reserve_time", "true")(i) })},
		{"F640", "unparsed-kept", "Without a label `@ERROR`, firelane passes three kinds of records on to the next filter, and Fluentd drops them: those that `parser` can't parse, those for which an expression of `record_transformer` fails, and those that `concat` hasn't completed after `flush_interval`",
			func(p *config.Plan) []config.Pos {
				if p.HasLabel("@ERROR") {
					return nil
				}
				ruby := within(filter, fluentd, "record_transformer", is("enable_ruby", "true"))
				return either(within(filter, fluentd, "parser", nil), ruby, within(filter, fluentd, "concat", gives("flush_interval")))(p)
			}},
		{"F643", "sql-text", "Processor `sql`: `key = 'text'` holds if the texts are equal; in Fluent Bit 5.1.1 it never holds",
			within(filter, bit, "sql", some(contains("'"), "query"))},
		{"F641", "own-log", "A `<match **>` doesn't get the router's own log; in Fluentd it does, unless there is a `<label @FLUENT_LOG>`. In both, that label or a `<match fluent.**>` gets it",
			matchesAll},
		{"F642", "extract", "", nil},
		{"F644", "concat-timeout", "", nil},
		{"F645", "concat-not-text", "", nil},
		{"F646", "head-nul", "`head` with `Split_line`: a line doesn't end with a NUL; in Fluent Bit 5.1.1 it does", within(config.KindInput, bit, "head", is("split_line", on...))},
		{"F647", "convert-kept", "`content_modifier` with `action convert`: what can't be converted stays as it is (null; for `double` a text that isn't a number; for `boolean` a text other than `true` and `false`), and integers beyond 32 bits are converted; Fluent Bit makes the former 0.0 or `false`, and leaves the latter",
			within(config.KindFilter, bit, "content_modifier", is("converted_type", "int", "double", "boolean"))},
		{"F648", "journal-later", "", nil},
		{"F649", "textfile-lines", "", nil},
	}
}

// matchesAll finds the outputs of Fluentd that take every tag.
func matchesAll(p *config.Plan) (list []config.Pos) {
	for i := range p.Outputs {
		if o := &p.Outputs[i]; p.Dialect == fluentd && o.Match == "**" && !p.HasLabel("@FLUENT_LOG") {
			list = append(list, o.Pos)
		}
	}
	return list
}

// contains reports whether a value contains a text.
func contains(text string) func(string) bool {
	return func(value string) bool { return strings.Contains(value, text) }
}

// dottedKey reports whether a rule of grep is for a field whose name has a dot.
func dottedKey(rule string) bool {
	key, _, _ := strings.Cut(rule, " ")
	return strings.Contains(key, ".") && !strings.HasPrefix(key, "$")
}

// severalWords reports whether a rule that sets a field has a value of several words without quotes.
func severalWords(rule string) bool {
	words := strings.Fields(rule)
	return len(words) > 2 && !strings.HasPrefix(words[1], `"`) && !strings.HasPrefix(words[0], `"`)
}

// conditions finds the filters with a condition that has one of some operators.
func conditions(operators ...string) func(*config.Plan) []config.Pos {
	return func(p *config.Plan) (list []config.Pos) {
		for i := range p.Filters {
			f := &p.Filters[i]
			if f.When == nil {
				continue
			}
			for _, op := range operators {
				if regexp.MustCompile(`\b` + op + `\b`).MatchString(f.When.String()) {
					list = append(list, f.Pos)
					break
				}
			}
		}
		return list
	}
}

// multilineParser finds the inputs and filters that use a multiline parser.
func multilineParser(name string) func(*config.Plan) []config.Pos {
	uses := some(func(v string) bool {
		for part := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(part), name) {
				return true
			}
		}
		return false
	}, "multiline.parser")
	return either(within(config.KindInput, bit, "tail", uses), within(config.KindFilter, bit, "multiline", uses))
}

// noStream is part of a warning of cloudwatch_logs.
const noStream = "neither log_stream_name nor log_stream_prefix"

// lenient finds what Fluent Bit wouldn't start with. It ignores unknown options of [SERVICE], as firelane does, and Fluentd only warns.
func lenient(p *config.Plan) (list []config.Pos) {
	for _, w := range p.Warnings {
		service := strings.HasPrefix(w.Text, "[SERVICE]") || strings.HasPrefix(w.Text, "service")
		if p.Dialect == bit && !service && (strings.Contains(w.Text, "unknown option") || strings.Contains(w.Text, "without Match") || strings.Contains(w.Text, noStream)) {
			list = append(list, w.Pos)
			break // the reader knows after the first
		}
	}
	return list
}

// lenientCause is what F624 says at a place: the one cause that is there, of all those of its row.
func lenientCause(p *config.Plan, at config.Pos) string {
	for _, w := range p.Warnings {
		switch {
		case w.Pos != at:
		case strings.Contains(w.Text, "without Match"):
			return "firelane leaves out the filter without Match, and starts; Fluent Bit does not start"
		case strings.Contains(w.Text, noStream):
			return "firelane names each log stream by its tag, and starts; Fluent Bit does not start"
		}
	}
	return "firelane ignores the unknown option, and starts; Fluent Bit does not start"
}
