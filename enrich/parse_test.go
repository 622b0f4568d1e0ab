package enrich

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/record"
)

// envWith has one [PARSER], called json.
func envWith(o parse.Options) Env {
	env := testEnv()
	o.Name = "json"
	env.Parsers = []config.Instance{{Name: "regex", ID: "apache"}, {Name: "json", ID: "json", Options: &o}}
	return env
}

func parseOf(t testing.TB, o ParseOptions, p parse.Options) Filter {
	t.Helper()
	o.KeyName, o.Parsers = "log", []string{"json"}
	s, err := NewParse(&o, config.FluentBit, envWith(p))
	if err != nil {
		t.Fatal(err)
	}
	return s.(Filter)
}

func rubyParseOf(t testing.TB, o ParseOptions, p parse.Spec) Filter {
	t.Helper()
	if o.KeyName == "" {
		o.KeyName = "log"
	}
	o.Parse = &p
	s, err := NewParse(&o, config.Fluentd, testEnv())
	if err != nil {
		t.Fatal(err)
	}
	return s.(Filter)
}

func TestParserReplacesAFieldByWhatItSays(t *testing.T) {
	in := `{"container_id":"c","log":"{\"level\":\"info\",\"n\":9007199254740993,\"container_id\":\"x\"}","source":"stdout"}`
	for _, c := range []struct {
		name string
		step Filter
		want string
	}{
		{"alone", parseOf(t, ParseOptions{}, parse.Options{}), `{"level":"info","n":9007199254740993,"container_id":"x"}`},
		{"reserve_data", parseOf(t, ParseOptions{ReserveData: true}, parse.Options{}), `{"level":"info","n":9007199254740993,"container_id":"x","source":"stdout"}`},
		{"preserve_key", parseOf(t, ParseOptions{PreserveKey: true}, parse.Options{}),
			`{"level":"info","n":9007199254740993,"container_id":"x","log":"{\"level\":\"info\",\"n\":9007199254740993,\"container_id\":\"x\"}"}`},
		{"fluentd", rubyParseOf(t, ParseOptions{}, parse.Spec{}), `{"level":"info","n":9007199254740993,"container_id":"x"}`},
		{"fluentd, remove", rubyParseOf(t, ParseOptions{ReserveData: true, RemoveKey: true}, parse.Spec{}), `{"level":"info","n":9007199254740993,"container_id":"x","source":"stdout"}`},
		{"prefix", rubyParseOf(t, ParseOptions{ReserveData: true, RemoveKey: true, KeyPrefix: "p."}, parse.Spec{}),
			`{"p.level":"info","p.n":9007199254740993,"p.container_id":"x","container_id":"c","source":"stdout"}`},
		{"hash", rubyParseOf(t, ParseOptions{ReserveData: true, RemoveKey: true, HashField: "parsed"}, parse.Spec{}),
			`{"parsed":{"level":"info","n":9007199254740993,"container_id":"x"},"container_id":"c","source":"stdout"}`},
		{"hash in place of the key", rubyParseOf(t, ParseOptions{ReserveData: true, HashField: "log"}, parse.Spec{}),
			`{"log":{"level":"info","n":9007199254740993,"container_id":"x"},"container_id":"c","source":"stdout"}`},
	} {
		if got := apply(t, c.step, "app", in); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestParserPassesWhatIsNoJSONObject(t *testing.T) {
	fb := parseOf(t, ParseOptions{}, parse.Options{TimeFormat: "%Y"})
	fd := rubyParseOf(t, ParseOptions{HashField: "x"}, parse.Spec{})
	for _, in := range []string{
		`{"log":"plain text","a":1}`, `{"log":"{\"cut\":","a":1}`, `{"log":"[1,2]"}`, `{"log":"17"}`, `{"log":""}`,
		`{"log":17}`, `{"log":{"a":1}}`, `{"a":1}`, `{}`, `{"log":"{} trailing"}`,
	} {
		for _, step := range []Filter{fb, fd} {
			if got := apply(t, step, "app", in); got != in {
				t.Errorf("%s: got %s, want it as it was", in, got)
			}
		}
	}
}

func TestParserTakesTheTimeOutOfTheText(t *testing.T) {
	const event = 1
	fbTime := func(o parse.Options) Filter { return parseOf(t, ParseOptions{}, o) }
	for _, c := range []struct {
		name, log, want string
		step            Filter
		sec, nsec       uint32
	}{
		{"time_format", `{"a":1,"time":"2026-11-23T10:40:41.5Z","b":2}`, `{"a":1,"b":2}`, fbTime(parse.Options{TimeFormat: "%Y-%m-%dT%H:%M:%S.%L%z"}), 1795430441, 5e8},
		{"time_keep", `{"ts":"2026-11-23 10:40:41"}`, `{"ts":"2026-11-23 10:40:41"}`, fbTime(parse.Options{TimeKey: "ts", TimeKeep: true, TimeFormat: "%Y-%m-%d %H:%M:%S"}), 1795430441, 0},
		{"time_offset", `{"time":"2026-11-23 04:40:41"}`, `{}`, fbTime(parse.Options{TimeFormat: "%Y-%m-%d %H:%M:%S", TimeOffset: "-0600"}), 1795430441, 0},
		{"time_zone", `{"time":"2026-11-23 11:40:41"}`, `{}`, fbTime(parse.Options{TimeFormat: "%Y-%m-%d %H:%M:%S", TimeZone: "Europe/Berlin"}), 1795430441, 0},
		{"no time_format", `{"time":"2026-11-23T10:40:41.5Z"}`, `{"time":"2026-11-23T10:40:41.5Z"}`, fbTime(parse.Options{}), event, 2},
		{"does not fit", `{"time":"yesterday"}`, `{"time":"yesterday"}`, fbTime(parse.Options{TimeFormat: "%Y"}), event, 2},
		{"a number", `{"time":1795430441}`, `{}`, fbTime(parse.Options{TimeFormat: "%s"}), 1795430441, 0},
		{"a number with a fraction", `{"time":1795430441.123}`, `{}`, fbTime(parse.Options{TimeFormat: "%s"}), 1795430441, 123e6},
		{"a number with a fraction in the format", `{"time":1795430441.0}`, `{}`, fbTime(parse.Options{TimeFormat: "%s.%L"}), 1795430441, 0},
		{"a number that is kept", `{"time":1795430441}`, `{"time":1795430441}`, fbTime(parse.Options{TimeFormat: "%s", TimeKeep: true}), 1795430441, 0},
		{"a number of milliseconds", `{"time":1795430441000}`, `{"time":1795430441000}`, fbTime(parse.Options{TimeFormat: "%s"}), event, 2},
		{"a negative number", `{"time":-1}`, `{"time":-1}`, fbTime(parse.Options{TimeFormat: "%s"}), event, 2},
		{"a number that isn't seconds", `{"time":2026}`, `{"time":2026}`, fbTime(parse.Options{TimeFormat: "%Y"}), event, 2},
		{"fluentd, a number", `{"time":1795430441}`, `{}`, rubyParseOf(t, ParseOptions{}, parse.Spec{TimeFormat: "%s"}), 1795430441, 0},
		{"fluentd float", `{"time":1795430441.5,"a":1}`, `{"a":1}`, rubyParseOf(t, ParseOptions{}, parse.Spec{}), 1795430441, 5e8},
		{"fluentd text of a float", `{"time":"1795430441.123456789"}`, `{}`, rubyParseOf(t, ParseOptions{}, parse.Spec{}), 1795430441, 123456789},
		{"fluentd, no float", `{"time":"2026-11-23T10:40:41Z"}`, `{"time":"2026-11-23T10:40:41Z"}`, rubyParseOf(t, ParseOptions{}, parse.Spec{}), event, 2},
		{"fluentd time_format", `{"t":"2026-11-23T10:40:41Z"}`, `{"t":"2026-11-23T10:40:41Z"}`, rubyParseOf(t, ParseOptions{}, parse.Spec{TimeKey: "t", TimeFormat: "%Y-%m-%dT%H:%M:%S%z", KeepTimeKey: true}), 1795430441, 0},
		{"fluentd string", `{"time":"2026-11-23 10:40:41 +0000"}`, `{}`, rubyParseOf(t, ParseOptions{}, parse.Spec{TimeType: "string"}), 1795430441, 0},
		{"fluentd mixed", `{"time":"1795430441"}`, `{}`, rubyParseOf(t, ParseOptions{}, parse.Spec{TimeType: "mixed", TimeFormat: "%iso8601", TimeFallbacks: []string{"unixtime"}}), 1795430441, 0},
		{"fluentd reserve_time", `{"time":1795430441}`, `{}`, rubyParseOf(t, ParseOptions{ReserveTime: true}, parse.Spec{}), event, 2},
		{"fluentd timezone", `{"time":"2026-11-23 12:40:41"}`, `{}`, rubyParseOf(t, ParseOptions{}, parse.Spec{TimeFormat: "%Y-%m-%d %H:%M:%S", Timezone: "+02:00"}), 1795430441, 0},
	} {
		in := record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 1), "log"), c.log)
		ev := record.Event{Time: record.Time{Sec: event, Nsec: 2}, Body: in}
		c.step.Apply(&ev, &Scratch{})
		if got := rawJSON(ev.Body); got != c.want || ev.Time != (record.Time{Sec: c.sec, Nsec: c.nsec}) {
			t.Errorf("%s: got %s at %v, want %s at %d.%d", c.name, got, ev.Time, c.want, c.sec, c.nsec)
		}
	}
}

