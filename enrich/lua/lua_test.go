package lua_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/enrich/lua"
	"github.com/firelane/firelane/record"
)

// filter runs a script over events of JSON and returns what it emits, as tag, time and JSON.
type filter struct {
	t    testing.TB
	step enrich.Step
	log  bytes.Buffer
	out  *enrich.Out
	got  []record.Event
}

func newFilter(t testing.TB, o lua.Options) *filter {
	t.Helper()
	f := &filter{t: t}
	var err error
	f.step, err = lua.New(&o, config.FluentBit, enrich.Env{Hostname: "host", Log: zerolog.New(&f.log), Variables: map[string]string{"STAGE": "prod"}})
	if err != nil {
		t.Fatal(err)
	}
	f.out = enrich.NewOut(func(ev *record.Event, _ int) {
		e := *ev
		e.Body = bytes.Clone(ev.Body)
		f.got = append(f.got, e)
	}, nil)
	f.out.Scratch = new(enrich.Scratch)
	return f
}

var noon = record.Time{Sec: 1795430441, Nsec: 123456789}

// apply sends a body through the filter.
func (f *filter) apply(body []byte) []record.Event {
	f.got = nil
	f.out.Reset()
	f.step.Apply(&record.Event{Tag: "app.web", Time: noon, Body: body}, f.out)
	return f.got
}

// json sends an event of JSON and returns those that are emitted, as JSON.
func (f *filter) json(js string) string {
	f.t.Helper()
	var out []string
	for _, ev := range f.apply(pack(f.t, js)) {
		out = append(out, string(record.AppendJSON(nil, ev.Body)))
	}
	return strings.Join(out, " ")
}

func pack(t testing.TB, js string) []byte {
	t.Helper()
	b, err := record.AppendFromJSON(nil, []byte(js))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCodeSaysWhatBecomesOfTheRecord(t *testing.T) {
	for name, tt := range map[string]struct{ code, in, want string }{
		"dropped":            {`return -1, 0, 0`, `{"a":1}`, ``},
		"unchanged":          {`record.a = 2 return 0, 0, record`, `{"a":1}`, `{"a":1}`},
		"changed":            {`record.a = 2 return 2, 0, record`, `{"a":1}`, `{"a":2}`},
		"with the time":      {`record.a = 2 return 1, timestamp, record`, `{"a":1}`, `{"a":2}`},
		"code is text":       {`record.a = 2 return "2", 0, record`, `{"a":1}`, `{"a":2}`},
		"nothing returned":   {`return`, `{"a":1}`, `{"a":1}`},
		"another code":       {`return 7, 0, record`, `{"a":1}`, `{"a":1}`},
		"no table":           {`return 2, 0, "x"`, `{"a":1}`, `{"a":1}`},
		"several records":    {`return 2, 0, {{a = 1}, {b = 2}}`, `{}`, `{"a":1} {"b":2}`},
		"an array field":     {`return 2, 0, record.x`, `{"x":[{"a":1},{"b":[]},{"c":{}}]}`, `{"a":1} {"b":[]} {"c":{}}`},
		"no records":         {`return 2, 0, record.x`, `{"x":[]}`, ``},
		"not all are tables": {`return 2, 0, {{a = 1}, 2}`, `{"old":1}`, `{"old":1}`},
		"arrays of arrays":   {`return 2, 0, {{1}, {2}}`, `{"old":1}`, `{"old":1}`},
		"empty table":        {`return 2, 0, {}`, `{"a":1}`, `{}`},
		"new, in its order":  {`return 2, 0, {z = 1, a = record.a, m = {1, 2}}`, `{"a":"x"}`, `{"z":1,"a":"x","m":[1,2]}`},
		"order stays":        {`record.b = nil record.new = tag record.c = "C" record.b = "again" return 2, 0, record`, `{"a":1,"b":2,"c":3}`, `{"a":1,"b":"again","c":"C","new":"app.web"}`},
		"removed":            {`record.b = nil return 2, 0, record`, `{"a":1,"b":2}`, `{"a":1}`},
		"fields by name":     {`return 2, 0, {n = record["a b"], deep = record.x.y[2].z}`, `{"a b":1,"x":{"y":[1,{"z":"deep"}]}}`, `{"n":1,"deep":"deep"}`},
		"nested changed":     {`record.x.y[1] = "new" return 2, 0, record`, `{"x":{"y":[1.0,2.0],"z":{"w":null}}}`, `{"x":{"y":["new",2.0],"z":{}}}`},
		"environment":        {`return 2, 0, {s = FLB_ENV.STAGE, h = FLB_ENV["HOSTNAME"]}`, `{}`, `{"s":"prod","h":"host"}`},
		"counts":             {`n = (n or 0) + 1 local c = 0 for k, v in pairs(record) do c = c + 1 end return 2, 0, {c = c, l = #record.x}`, `{"a":1,"b":null,"x":[1,2,3]}`, `{"c":2,"l":3}`},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFilter(t, lua.Options{Code: "function cb(tag, timestamp, record) " + tt.code + " end", Call: "cb"})
			if got := f.json(tt.in); got != tt.want {
				t.Errorf("got %s, want %s; %s", got, tt.want, f.log.String())
			}
		})
	}
}

