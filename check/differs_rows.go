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
	in, filter, out := config.KindInput, config.KindFilter, config.KindOutput
	return []difference{
		{"F601", "nanoseconds", "firelane writes times in documents of `es` and `opensearch` with nine fractional digits, unless `Time_Key_Nanos` or `Time_Key_Format` is set; Fluent Bit writes three",
			within(out, bit, "es opensearch", lacks("time_key_nanos", "time_key_format"))},
		{"F602", "micros-truncated", "firelane truncates times to six digits (`json_date_format double`); Fluent Bit rounds them", within(out, bit, "http tcp udp stdout s3 kafka", is("json_date_format", "double"))},
		{"F603", "type-name", "firelane sends no `_type` from `es` and `opensearch` unless `Type` is set; Fluent Bit sends `_doc`, unless `Suppress_Type_Name` is on", within(out, bit, "es opensearch", lacks("type", "suppress_type_name"))},
		{"F604", "float-digits", "firelane writes floats in `csv` and in `stdout`'s readable form with as many digits as they need; Fluent Bit always with six",
			either(within(out, bit, "file", is("format", "csv")), within(out, bit, "stdout", lacks("format")))},
		{"F605", "splunk-content-type", "firelane sends requests to Splunk with `Content-Type: application/json`; Fluent Bit sends them without `Content-Type`", within(out, bit, "splunk", nil)},
		{"F606", "numeric-time", "firelane also reads a JSON number as a time with `Time_Format %s`; Fluent Bit reads only strings", parserUsed("json", "time_format", "%s")},
		{"F607", "text-after-json", "", nil},
		{"F608", "beyond-64-bits", "", nil},
		{"F609", "parsed-name-taken", "With `Reserve_Data`, firelane lets a parsed field replace the record's field of the same name (such as `source`); Fluent Bit drops the parsed one",
			within(filter, bit, "parser", is("reserve_data", on...))},
		{"F610", "dotted-names", "firelane's grep finds a field whose name has a dot (`a.b`); Fluent Bit's never finds it", within(filter, bit, "grep", some(dottedKey, "regex", "exclude"))},
		{"F611", "exclude-after-regex", "firelane's grep applies every `Exclude`; Fluent Bit's ignores those after a `Regex`", within(filter, bit, "grep", all(gives("regex"), gives("exclude")))},
		{"F612", "odd-dates", "", nil},
		{"F613", "odd-fractions", "For `%L` of a parser, firelane reads a fraction of any length, and a time without one; in Fluent Bit a time with more than nine digits or without a fraction isn't read, so that the record keeps the time that it had (a parser of JSON makes more than nine digits a time of the year 1970, and one of logfmt then reads nothing)",
			parserUsed("json regex logfmt", "time_format", "%L")},
		{"F614", "condition-floats", "firelane compares a float with a condition's value as it is written in JSON (`1.5`); Fluent Bit with six digits (`1.500000`)", conditions("eq", "regex")},
		{"F615", "routes-of-one-output", "", nil},
		{"F616", "wildcard-star", "firelane's `Remove_wildcard a*` of modify removes fields that begin with `a`; Fluent Bit's removes those that begin with `a*`",
			within(filter, bit, "modify", some(func(v string) bool { return strings.HasSuffix(v, "*") }, "remove_wildcard"))},
		{"F617", "opentelemetry-empty", "firelane's `opentelemetry` answers 201 to a request without records; Fluent Bit's answers 400", within(in, bit, "opentelemetry", nil)},
		{"F618", "tcp-empty-line", "firelane's tcp with `Format none` reads on after an empty line; Fluent Bit's loses the rest of what it has read", within(in, bit, "tcp", is("format", "none"))},
		{"F619", "http-not-objects", "firelane's http refuses the whole body (400) if any record in it isn't an object; Fluent Bit's takes the objects before that one", within(in, bit, "http", nil)},
		{"F620", "current-time", "firelane's `Current_Time_Index` affects only the index name; Fluent Bit's also sets `@timestamp` to the current time",
			within(out, bit, "es opensearch", is("current_time_index", on...))},
		{"F621", "condition-integer", "firelane's `gt`, `gte`, `lt` and `lte` of conditions in YAML work with an integer (`value: 500`); Fluent Bit's only with a float (`500.0`)", conditions("gt", "gte", "lt", "lte")},
		{"F622", "values-with-blanks", "firelane's `Record`, `Set` and `Add` take values of several words without quotes; Fluent Bit ignores such a rule",
			within(filter, bit, "record_modifier modify", some(severalWords, "record", "set", "add"))},
		{"F623", "nothing-left", "firelane's record_modifier makes `{}` of a record whose fields are all removed, or that has no field of `Allowlist_key`; Fluent Bit's passes it unchanged",
			within(filter, bit, "record_modifier", gives("allowlist_key", "whitelist_key", "remove_key"))},
		{"F624", "lenient-start", "firelane accepts unknown options, an output `cloudwatch` or `cloudwatch_logs` without a stream, a filter without `Match`, tabs mixed with blanks, two parsers of the same name, and options of earlier versions, most with a warning; Fluent Bit doesn't start. firelane accepts two patterns for one field, too; Fluentd doesn't start. Of unknown options Fluentd only warns",
			lenient},
		{"F625", "include-beside", "", nil},
		{"F626", "python-traceback", "firelane's `multiline.parser python` emits the exception's own line (`ValueError: x`) only within the traceback; Fluent Bit emits it there, and once more as a record of its own", multilineParser("python")},
		{"F627", "multiline-newline", "firelane's tail with `multiline.parser` emits records without a newline at their end; Fluent Bit's have one", within(in, bit, "tail", gives("multiline.parser"))},
		{"F628", "keys-not-text", "", nil},
		{"F629", "invalid-utf8", "", nil},
		{"F630", "float-time", "", nil},
		{"F631", "exec-off", "firelane runs the command of `exec` only if `allow_exec` is on in `[SERVICE]` or `<system>`; Fluent Bit and Fluentd always run it. A `curl` of the router's own HTTP page needs no `allow_exec` in Fluent Bit's dialect: firelane answers it itself, and runs nothing", func(p *config.Plan) []config.Pos {
			if p.Service.AllowExec {
				return nil
			}
			return either(within(in, bit, "exec", func(i *config.Instance) bool { return !readsOwnPage(i) }), within(in, fluentd, "exec", nil))(p)
		}},
		{"F632", "unfinished-line", "firelane's tcp and udp with `Format none` make a record of a last line without a separator, at the end of a connection or datagram; Fluent Bit's lose it",
			within(in, bit, "tcp udp", is("format", "none"))},
		{"F633", "statsd-timer", "firelane's statsd gives a timer only its own fields; Fluent Bit 5.1.1 adds those of a set", within(in, bit, "statsd", nil)},
		{"F634", "http-ndjson", "firelane's http accepts JSON lines (`application/x-ndjson`); Fluent Bit's refuses them", within(in, bit, "http", nil)},
		{"F636", "opentelemetry-metadata", "firelane's `opentelemetry` writes a log record's severity, attributes, resource and scope into the field `otlp`; Fluent Bit keeps them beside the record, where most outputs ignore them",
			within(in, bit, "opentelemetry", func(i *config.Instance) bool { return !is("logs_metadata", "off", "false")(i) })},
	}
}

