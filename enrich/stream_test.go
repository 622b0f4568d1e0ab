package enrich

import (
	"fmt"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

// emitted runs a task on a record, and returns what it makes of it, "" for nothing: the record itself must go on.
func emitted(t *testing.T, exec, in string) (out string) {
	t.Helper()
	o := &StreamOptions{Exec: exec}
	if err := o.Check(config.FluentBit); err != nil {
		t.Errorf("%s: %v", exec, err)
		return ""
	}
	task, err := NewStreamTask(o, config.FluentBit, Env{})
	if err != nil {
		t.Fatal(err)
	}
	passed := ""
	o2 := NewOut(func(ev *record.Event, _ int) { passed += string(record.AppendJSON(nil, ev.Body)) },
		func(ev *record.Event, tag string, _ int) { out += tag + " " + string(record.AppendJSON(nil, ev.Body)) })
	o2.Scratch = &Scratch{}
	task.Apply(&record.Event{Tag: "app.0", Time: record.Time{Sec: 1795718358, Nsec: 500e6}, Body: body(t, in)}, o2)
	if passed != in {
		t.Errorf("%s: got %s passed, want %s", exec, passed, in)
	}
	return out
}

// What holds was observed with Fluent Bit 5.1.1.
func TestAStreamsConditionHoldsAsInFluentBit(t *testing.T) {
	const info = `{"level":"info","n":1,"z":null,"b":true,"s":"5","sub":{"x":{"y":5}},"f":-1.5,"x":"5x","e":[1]}`
	const warn = `{"level":"warn","n":2.5,"nope":"yes"}`
	for where, want := range map[string][2]bool{
		"n > 0 AND NOT level = 'warn'":     {true, false},
		"NOT (level = 'warn')":             {true, false},
		"level = 'info' OR level = 'warn'": {true, true},
		"n = 1":                            {true, false},
		"n = 1.0":                          {true, false},
		"n >= 2":                           {false, true},
		"n < 3":                            {true, true},
		"n <> 1":                           {false, true},
		"nope = 'yes'":                     {false, true},
		"nope != 'yes'":                    {true, false},
		"nope IS NULL":                     {false, false},
		"z IS NULL":                        {true, false},
		"z IS NOT NULL":                    {false, true},
		"nope IS NOT NULL":                 {true, true},
		"@record.contains(nope)":           {false, true},
		"@RECORD.CONTAINS(sub['x'])":       {true, false},
		"@record.time() > 1795718358":      {true, true},
		"b = true":                         {true, false},
		"b = 'true'":                       {false, false},
		"b":                                {true, false},
		"n":                                {true, true},
		"f":                                {false, false},
		"s = 5":                            {true, false},
		"s = '5'":                          {true, false},
		"x = 5":                            {true, false},
		"s > '40'":                         {true, false},
		"n = '1'":                          {false, false},
		"sub['x']['y'] = 5":                {true, false},
		"sub['x'] = 5":                     {false, false},
		"n > 0 AND level = 'info' OR nope = 'no'":      {true, false},
		"level = 'warn' OR level = 'info' AND n > 5":   {false, true},
		"n > 5 AND level = 'x' OR level = 'info'":      {false, false},
		"(n > 5 AND level = 'x') OR level = 'info'":    {true, false},
		"NOT level = 'x' OR level = 'info'":            {false, true},
		"LEVEL = 'info'":                               {false, false},
		"level='info' and n=1":                         {true, false},
		"z = 'q'":                                      {false, false},
		"z != 'q'":                                     {true, true},
		"n > -1":                                       {true, true},
		"level = 'it''s'":                              {false, false},
		"e IS NULL":                                    {false, false},
		"n = 1 AND (level = 'info') AND NOT (b=false)": {true, false},
	} {
		for i, in := range []string{info, warn} {
			got := emitted(t, "CREATE STREAM s WITH (tag='new') AS SELECT level FROM TAG:'app.*' WHERE "+where+";", in)
			if (got != "") != want[i] {
				t.Errorf("%s: got %q of %s, want it to hold: %t", where, got, in, want[i])
			}
		}
	}
}

func TestAStreamHasTheKeysThatAreSelected(t *testing.T) {
	const in = `{"level":"info","n":1,"sub":{"x":{"y":5}},"a.b":"c"}`
	for selected, want := range map[string]string{
		"*":                                  in,
		"level, nope":                        `{"level":"info"}`,
		"nope":                               ``,
		"sub['x']['y']":                      `{"sub['x']['y']":5}`,
		"sub['x']['y'] AS xy, level as l":    `{"xy":5,"l":"info"}`,
		"sub [ 'x' ]":                        `{"sub [ 'x' ]":{"y":5}}`,
		"level, level":                       `{"level":"info"}`,
		"*, level":                           `{"n":1,"sub":{"x":{"y":5}},"a.b":"c","level":"info"}`,
		"a.b":                                `{"a.b":"c"}`,
		"RECORD_TAG(), record_tag() AS t, n": `{"RECORD_TAG()":"app.0","t":"app.0","n":1}`,
		"nope, RECORD_TIME() AS at":          `{"at":1795718358.5}`,
		"level AS RECORD_TAG, n AS level":    `{"RECORD_TAG":"info","level":1}`,
		"RECORD_TAG AS x, level, n AS now":   `{"level":"info","now":1}`,
	} {
		if want != "" {
			want = "s " + want
		}
		if got := emitted(t, "CREATE STREAM s AS SELECT "+selected+" FROM TAG:'app.*';", in); got != want {
			t.Errorf("%s: got %s, want %s", selected, got, want)
		}
	}
	for _, selected := range []string{"NOW() AS x", "UNIX_TIMESTAMP() AS x"} {
		if got := emitted(t, "CREATE STREAM s AS SELECT "+selected+" FROM TAG:'app.*';", in); !strings.HasPrefix(got, `s {"x":`) {
			t.Errorf("%s: got %s, want a time", selected, got)
		}
	}
}

func TestAQueryThatIsTooLargeIsRefused(t *testing.T) {
	query := func(selected, where string) string {
		return "CREATE STREAM s AS SELECT " + selected + " FROM TAG:'*' WHERE " + where + ";"
	}
	var keys []string
	for n := range maxStreamKeys + 1 {
		keys = append(keys, fmt.Sprint("k", n))
	}
	for name, q := range map[string]string{
		"longer than 16 KiB":        query("*", strings.Repeat(" ", maxStreamQuery)),
		"more than 500 terms":       query("*", strings.Repeat("NOT ", maxStreamTerms)+"a"),
		"more than 500 terms ":      query("*", strings.Repeat("(", maxStreamTerms+1)),
		"selects more than 64 keys": query(strings.Join(keys, ","), "a"),
		"1 to 255 bytes":            "CREATE STREAM s WITH (tag='" + strings.Repeat("t", 256) + "') AS SELECT * FROM TAG:'*';",
		"longer than 255 bytes":     "CREATE STREAM " + strings.Repeat("t", 256) + " AS SELECT * FROM TAG:'*';",
		"more than 64 names":        query("a"+strings.Repeat("['x']", maxStreamKeys), "a"),
	} {
		if _, err := parseStream(q); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(name)) {
			t.Errorf("got %v, want: %s", err, name)
		}
	}
}

