package router

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs/ecstest"
)

// An example is a use of FireLens as AWS's public examples have it: the options that they set, with other values, and the
// files that their images and buckets have, in words of our own.
type example struct {
	name    string
	kind    string            // of the router, fluentbit unless it is written
	options string            // of the application's log driver, separated by |; "": it has no output
	secrets string            // names of options that are secrets
	file    string            // config-file-value; "s3" for a file in S3
	env     string            // the router's environment, separated by |
	files   map[string]string // by path; the one in S3 is s3
	main    string            // what the image's command starts instead of the generated file
	init    []string          // the files that variables of the init image name

	outputs  string // of an event of the application, by their names
	warnings int
}

const (
	tailService   = "[INPUT]\n Name tail\n Tag files\n Path /var/log/web*.log\n DB /var/log/web.db\n DB.locking true\n Skip_Long_Lines On\n Refresh_Interval 10\n Rotate_Wait 30\n"
	toGroup       = "[OUTPUT]\n Name cloudwatch\n Match %s\n region eu-west-1\n log_group_name g-$(ecs_cluster)\n log_stream_name /logs/$(ec2_instance_id)-$(ecs_task_id)\n auto_create_group true\n retry_limit 2\n"
	tcpLines      = "[INPUT]\n Name tcp\n Listen 0.0.0.0\n Port %d\n Chunk_Size 32\n Buffer_Size 64\n Format none\n Tag %s\n"
	twoForwards   = "[INPUT]\n Name forward\n unix_path /var/run/fluent.sock\n %[1]s\n[INPUT]\n Name forward\n Listen 0.0.0.0\n Port 24224\n %[1]s\n"
	viaLogs       = "Name cloudwatch_logs|region eu-west-1|log_group_name web|auto_create_group true|"
	viaCloudWatch = "Name cloudwatch|region eu-west-1|log_group_name /c/$(ecs_cluster)/a|auto_create_group true|log_stream_name $(ecs_task_id)|retry_limit 2"
	viaFirehose   = "Name firehose|region eu-west-1|delivery_stream web|retry_limit 2"
	addVersion    = "[FILTER]\n Name record_modifier\n Match *\n Record version ${APP_VERSION}\n"
)