func otherDifferences() []difference {
	in, filter, out := config.KindInput, config.KindFilter, config.KindOutput
	return []difference{
		{"F635", "http-bad-json", "firelane's http in Fluentd's dialect answers 400 to a body that isn't JSON; Fluentd's answers 200", within(in, fluentd, "http", nil)},
		{"F637", "ruby-maps", "In the format `ltsv` of Fluentd, firelane writes maps and lists as JSON; Fluentd writes them in Ruby's notation", within(out, fluentd, "stdout file http s3 kafka2", anyOf(is("format", "ltsv"), is("format.@type", "ltsv")))},
		{"F638", "whole-float-as-text", "firelane's `record_transformer` with `auto_typecast false` writes 1.0 as `1`; Fluentd's writes `1.0`", within(filter, fluentd, "record_transformer", is("auto_typecast", "false"))},
		{"F639", "time-kept", "If the text that Fluentd's `parser` parses has no time, firelane keeps the event's time; Fluentd sets the current time",
			within(filter, fluentd, "parser", func(i *config.Instance) bool { return !is("reserve_time", "true")(i) })},
		{"F640", "unparsed-kept", "Without a label `@ERROR`, firelane passes three kinds of records on to the next filter, and Fluentd drops them: those that `parser` can't parse, those for which an expression of `record_transformer` fails, and those that `concat` hasn't completed after `flush_interval`",
			unparsed},
		{"F643", "sql-text", "In firelane's processor `sql`, `key = 'text'` holds if the texts are equal; in that of Fluent Bit 5.1.1 it never holds",
			within(filter, bit, "sql", some(contains("'"), "query"))},
		{"F641", "own-log", "Fluentd's `<match **>` also gets Fluentd's own log, unless there is a `<label @FLUENT_LOG>`; firelane's never gets firelane's. Both give it to that label, or to a `<match fluent.**>`",
			matchesAll},
		{"F642", "extract", "", nil},
		{"F644", "concat-timeout", "", nil},
		{"F645", "concat-not-text", "", nil},
		{"F646", "head-nul", "firelane's `head` with `Split_line` emits lines without a NUL at their end; those of Fluent Bit 5.1.1 have one", within(config.KindInput, bit, "head", is("split_line", on...))},
		{"F647", "convert-kept", "firelane's `content_modifier` with `action convert` keeps what can't be converted (null; for `double` a text that isn't a number; for `boolean` a text other than `true` and `false`); Fluent Bit makes it 0.0 or `false`. firelane also converts integers beyond 32 bits; Fluent Bit keeps them as they are",
			within(config.KindFilter, bit, "content_modifier", is("converted_type", "int", "double", "boolean"))},
		{"F648", "journal-later", "", nil},
		{"F649", "textfile-lines", "", nil},
		{"F650", "stock-parsers", "firelane knows the parsers of Fluent Bit's `parsers.conf` by name without a `Parsers_File`; Fluent Bit knows none without one (or `-R` on its command line): its tail parses nothing then, and other plugins keep it from starting", stockParsers},
		{"F651", "logfmt-escapes", "", nil},
	}
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
