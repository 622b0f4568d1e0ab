package router

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
)

// firelane check and doctor would be silent about an output that can't describe itself.
func TestEveryOutputDescribesItself(t *testing.T) {
	for _, p := range Catalogue() {
		if p.Kind != config.KindOutput {
			continue
		}
		switch name := append(p.FluentBit, p.Fluentd...)[0]; name {
		case "counter", "prometheus_exporter": // they write to standard output, and listen
		default:
			if _, ok := p.Options().(sink.Describer); !ok {
				t.Errorf("the options of %s are no sink.Describer", name)
			}
		}
	}
}

// What outputs say of themselves must be what they do: URL, TLS, sign-in and names are those of the configuration.
func TestOutputsDescribeWhatIsConfigured(t *testing.T) {
	now := time.Date(2026, 11, 26, 22, 0, 0, 0, time.UTC)
	for _, c := range []struct{ lines, want string }{
		{"name datadog\napikey k\ntls on", "Datadog | https://http-intake.logs.datadoghq.com/api/v2/logs |  | API key | [{http-intake.logs.datadoghq.com 443 true true false}] | []"},
		{"@type datadog\napi_key k\nforce_v1_routes true\nno_ssl_validation true", "Datadog | https://http-intake.logs.datadoghq.com |  | API key | [{http-intake.logs.datadoghq.com 443 true false false}] | []"},
		{"name nrlogs\nlicense_key k", "New Relic | https://log-api.newrelic.com/log/v1 |  | license key | [{log-api.newrelic.com 443 true true false}] | []"},
		{"name splunk\nhost splunk\nsplunk_token t\nevent_index main", "Splunk | http://splunk:8088/services/collector/event | index main | token of the HTTP Event Collector | [{splunk 8088 false false false}] | []"},
		{"@type sumologic\nendpoint https://c.sumologic.com/receiver/v1/http/SECRET", "Sumo Logic | https://c.sumologic.com |  | token in the URL | [{c.sumologic.com 443 true true false}] | []"},
		{"name loki\nhost loki\nhttp_user u\ntenant_id t", "Grafana Loki | http://loki:3100/loki/api/v1/push | tenant t | user u and password (basic authentication) | [{loki 3100 false false false}] | []"},
		{"name opentelemetry\nhost logs.eu-west-1.amazonaws.com\nport 443\ntls on\naws_auth on", "OpenTelemetry | https://logs.eu-west-1.amazonaws.com/v1/logs |  | AWS Signature Version 4, service logs, region eu-west-1 | [{logs.eu-west-1.amazonaws.com 443 true true false}] | [{[logs:PutLogEvents] arn:aws:logs:eu-west-1:*:log-group:*}]"},
		{"name prometheus_remote_write\nhost aps-workspaces.eu-west-1.amazonaws.com\nport 443\ntls on\naws_auth on\nuri /workspaces/ws-1/api/v1/remote_write", "Amazon Managed Service for Prometheus | https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws-1/api/v1/remote_write |  | AWS Signature Version 4, service aps, region eu-west-1 | [{aps-workspaces.eu-west-1.amazonaws.com 443 true true false}] | [{[aps:RemoteWrite] arn:aws:aps:eu-west-1:*:workspace/ws-1}]"},
		{"name http\nhost web\nuri /logs?token=SECRET\nhttp_user u", "an HTTP server | http://web/logs |  | user u and password (basic authentication) | [{web 80 false false false}] | []"},
		{"name http\nhost p.eu-west-1.osis.amazonaws.com\nport 443\ntls on\naws_auth on\naws_service osis\naws_region eu-west-1", "an HTTP server | https://p.eu-west-1.osis.amazonaws.com/ |  | AWS Signature Version 4, service osis, region eu-west-1 | [{p.eu-west-1.osis.amazonaws.com 443 true true false}] | [{[osis:Ingest] arn:aws:osis:eu-west-1:*:pipeline/*}]"},
		{"@type http\nendpoint https://web/${tag}", "an HTTP server | https://web |  |  | [{web 443 true true false}] | []"},
		{"@type http\nendpoint https://u:SECRET@web/x", "an HTTP server | https://web/x |  |  | [{web 443 true true false}] | []"},
		{"name tcp\nhost h", "a TCP server | tcp://h:5170 |  |  | [{h 5170 false false false}] | []"},
		{"name udp\nhost h", "a UDP server | udp://h:5170 |  |  | [{h 5170 false false true}] | []"},
		{"name syslog\nhost h\nmode tls\nsyslog_message_key log", "a syslog server | tls://h:514 |  |  | [{h 514 true true false}] | []"},
		{"@type remote_syslog\nhost h", "a syslog server | udp://h:514 |  |  | [{h 514 false false true}] | []"},
		{"@type gelf\nhost h\nprotocol tcp", "a GELF server | tcp://h:12201 |  |  | [{h 12201 false false false}] | []"},
		{"name forward\nhost h\nshared_key k\ntag t", "a router of the forward protocol | tcp://h:24224 | tag t | shared key | [{h 24224 false false false}] | []"},
		{"name kafka\nbrokers a:9098,b:9098\ntopics logs\naws_msk_iam on\naws_msk_iam_cluster_arn arn:aws:kafka:eu-west-1:1:cluster/demo/abc", "Amazon MSK | tls://a:9098 | topic logs | AWS Signature Version 4, service kafka-cluster, region eu-west-1 | [{a 9098 true true false} {b 9098 true true false}] | [{[kafka-cluster:Connect kafka-cluster:WriteDataIdempotently] arn:aws:kafka:eu-west-1:1:cluster/demo/abc} {[kafka-cluster:DescribeTopic kafka-cluster:WriteData] arn:aws:kafka:eu-west-1:1:topic/demo/abc/logs}]"},
		{"@type kafka2\nbrokers a\nusername u\npassword SECRET\nscram_mechanism sha256\n<format>\n@type json\n</format>", "Kafka | tcp://a:9092 | topic ${topic}, filled in for each record | SCRAM-SHA-256, user u | [{a 9092 false false false}] | []"},
		{"name file\npath /logs", "a file |  | file /logs/<tag>, filled in for each record |  | [] | []"},
	} {
		d, s := describe(t, c.lines, now)
		got := fmt.Sprintf("%s | %s | %s | %s | %v | %v", s.Service, s.URL, s.Name, s.SignIn, s.Servers, s.Actions)
		if got != c.want || strings.Contains(got, "SECRET") {
			t.Errorf("%s: %s\ngot  %s\nwant %s", d, c.lines, got, c.want)
		}
	}
}