func TestAStreamAllocatesNothing(t *testing.T) {
	task, err := NewStreamTask(&StreamOptions{Exec: "CREATE STREAM s AS SELECT *, n AS m FROM TAG:'*' WHERE level = 'info' AND s > 4;"}, config.FluentBit, Env{})
	if err != nil {
		t.Fatal(err)
	}
	ev := record.Event{Tag: "app", Body: body(t, `{"level":"info","s":"12345","n":1}`)}
	out := NewOut(func(*record.Event, int) {}, func(*record.Event, string, int) {})
	out.Scratch = &Scratch{}
	if n := testing.AllocsPerRun(100, func() {
		out.Reset()
		task.Apply(&ev, out)
	}); n > 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

func FuzzStreamQuery(f *testing.F) {
	f.Add("CREATE STREAM s WITH (tag='a''b', storage.type='x') AS SELECT *, a['b'] AS c, NOW() FROM TAG:'app*' WHERE NOT (a = -1.5) AND @record.contains(a['b']) OR b IS NOT NULL LIMIT 5;")
	f.Add("create stream s as select count(*) from stream:in.0;")
	f.Add("CREATE STREAM s AS SELECT * FROM TAG:'a' WHERE true")
	b := body(f, `{"a":{"b":[1]},"b":null,"c":"1e400"}`)
	f.Fuzz(func(t *testing.T, query string) {
		task, err := NewStreamTask(&StreamOptions{Exec: query}, config.FluentBit, Env{})
		if err != nil {
			return
		}
		out := NewOut(func(*record.Event, int) {}, func(ev *record.Event, _ string, _ int) {
			if n, err := record.Check(ev.Body); err != nil || n != len(ev.Body) || record.KindOf(ev.Body[0]) != record.KindMap {
				t.Errorf("%s: got %x and error %v, want a valid map", query, ev.Body, err)
			}
		})
		out.Scratch = &Scratch{}
		task.Apply(&record.Event{Tag: "a", Body: b}, out)
	})
}