func TestRemovingTheTimeWorksInMapsOfEverySize(t *testing.T) {
	step := parseOf(t, ParseOptions{ReserveData: true}, parse.Options{TimeFormat: "%Y"})
	for _, n := range []int{0, 1, 14, 15, 16, 17, 65534, 65535, 65536} {
		var log strings.Builder
		log.WriteString(`{`)
		for i := range n {
			if i == n/2 {
				log.WriteString(`"time":"2026",`)
			}
			log.WriteString(`"k":1,`)
		}
		log.WriteString(`"z":1}`)
		in := record.AppendMapHeader(nil, 2)
		in = record.AppendStr(record.AppendStr(in, "log"), log.String())
		in = record.AppendStr(record.AppendStr(in, "source"), "stdout")
		ev := record.Event{Body: in}
		step.Apply(&ev, &Scratch{})
		got, _, err := record.MapHeader(ev.Body)
		if size, cerr := record.Check(ev.Body); err != nil || cerr != nil || size != len(ev.Body) || n > 0 && ev.Time.Sec == 0 {
			t.Errorf("%d fields: got the errors %v and %v and time %v, want a valid record with its time", n, err, cerr, ev.Time)
		}
		count := 0
		for f := record.FieldsOf(ev.Body); f.Next(); {
			count++
		}
		if count != got {
			t.Errorf("got %d fields, want %d, as the header says", count, got)
		}
	}
}