func TestTimestamps(t *testing.T) {
	for name, tt := range map[string]struct {
		code  string
		table bool
		want  record.Time
	}{
		"kept to the nanosecond": {"return 1, timestamp, record", false, noon},
		"moved by an hour":       {"return 1, timestamp + 3600, record", false, record.Time{Sec: noon.Sec + 3600, Nsec: 123456716}},
		"whole seconds":          {"return 1, math.floor(timestamp), record", false, record.Time{Sec: noon.Sec}},
		"as text":                {`return 1, "1700000000.5", record`, false, record.Time{Sec: 1700000000, Nsec: 500000000}},
		"not used":               {"return 2, 0, record", false, noon},
		"no number":              {"return 1, nil, record", false, record.Time{}}, // as in Fluent Bit
		"negative":               {"return 1, -1, record", false, noon},
		"far too large":          {"return 1, 1e300, record", false, noon},
		"no number at all":       {"return 1, 0/0, record", false, noon},
		"table kept":             {"return 1, timestamp, record", true, noon},
		"table changed":          {"timestamp.sec = timestamp.sec + 1 timestamp.nsec = 5 return 1, timestamp, record", true, record.Time{Sec: noon.Sec + 1, Nsec: 5}},
		"table expected":         {"return 1, 5, record", true, noon},
		"nanoseconds too many":   {"timestamp.nsec = 1e9 return 1, timestamp, record", true, noon},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFilter(t, lua.Options{Code: "function cb(tag, timestamp, record) " + tt.code + " end", Call: "cb", TimeAsTable: tt.table})
			if got := f.apply(pack(t, `{"a":1}`)); len(got) != 1 || got[0].Time != tt.want {
				t.Errorf("got %v, want %v; %s", got, tt.want, f.log.String())
			}
		})
	}
}

