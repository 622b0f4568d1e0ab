package enrich

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

func transformerOf(t testing.TB, o TransformerOptions) Filter {
	t.Helper()
	o.AutoTypecast = true
	s, err := NewTransformer(&o, config.Fluentd, testEnv())
	if err != nil {
		t.Fatal(err)
	}
	return s.(Filter)
}

func set(kv ...string) TransformerOptions { return TransformerOptions{Record: pairs(kv...)} }

func TestPlaceholdersStandForWhatTheyStandForInFluentd(t *testing.T) {
	const in = `{"a":{"b":[1,"x"]},"n":1.5,"s":"text","nil":null}`
	for value, want := range map[string]string{
		`plain`:                             `"plain"`,
		``:                                  `""`,
		`${tag}`:                            `"web.app.log"`,
		`${tag_parts[0]}`:                   `"web"`,
		`${tag_parts[-1]}`:                  `"log"`,
		`${tag_parts[3]}`:                   `null`,
		`${tag_prefix[1]}`:                  `"web.app"`,
		`${tag_prefix[-1]}`:                 `"web.app.log"`,
		`${tag_suffix[1]}`:                  `"app.log"`,
		`${tag_suffix[-2]}`:                 `"app.log"`,
		`${hostname}`:                       `"ip-10-0-0-1"`,
		`${record["n"]}`:                    `1.5`,
		`${record['s']}`:                    `"text"`,
		`${record["a"]["b"]}`:               `[1,"x"]`,
		`${record["a"]["b"][1]}`:            `"x"`,
		`${record.dig("a", "b", 0)}`:        `1`,
		`${record["missing"]}`:              `null`,
		`n=${record["n"]} ${tag}!`:          `"n=1.5 web.app.log!"`,
		`[${record["missing"]}]`:            `"[]"`,
		`<${record["nil"]}>`:                `"<>"`,
		`a${record["a"]}`:                   `"a{\"b\":[1,\"x\"]}"`,
		`{"k":"${tag}","l":[1,2.5,"y"]}`:    `{"k":"web.app.log","l":[1,2.5,"y"]}`,
		`{"k":1}`:                           `{"k":1}`,
		`[true,null]`:                       `[true,null]`,
		`{not json`:                         `"{not json"`,
		`${hostname}-x`:                     `"ip-10-0-0-1-x"`,
		`$5 {x}`:                            `"$5 {x}"`,
		strings.Repeat("x", 300) + `${tag}`: `"` + strings.Repeat("x", 300) + `web.app.log"`,
	} {
		o := TransformerOptions{Record: []config.Pair{{Key: "out", Value: value}}, RenewRecord: true}
		if got := apply(t, transformerOf(t, o), "web.app.log", in); got != `{"out":`+want+`}` {
			t.Errorf("%s: got %s, want %s", value, got, want)
		}
	}
}

func TestWithoutTypecastEverythingIsText(t *testing.T) {
	s, err := NewTransformer(&TransformerOptions{Record: pairs(`a ${record["n"]}`, `b ${record["x"]}`)}, config.Fluentd, testEnv())
	if err != nil {
		t.Fatal(err)
	}
	if got := apply(t, s.(Filter), "app", `{"n":1}`); got != `{"n":1,"a":"1","b":""}` {
		t.Errorf("got %s, want every value as text", got)
	}
}