func TestFluentdConvertsTypes(t *testing.T) {
	step := rubyParseOf(t, ParseOptions{}, parse.Spec{Types: "i:integer,f:float,s:string,b:bool,a:array:|,t:time:%Y", NullPattern: "^-$", NullEmpty: true})
	in := `{"log":"{\"i\":\"42x\",\"f\":\"1.5\",\"s\":17,\"b\":\"Yes\",\"a\":\"1|2\",\"t\":\"x\",\"n\":\"-\",\"e\":\"\",\"z\":null}"}`
	want := `{"i":42,"f":1.5,"s":"17","b":true,"a":["1","2"],"t":null,"n":null,"e":null,"z":null}`
	if got := apply(t, step, "app", in); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	step = rubyParseOf(t, ParseOptions{}, parse.Spec{Types: `{"i":"integer"}`})
	if got := apply(t, step, "app", `{"log":"{\"i\":\"42\"}"}`); got != `{"i":42}` {
		t.Errorf("types as JSON: got %s, want a number", got)
	}
}

func TestParserNoneMakesTheTextAField(t *testing.T) {
	step := rubyParseOf(t, ParseOptions{ReserveData: true, RemoveKey: true}, parse.Spec{Type: "none"})
	if got := apply(t, step, "app", `{"log":"text","a":1}`); got != `{"message":"text","a":1}` {
		t.Errorf("got %s, want the text in the field message", got)
	}
}

