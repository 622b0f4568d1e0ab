package lua_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/enrich/lua"
	"github.com/firelane/firelane/enrich/lua/vm"
	"github.com/firelane/firelane/enrich/steptest"
	"github.com/firelane/firelane/record"
)

func TestContract(t *testing.T) {
	for name, code := range map[string]string{
		"keeps":    `return 0, 0, 0`,
		"drops":    `return -1, 0, 0`,
		"changes":  `record.tag = tag record.log = 1 return 1, timestamp, record`,
		"rewrites": `local new = {} for k, v in pairs(record) do new[tostring(k) .. ".x"] = v end return 2, 0, new`,
		"splits":   `return 2, 0, {record, {n = 2, nested = {record}}, {}}`,
		"walks": `local function walk(t) for k, v in pairs(t) do if type(v) == "table" then walk(v) elseif type(v) == "string" then t[k] = v .. "!" end end end
			walk(record) return 2, 0, record`,
		"fails":              `if type(record.log) == "string" then error("no") end return record.log.log.log`,
		"keeps what it sees": `all = all or {} all[#all % 10 + 1] = record; all.log = record.log return 2, 0, all[1]`,
	} {
		t.Run(name, func(t *testing.T) {
			steptest.Run(t, func() enrich.Stage {
				s, err := lua.New(&lua.Options{Code: "function cb(tag, timestamp, record) " + code + " end", Call: "cb"}, config.FluentBit, enrich.Env{Log: zerolog.Nop()})
				if err != nil {
					t.Fatal(err)
				}
				return s
			})
		})
	}
}

// If the script fails, the record passes unchanged, and one log line says why.
func TestRecordGoesOnUnchangedIfTheScriptFails(t *testing.T) {
	for code, want := range map[string]string{
		`record.a = 2 error("text")`:                "fluentbit.lua:1: text",
		`record.a = 2 error({})`:                    "error with a table",
		`record.a = 2 error()`:                      "error with a nil",
		`record.a = 2 return record.x.y`:            "attempt to index field 'x' (a nil value)",
		`record.a = 2 while true do end`:            "it takes too",
		`record.a = ("x"):rep(1e9) return 2`:        string(vm.LimitString),
		`local t = {} while true do t = {t} end`:    string(vm.LimitMemory),
		`local function f() return 1 + f() end f()`: "stack overflow",
		`os.exit()`: "os.exit is not available",
		`record.self = record return 2, 0, record`:                                                 "contains itself",
		`local t = {} for i = 1, 200 do t = {t} end return 2, 0, {t = t}`:                          "nested more than 100",
		`local t = {} for i = 1, 30 do t = {t, t} end return 2, 0, {t = t}`:                        "more than 4 MiB",
		`return 2, 0, {a = {[2 ^ 31] = 1}}`:                                                        "more than 4 MiB",
		`local s = ("x"):rep(1e6) local t = {} for i = 1, 10 do t[i] = s end return 2, 0, {t = t}`: "more than 4 MiB",
		`local s = ("x"):rep(1e6) local t = {} for i = 1, 10 do t[i] = {s = s} end return 2, 0, t`: "more than 4 MiB",
		`local t = {} for i = 1, 10001 do t[i] = {} end return 2, 0, t`:                            "10001 records",
		`return 2, 0, {{}, 1}`: "aren't all tables",
		`return 2`:             "returned a nil as the record",
		`return 0 / 0`:         "the code",
		`return setmetatable({}, {__index = error})`:                                                   "",
		`setmetatable(record, {__index = function() error("x") end}) return 2, 0, {a = 1, b = record}`: "?",
	} {
		f := newFilter(t, lua.Options{Code: "function cb(tag, timestamp, record) " + code + " end", Call: "cb"})
		got := f.json(`{"a":1}`)
		if want == "?" { // it works
			if got != `{"a":1,"b":{"a":1}}` {
				t.Errorf("%s: got %s", code, got)
			}
			continue
		}
		if lines := strings.Count(f.log.String(), "\n"); got != `{"a":1}` || !strings.Contains(f.log.String(), want) || lines == 0 && want != "" {
			t.Errorf("%s: got %.200s and the log %q, want %q", code, got, f.log.String(), want)
		}
	}
}