// Values that a script doesn't change keep their bytes, also next to changed ones and in a new table. Fluent Bit changes numbers.
func TestWhatIsUntouchedStaysAsItIs(t *testing.T) {
	odd := []byte("\xdf\x00\x00\x00\x0a" + // headers longer than they need be
		"\xa1a\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00" + // 1.0
		"\xa1b\xcf\xff\xff\xff\xff\xff\xff\xff\xff" + // 2^64-1
		"\xa1c\xd3\x80\x00\x00\x00\x00\x00\x00\x01" +
		"\xa1d\xca\x3e\x80\x00\x00" + // float32
		"\xc4\x01e\xc4\x03\x00\xff\x01" + // bins
		"\xa1f\xd7\x00\x01\x02\x03\x04\x00\x00\x00\x05" + // an EventTime
		"\xa1g\xd9\x01x" +
		"\xa1h\x81\xa1n\xcf\x00\x20\x00\x00\x00\x00\x00\x01" + // 2^53+1
		"\xa1i\x92\xcb\x40\x00\x00\x00\x00\x00\x00\x00\x90" + // [2.0,[]]
		"\xa1j\xa2\xff\xfe") // not UTF-8
	for name, code := range map[string]string{
		"code 0":          "return 0, 0, 0",
		"returned":        "return 2, 0, record",
		"read":            "for k, v in pairs(record) do if type(v) == 'table' then for k2, v2 in pairs(v) do end end end return 2, 0, record",
		"set to the same": "for k, v in pairs(record) do record[k] = v end return 1, timestamp, record",
	} {
		f := newFilter(t, lua.Options{Code: "function cb(tag, timestamp, record) " + code + " end", Call: "cb"})
		want := string(odd)
		if name != "code 0" && name != "returned" { // the header is rewritten
			want = "\x8a" + string(odd[5:])
		}
		if got := f.apply(odd); len(got) != 1 || string(got[0].Body) != want {
			t.Errorf("%s: got %x, want %x; %s", name, got[0].Body, want, f.log.String())
		}
	}
	f := newFilter(t, lua.Options{Call: "cb", Code: `function cb(tag, timestamp, record)
		local new = {} for k, v in pairs(record) do new["x." .. k] = v end return 2, 0, new end`})
	if got, want := f.json(`{"big":9007199254740993,"whole":1.0,"half":0.5,"list":[1.0,[],{}]}`),
		`{"x.big":9007199254740993,"x.whole":1.0,"x.half":0.5,"x.list":[1.0,[],{}]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWhatAScriptComputesHasFluentBitsTypes(t *testing.T) {
	for name, tt := range map[string]struct {
		opts           lua.Options
		code, in, want string
	}{
		"whole is integer":         {lua.Options{}, `{a = 1.0, b = 2 / 2, c = 1.5, d = 2 ^ 60, e = -0.0, f = 2 ^ 70, g = 1 / 0}`, `{}`, `{"a":1,"b":1,"c":1.5,"d":1152921504606846976,"e":0,"f":1.1805916207174113e+21,"g":null}`},
		"of the record":            {lua.Options{}, `{a = record.a + 1, b = record.a}`, `{"a":1.0}`, `{"a":2,"b":1.0}`},
		"int keys":                 {lua.Options{IntKeys: "a b"}, `{a = 1.9, b = {a = 2.5, x = 2.5}, c = 1.5}`, `{}`, `{"a":1,"b":{"a":2,"x":2.5},"c":1.5}`},
		"int keys, untouched":      {lua.Options{IntKeys: "a"}, `record`, `{"a":1.0,"n":{"a":2.5},"b":1.0}`, `{"a":1,"n":{"a":2},"b":1.0}`},
		"int keys, big":            {lua.Options{IntKeys: "a b c"}, `{a = record.a, b = 1e300, c = 0 / 0}`, `{"a":9007199254740993}`, `{"a":9007199254740993,"b":9223372036854775807,"c":0}`},
		"empty table":              {lua.Options{}, `{a = {}, b = record.b, c = record.c}`, `{"b":[],"c":{}}`, `{"a":{},"b":[],"c":{}}`},
		"array keys":               {lua.Options{ArrayKeys: "a c"}, `{a = {}, b = {}, c = {1, 2}, d = {a = {}}}`, `{}`, `{"a":[],"b":{},"c":[1,2],"d":{"a":[]}}`},
		"emptied array":            {lua.Options{}, `(function() record.a[1] = nil return record end)()`, `{"a":[1]}`, `{"a":[]}`},
		"grown array":              {lua.Options{}, `(function() table.insert(record.a, 1, "x") return record end)()`, `{"a":[1.0,true,null]}`, `{"a":["x",1.0,true]}`},
		"names beside elements":    {lua.Options{}, `{a = {1, 2, x = 3}}`, `{}`, `{"a":[1,2]}`},
		"holes":                    {lua.Options{}, `{a = {1, nil, 3}, b = {[3] = "x"}}`, `{}`, `{"a":[1,null,3],"b":[null,null,"x"]}`},
		"map with numbers":         {lua.Options{}, `(function() record.m[1] = "one" return record end)()`, `{"m":{"a":1}}`, `{"m":{"1":"one","a":1}}`},
		"a metatable with a type":  {lua.Options{}, `{a = setmetatable({}, {type = 1}), b = setmetatable({1}, {type = 2})}`, `{}`, `{"a":[],"b":{"1":1}}`},
		"the record's metatable":   {lua.Options{}, `{a = getmetatable(record).type, b = getmetatable(record.x).type, c = setmetatable({}, getmetatable(record.x))}`, `{"x":[]}`, `{"a":2,"b":1,"c":[]}`},
		"null":                     {lua.Options{}, `{a = record.a == nil, b = record.b}`, `{"a":null,"b":[null,1]}`, `{"a":true,"b":[null,1]}`},
		"null removed":             {lua.Options{}, `(function() record.b = 1 return record end)()`, `{"a":null}`, `{"b":1}`},
		"flb_null":                 {lua.Options{FlbNull: true}, `{a = record.a, b = record.a == flb_null, c = type(flb_null), d = flb_null}`, `{"a":null}`, `{"a":null,"b":true,"c":"userdata","d":null}`},
		"flb_null kept":            {lua.Options{FlbNull: true}, `(function() record.b = 1 return record end)()`, `{"a":null,"l":[null]}`, `{"a":null,"l":[null],"b":1}`},
		"functions":                {lua.Options{}, `{f = print, g = coroutine.create(print), h = 1}`, `{}`, `{"f":null,"g":null,"h":1}`},
		"NUL and bytes":            {lua.Options{}, `{a = "x\0y", n = #record.a}`, `{"a":"\u0000é"}`, `{"a":"x\u0000y","n":3}`},
		"booleans":                 {lua.Options{}, `{a = not record.a, b = record.b}`, `{"a":true,"b":false}`, `{"a":false,"b":false}`},
		"group and metadata":       {lua.Options{Call: "cb5"}, ``, `{"a":1}`, `{"a":1,"seen":"table table"}`},
		"cached values stay right": {lua.Options{}, `(function() last = last or record.a return {a = last, b = record.a} end)()`, `{"a":"first"}`, `{"a":"first","b":"first"}`},
	} {
		t.Run(name, func(t *testing.T) {
			tt.opts.Code = "function cb5(tag, timestamp, group, metadata, record) record.seen = type(group) .. ' ' .. type(metadata) return 1, timestamp, metadata, record end"
			if tt.opts.Call == "" {
				tt.opts.Call, tt.opts.Code = "cb", "function cb(tag, timestamp, record) return 2, 0, "+tt.code+" end"
			}
			f := newFilter(t, tt.opts)
			if got := f.json(tt.in); got != tt.want {
				t.Errorf("got %s, want %s; %s", got, tt.want, f.log.String())
			}
		})
	}
}