func TestRecordTransformerRemovesKeepsAndRenews(t *testing.T) {
	for _, c := range []struct {
		name     string
		o        TransformerOptions
		in, want string
	}{
		{"set", set("env prod", "a ${tag}"), `{"a":1,"env":"x","b":2}`, `{"b":2,"env":"prod","a":"app"}`},
		{"old value", set(`a ${record["b"]}`, `b ${record["a"]}`), `{"a":1,"b":2}`, `{"a":2,"b":1}`},
		{"remove", TransformerOptions{RemoveKeys: []string{"a", "$.b.c", "$['b']['d'][0]", "zz"}}, `{"a":1,"b":{"c":1,"d":[1,2],"e":3}}`, `{"b":{"d":[2],"e":3}}`},
		{"remove what was set", TransformerOptions{Record: pairs("x 1"), RemoveKeys: []string{"x"}}, `{"a":1}`, `{"a":1}`},
		{"renew", TransformerOptions{Record: pairs("x 1"), RenewRecord: true}, `{"a":1}`, `{"x":"1"}`},
		{"keep", TransformerOptions{Record: pairs("x 1"), RenewRecord: true, KeepKeys: []string{"a", "x"}}, `{"a":1,"b":2,"x":3}`, `{"a":1,"x":"1"}`},
		{"twice", set("a 1", "a 2"), `{}`, `{"a":"2"}`},
	} {
		if got := apply(t, transformerOf(t, c.o), "app", c.in); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestRenewTimeKeySetsTheTime(t *testing.T) {
	step := transformerOf(t, TransformerOptions{RenewTimeKey: "t", RemoveKeys: []string{"t"}})
	for in, want := range map[string]record.Time{
		`{"t":1795430441}`:             {Sec: 1795430441},
		`{"t":1795430441.5}`:           {Sec: 1795430441, Nsec: 5e8},
		`{"t":"1795430441.123456789"}`: {Sec: 1795430441, Nsec: 123456789},
		`{"t":"yesterday"}`:            {Sec: 1},
		`{"t":-5}`:                     {Sec: 1},
		`{}`:                           {Sec: 1},
	} {
		ev := record.Event{Time: record.Time{Sec: 1}, Body: body(t, in)}
		step.Apply(&ev, &Scratch{})
		if ev.Time != want || rawJSON(ev.Body) != "{}" {
			t.Errorf("%s: got %v and %s, want %v and no field", in, ev.Time, rawJSON(ev.Body), want)
		}
	}
}

func TestTheFieldsOfECSAreConstants(t *testing.T) {
	if _, ok := transformerOf(t, TransformerOptions{Record: ecsFields}).(*constants); !ok {
		t.Error("got the fields of ECS as a general step, want constants")
	}
	if _, ok := transformerOf(t, set("host ${hostname}")).(*constants); !ok {
		t.Error("got the host's name as a general step, want constants")
	}
}

func TestRubyIsAnErrorThatQuotesTheExpression(t *testing.T) {
	for _, value := range []string{
		`${record["log"].strip}`, `${Time.now}`, `${tag_parts}`, `${tag_parts[x]}`, `${record}`, `${record[0]}`,
		`${time.strftime('%Y')}`, `${record["a"] || "b"}`, `x ${ {"a"=>1} } y`, `{"a":"${foo}"}`,
	} {
		_, err := NewTransformer(&TransformerOptions{Record: []config.Pair{{Key: "k", Value: value}}}, config.Fluentd, testEnv())
		if err == nil || !strings.Contains(err.Error(), "k: ${") || !strings.Contains(err.Error(), "supported") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got error %v, want one line that says what is supported", value, err)
		}
	}
	for want, o := range map[string]TransformerOptions{
		"keep_keys: has no effect alone; want renew_record true, too":               {KeepKeys: []string{"a"}},
		`k: "${tag" has no closing }`:                                               set("k ${tag"),
		`remove_keys: "$.a[" can't be parsed: "[" is neither ['name'] nor [number]`: {RemoveKeys: []string{"$.a["}},
		`<record>: placeholders in a field's name are not supported: "${tag}"`:      set("${tag} x"),
	} {
		if _, err := NewTransformer(&o, config.Fluentd, testEnv()); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestFieldsThatRepeatALargeOneAreBounded(t *testing.T) {
	o := &TransformerOptions{}
	for i := range 50 {
		o.Record = append(o.Record, config.Pair{Key: fmt.Sprint("f", i), Value: `${record["log"]}`})
	}
	f, err := NewTransformer(o, config.Fluentd, Env{})
	if err != nil {
		t.Fatal(err)
	}
	body := record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 1), "log"), strings.Repeat("x", 3<<20))
	ev := record.Event{Body: body}
	var s Scratch
	if !f.(Filter).Apply(&ev, &s) || len(ev.Body) > record.MaxJSON+4<<20 {
		t.Errorf("got %d bytes, want at most one field more than %d", len(ev.Body), record.MaxJSON)
	}
	if n, err := record.Check(ev.Body); err != nil || n != len(ev.Body) {
		t.Errorf("got %d of %d bytes and error %v, want a whole record", n, len(ev.Body), err)
	}
}

func TestWithEnableRubyAPlaceholderIsAnExpression(t *testing.T) {
	const in = `{"a":{"b":[1,"x"],"secret":1},"n":1.5,"s":"text","log":"ERROR  disk full "}`
	for value, want := range map[string]string{
		`${record["log"].strip.split(" ", 2).first}`:     `"ERROR"`,
		`${record["n"] * 2}`:                             `3.0`,
		`n=${record["n"] * 2}`:                           `"n=3.0"`,
		`${record["a"]}`:                                 `{"b":[1,"x"],"secret":1}`,
		`${record["a"].reject { |k, v| k == "secret" }}`: `{"b":[1,"x"]}`,
		`${tag_parts[-1].upcase}`:                        `"LOG"`,
		`a\tb`:                                           `"a\tb"`,
		`plain`:                                          `"plain"`,
		`#{tag}`:                                         `"web.app.log"`,
		`${1 + 1}`:                                       `2`,
		`${nil}`:                                         `null`,
		`{"k":"${record[\"s\"].upcase}","l":["${1 + 1}",2.5]}`:      `{"k":"TEXT","l":[2,2.5]}`,
		`${time.utc.strftime("%Y-%m-%dT%H:%M:%S.%NZ")}`:             `"1970-01-01T00:00:01.000000002Z"`,
		`${Time.parse("2026-11-26T10:20:30Z").to_i}`:                `1795688430`,
		`${Time.strptime("26/Nov/2026 +0000", "%d/%b/%Y %z").to_i}`: `1795651200`,
	} {
		o := TransformerOptions{Record: []config.Pair{{Key: "out", Value: value}}, RenewRecord: true, EnableRuby: true}
		if got := apply(t, transformerOf(t, o), "web.app.log", in); got != `{"out":`+want+`}` {
			t.Errorf("%s: got %s, want %s", value, got, want)
		}
	}
}

