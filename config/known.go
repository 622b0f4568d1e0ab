package config

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// known are the names of the plugins that Fluent Bit 5.1 has, those in Go of AWS's, Grafana's and New Relic's images, and those of Fluentd
// 1.18 and of its most used gems: an unknown name that is one of these is no spelling mistake.
var known = map[Dialect]map[Kind]string{
	FluentBit: {
		KindInput: "blob calyptia_fleet collectd cpu disk docker docker_events dummy ebpf elasticsearch event_tracing_windows event_type " +
			"exec exec_wasi fluentbit_logs fluentbit_metrics forward gpu_metrics head health http kafka kmsg kubernetes_events lib mem mqtt " +
			"netif nginx_metrics node_exporter_metrics opentelemetry podman_metrics proc process_exporter_metrics prometheus_remote_write " +
			"prometheus_scrape prometheus_textfile random serial splunk statsd stdin syslog systemd tail tcp thermal udp unix_socket " +
			"windows_exporter_metrics winevtlog winlog winstat",
		KindFilter: "alter_size aws checklist ecs expect geoip2 grep kubernetes log_to_metrics lua modify multiline nest nightfall parser " +
			"record_modifier rewrite_tag stdout sysinfo tensorflow throttle throttle_size type_converter wasm",
		KindOutput: "azure azure_blob azure_kusto azure_logs_ingestion bigquery calyptia chronicle cloudwatch cloudwatch_logs counter datadog es " +
			"exit file firehose flowcounter forward gcs gelf grafana-loki http influxdb kafka kafka-rest kinesis kinesis_firehose kinesis_streams lib logdna " +
			"loki nats newrelic nrlogs null opensearch opentelemetry oracle_log_analytics pgsql plot prometheus_exporter " +
			"prometheus_remote_write retry s3 skywalking slack splunk stackdriver stdout syslog tcp td udp vivo_exporter websocket",
	},
	Fluentd: {
		KindInput: "debug_agent dummy exec forward gc_stat http kafka kafka_group monitor_agent object_space prometheus prometheus_monitor " +
			"prometheus_output_monitor s3 sample secure_forward sqs syslog systemd tail tcp udp unix windows_eventlog2",
		KindFilter: "concat dedot elasticsearch_genid geoip grep kubernetes_metadata parser prometheus record_modifier " +
			"record_transformer stdout throttle",
		KindOutput: "azureblob bigquery cloudwatch_logs copy datadog detect_exceptions elasticsearch elasticsearch_dynamic exec exec_filter file forward gcs " +
			"gelf google_cloud http influxdb kafka kafka2 kafka_buffered kinesis_firehose kinesis_streams " +
			"kinesis_streams_aggregated logzio_buffered loki mail mongo mongo_replset newrelic null opensearch opensearch_data_stream elasticsearch_data_stream " +
			"opentelemetry papertrail prometheus rdkafka rdkafka2 relabel remote_syslog retag rewrite_tag_filter roundrobin route s3 secondary_file secure_forward slack " +
			"splunk_hec splunk stdout sumologic syslog_rfc5424 webhdfs",
	},
}

// unsupported are options that Fluent Bit 5.1 has and firelane doesn't, by plugin; those under "" are of many. A * stands for any
// text. Fluent Bit starts with them, so they are no spelling mistakes.
var unsupported = map[string]string{
	"": "rate_gate rate_gate.* rate_window net.accept_timeout net.accept_timeout_log_error net.backlog net.io_timeout net.keepalive " +
		"net.share_port tls.proxy.* tls.verify_client_cert tls.windows.*",
	"file":    "enable_strftime fallback_file fallback_path max_dynamic_files on_limit_reached on_missing_field rotate rotate_*",
	"dummy":   "test_hang_on_exit",
	"forward": "fluentd_compat",
	"health":  "listen net.* tls tls.*",
	"nrlogs":  "host port",
	"null":    "json_date_*",
	"node_exporter_metrics": "collector.*.scrape_interval collector.hwmon.* systemd_exclude_pattern systemd_include_pattern " +
		"systemd_include_service_task_metrics systemd_service_restart_metrics systemd_unit_start_time_metrics",
	"opentelemetry":       "http_server.ingress_*",
	"prometheus_exporter": "buffer_chunk_size buffer_max_size http2 http_server.* max_connections net.*",
	"prometheus_scrape":   "listen net.* tls.*",
	"s3": "host authorization_endpoint_* blob_database_file file_delivery_attempt_limit part_delivery_attempt_limit part_size " +
		"upload_part_freshness_limit upload_parts_timeout",
	"tail": "generic.encoding unicode.encoding",
	"tcp":  "parser",
}

// isUnsupported reports whether Fluent Bit's plugin has an option that firelane doesn't have.
func isUnsupported(plugin, option string) bool {
	if strings.HasPrefix(plugin, "[") {
		return false
	}
	names := strings.Fields(unsupported[""] + " " + unsupported[fold(plugin)])
	return slices.ContainsFunc(names, func(name string) bool {
		ok, _ := path.Match(name, fold(option))
		return ok
	})
}

// unknownPlugin reports a plugin that the catalogue doesn't have in this dialect.
func (k *compilation) unknownPlugin(kind Kind, name param) {
	is := func(d Dialect) bool {
		return slices.Contains(strings.Fields(known[d][kind]), strings.ToLower(name.value))
	}
	here, want := k.plan.Dialect, k.wantPlugin(kind, name.value)
	if plain, ok := strings.CutPrefix(name.value, "= "); ok && k.find(kind, plain) != nil {
		k.error(name.pos, fmt.Sprintf("unknown %s %s: there is no = between name and value in this syntax; want %s", kind, name.value, plain)).as(CodeSign).fix(name.value, plain)
		return
	}
	same := k.called(kind, name.value)
	switch {
	case is(here):
		k.error(name.pos, fmt.Sprintf("%s %s is a plugin of %s that firelane doesn't have; %s", kind, name.value, here.product(), want)).as(CodeAbsent)
	case same != "":
		k.error(name.pos, fmt.Sprintf("%s %s is a plugin of %s, and this is a configuration of %s; want %s",
			kind, name.value, here.other().product(), here.product(), same)).as(CodeDialect).fix(name.value, same)
	case is(here.other()):
		k.error(name.pos, fmt.Sprintf("%s %s is a plugin of %s, and this is a configuration of %s; %s", kind, name.value, here.other().product(), here.product(), want)).as(CodeDialect)
	default:
		k.error(name.pos, fmt.Sprintf("unknown %s %s; %s", kind, name.value, want)).as(CodePlugin).fix(name.value, nearest(name.value, k.pluginNames(kind)))
	}
}

// called is what a plugin of the other dialect is called in this one, "" if it isn't the same one.
func (k *compilation) called(kind Kind, name string) string {
	for i := range k.Catalogue {
		p := &k.Catalogue[i]
		if own := p.names(k.plan.Dialect); p.Kind == kind && len(own) > 0 {
			for _, n := range p.names(k.plan.Dialect.other()) {
				if strings.EqualFold(n, name) {
					return own[0]
				}
			}
		}
	}
	return ""
}

// product is what a dialect's program is called.
func (d Dialect) product() string {
	if d == Fluentd {
		return "Fluentd"
	}
	return "Fluent Bit"
}