// AWS's image contains this script; its function is called filter.
func TestDotsAreReplacedByTheBuiltInScript(t *testing.T) {
	text, _, err := new(config.Plan).ReadFile("/fluent-bit/filters/replace_dots.lua", config.Pos{})
	if err != nil {
		t.Fatal(err)
	}
	f := newFilter(t, lua.Options{Code: text, Call: "filter"})
	for in, want := range map[string]string{
		`{"kubernetes.pod_name":"web.1","a":1}`: `{"kubernetes_pod_name":"web.1","a":1}`,
		`{"app.config":{"db.host":"localhost","db.ports":[5432,1.0,9007199254740993],"e.m.p.t.y":[]},"l":[{"a.b":{}}]}`: `{"app_config":{"db_host":"localhost","db_ports":[5432,1.0,9007199254740993],"e_m_p_t_y":[]},"l":[{"a_b":{}}]}`,
		`{"_replace_dots_with":"-","a.b":{"c.d":false}}`:                                                                `{"a-b":{"c-d":false}}`,
		`{"_replace_dots_with":"%1","a.b":1}`:                                                                           `{"a%1b":1}`,
		`{}`:                                                                                                            `{}`,
	} {
		if got := f.json(in); got != want {
			t.Errorf("%s: got %s, want %s; %s", in, got, want, f.log.String())
		}
	}
	if got := f.apply([]byte("\x80")); len(got) != 1 || got[0].Time != noon {
		t.Errorf("got %v, want the time as it was", got)
	}
}