func TestScriptThatCannotWorkIsAnErrorAtTheStart(t *testing.T) {
	files := func(name string) (string, string, error) {
		if name != "good.lua" && name != "bad.lua" {
			return "", "", errors.New(name + " does not exist")
		}
		return map[string]string{"good.lua": "function cb() return 0 end", "bad.lua": "function cb()\n  x = = 1\nend"}[name], "/etc/" + name, nil
	}
	for want, o := range map[string]lua.Options{
		"":                                   {Script: "good.lua", Call: "cb"},
		"script: is missing":                 {Call: "cb"},
		"script: missing.lua does not exist": {Script: "missing.lua", Call: "cb"},
		"doesn't compile: /etc/bad.lua:2: unexpected symbol":          {Script: "bad.lua", Call: "cb"},
		"call: the script /etc/good.lua has no global function other": {Script: "good.lua", Call: "other"},
		"loaded: fluentbit.lua:1: at once":                            {Code: `error("at once")`, Call: "cb"},
		"when it was loaded: it takes too":                            {Code: `while true do end`, Call: "cb"},
		"call: cb has 7 parameters":                                   {Code: `function cb(a, b, c, d, e, f, g) end`, Call: "cb"},
	} {
		_, err := lua.New(&o, config.FluentBit, enrich.Env{Log: zerolog.Nop(), ReadFile: files})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%+v: got %v, want %q", o, err, want)
		}
	}
}

// A script that never returns must not delay every record by its time limit.
func TestScriptThatExceedsItsLimitsIsLeftOutForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFilter(t, lua.Options{Call: "cb", Code: `calls = 0
			function cb(tag, timestamp, record) calls = calls + 1 if record.stop then return 2, 0, {calls = calls} end while true do end end`})
		for range 5 {
			if got := f.json(`{"a":1}`); got != `{"a":1}` {
				t.Fatal(got)
			}
		}
		if got := f.json(`{"stop":1}`); got != `{"stop":1}` {
			t.Errorf("got %s, want the record as it was", got)
		}
		if n := strings.Count(f.log.String(), "was stopped"); n != 3 || !strings.Contains(f.log.String(), "in a row: it is paused") {
			t.Errorf("%d calls were stopped, want 3:\n%s", n, f.log.String())
		}
		time.Sleep(11 * time.Second)
		if got := f.json(`{"stop":1}`); got != `{"calls":4}` {
			t.Errorf("got %s, want the script to be called again", got)
		}
	})
}

// A script whose variables grow without limit loses them, and is called again.
func TestScriptThatKeepsTooMuchBeginsAnew(t *testing.T) {
	share := budget.New(20 << 20).Share(0)
	var log strings.Builder
	s, err := lua.New(&lua.Options{Call: "cb", Code: `all = {} function cb(tag, timestamp, record) all[#all + 1] = record.text .. #all return 2, 0, {n = #all} end`},
		config.FluentBit, enrich.Env{Log: zerolog.New(&log), Share: share})
	if err != nil {
		t.Fatal(err)
	}
	body := pack(t, `{"text":"`+strings.Repeat("x", 100_000)+`"}`)
	out := enrich.NewOut(func(*record.Event, int) {}, nil)
	out.Scratch = new(enrich.Scratch)
	most := 0
	for range 300 {
		out.Reset()
		s.Apply(&record.Event{Tag: "a", Body: body}, out)
		most = max(most, share.Held())
	}
	if n := strings.Count(log.String(), "was restarted"); n < 2 || n > 5 {
		t.Errorf("it was restarted %d times, want about 300 × 100 kB / %d: %s", n, vm.MaxMemory, log.String())
	}
	if most < vm.MaxMemory/4 || most > vm.MaxMemory {
		t.Errorf("at most %d bytes were charged to the budget", most)
	}
}

