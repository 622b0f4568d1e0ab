package parse_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/parse"
)

// The parsers of AWS's image other than those in parsers.conf, each with a line of the server whose log it reads. The fields
// are those that Fluent Bit's files of the same name give.
func TestParsersOfTheImagesOtherFiles(t *testing.T) {
	main := filepath.Join(t.TempDir(), "main.conf")
	text := "[INPUT]\n    Name x\n[SERVICE]\n    Parsers_File /fluent-bit/configs/plugin-metrics-parser.conf\n"
	for _, name := range strings.Fields("ambassador cinder extra java kafka mult openstack") {
		text += "    Parsers_File /fluent-bit/parsers/parsers_" + name + ".conf\n"
	}
	if err := os.WriteFile(main, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	catalogue := []config.Plugin{
		{Kind: config.KindParser, FluentBit: []string{"json", "regex", "ltsv", "logfmt"}, Options: func() any { return new(parse.Options) }},
		{Kind: config.KindInput, FluentBit: []string{"x"}, Options: func() any { return new(struct{}) }},
	}
	plan, errs := config.Compile(main, catalogue, func(string) (string, bool) { return "", false })
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	tested := map[string]bool{"json": true} // the image's, which parsers.conf has
	for name, c := range imageParsers() {
		tested[name] = true
		p, err := parse.Find(name, parse.Env{Parsers: plan.Parsers})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, _ := parsed(p, c[0]); got != c[1] {
			t.Errorf("%s: got %s, want %s", name, got, c[1])
		}
	}
	for _, p := range plan.Parsers {
		if p.Pos.File != "(built in)" && !tested[p.ID] {
			t.Errorf("parser %s of %s has no test", p.ID, p.Pos.File)
		}
	}
}

func imageParsers() map[string][2]string {
	all := map[string][2]string{
		"fluentbit_prom_metrics_to_json": {`fluentbit_output_errors_total{name="es.0"} 3 1700000000000`, `{"metric":"fluentbit_output_errors_total","plugin":"es.0","value":"3","time":"1700000000000"}`},
		"ambassador": {`ACCESS [2020-01-02T03:04:05.678Z] "GET /a?b HTTP/1.1" 200 - 0 12 3 2 "10.0.0.1" "curl/7" "abc-1" "web.example" "10.0.0.2:80"`,
			`{"type":"ACCESS","time":"2020-01-02T03:04:05.678Z","method":"GET","path":"/a?b","protocol":"HTTP/1.1","response_code":"200","response_flags":"-","bytes_received":"0","bytes_sent":"12","duration":"3","x_envoy_upstream_service_time":"2","x_forwarded_for":"10.0.0.1","user_agent":"curl/7","x_request_id":"abc-1","authority":"web.example","upstream_host":"10.0.0.2:80"}`},
		"ceph":        {`2020-01-02 03:04:05.678901 7f1 0 mon.a is up`, `{"message":"7f1 0 mon.a is up"}`},
		"crowbar":     {`[2020-01-02T03:04:05.678 #12] INFO -- : started`, `{"severity":"INFO","message":"started"}`},
		"chefclient":  {`[2020-01-02T03:04:05+00:00] WARN: a node`, `{"severity":"WARN","message":"a node"}`},
		"mysql_error": {`2020-01-02 03:04:05 17 [Note] InnoDB: ready`, `{"myid":"17","severity":"Note","subsystem":"InnoDB","message":"ready"}`},
		"mysql_slow":  {`# User@Host: root[root] @ localhost [127.0.0.1]  Id: 3`, `{"user":"root[root]","dbhost":"localhost","dbhost_address":"127.0.0.1","message":"Id: 3"}`},
		"pacemaker":   {`Jan 02 03:04:05 [12] node-1       crmd:   notice: state changed`, `{"pid":"12","node":"node-1","component":"crmd","severity":"notice","message":"state changed"}`},
		"rabbitmq":    {`=INFO REPORT==== 2-Jan-2020::03:04:05 === accepting`, `{"severity":"INFO","message":"accepting"}`},
		"http_statement": {`"GET /v2/x HTTP/1.1" status: 200 len: 12 time: 0.5`,
			`{"req_method":"GET","req_path":"/v2/x","req_protocol":"HTTP/1.1","req_status":"200","req_len":"12","req_log_time":"0.5"}`},
		"universal": {`any text`, `{"message":"any text"}`},
		"uuid":      {`id=123e4567-e89b-12d3-a456-426614174000;`, `{"uuid":"123e4567-e89b-12d3-a456-426614174000"}`},
		"iptables": {`[IN-web-A]IN=eth0 OUT= MAC=aa:bb SRC=10.0.0.1 DST=10.0.0.2 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=7 DF PROTO=TCP SPT=4000 DPT=80 WINDOW=29200 RES=0x00 SYN URGP=0`,
			`{"rule_chain":"IN","rule_name":"web","accept_or_drop":"A","in_interface":"eth0","mac_address":"aa:bb","source":"10.0.0.1","dest":"10.0.0.2","pkt_len":60,"pkt_tos":"0x00","pkt_prec":"0x00","pkt_ttl":64,"pkt_id":"7","pkg_frg":"DF ","protocol":"TCP","source_port":4000,"dest_port":80,"proto_window_size":"29200","pkt_res":"0x00","pkt_type":"SYN","pkg_urgency":"0"}`},
		"couchbase_json_log_nanoseconds":       {`{"timestamp":"2020-01-02T03:04:05.5","a":1}`, `{"timestamp":"2020-01-02T03:04:05.5","a":1}`},
		"couchbase_rebalance_report":           {`{"timestamp":"2020-01-02T03:04:05Z"}`, `{"timestamp":"2020-01-02T03:04:05Z"}`},
		"couchbase_simple_log":                 {`2020-01-02T03:04:05.5+01:00 [INFO]up`, `{"timestamp":"2020-01-02T03:04:05.5+01:00","level":"INFO","message":"up"}`},
		"couchbase_simple_log_space_separated": {`2020-01-02T03:04:05.5+01:00 INFO it is up`, `{"timestamp":"2020-01-02T03:04:05.5+01:00","level":"INFO","message":"it is up"}`},
		"couchbase_simple_log_utc":             {`2020-01-02T03:04:05.5Z INFO: up`, `{"timestamp":"2020-01-02T03:04:05.5Z","level":"INFO","message":": up"}`},
		"couchbase_simple_log_mixed":           {`2020/01/02 03:04:05 [INFO] up`, `{"timestamp":"2020/01/02 03:04:05","level":"INFO","message":" up"}`},
		"couchbase_erlang_multiline":           {`[ns:info,2020-01-02T03:04:05.5Z,n_0@a:x]up`, `{"logger":"ns","level":"info","timestamp":"2020-01-02T03:04:05.5","message":"n_0@a:x]up"}`},
		"couchbase_java_multiline":             {`2020-01-02T03:04:05.5+01:00 INFO a.b.C [main] up`, `{"timestamp":"2020-01-02T03:04:05.5+01:00","level":"INFO","class":"a.b.C","thread":"main","message":"up"}`},
		"couchbase_http": {`10.0.0.1 - bob [02/Jan/2020:03:04:05 +0000] "GET /x HTTP/1.1" 200 5 - curl`,
			`{"host":"10.0.0.1","user":"bob","timestamp":"02/Jan/2020:03:04:05 +0000","method":"GET","path":"/x","code":"200","size":"5","client":"curl"}`},
		"java_multiline": {`2020-01-02 03:04:05 [main] ERROR it broke`, `{"thread":"main","level":"ERROR","message":" it broke"}`},
		"mult_first":     {`Started GET "/a" for 10.0.0.1 at 2020-01-02 03:04:05 +0000`, `{"method":"GET","path":"/a","host":"10.0.0.1"}`},
		"mult_1":         {`Processing by WebController#show as HTML`, `{"controller":"WebController","controller_method":"show","format":"HTML"}`},
		"mult_2":         {`  Parameters: {"id"=>"1"}`, `{"parameters":"{\"id\"=>\"1\"}"}`},
		"mult_3":         {`  Rendered a.erb within layouts/b (1.5ms)`, `{"template":"a.erb","layout":"layouts/b"}`},
		"mult_4":         {`Completed 200 OK in 12ms (Views: 10.1ms | ActiveRecord: 0.5ms)`, `{"code":"200","runtime":"12","view_runtime":"10.1","ar_runtime":"0.5"}`},
	}
	for name, prefix := range map[string]string{"confluent-schema-registry": "", "confluent-schema-registry-prefixed": "_sr_"} {
		want := `{"level":"INFO","src":"10.0.0.1","date":"02/Jan/2020","method":"GET","path":"/subjects","http_version":"HTTP/1.1","code":"200","size":"9","agent":"curl","extra_info":"3"}`
		for _, field := range strings.Fields("level src date method path http_version code size agent extra_info") {
			want = strings.Replace(want, `"`+field+`":`, `"`+prefix+field+`":`, 1)
		}
		all[name] = [2]string{`[2020-01-02 03:04:05,678] INFO 10.0.0.1 - - [02/Jan/2020] "GET /subjects HTTP/1.1" 200 9 "-" "curl" 3`, want}
	}
	for _, name := range strings.Fields("cinder glance heat keystone neutron nova") {
		all[name] = [2]string{`2020-01-02 03:04:05.678 12 INFO a.b [req-1 user proj - dom dom2] ready`,
			`{"pid":"12","severity":"INFO","component":"a.b","req_id":"req-1","req_user":"user","req_project":"proj","req_domain":"-","req_user_domain":"dom","req_project_domain":"dom2","message":"ready"}`}
	}
	return all
}
