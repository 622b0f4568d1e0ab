package parse_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/record"
)

// parsed returns what a parser makes of a text: a JSON object, and the time that it sets, or "no".
func parsed(p *parse.Parser, text string) (fields string, at record.Time) {
	out, ok := p.Parse([]byte("before"), []byte(text), &at)
	if string(out[:6]) != "before" {
		return "what was before is changed", at
	}
	if !ok {
		return "no", at
	}
	if n, err := record.Check(out[6:]); err != nil || n != len(out)-6 {
		return "not a record", at
	}
	return string(record.AppendJSON(nil, out[6:])), at
}

func TestFluentBitsFormats(t *testing.T) {
	const seconds = 1_438_176_430 // 29/Jul/2015:10:27:10 -0300
	for _, c := range []struct {
		name string
		o    parse.Options
		text string
		want string
		sec  uint32
	}{
		{"regex", parse.Options{Format: "regex", Regex: `^(?<a>\w+)=(?<b>\d*) (?<c>.*)$`, SkipEmpty: true}, "x= rest of it", `{"a":"x","c":"rest of it"}`, 0},
		{"regex, empty fields", parse.Options{Format: "regex", Regex: `^(?<a>\w+)=(?<b>\d*) (?<c>.*)$`}, "x= rest", `{"a":"x","b":"","c":"rest"}`, 0},
		{"regex that doesn't match", parse.Options{Format: "regex", Regex: `^(?<a>\d+)$`}, "x", "no", 0},
		{"regex without a named group", parse.Options{Format: "regex", Regex: `^.*$`}, "x", "no", 0},
		{"regex, a type that isn't known", parse.Options{Format: "regex", Regex: `(?<a>\d+) (?<b>\d+)`, Types: "a:number b:integer"}, "1 2", `{"a":"1","b":2}`, 0},
		{"regex in slashes", parse.Options{Format: "regex", Regex: `/(?<a>X+)/i`}, "axx", `{"a":"xx"}`, 0},
		{"regex, types", parse.Options{Format: "regex", Regex: `(?<i>\S+) (?<f>\S+) (?<h>\S+) (?<b>\S+) (?<s>\S+)`, Types: "i:integer f:float h:hex b:bool s:string"},
			"12x 2.5 0xff True 1", `{"i":12,"f":2.5,"h":255,"b":true,"s":"1"}`, 0},
		{"regex, time", parse.Options{Format: "regex", Regex: `\[(?<time>[^\]]*)\] (?<a>.*)`, TimeFormat: "%d/%b/%Y:%H:%M:%S %z"}, "[29/Jul/2015:10:27:10 -0300] x", `{"a":"x"}`, seconds},
		{"regex, time kept", parse.Options{Format: "regex", Regex: `\[(?<t>[^\]]*)\] (?<a>.*)`, TimeKey: "t", TimeKeep: true, TimeFormat: "%d/%b/%Y:%H:%M:%S %z"}, "[29/Jul/2015:10:27:10 -0300] x",
			`{"t":"29/Jul/2015:10:27:10 -0300","a":"x"}`, seconds},
		{"regex, a time that can't be read is left out", parse.Options{Format: "regex", Regex: `(?<time>\S+) (?<a>.*)`, TimeFormat: "%Y"}, "now x", `{"a":"x"}`, 0},
		{"regex, what fits of the time is enough", parse.Options{Format: "regex", Regex: `\[(?<time>[^\]]*)\]`, TimeFormat: "%d/%b/%Y:%H:%M:%S %z"}, "[29/Jul/2015:13:27:10]", `{}`, seconds},
		{"ltsv", parse.Options{Format: "ltsv"}, "host:::1\tpath:/a b\tempty:\n", `{"host":"::1","path":"/a b","empty":""}`, 0},
		{"ltsv, types and time", parse.Options{Format: "ltsv", Types: "code:integer", TimeFormat: "%s"}, "time:1438176430\tcode:200", `{"code":200}`, seconds},
		{"ltsv, no label", parse.Options{Format: "ltsv"}, "a line", "no", 0},
		{"ltsv, a wrong time", parse.Options{Format: "ltsv", TimeFormat: "%s"}, "time:x\ta:b", "no", 0},
		{"logfmt", parse.Options{Format: "logfmt"}, `level=info msg="a \"b\"\n c" bare empty= quoted="" t=1m`, `{"level":"info","msg":"a \"b\"\n c","bare":true,"empty":true,"quoted":"","t":"1m"}`, 0},
		{"logfmt, no bare keys", parse.Options{Format: "logfmt", NoBareKeys: true}, "a b=c", "no", 0},
		{"logfmt, an open quote", parse.Options{Format: "logfmt"}, `a="b c`, `{"a":"b c"}`, 0},
		{"logfmt, nothing", parse.Options{Format: "logfmt"}, ` "=`, "no", 0},
		{"json", parse.Options{Format: "json", TimeFormat: "%s"}, `{"time":"1438176430","n":1.0}`, `{"n":1.0}`, seconds},
		{"json, a wrong time stays", parse.Options{Format: "json", TimeFormat: "%s"}, `{"time":"x"}`, `{"time":"x"}`, 0},
		{"json, a list", parse.Options{Format: "json"}, `[1]`, "no", 0},
	} {
		c.o.TimeStrict = c.name != "regex, what fits of the time is enough"
		p, err := parse.New(&c.o, config.FluentBit, parse.Env{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got, at := parsed(p, c.text); got != c.want || at.Sec != c.sec {
			t.Errorf("%s: got %s at %d, want %s at %d", c.name, got, at.Sec, c.want, c.sec)
		}
	}
}

func TestDecoders(t *testing.T) {
	pairs := func(list ...string) (out []config.Pair) {
		for i := 0; i < len(list); i += 2 {
			out = append(out, config.Pair{Key: list[i], Value: list[i+1]})
		}
		return out
	}
	for _, c := range []struct {
		name       string
		fields, as []config.Pair
		text, want string
	}{
		{"json as", nil, pairs("json", "log"), `{"log":"{\"a\":[1]}","b":"{}"}`, `{"log":{"a":[1]},"b":"{}"}`},
		{"json as, only objects", nil, pairs("json", "log"), `{"log":"[1]"}`, `{"log":"[1]"}`},
		{"json fields", pairs("json", "log"), nil, `{"log":"{\"a\":1,\"b\":2}","c":3}`, `{"log":"{\"a\":1,\"b\":2}","c":3,"a":1,"b":2}`},
		{"escaped", nil, pairs("escaped", "log"), `{"log":"a\\tb\\\"c\\\\"}`, `{"log":"a\tb\"c\\"}`},
		{"escaped_utf8", nil, pairs("escaped_utf8", "log"), `{"log":"\\u00e9 \\ud83d\\ude80 \\x41 \\101 \\q \\ud83d"}`, `{"log":"é 🚀 A A q �"}`},
		{"escaped, then json", nil, pairs("escaped", "log do_next", "json", "log"), `{"log":"{\\\"a\\\":1}"}`, `{"log":{"a":1}}`},
		{"json, else escaped", nil, pairs("json", "log try_next", "escaped", "log"), `{"log":"x\\ny"}`, `{"log":"x\ny"}`},
		{"mysql_quoted", nil, pairs("mysql_quoted", "log"), `{"log":"'it\\'s\\n \\q'"}`, `{"log":"it's\n \\q"}`},
		{"a number stays", nil, pairs("json", "log"), `{"log":1}`, `{"log":1}`},
	} {
		p, err := parse.New(&parse.Options{Format: "json", DecodeField: c.fields, DecodeFieldAs: c.as}, config.FluentBit, parse.Env{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got, _ := parsed(p, c.text); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// ordered are values in their order.
func ordered(values ...string) (list []config.Ordered) {
	for n, v := range values {
		list = append(list, config.Ordered{Order: n, Value: v})
	}
	return list
}

func TestFluentdsFormats(t *testing.T) {
	for _, c := range []struct {
		name string
		o    parse.Spec
		text string
		want string
	}{
		{"regexp", parse.Spec{Type: "regexp", Expression: `/^(?<a>\w*):(?<b>.*)$/`}, ":x", `{"a":"","b":"x"}`},
		{"regexp, types", parse.Spec{Type: "regexp", Expression: `/(?<a>\d+) (?<b>\S+)/`, Types: "a:integer,b:array:|"}, "7 x|y", `{"a":7,"b":["x","y"]}`},
		{"ltsv", parse.Spec{Type: "ltsv"}, "a:1\tb c:2:3", `{"a":"1","b c":"2:3"}`},
		{"ltsv, pattern", parse.Spec{Type: "ltsv", DelimiterPattern: `/[ \t]+/`, LabelDelimiter: "="}, "a=1  b=2", `{"a":"1","b":"2"}`},
		{"csv", parse.Spec{Type: "csv", Keys: []string{"a", "b", "c", "d"}}, `1,"x, ""y""",,`, `{"a":"1","b":"x, \"y\"","c":null,"d":null}`},
		{"csv, too few", parse.Spec{Type: "csv", Keys: []string{"a", "b"}}, `1`, `{"a":"1","b":null}`},
		{"csv, an open quote", parse.Spec{Type: "csv", Keys: []string{"a", "b"}}, `"1`, "no"},
		{"tsv", parse.Spec{Type: "tsv", Keys: []string{"a", "b"}}, "1\t\"2\t3", `{"a":"1","b":"\"2\t3"}`},
		{"none", parse.Spec{Type: "none"}, "x", `{"message":"x"}`},
		{"apache2", parse.Spec{Type: "apache2"}, `192.168.0.1 - - [28/Feb/2013:12:00:00 +0900] "GET / HTTP/1.1" 200 777 "-" "Opera/12.0"`,
			`{"host":"192.168.0.1","user":null,"method":"GET","path":"/","code":200,"size":777,"referer":null,"agent":"Opera/12.0"}`},
		{"apache_error 2.2", parse.Spec{Type: "apache_error"}, `[Wed Oct 11 14:32:52 2000] [error] [client 127.0.0.1] denied`,
			`{"level":"error","client":"127.0.0.1","message":"denied"}`},
		{"apache_error 2.4", parse.Spec{Type: "apache_error"}, `[Wed Oct 11 14:32:52.123456 2000] [core:error] [pid 1:tid 2] denied`,
			`{"level":"core:error","pid":"1:tid 2","message":"denied"}`},
		{"nginx", parse.Spec{Type: "nginx"}, `127.0.0.1 192.168.0.1 - [28/Feb/2013:12:00:00 +0900] "GET / HTTP/1.1" 200 777 "-" "Opera/12.0" -`,
			`{"remote":"127.0.0.1","host":"192.168.0.1","user":"-","method":"GET","path":"/","code":"200","size":"777","referer":"-","agent":"Opera/12.0","http_x_forwarded_for":"-"}`},
		{"syslog", parse.Spec{Type: "syslog", WithPriority: true, MessageFormat: "rfc3164"}, `<6>Feb 28 12:00:00 192.168.0.1 fluentd[11111]: [error] Syslog test`,
			`{"pri":6,"host":"192.168.0.1","ident":"fluentd","pid":"11111","message":"[error] Syslog test"}`},
		{"apache2, nothing", parse.Spec{Type: "apache2"}, `- - - [28/Feb/2013:12:00:00 +0900] "-" 0 -`,
			`{"path":null,"referer":null,"agent":null,"host":null,"user":null,"method":"-","code":null,"size":null}`},
		{"apache_error", parse.Spec{Type: "apache_error"}, `[Wed Oct 11 14:32:52 2000] [error] [client 127.0.0.1] client denied`, `{"level":"error","client":"127.0.0.1","message":"client denied"}`},
		{"csv, a column time", parse.Spec{Type: "csv", Keys: []string{"time", "a"}}, `1795430441,1`, `{"time":"1795430441","a":"1"}`},
		{"csv, time_key", parse.Spec{Type: "csv", Keys: []string{"time", "a"}, TimeKey: "time"}, `2026-11-23 10:40:41 +0000,1`, `{"a":"1"}`},
		{"regexp, time", parse.Spec{Type: "regexp", Expression: `/^(?<time>\S+) (?<a>.*)$/`}, `2026-11-23T10:40:41Z x`, `{"a":"x"}`},
		{"json, a time that is text", parse.Spec{Type: "json"}, `{"time":"2026-11-23T10:40:41Z","a":1}`, `{"time":"2026-11-23T10:40:41Z","a":1}`},
		{"nginx, forwarded", parse.Spec{Type: "nginx"}, `127.0.0.1 192.168.0.1 - [28/Feb/2013:12:00:00 +0900] "GET / HTTP/1.1" 200 777 "-" "Opera/12.0" "10.0.0.1, 10.0.0.2"`,
			`{"remote":"127.0.0.1","host":"192.168.0.1","user":"-","method":"GET","path":"/","code":"200","size":"777","referer":"-","agent":"Opera/12.0","http_x_forwarded_for":"10.0.0.1, 10.0.0.2"}`},
		{"apache", parse.Spec{Type: "apache"}, `192.168.0.1 - - [28/Feb/2013:12:00:00 +0900] "GET / HTTP/1.1" 200 777`,
			`{"host":"192.168.0.1","user":"-","method":"GET","path":"/","code":"200","size":"777"}`},
		{"multiline", parse.Spec{Type: "multiline", Formats: ordered(`/^(?<time>\d{4}-\d{1,2}-\d{1,2} \d{1,2}:\d{1,2}:\d{1,2}) \[(?<thread>.*)\] (?<level>[^\s]+)(?<message>.*)/`), KeepTimeKey: true, TimeFormat: "%Y-%m-%d %H:%M:%S"},
			"2013-3-03 14:27:33 [main] ERROR Main - Exception\njavax: null\n\tat x", `{"time":"2013-3-03 14:27:33","thread":"main","level":"ERROR","message":" Main - Exception\njavax: null\n\tat x"}`},
		{"multiline, pieces", parse.Spec{Type: "multiline", FirstLine: "/^Started/", Formats: ordered(
			`/Started (?<method>[^ ]+) "(?<path>[^"]+)" for (?<host>[^ ]+) at (?<time>[^ ]+ [^ ]+ [^ ]+)\n/`,
			`/Processing by (?<controller>[^\u0023]+)\u0023(?<controller_method>[^ ]+) as (?<format>[^ ]+?)\n/`, `/(  Parameters: (?<parameters>[^ ]+)\n)?/`,
			`/  Rendered (?<template>[^ ]+) within (?<layout>.+) \([\d\.]+ms\)\n/`, `/Completed (?<code>[^ ]+) [^ ]+ in (?<runtime>[\d\.]+)ms \(Views: (?<view_runtime>[\d\.]+)ms \| ActiveRecord: (?<ar_runtime>[\d\.]+)ms\)/`,
		)}, "Started GET \"/users/123/\" for 127.0.0.1 at 2013-06-14 12:00:11 +0900\nProcessing by UsersController#show as HTML\n  Parameters: {\"user_id\"=>\"123\"}\n" +
			"  Rendered users/show.html.erb within layouts/application (0.3ms)\nCompleted 200 OK in 4ms (Views: 3.2ms | ActiveRecord: 0.0ms)",
			`{"method":"GET","path":"/users/123/","host":"127.0.0.1","controller":"UsersController","controller_method":"show","format":"HTML",` +
				`"parameters":"{\"user_id\"=>\"123\"}","template":"users/show.html.erb","layout":"layouts/application","code":"200","runtime":"4","view_runtime":"3.2","ar_runtime":"0.0"}`},
		{"msgpack", parse.Spec{Type: "msgpack", Types: "a:string"}, "\x82\xa1a\x01\xa1b\xa1x", `{"a":"1","b":"x"}`},
		{"msgpack, more than a map", parse.Spec{Type: "msgpack"}, "\x80\x80", "no"},
		{"syslog, auto", parse.Spec{Type: "syslog", WithPriority: true, MessageFormat: "auto"}, `<16>1 2013-02-28T12:00:00.003Z 192.168.0.1 fluentd 11111 ID24224 [x@1 a="b"] Hi, from Fluentd!`,
			`{"pri":16,"host":"192.168.0.1","ident":"fluentd","pid":"11111","msgid":"ID24224","extradata":"[x@1 a=\"b\"]","message":"Hi, from Fluentd!"}`},
	} {
		p, err := c.o.Parser(false)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got, _ := parsed(p, c.text); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestStockParsersByName(t *testing.T) {
	main := filepath.Join(t.TempDir(), "main.conf")
	if err := os.WriteFile(main, []byte("[SERVICE]\n    Parsers_File /fluent-bit/etc/parsers.conf\n[INPUT]\n    Name x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	catalogue := []config.Plugin{
		{Kind: config.KindParser, FluentBit: []string{"json", "regex", "ltsv", "logfmt"}, Options: func() any { return new(parse.Options) }},
		{Kind: config.KindInput, FluentBit: []string{"x"}, Options: func() any { return new(struct{}) }},
	}
	plan, _ := config.Compile(main, catalogue, func(string) (string, bool) { return "", false })
	if plan == nil {
		t.Fatal("got no plan")
	}
	for name, c := range map[string][2]string{
		"apache":  {`::1 - bob [29/Jul/2015:10:27:10 -0300] "GET /a?b=c HTTP/1.0" 200 3395`, `{"host":"::1","user":"bob","method":"GET","path":"/a?b=c","code":"200","size":"3395"}`},
		"apache2": {`::1 - - [29/Jul/2015:10:27:10 -0300] "-" 408 - "-" "a "b""`, `{"host":"::1","user":"-","method":"-","code":"408","size":"-","referer":"-","agent":"a \"b\""}`},
		"apache_error": {`[Wed Oct 11 14:32:52 2000] [error] [client 127.0.0.1] client denied`,
			`{"time":"Oct 11 14:32:52 2000","level":"error","client":"127.0.0.1","message":"client denied"}`},
		"nginx": {`127.0.0.1 - bob [29/Jul/2015:10:27:10 -0300] "GET / HTTP/1.1" 200 5 "-" "curl/7"`,
			`{"remote":"127.0.0.1","host":"-","user":"bob","method":"GET","path":"/","code":"200","size":"5","referer":"-","agent":"curl/7"}`},
		"cri":            {`2016-10-06T00:17:09.669794202Z stdout F a line`, `{"time":"2016-10-06T00:17:09.669794202Z","stream":"stdout","logtag":"F","message":"a line"}`},
		"syslog-rfc3164": {`<34>Oct 11 22:14:15 mymachine su[7]: 'su root' failed`, `{"pri":"34","time":"Oct 11 22:14:15","host":"mymachine","ident":"su","pid":"7","message":"'su root' failed"}`},
		"syslog-rfc5424": {`<34>1 2003-10-11T22:14:15.003Z host su 17 ID47 - failed`, `{"pri":"34","time":"2003-10-11T22:14:15.003Z","host":"host","ident":"su","pid":"17","msgid":"ID47","extradata":"-","message":"failed"}`},
		"docker-daemon":  {`time="2015-07-29T10:27:10.1Z" level=info msg="up"`, `{"time":"2015-07-29T10:27:10.1Z","level":"info","msg":"up"}`},
		"mongodb":        {`2014-11-03T18:28:32.450-0500 I NETWORK [initandlisten] waiting 27ms`, `{"time":"2014-11-03T18:28:32.450-0500","severity":"I","component":"NETWORK","context":"initandlisten","message":"waiting","ms":"27"}`},
		"logfmt":         {`a=b`, `{"a":"b"}`},
		"kmsg-netfilter-log": {`<5>1 2015-07-29T10:27:10.5-03:00 fw kernel - - - [1.2] DROP IN=eth0 OUT= MAC=00:11:22:33:44:55:66:77:88:99:aa:bb:08:00 SRC=10.0.0.1 DST=10.0.0.2 LEN=76 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=UDP SPT=53 DPT=5353 LEN=56`,
			`{"pri":"5","host":"fw","logprefix":"DROP","in":"eth0","macsrc":"00:11:22:33:44:55","macdst":"66:77:88:99:aa:bb","ethtype":"08:00","saddr":"10.0.0.1","daddr":"10.0.0.2","len":"76","tos":"0x00","prec":"0x00","ttl":"64","id":"1","proto":"UDP","sport":"53","dport":"5353","protolen":"56"}`},
		"kube-custom":          {`kube.web-1_default_app-` + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" + `.log`, `{"tag":"kube","pod_name":"web-1","namespace_name":"default","container_name":"app","docker_id":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}`},
		"docker":               {`{"log":"x","time":"2015-07-29T10:27:10.1Z"}`, `{"log":"x","time":"2015-07-29T10:27:10.1Z"}`},
		"syslog-rfc3164-local": {`<13>Oct  1 22:14:15 cron: done`, `{"pri":"13","time":"Oct  1 22:14:15","ident":"cron","message":"done"}`},
		"envoy": {`[2016-04-15T20:17:00.310Z] "POST /api/v1/locations HTTP/2" 204 - 154 0 226 100 "10.0.35.28" "nsq2http" "cc21d9b0" "locations" "tcp://10.0.2.1:80"`,
			`{"start_time":"2016-04-15T20:17:00.310Z","method":"POST","path":"/api/v1/locations","protocol":"HTTP/2","code":"204","response_flags":"-","bytes_received":"154","bytes_sent":"0","duration":"226","x_envoy_upstream_service_time":"100","x_forwarded_for":"10.0.35.28","user_agent":"nsq2http","request_id":"cc21d9b0","authority":"locations","upstream_host":"tcp://10.0.2.1:80"}`},
		"k8s-nginx-ingress": {`1.2.3.4 - - [29/Jul/2015:10:27:10 -0300] "GET /x HTTP/1.1" 200 5 "-" "curl" 78 0.001 [default-web-80] [] 10.0.0.1:80 5 0.004 200 abc`,
			`{"host":"1.2.3.4","user":"-","method":"GET","path":"/x","code":"200","size":"5","referer":"-","agent":"curl","request_length":"78","request_time":"0.001","proxy_upstream_name":"default-web-80","upstream_addr":"10.0.0.1:80","upstream_response_length":"5","upstream_response_time":"0.004","upstream_status":"200","reg_id":"abc"}`},
	} {
		p, err := parse.Find(name, parse.Env{Parsers: plan.Parsers})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, _ := parsed(p, c[0]); got != c[1] {
			t.Errorf("%s: got %s, want %s", name, got, c[1])
		}
	}
}

func FuzzParse(f *testing.F) {
	var parsers []*parse.Parser
	for _, o := range []parse.Options{
		{Format: "logfmt", Types: "a:integer"}, {Format: "ltsv", TimeFormat: "%s"},
		{Format: "regex", Regex: `^(?<time>\S*) (?<a>.*)$`, TimeFormat: "%d/%b/%Y:%H:%M:%S %z", Types: "a:hex"},
		{Format: "json", DecodeField: []config.Pair{{Key: "json", Value: "b"}}, DecodeFieldAs: []config.Pair{{Key: "escaped_utf8", Value: "a do_next"}, {Key: "json", Value: "a"}, {Key: "mysql_quoted", Value: "m"}}},
	} {
		p, err := parse.New(&o, config.FluentBit, parse.Env{})
		if err != nil {
			f.Fatal(err)
		}
		parsers = append(parsers, p)
	}
	for _, o := range []parse.Spec{{Type: "csv", Keys: []string{"a", "b"}}, {Type: "tsv", Keys: []string{"a", "b"}}, {Type: "ltsv"}, {Type: "syslog", WithPriority: true, MessageFormat: "auto"}, {Type: "apache2", NullEmpty: true}} {
		p, err := o.Parser(false)
		if err != nil {
			f.Fatal(err)
		}
		parsers = append(parsers, p)
	}
	for _, text := range []string{`a=1 b="x\"" c`, "time:1\ta:b", "x y", `{"a":"{\"x\":1}","b":"{\"c\":2}","m":"'x\\n'"}`, `"a","b`, `<1>1 - x`, `a - - [x] "y" 1 -`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for i, p := range parsers {
			if got, _ := parsed(p, text); got == "not a record" || got == "what was before is changed" {
				t.Errorf("parser %d of %q: %s", i, text, got)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for name, c := range map[string]struct {
		o    parse.Options
		text string
	}{
		"json":   {parse.Options{Format: "json"}, `{"level":"info","msg":"request handled","method":"GET","path":"/api/v1/items","status":200,"duration_ms":12.5}`},
		"logfmt": {parse.Options{Format: "logfmt"}, `level=info msg="request handled" method=GET path=/api/v1/items status=200 duration=12.5`},
		"apache": {parse.Options{Format: "regex", TimeFormat: "%d/%b/%Y:%H:%M:%S %z", SkipEmpty: true,
			Regex: `^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>\S+)(?: +(?<path>[^ ]*) +\S*)?" (?<code>[^ ]*) (?<size>[^ ]*)(?: "(?<referer>[^\"]*)" "(?<agent>.*)")?$`},
			`192.168.2.20 - - [29/Jul/2015:10:27:10 -0300] "GET /cgi-bin/try/ HTTP/1.0" 200 3395 "http://example.org/" "Mozilla/5.0 (X11; Linux)"`},
	} {
		b.Run(name, func(b *testing.B) {
			p, err := parse.New(&c.o, config.FluentBit, parse.Env{})
			if err != nil {
				b.Fatal(err)
			}
			var at record.Time
			dst := make([]byte, 0, 4096)
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := p.Parse(dst, []byte(c.text), &at); !ok {
					b.Fatal("not parsed")
				}
			}
		})
	}
}