func examples() []example {
	return []example{
		{name: "add-keys", options: "Name kinesis_firehose|region eu-west-1|delivery_stream web|retry_limit 2", file: "s3", env: "APP_VERSION 1", files: map[string]string{"s3": addVersion}, outputs: "kinesis_firehose.0"},
		{name: "adot-resource-monitoring", options: viaLogs + "log_key log|log_stream_prefix a-|retry_limit 2", outputs: "cloudwatch_logs.0"},
		{name: "amazon-managed-service-for-prometheus", options: viaCloudWatch, init: []string{"/prometheus.conf"}, files: map[string]string{
			"/prometheus.conf": "[INPUT]\n Name node_exporter_metrics\n Tag n\n Scrape_interval 20\n[OUTPUT]\n Name prometheus_remote_write\n Match n\n Host aps.example\n Port 443\n Uri /workspaces/w/api/v1/remote_write\n AWS_Auth On\n AWS_region eu-west-1\n Tls On\n Tls.verify On\n add_label app web\n add_label color blue\n"},
			outputs: "cloudwatch_logs.0"},
		{name: "amazon-opensearch", options: "Name opensearch|Host os.example|Port 443|Index i|Aws_Auth On|Aws_Region eu-west-1|Suppress_Type_Name On|tls On|retry_limit 2", outputs: "opensearch.0"},
		{name: "amazon-opensearch-serverless", options: "Name opensearch|Host x.eu-west-1.aoss.amazonaws.com|Port 443|Index i|Aws_Auth On|Aws_Region eu-west-1|Aws_Service_Name aoss|Suppress_Type_Name On|tls On|retry_limit 2", outputs: "opensearch.0"},
		{name: "cloudwatchlogs-emf, tcp", options: viaLogs + "log_key log|log_stream_prefix a-|retry_limit 2|workers 1", file: "s3", env: "HOSTNAME h",
			files: map[string]string{"s3": fmt.Sprintf(tcpLines, 25888, "emf-${HOSTNAME}") + "[OUTPUT]\n Name cloudwatch_logs\n Match emf-*\n region eu-west-1\n log_key log\n log_group_name m\n log_stream_prefix p-\n auto_create_group true\n log_format json/emf\n workers 1\n"}, outputs: "cloudwatch_logs.1"},
		{name: "cloudwatchlogs-emf, stdout", options: viaLogs + "log_key log|log_stream_prefix a-|log_format json/emf|retry_limit 2", outputs: "cloudwatch_logs.0"},
		{name: "cloudwatchlogs, cloudwatch", options: viaCloudWatch, outputs: "cloudwatch_logs.0"},
		{name: "cloudwatchlogs, cloudwatch_logs", options: viaLogs + "log_stream_name s|retry_limit 2|workers 1", outputs: "cloudwatch_logs.0"},
		{name: "config-file-type-file", options: viaFirehose, file: "/extra.conf", env: "APP_VERSION 1", files: map[string]string{"/extra.conf": addVersion}, outputs: "firehose.0"},
		{name: "cross-account", options: viaCloudWatch + "|role_arn arn:aws:iam::210987654321:role/logs", outputs: "cloudwatch_logs.0"},
		{name: "datadog", options: "Name datadog|Host intake.example|TLS on|dd_service web|dd_source httpd|dd_tags project:x|provider ecs|retry_limit 2", secrets: "apikey", outputs: "datadog.0"},
		{name: "dynatrace", options: "Name http|Host dt.example|Port 443|tls On|Format json|Allow_Duplicated_Headers false|Header Content-Type application/json; charset=utf-8|Json_date_format iso8601|Json_date_key timestamp", secrets: "URI", outputs: "http.0"},
		{name: "ecs-log-collection, tail", file: "s3", files: map[string]string{"s3": tailService + fmt.Sprintf(toGroup, "app-firelens*") + fmt.Sprintf(toGroup, "files")}, outputs: "cloudwatch_logs.0"},
		{name: "ecs-log-collection, tcp", file: "s3", files: map[string]string{"s3": "[SERVICE]\n Grace 30\n" + fmt.Sprintf(tcpLines, 5170, "t") + " Mem_Buf_Limit 50MB\n" + fmt.Sprintf(toGroup, "*")}, outputs: "cloudwatch_logs.0"},
		{name: "ecs-log-deletion", file: "s3", files: map[string]string{"s3": tailService + fmt.Sprintf(toGroup, "*") + "[INPUT]\n Name exec\n Tag old\n Command find /logs -mmin +9 -execdir rm -f -- '{}' ';'\n Interval_Sec 600\n Interval_NSec 0\n Buf_Size 8mb\n Oneshot false\n[OUTPUT]\n Name null\n Match old\n"}, outputs: "cloudwatch_logs.0", warnings: 1},
		{name: "efs", file: "s3", files: map[string]string{"s3": "[OUTPUT]\n Name kinesis_firehose\n Match *\n region eu-west-1\n delivery_stream web\n retry_limit 2\n"}, outputs: "kinesis_firehose.0"},
		{name: "elastic-cloud", options: "Name es|Port 9243|Tag_Key tags|Include_Tag_Key true|Cloud_ID web:ZXhhbXBsZS5jb20kYWJjJGRlZg==|Index i|tls On|tls.verify Off|retry_limit 2|Suppress_Type_Name On", secrets: "Cloud_Auth", outputs: "es.0"},
		{name: "enable-debug-logging", options: viaLogs + "log_stream_prefix p|retry_limit 2", file: "s3", env: "FLB_LOG_LEVEL debug", files: map[string]string{"s3": "[SERVICE]\n Log_Level debug\n"}, outputs: "cloudwatch_logs.0"},
		{name: "filter-multiline", options: viaLogs + "log_stream_prefix m-|retry_limit 2", file: "/extra.conf", files: map[string]string{
			"/extra.conf": "[SERVICE]\n flush 1\n log_level info\n parsers_file /rules.conf\n[FILTER]\n name multiline\n match *\n multiline.key_content log\n multiline.parser go, own\n",
			"/rules.conf": "[MULTILINE_PARSER]\n name own\n type regex\n flush_timeout 1000\n rule \"start_state\" \"/^\\d+ /\" \"cont\"\n rule \"cont\" \"/^\\s+at/\" \"cont\"\n"}, outputs: "cloudwatch_logs.0"},
		{name: "filter-multiline-partial-message-mode", options: viaLogs + "log_stream_prefix m-", file: "/extra.conf", files: map[string]string{"/extra.conf": "[FILTER]\n name multiline\n match *\n multiline.key_content log\n mode partial_message\n"}, outputs: "cloudwatch_logs.0"},
		{name: "forward-to-aggregator", options: "Name forward|Host aggregator|Port 24224|Retry_Limit 2", outputs: "forward.0"},
		{name: "grafana-cloud", options: "Name loki|Host loki.example|port 443|tls on|tls.verify on|http_user u", secrets: "http_passwd", outputs: "loki.0"},
		{name: "health-check, uptime", options: viaLogs + "log_stream_name e-|retry_limit 2", file: "/fluent-bit/configs/output-metrics-healthcheck.conf", outputs: "cloudwatch_logs.0"},
		{name: "health-check, tcp", options: viaLogs + "log_stream_name e-|retry_limit 2", outputs: "cloudwatch_logs.0"},
		{name: "init-metadata", options: "Name cloudwatch_logs|region ${AWS_REGION}|log_group_name ${ECS_CLUSTER}/a|auto_create_group true|log_stream_name ${ECS_TASK_ID}|retry_limit 2", env: "AWS_REGION eu-west-1|ECS_CLUSTER demo|ECS_TASK_ID abc", outputs: "cloudwatch_logs.0"},
		{name: "kinesis-firehose", options: viaFirehose, outputs: "firehose.0"},
		{name: "kinesis-stream", options: "Name kinesis_streams|region eu-west-1|stream web|retry_limit 2", outputs: "kinesis_streams.0"},
		{name: "log-driver-buffer-limit", options: viaCloudWatch + "|log-driver-buffer-limit 2097152", outputs: "cloudwatch_logs.0"},
		{name: "logstash", options: "Name http|Host logstash.example|Port 8090|Format json|Retry_Limit 2", secrets: "URI", outputs: "http.0"},
		{name: "multi-config-support", options: viaCloudWatch, env: "AWS_REGION eu-west-1", init: []string{"/tail.conf", "/filter.conf", "/parser.conf", "/output.conf"}, files: map[string]string{
			"/tail.conf":   "[INPUT]\n Name tail\n Tag app\n Path /logs/app.log\n Read_from_Head True\n",
			"/filter.conf": "[FILTER]\n Name parser\n Match app\n Key_Name data\n Parser own\n",
			"/parser.conf": "[PARSER]\n Name own\n Format regex\n Regex ^(?<a>[^ ]+) (?<b>.+)$\n",
			"/output.conf": "[OUTPUT]\n Name s3\n Match app\n bucket b\n region ${AWS_REGION}\n total_file_size 1M\n upload_timeout 1m\n use_put_object On\n"}, outputs: "cloudwatch_logs.0"},
		{name: "newrelic", options: "Name newrelic|Retry_Limit 2", secrets: "apiKey", outputs: "nrlogs.0"},
		{name: "oomkill-prevention, filesystem", main: "/fluent-bit/alt/fluent-bit.conf", env: "HOSTNAME h", files: map[string]string{
			"/fluent-bit/alt/fluent-bit.conf": "[SERVICE]\n Grace 30\n Flush 1\n storage.path /var/log/q\n storage.max_chunks_up 25\n HTTP_Server On\n HTTP_Listen 0.0.0.0\n HTTP_PORT 2020\n storage.metrics On\n" +
				fmt.Sprintf(twoForwards, "storage.type filesystem\n storage.pause_on_chunks_overlimit Off # the default") +
				"[OUTPUT]\n Name cloudwatch_logs\n Match *\n region eu-west-1\n log_group_name g\n log_stream_name /logs/${HOSTNAME}\n auto_create_group true\n retry_limit 2\n storage.total_limit_size 1G\n workers 1\n"}, outputs: "cloudwatch_logs.0"},
		{name: "oomkill-prevention, memory", main: "/fluent-bit/alt/fluent-bit.conf", env: "HOSTNAME h", files: map[string]string{
			"/fluent-bit/alt/fluent-bit.conf": "[SERVICE]\n Grace 30\n Flush 1\n" + fmt.Sprintf(twoForwards, "storage.type memory\n Mem_Buf_Limit 50MB") + fmt.Sprintf(toGroup, "*")}, outputs: "cloudwatch_logs.0"},
		{name: "parse-common-log-formats", options: viaFirehose, file: "s3", files: map[string]string{"s3": "[SERVICE]\n Log_Level info\n Parsers_File /fluent-bit/parsers/parsers.conf\n[FILTER]\n Name parser\n Match **\n Parser apache\n Key_Name log\n Reserve_Data True\n"}, outputs: "firehose.0"},
		{name: "parse-envoy-app-mesh", options: "Name cloudwatch|region eu-west-1|log_group_name g|auto_create_group true|log_stream_prefix e-|retry_limit 2", file: "/fluent-bit/conf/x.conf", files: map[string]string{
			"/fluent-bit/conf/x.conf":    "[SERVICE]\n log_level info\n Parsers_File /fluent-bit/parsers/x.conf\n[Filter]\n Name parser\n Match **\n Key_Name log\n Parser envoy\n Reserve_Data True\n",
			"/fluent-bit/parsers/x.conf": "[PARSER]\n Name envoy\n Format regex\n Regex ^\\[(?<start_time>[^\\]]*)\\] (?<rest>.*)\n"}, outputs: "cloudwatch_logs.0"},
		{name: "parse-json", options: viaFirehose, file: "/fluent-bit/configs/parse-json.conf", outputs: "firehose.0"},
		{name: "s3", options: "Name s3|region eu-west-1|bucket b|total_file_size 1M|upload_timeout 1m|use_put_object On|retry_limit 2", outputs: "s3.0"},
		{name: "sematext", options: "Name http|Match *|Header sourceName nginx|Host logs.example|Port 443|TLS on|Format json|compress gzip|retry_limit 2", secrets: "URI", outputs: "http.0"},
		{name: "send-fb-internal-metrics-to-cw", options: viaLogs + "log_stream_prefix p|workers 1", file: "/fluent-bit/configs/plugin-metrics-to-cloudwatch.conf", env: "HOSTNAME h|FLB_LOG_LEVEL info|FLUENT_BIT_METRICS_LOG_GROUP g|FLUENT_BIT_METRICS_LOG_REGION eu-west-1", outputs: "cloudwatch_logs.1"},
		{name: "send-to-multiple-destinations", file: "s3", env: "AWS_REGION eu-west-1|ECS_CLUSTER demo", files: map[string]string{"s3": "[OUTPUT]\n Name firehose\n Match *\n region ${AWS_REGION}\n delivery_stream one\n[OUTPUT]\n Name firehose\n Match *\n region ${AWS_REGION}\n delivery_stream two\n" +
			"[OUTPUT]\n Name cloudwatch_logs\n Match *\n region ${AWS_REGION}\n log_key log\n log_group_name /aws/ecs/${ECS_CLUSTER}\n log_stream_prefix a-\n auto_create_group true\n[OUTPUT]\n Name datadog\n Match *\n Host intake.example\n TLS on\n compress gzip\n dd_service a\n dd_source a\n dd_tags a:b\n provider ecs\n apikey k\n"}, outputs: "firehose.0 firehose.1 cloudwatch_logs.0 datadog.0"},
		{name: "solarwinds-loggly", options: "Name http|Host loggly.example|Port 443|tls on|Format json_lines|Json_date_key timestamp|Json_date_format iso8601|Retry_Limit False", secrets: "URI", outputs: "http.0"},
		{name: "splitting-log-streams", file: "/split.conf", files: map[string]string{
			"/split.conf": "[SERVICE]\n Parsers_File /p.conf\n Streams_File /s.conf\n[FILTER]\n Name parser\n Match *\n Key_Name log\n Parser json\n Reserve_Data True\n" +
				"[OUTPUT]\n Name cloudwatch\n Match logs.*\n region eu-west-1\n log_group_name g\n log_stream_prefix l-\n auto_create_group true\n retry_limit 2\n",
			"/p.conf": "[PARSER]\n Name json\n Format json\n",
			"/s.conf": "[STREAM_TASK]\n Name low\n Exec CREATE STREAM low WITH (tag='logs.low') AS SELECT * from TAG:'app*' WHERE level = 'info';\n"}},
		{name: "fluentd, multiline-logs", kind: "fluentd", options: "@type cloudwatch_logs|log_group_name g|log_stream_name s|region eu-west-1", file: "s3", files: map[string]string{
			"s3": "<filter app-firelens**>\n @type concat\n key log\n stream_identity_key container_id\n multiline_start_regexp /^\\d{4}-/\n</filter>\n"}, outputs: "cloudwatch_logs.0"},
		{name: "fluentd, splitting-log-streams", kind: "fluentd", file: "s3", files: map[string]string{
			"s3": "<match app**>\n @type rewrite_tag_filter\n <rule>\n key log\n pattern /info/\n tag logs.info\n </rule>\n</match>\n" +
				"<match **>\n @type cloudwatch_logs\n log_group_name g\n use_tag_as_stream true\n region eu-west-1\n auto_create_stream true\n</match>\n"}},
		{name: "sumologic", options: "Name http|Host sumo.example|Port 443|tls on|tls.verify off|Format json_lines", secrets: "URI", outputs: "http.0"},
	}
}

