package forward

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
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