// describe is what the output of a configuration says of itself.
func describe(t *testing.T, lines string, now time.Time) (config.Dialect, sink.Description) {
	t.Helper()
	plan := compiled(t, lines)
	return plan.Dialect, plan.Outputs[0].Options.(sink.Describer).Describe(plan.Dialect, now)
}

// compiled is the plan of a configuration whose only output has these lines.
func compiled(t *testing.T, lines string) *config.Plan {
	t.Helper()
	text := "[INPUT]\nname dummy\n[OUTPUT]\nmatch *\n" + lines + "\n"
	if strings.HasPrefix(lines, "@") {
		text = "<match **>\n" + lines + "\n</match>\n"
	}
	file := filepath.Join(t.TempDir(), "main.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	plan, errs := config.Compile(file, Catalogue(), func(string) (string, bool) { return "", false })
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return plan
}

// Log lines name the service as an operator does.
func TestLogLinesNameTheService(t *testing.T) {
	for lines, want := range map[string]string{
		"name es\nhost search": "Elasticsearch", "name opensearch\nhost search": "OpenSearch", "@type elasticsearch\nhost search": "Elasticsearch",
		"name es\nhost search-web.eu-west-1.es.amazonaws.com\naws_auth on":                         "Amazon OpenSearch Service",
		"name opensearch\nhost x.eu-west-1.aoss.amazonaws.com\naws_auth on\naws_service_name aoss": "OpenSearch",
		"name cloudwatch_logs\nregion eu-west-1\nlog_group_name g\nlog_stream_name s":              "CloudWatch Logs",
		"name s3\nregion eu-west-1\nbucket b":                                                      "Amazon S3", "name loki\nhost loki": "Grafana Loki", "name stdout": "standard output",
	} {
		plan := compiled(t, lines)
		if got := service(&plan.Outputs[0], plan.Dialect); got != want {
			t.Errorf("%s: got %s, want %s", lines, got, want)
		}
	}
}