func TestParserTakesTheSpellingBeforeFluentd1(t *testing.T) {
	o := &ParseOptions{KeyName: "log", ReserveData: true, OldFormat: "json", OldTimeKey: new(string), OldTimeFormat: "%Q"}
	if err := o.Check(config.Fluentd); err == nil || !strings.Contains(err.Error(), "%Q is not a conversion of strptime") {
		t.Errorf("got error %v, want one that names %%Q", err)
	}
	*o.OldTimeKey, o.OldTimeFormat = "at", "%s"
	step, err := NewParse(o, config.Fluentd, Env{})
	if err != nil {
		t.Fatal(err)
	}
	body, _ := record.AppendFromJSON(nil, []byte(`{"log":"{\"a\":1,\"at\":\"1700000000\"}","c":"d"}`))
	ev := record.Event{Tag: "app", Time: record.Time{Sec: 1}, Body: body}
	step.(Filter).Apply(&ev, new(Scratch))
	if got := string(record.AppendJSON(nil, ev.Body)); ev.Time.Sec != 1700000000 || got != `{"a":1,"log":"{\"a\":1,\"at\":\"1700000000\"}","c":"d"}` {
		t.Errorf("got time %d and %s, want 1700000000, and the time removed", ev.Time.Sec, got)
	}
}

func TestNestedFieldsAreParsedToo(t *testing.T) {
	step := rubyParseOf(t, ParseOptions{KeyName: "$.a.b", ReserveData: true, RemoveKey: true}, parse.Spec{})
	if got := apply(t, step, "app", `{"a":{"b":"{\"x\":1}","c":2},"d":3}`); got != `{"x":1,"a":{"c":2},"d":3}` {
		t.Errorf("got %s, want the nested field parsed", got)
	}
}

func TestDecodeFieldAsJSON(t *testing.T) {
	step := parseOf(t, ParseOptions{}, parse.Options{DecodeFieldAs: []config.Pair{{Key: "json", Value: "inner do_next"}}})
	if got := apply(t, step, "app", `{"log":"{\"inner\":\"{\\\"x\\\":[1]}\",\"b\":\"{\"}"}`); got != `{"inner":{"x":[1]},"b":"{"}` {
		t.Errorf("got %s, want only the JSON object decoded", got)
	}
}

func TestParserErrorsSayWhatWouldBeRight(t *testing.T) {
	for _, c := range []struct {
		d    config.Dialect
		o    ParseOptions
		p    parse.Options
		want string
	}{
		{config.FluentBit, ParseOptions{KeyName: "log", Parsers: []string{"nope"}}, parse.Options{}, `parser: parser "nope" is not defined; want a [PARSER] of that name in a parsers_file`},
		{config.FluentBit, ParseOptions{KeyName: "log", Parsers: []string{"apache"}}, parse.Options{}, `parser: parser "apache" has the format regex, which is not supported; want json, regex, ltsv or logfmt`},
		{config.FluentBit, ParseOptions{KeyName: "log"}, parse.Options{}, `parser: no parser is named; want the name of a [PARSER]`},
		{config.Fluentd, ParseOptions{KeyName: "log"}, parse.Options{}, `a section <parse> is missing; want one with an @type such as json`},
		{config.Fluentd, ParseOptions{KeyName: "log", Parse: &parse.Spec{Timezone: "Mars"}}, parse.Options{}, `timezone: "Mars" is not a zone; want +HH:MM or Area/City`},
		{config.Fluentd, ParseOptions{KeyName: "log", Parse: &parse.Spec{Types: "a:b"}}, parse.Options{}, `types: field "a": "b" is not a type; want string, integer, float, bool, time or array`},
		{config.Fluentd, ParseOptions{KeyName: "$.a[", Parse: &parse.Spec{}}, parse.Options{}, `key_name: "$.a[" can't be parsed: "[" is neither ['name'] nor [number]`},
	} {
		if _, err := NewParse(&c.o, c.d, envWith(c.p)); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	for _, o := range []parse.Options{{TimeFormat: "%Y", TimeZone: "Mars"}, {TimeFormat: "%Y", TimeOffset: "x"},
		{Format: "regex"},
		{TimeFormat: "%Y", TimeZone: "UTC", TimeOffset: "+01"}} {
		if err := o.Check(config.FluentBit); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: got error %v, want one of one line", o, err)
		}
	}
}

