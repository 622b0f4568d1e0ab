package forward

import (
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/firelane/firelane/record"
)

// feedLines serves one connection of the input tcp, and gives the events without their times.
func feedLines(o *TCPOptions, pieces ...string) (events []string, log string) {
	out := new(lines)
	s := newServer(noListener{&net.TCPAddr{}}, nil, testEnv(out))
	s.rules, s.handle, _ = o.rules("tcp.0")
	f, k := new(fakeConn), new(sink)
	for _, p := range pieces {
		f.pieces = append(f.pieces, []byte(p))
	}
	serveOne(s, f, k)
	time := regexp.MustCompile(`^tcp\.0 [0-9.]+ `)
	for _, ev := range k.events {
		events = append(events, time.ReplaceAllString(ev, ""))
	}
	return events, out.String()
}

func TestLinesOfJSON(t *testing.T) {
	for name, c := range map[string]struct {
		in   []string
		want []string
		line string
	}{
		"ECS's health check":      {[]string{"{\"health\": \"check\"}\n"}, []string{`{"health":"check"}`}, ""},
		"cut anywhere":            {[]string{"{\"a\"", ":", "1}", "\n{", "}\n"}, []string{`{"a":1}`, `{}`}, ""},
		"several in one line":     {[]string{`{"a":1}{"b":2} {"c":3}`}, []string{`{"a":1}`, `{"b":2}`, `{"c":3}`}, ""},
		"no end of line":          {[]string{`{"a":1}`}, []string{`{"a":1}`}, ""},
		"empty lines":             {[]string{"\n\r\n{\"a\":1}\r\n\n"}, []string{`{"a":1}`}, ""},
		"an array":                {[]string{"[1,{}]\n"}, []string{`{"msg":[1,{}]}`}, ""},
		"not JSON":                {[]string{"hello\n{\"a\":1}\n"}, []string{`{"a":1}`}, `"peer":"127.0.0.1:2","reason":"bad JSON"`},
		"no object":               {[]string{"17\n\"x\"\n{\"a\":1}\n"}, []string{`{"a":1}`}, `"error":"not an object","message":"a line is not JSON; want a JSON object on each line: skipped"`},
		"an object without end":   {[]string{"{\"a\":\n{\"b\":1}\n"}, []string{`{"b":1}`}, "bad JSON"},
		"good, then bad":          {[]string{"{\"a\":1} oops\n{\"b\":1}\n"}, []string{`{"a":1}`, `{"b":1}`}, "bad JSON"},
		"the end inside a value":  {[]string{"{\"a\":1}\n{\"b\""}, []string{`{"a":1}`}, "the connection ended inside a value: skipped"},
		"over several lines":      {[]string{"{\n  \"a\": {\n    \"b\": [1,\n2]\n  }\n}\n[\n  {}\n]\n{\"c\":\"x\ny\"}"}, []string{`{"a":{"b":[1,2]}}`, `{"msg":[{}]}`, `{"c":"x\ny"}`}, ""},
		"a broken one of several": {[]string{"{\n  \"a\": {\n    \"b\" 1\n  }\n}\n{\n  \"c\": 1\n}\n"}, []string{`{"c":1}`}, "bad JSON"},
		"brackets, then good":     {[]string{strings.Repeat("[\n", 50) + "{\"a\":1}\n{\"b\":1}\n"}, []string{`{"b":1}`}, "bad JSON"},
		"indented lines":          {[]string{"  {\"a\":\n  {\"b\":1}\n  {\"c\":1}\n"}, []string{`{"b":1}`, `{"c":1}`}, "bad JSON"},
		"not a line's first one":  {[]string{"{} {\"a\":\n  {\"b\":1}\n  {\"c\":1}\n"}, []string{`{}`, `{"b":1}`, `{"c":1}`}, "bad JSON"},
		"larger than buffer_size": {[]string{"{\"a\":1}\n{\"b\":\"" + strings.Repeat("x", 70_000) + "\"}\n"}, []string{`{"a":1}`}, "an event is too large"},
	} {
		o := &TCPOptions{Format: "json"}
		if strings.HasPrefix(name, "larger") {
			o.BufferSize = "32"
		}
		events, log := feedLines(o, c.in...)
		if !slices.Equal(events, c.want) || (c.line == "") != (log == "") || !strings.Contains(log, c.line) {
			t.Errorf("%s: got events %q and log %s, want %q and %s", name, events, log, c.want, c.line)
		}
	}
}