// A script gets less memory if the rest of the budget is taken.
func TestMemoryOfAScriptIsLimitedByTheBudget(t *testing.T) {
	b := budget.New(4 << 20)
	b.Share(0).Add(3 << 20)
	var log strings.Builder
	s, err := lua.New(&lua.Options{Call: "cb", Code: `function cb(tag, timestamp, record) local t = {} for i = 1, 60 do t[i] = ("x"):rep(1e5) .. i end return -1 end`},
		config.FluentBit, enrich.Env{Log: zerolog.New(&log), Share: b.Share(0)})
	if err != nil {
		t.Fatal(err)
	}
	out := enrich.NewOut(func(*record.Event, int) {}, nil)
	out.Scratch = new(enrich.Scratch)
	s.Apply(&record.Event{Body: []byte{0x80}}, out)
	if !strings.Contains(log.String(), string(vm.LimitMemory)) {
		t.Errorf("6 MB were kept with 1 MiB left: %s", log.String())
	}
}

// All connections share the script's global variables, as in Fluent Bit.
func TestConnectionsShareOneState(t *testing.T) {
	const connections, records = 8, 200
	s, err := lua.New(&lua.Options{Call: "cb", Code: `n = 0 function cb(tag, timestamp, record) n = n + 1 return 2, 0, {n = n, tag = tag, own = record.own} end`},
		config.FluentBit, enrich.Env{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	seen := map[string]bool{}
	var wg sync.WaitGroup
	for c := range connections {
		body := pack(t, fmt.Sprintf(`{"own":%d}`, c))
		wg.Go(func() {
			out := enrich.NewOut(func(ev *record.Event, _ int) {
				n, _ := record.Find(ev.Body, "n")
				tag, _ := record.Find(ev.Body, "tag")
				own, _ := record.Find(ev.Body, "own")
				mu.Lock()
				defer mu.Unlock()
				seen[string(n)] = true
				if text, _ := record.Text(tag); string(text) != fmt.Sprint("tag.", own[0]) || int(own[0]) != c {
					t.Errorf("connection %d got %x", c, ev.Body)
				}
			}, nil)
			out.Scratch = new(enrich.Scratch)
			for range records {
				out.Reset()
				s.Apply(&record.Event{Tag: fmt.Sprint("tag.", c), Body: body}, out)
			}
		})
	}
	wg.Wait()
	if len(seen) != connections*records {
		t.Errorf("got %d numbers, want %d", len(seen), connections*records)
	}
}

// The steps after the filter may block; other connections' records go through the script meanwhile.
func TestScriptIsFreeWhileARecordGoesOn(t *testing.T) {
	f := newFilter(t, lua.Options{Code: `function cb(tag, timestamp, record) return 2, 0, {x = 1} end`, Call: "cb"})
	inner := 0
	outer := enrich.NewOut(func(*record.Event, int) { inner += len(f.apply([]byte{0x80})) }, nil)
	outer.Scratch = new(enrich.Scratch)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.step.Apply(&record.Event{Body: []byte{0x80}}, outer)
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("the script is locked while its record is emitted")
	}
	if inner != 1 {
		t.Errorf("got %d records, want 1", inner)
	}
}

func FuzzRecord(f *testing.F) {
	for _, js := range []string{`{}`, `{"a":[1,{"b":null}],"c":1.0}`, `{"a":{"1":2},"b":"text"}`} {
		f.Add(pack(f, js))
	}
	f.Add([]byte("\x82\x01\xa1x\xc0\xc4\x01y"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if n, err := record.Check(body); err != nil || n != len(body) || record.KindOf(body[0]) != record.KindMap {
			return
		}
		fl := newFilter(t, lua.Options{Call: "cb", IntKeys: "a", ArrayKeys: "b", Code: `function cb(tag, timestamp, record)
			local function walk(t) for k, v in pairs(t) do if type(v) == "table" then walk(v) end end if t.a then t.a = nil end end
			walk(record) record.new = {record} record.new[1] = nil return 2, 0, {record, {copy = record}} end`})
		for _, ev := range fl.apply(body) {
			if n, err := record.Check(ev.Body); err != nil || n != len(ev.Body) || record.KindOf(ev.Body[0]) != record.KindMap {
				t.Errorf("got %x: %v", ev.Body, err)
			}
		}
		if strings.Contains(fl.log.String(), "internal error") {
			t.Error(fl.log.String())
		}
	})
}