// compile renders the example's task definition as the agent does, and compiles it with the example's files.
func (e example) compile(t *testing.T) (*config.Plan, []config.Diagnostic) {
	t.Helper()
	app := map[string]any{"name": "app"}
	driver := map[string]any{"logDriver": "awsfirelens"}
	if e.options != "" {
		options := map[string]string{}
		for o := range strings.SplitSeq(e.options, "|") {
			name, value, _ := strings.Cut(o, " ")
			options[name] = value
		}
		driver["options"] = options
	}
	var secrets []any
	for name := range strings.FieldsSeq(e.secrets) {
		secrets = append(secrets, map[string]string{"name": name, "valueFrom": "arn:aws:ssm:eu-west-1:123456789012:parameter/x"})
	}
	driver["secretOptions"], app["logConfiguration"] = secrets, driver
	firelens := map[string]any{"type": cmp.Or(e.kind, "fluentbit")}
	if e.file == "s3" {
		firelens["options"] = map[string]string{"config-file-type": "s3", "config-file-value": "arn:aws:s3:::b/extra.conf"}
	} else if e.file != "" {
		firelens["options"] = map[string]string{"config-file-type": "file", "config-file-value": e.file}
	}
	router := map[string]any{"name": "log_router", "essential": true, "firelensConfiguration": firelens}
	definition, err := json.Marshal(map[string]any{"networkMode": "awsvpc", "containerDefinitions": []any{app, router}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := ecstest.Render(definition)
	if err != nil {
		t.Fatal(err)
	}
	c := config.Compiler{Catalogue: Catalogue(), Files: map[string]string{r.Path: r.Text}}
	maps.Copy(c.Files, e.files)
	if e.file == "s3" {
		c.Files[r.External] = e.files["s3"]
	}
	for n, name := range e.init {
		c.After = append(c.After, config.Extra{Name: name, From: fmt.Sprintf("aws_fluent_bit_init_s3_%d", n+1)})
	}
	for v := range strings.SplitSeq(e.env, "|") {
		name, value, _ := strings.Cut(v, " ")
		r.Variables[name] = value
	}
	c.Lookup = func(name string) (string, bool) {
		v, ok := r.Variables[name]
		return v, ok
	}
	main := r.Path
	if e.main != "" {
		main = e.main
	}
	return startable(c, main)
}

// AWS's public examples of FireLens start, and the application's records go where they should. One is missing: SignalFx's
// needs a plugin of its own image.
func TestPublicExamplesOfFireLensStart(t *testing.T) {
	for _, e := range examples() {
		t.Run(e.name, func(t *testing.T) {
			plan, errs := e.compile(t)
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			var outputs []string
			for _, n := range plan.Route(0, "app-firelens-0123456789abcdef").Outputs {
				outputs = append(outputs, plan.Outputs[n].ID)
			}
			slices.Sort(outputs)
			want := strings.Fields(e.outputs)
			slices.Sort(want)
			if !slices.Equal(outputs, want) || len(plan.Warnings) != e.warnings {
				t.Errorf("got the outputs %v and the warnings %v, want %v and %d", outputs, plan.Warnings, want, e.warnings)
			}
		})
	}
}