// As in Fluentd, with reserve_data such a record goes both to the label and on.
func TestWhatCantBeParsedGoesToTheLabelOfErrors(t *testing.T) {
	for _, c := range []struct {
		reserve, emit, label bool
		want                 []string
	}{
		{false, true, true, []string{`next {"a":1}`, `@ERROR {"log":"no"}`, `@ERROR {"x":1}`}},
		{true, true, true, []string{`next {"a":1,"log":"{\"a\":1}"}`, `@ERROR {"log":"no"}`, `next {"log":"no"}`, `@ERROR {"x":1}`, `next {"x":1}`}},
		{false, false, true, []string{`next {"a":1}`, `next {"log":"no"}`, `next {"x":1}`}},
		{false, true, false, []string{`next {"a":1}`, `next {"log":"no"}`, `next {"x":1}`}},
	} {
		env := testEnv()
		env.Errors = c.label
		made, err := NewParse(&ParseOptions{KeyName: "log", ReserveData: c.reserve, EmitInvalid: c.emit, Parse: &parse.Spec{Type: "json"}}, config.Fluentd, env)
		if err != nil {
			t.Fatal(err)
		}
		var sent []string
		out := NewOut(func(ev *record.Event, _ int) { sent = append(sent, "next "+rawJSON(ev.Body)) }, nil)
		out.OnDivert(func(ev *record.Event, label, _ string, _ int) bool {
			sent = append(sent, label+" "+rawJSON(ev.Body))
			return true
		})
		out.Scratch = new(Scratch)
		for _, js := range []string{`{"log":"{\"a\":1}"}`, `{"log":"no"}`, `{"x":1}`} {
			ev := record.Event{Tag: "t", Body: body(t, js)}
			switch s := made.(type) {
			case Filter:
				s.Apply(&ev, out.Scratch)
				out.Next(&ev)
			case Step:
				s.Apply(&ev, out)
			}
		}
		if !slices.Equal(sent, c.want) {
			t.Errorf("%+v: got %q", c, sent)
		}
	}
}

// Each field of the record once cost a scan of all parsed ones: 16,000 beside 16,000 took five seconds.
func TestManyParsedFieldsBesideManyOthersTakeNoTime(t *testing.T) {
	filter := parseOf(t, ParseOptions{ReserveData: true}, parse.Options{Format: "json"})
	for _, n := range []int{fewNames - 1, fewNames, fewNames + 1, 30_000} {
		text := []byte(`{"":0`)
		body := record.AppendMapHeader(nil, n+4)
		body = record.AppendInt(record.AppendInt(body, 1), 2) // a key that is no text stays
		for i := range n {
			text = strconv.AppendInt(append(text, `,"p`...), int64(100_000+i), 10)
			text = append(text, `":1`...)
			body = record.AppendInt(record.AppendStr(body, "q"+strconv.Itoa(100_000+i)), 1)
		}
		for _, replaced := range []string{"", "p" + strconv.Itoa(100_000+n-1)} {
			body = record.AppendInt(record.AppendStr(body, replaced), 3)
		}
		body = record.AppendStrBytes(record.AppendStr(body, "log"), append(text, '}'))
		ev := record.Event{Body: body}
		begin := time.Now()
		if !filter.Apply(&ev, new(Scratch)) {
			t.Fatal("the record was dropped")
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("%d fields took %s", n, took)
		}
		if got, _, _ := record.MapHeader(ev.Body); got != 2*n+2 {
			t.Errorf("%d fields became %d; want %d", n, got, 2*n+2)
		}
		for _, name := range []string{"", "p" + strconv.Itoa(100_000+n-1)} {
			if v, _ := record.Find(ev.Body, name); string(record.AppendJSON(nil, v)) == "3" {
				t.Errorf("%q keeps the record's value", name)
			}
		}
	}
}