func TestExpressionsSeeTheOldRecordAndMayDeleteInsideOfItsFields(t *testing.T) {
	o := set(`a ${record["b"].upcase}`, `b ${record["a"].delete("x")}`, `c ${record.delete("d")}`)
	o.EnableRuby, o.RemoveKeys = true, []string{"zz"}
	got := apply(t, transformerOf(t, o), "app", `{"a":{"x":1,"y":2},"b":"b","d":3,"e":{"f":1}}`)
	if got != `{"d":3,"e":{"f":1},"a":"B","b":1,"c":3}` {
		t.Errorf("got %s", got)
	}
	o = set(`gone ${record["e"].delete("f")}`)
	o.EnableRuby = true
	if got := apply(t, transformerOf(t, o), "app", `{"e":{"f":1,"g":2}}`); got != `{"e":{"g":2},"gone":1}` {
		t.Errorf("got %s, want no f in e: Ruby's record and the new one share it", got)
	}
}

func TestARecordOfWhichAnExpressionFailsGoesOnUnchanged(t *testing.T) {
	const in = `{"log":"x","deep":` + "\"1\"" + `}`
	for _, value := range []string{
		`${record["missing"].downcase}`, `${1 / 0}`, `x ${record["missing"]["inner"]}`, `${record["log"] * 100000000}`, `${Integer(record["log"])}`,
	} {
		o := set("other 1")
		o.Record = append(o.Record, config.Pair{Key: "f", Value: value})
		o.EnableRuby, o.RemoveKeys = true, []string{"log"}
		if got := apply(t, transformerOf(t, o), "app", in); got != in {
			t.Errorf("%s: got %s, want the record as it was", value, got)
		}
	}
}

// With a label @ERROR such a record goes there, as in Fluentd.
func TestARecordOfWhichAnExpressionFailsIsDivertedToTheLabelOfErrors(t *testing.T) {
	o := set(`f ${record["a"].upcase}`)
	o.EnableRuby = true
	env := testEnv()
	env.Errors = true
	made, err := NewTransformer(&o, config.Fluentd, env)
	if err != nil {
		t.Fatal(err)
	}
	var sent []string
	out := NewOut(func(ev *record.Event, _ int) { sent = append(sent, "next "+rawJSON(ev.Body)) }, nil)
	out.Scratch = new(Scratch)
	in := []string{`{"a":"x"}`, `{"b":"y"}`}
	for _, taken := range []bool{true, false} {
		out.OnDivert(func(ev *record.Event, label, _ string, _ int) bool {
			if taken {
				sent = append(sent, label+" "+rawJSON(ev.Body))
			}
			return taken
		})
		for _, js := range in {
			made.(Step).Apply(&record.Event{Tag: "t", Body: body(t, js)}, out)
		}
	}
	want := []string{`next {"a":"x","f":"X"}`, `@ERROR {"b":"y"}`, `next {"a":"x","f":"X"}`, `next {"b":"y"}`}
	if !slices.Equal(sent, want) {
		t.Errorf("got %q, want %q", sent, want)
	}
}

func TestUnsupportedRubyIsAnErrorThatNamesTheWord(t *testing.T) {
	for value, want := range map[string]string{
		`${record["log"].frobnicate}`:     `"frobnicate" is not supported`,
		"${`id`}":                         "is not supported",
		`x ${File.read("/etc/passwd")} y`: `"File" is not supported`,
		`${record["log"]`:                 `"}" is missing`,
		`{"a":"${foo}"}`:                  `"foo" is not supported`,
	} {
		o := TransformerOptions{Record: []config.Pair{{Key: "k", Value: value}}, EnableRuby: true}
		_, err := NewTransformer(&o, config.Fluentd, testEnv())
		if err == nil || !strings.HasPrefix(err.Error(), "k: ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got error %v, want one line with %s", value, err, want)
		}
	}
	_, err := NewTransformer(&TransformerOptions{Record: pairs(`k ${record["log"].strip}`)}, config.Fluentd, testEnv())
	if err == nil || !strings.Contains(err.Error(), "enable_ruby true") {
		t.Errorf("got error %v, want it to say that enable_ruby allows the expression", err)
	}
}