// TestAnArrayThatIsTooDeepForARecordCostsNoOther: the queue could read nothing of a batch after such a record, which is one level
// deeper than the array.
func TestAnArrayThatIsTooDeepForARecordCostsNoOther(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	events, log := feedLines(&TCPOptions{}, nested(record.MaxDepth)+"\n"+nested(record.MaxDepth-1)+"\n{}\n")
	if want := []string{`{"msg":` + nested(record.MaxDepth-1) + `}`, "{}"}; !slices.Equal(events, want) || !strings.Contains(log, record.ErrDepth.Error()) {
		t.Errorf("got events %q and log %s, want %q", events, log, want)
	}
}

// TestBrokenValueCostsLittle: what is lost, and counted, is one value, whatever is wrong with it.
func TestBrokenValueCostsLittle(t *testing.T) {
	good := `{"good":1}`
	for _, bad := range []string{
		`{"a":`, `{"a"`, `{`, `[`, `{"a":1,`, `{"a":tru`, `{"a":1.`, `{"a":"\`, `{"a":"\u12`, `{"a":"`, "x", `"`, "}", `{"a":1}}`, "{\n \"a\":1,\n}",
		"{\n  \"a\": [\n    {\n      \"b\" 1\n    }\n  ]\n}", strings.Repeat("[", 101),
	} {
		s := newServer(noListener{&net.TCPAddr{}}, nil, testEnv(new(lines)))
		s.rules, s.handle, _ = (&TCPOptions{}).rules("tcp.0")
		k := new(sink)
		serveOne(s, &fakeConn{pieces: [][]byte{[]byte(good + "\n" + bad + "\n" + good + "\n" + good + "\n")}}, k)
		took := 0
		for _, ev := range k.events {
			if strings.HasSuffix(ev, " "+good) {
				took++
			}
		}
		if took != 3 || len(k.rejects) != 1 || k.rejects[0] != "1 bad JSON" {
			t.Errorf("%s: got %d of 3 good values and the rejects %q, want one", bad, took, k.rejects)
		}
	}
}

// A pausing gives its pieces; at an empty one, the client is silent until the deadline.
type pausing struct{ fakeConn }

func (p *pausing) Read(b []byte) (int, error) {
	if len(p.pieces) > 0 && len(p.pieces[0]) == 0 {
		p.pieces = p.pieces[1:]
		return 0, os.ErrDeadlineExceeded
	}
	return p.fakeConn.Read(b)
}

// TestSilenceAfterABrokenLine: what follows the line arrives, and the connection stays. In the middle of a line it doesn't.
func TestSilenceAfterABrokenLine(t *testing.T) {
	for in, want := range map[string]string{
		`{"a":` + "\n{\"b\":1}\n": "[{\"b\":1} {\"c\":1}]",
		`{"a":`:                   "[]",
	} {
		log, k := new(lines), new(sink)
		s := newServer(noListener{&net.TCPAddr{}}, nil, testEnv(log))
		s.rules, s.handle, _ = (&TCPOptions{}).rules("tcp.0")
		serveOne(s, &pausing{fakeConn{pieces: [][]byte{[]byte(in), nil, nil, nil, []byte("{\"c\":1}\n")}}}, k)
		var got []string
		for _, ev := range k.events {
			got = append(got, ev[strings.Index(ev, "{"):])
		}
		if fmt.Sprint(got) != want || len(k.rejects) != 1 {
			t.Errorf("%q: got %s, %q and log %s, want %s and one reject", in, got, k.rejects, log, want)
		}
	}
}

// FuzzJSONStream feeds any bytes: the scan agrees with the parser, and the events are the same whatever the cuts.
func FuzzJSONStream(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,-0.5e+3,true,false,null,"\u00e9\\"],"b":{}} [ ] {"a":`, "{\n\"a\":\n{\"b\":1}\n{}", "[[\n[01]]\n{}\n x\n{\"a\" :\t1}\x00{}",
		strings.Repeat("[\n", 120), "[1.]\n[1e]\n[-]\n[.1]\n[1,]\n{,}\n{\"a\":1,}\n[\"\\x\"]\n[\"\\u00g0\"]\n[\x01]\n",
	} {
		f.Add([]byte(seed), uint16(3))
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		var s jsonScan
		got := s.scan(b)
		_, rest, err := record.NextFromJSON(nil, b)
		switch {
		case len(b) == 0 || b[0] != '{' && b[0] != '[':
		case err == nil && (got != scanDone || s.pos != len(b)-len(rest)-trailing(b[:len(b)-len(rest)])):
			t.Errorf("%q: got %d at %d from the scan, want the end of the value at %d", b, got, s.pos, len(b)-len(rest))
		case (err == record.ErrSyntax || err == record.ErrDepth) && got != scanBad, err == record.ErrShort && got != scanMore:
			t.Errorf("%q: got %d at %d from the scan, want the parser's %v", b, got, s.pos, err)
		}
		whole, _ := feedLines(&TCPOptions{}, string(b))
		var pieces []string
		for rest, n := string(b), int(cut)%97+1; len(rest) > 0; n = (n*31+int(cut))%197 + 1 {
			n = min(n, len(rest))
			pieces = append(pieces, rest[:n])
			rest = rest[n:]
		}
		if split, _ := feedLines(&TCPOptions{}, pieces...); !slices.Equal(whole, split) {
			t.Errorf("%q: got %q in pieces, want %q as it is as a whole", b, split, whole)
		}
	})
}

func TestLinesOfText(t *testing.T) {
	for _, c := range []struct{ sep, in, want string }{
		{"", "one\n\ntwo \xff\nthree", "[{\"log\":\"one\"} {\"log\":\"two \ufffd\"} {\"log\":\"three\"}]"},
		{`\0`, "one\x00two\nthree\x00", `[{"log":"one"} {"log":"two\nthree"}]`},
		{`\r\n`, "one\r\ntwo\r\n", `[{"log":"one"} {"log":"two"}]`},
		{"|", `a"|b`, `[{"log":"a\""} {"log":"b"}]`},
	} {
		events, log := feedLines(&TCPOptions{Format: "none", Separator: c.sep}, strings.Split(c.in, "")...)
		if got := fmt.Sprint(events); got != c.want || log != "" {
			t.Errorf("%q: got %s, want %s, log %s", c.sep, got, c.want, log)
		}
	}
	events, _ := feedLines(&TCPOptions{Format: "none", SourceAddress: "from"}, "x\n")
	if got := fmt.Sprint(events); got != `[{"log":"x","from":"127.0.0.1"}]` {
		t.Errorf("got %s, want the client's address in the field", got)
	}
}

func TestTCPInputListens(t *testing.T) {
	log := new(lines)
	s, err := listenLines(&TCPOptions{Listen: "127.0.0.1", Format: "json", Separator: `\n`, ChunkSize: "32", Tag: "health"}, testEnv(log))
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, s, log, new(sink))
	r.send(t, []byte("{\"health\": \"check\"}\n"))
	eventually(t, "the event", func() bool { return len(r.sink.got()) == 1 })
	if got := r.sink.got()[0]; !strings.HasPrefix(got, "health 1") || !strings.HasSuffix(got, ` {"health":"check"}`) || log.String() != "" {
		t.Errorf("got %s and log %s, want the line as an event and no log", got, log)
	}
}