// A record that is read and set by name is not converted; the result is the same as if it were.
func TestResultIsTheSameWhetherARecordIsConverted(t *testing.T) {
	changes := []string{
		``, `record.new = 1`, `record.a = nil`, `record.a = "x" record.a = nil`, `record.a = nil record.a = 2`, `record.new = 1 record.new = nil`,
		`record.a = record.b`, `record.a = record.a`, `record.m = record.m`, `record.m.x = 1`, `record.m.inner.y = nil`, `record.l[1] = nil`, `record.l.x = 1`,
		`record.l[4] = "new"`, `local m = record.m record.m = nil record.m2 = m`, `record.whole = record.whole + 0`, `record.big = record.big`,
		`record.nothing = 1`, `record.nothing = nil`, `record.copy = record.m record.m.inner.deep = "both"`, `record[1] = "number"`, `record[""] = 1`,
		`record.a1 = 1 record.a2 = 2 record.a3 = 3 record.a4 = 4 record.a5 = 5 record.a6 = 6 record.a7 = 7 record.a8 = 8`,
		`local s = "" for _, k in ipairs({"a", "b", "m", "l", "big", "whole", "nothing", "none", "x"}) do s = s .. type(record[k]) end record.s = s`,
		`record.same = record.m == record.m`, `record.n = #record.l record.first = record.l[1]`, `setmetatable(record, nil) record.x = record.m`,
		`record = {r = record}`, `record = {record, record}`, `record = record.m`, `record = record.none or record`, `record.self = {record.m, record.m}`,
		`record.a = true record.b = false`, `record.a = flb_null`, `record.l = {} record.m = {}`, `rawset(record, "a", 5) record.b = rawget(record, "a")`,
	}
	bodies := []string{
		`{"a":1,"b":"text","m":{"inner":{"y":[1.0]},"k":null},"l":[1.0,"two",null,{}],"big":9007199254740993,"whole":2.0,"nothing":null}`,
		`{"a":1,"m":{},"l":[],"a1":"old"}`,
		`{"f0":0,"f1":1,"f2":2,"f3":3,"f4":4,"f5":5,"f6":6,"f7":7,"f8":8,"f9":9,"a":"10","b":11,"m":{"inner":{}},"l":[{}]}`,
		`{"f0":0,"f1":1,"f2":2,"f3":3,"f4":4,"f5":5,"f6":6,"f7":7,"f8":8,"f9":9,"fa":"10","a":11,"m":{"inner":{}},"l":[{}],"z":1,"zz":2}`,
	}
	for _, null := range []bool{false, true} {
		for _, ints := range []string{"", "whole a"} {
			for _, change := range changes {
				code := func(first string) string {
					return "function cb(tag, timestamp, record) " + first + " " + change + " return 2, 0, record end"
				}
				lazy := newFilter(t, lua.Options{Code: code(""), Call: "cb", FlbNull: null, IntKeys: ints})
				eager := newFilter(t, lua.Options{Code: code("local function walk(t) for k, v in pairs(t) do if type(v) == 'table' then walk(v) end end end walk(record)"), Call: "cb", FlbNull: null, IntKeys: ints})
				for _, body := range bodies {
					if got, want := canonical(t, lazy.json(body)), canonical(t, eager.json(body)); got != want {
						t.Errorf("%s, flb_null %v, ints %q:\ngot  %s\nwant %s\n%s", change, null, ints, got, want, eager.log.String())
					}
				}
			}
		}
	}
}

// canonical sorts the names in JSON objects: if an array element is among the new
// members, their order depends on whether the record was converted.
func canonical(t *testing.T, text string) string {
	t.Helper()
	var out []string
	for d := json.NewDecoder(strings.NewReader(text)); ; {
		d.UseNumber()
		var v any
		if err := d.Decode(&v); errors.Is(err, io.EOF) {
			return strings.Join(out, " ")
		} else if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
}
