package router

import (
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	filteraws "github.com/firelane/firelane/enrich/aws"
	filterecs "github.com/firelane/firelane/enrich/ecs"
	"github.com/firelane/firelane/enrich/ecsmetadata"
	"github.com/firelane/firelane/enrich/kubernetes"
	"github.com/firelane/firelane/enrich/logmetrics"
	"github.com/firelane/firelane/enrich/lua"
	"github.com/firelane/firelane/enrich/stdout"
	"github.com/firelane/firelane/forward"
	"github.com/firelane/firelane/input/dummy"
	"github.com/firelane/firelane/input/emitter"
	"github.com/firelane/firelane/input/exec"
	"github.com/firelane/firelane/input/host"
	"github.com/firelane/firelane/input/http"
	inputkafka "github.com/firelane/firelane/input/kafka"
	monitoragent "github.com/firelane/firelane/input/monitor"
	"github.com/firelane/firelane/input/node"
	"github.com/firelane/firelane/input/opentelemetry"
	"github.com/firelane/firelane/input/ownlog"
	"github.com/firelane/firelane/input/scrape"
	"github.com/firelane/firelane/input/socket"
	"github.com/firelane/firelane/input/statsd"
	"github.com/firelane/firelane/input/stdin"
	"github.com/firelane/firelane/input/syslog"
	"github.com/firelane/firelane/input/systemd"
	"github.com/firelane/firelane/input/tail"
	inputudp "github.com/firelane/firelane/input/udp"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/parse/multiline"
	"github.com/firelane/firelane/sink/bulk"
	"github.com/firelane/firelane/sink/cloudwatch"
	"github.com/firelane/firelane/sink/datadog"
	"github.com/firelane/firelane/sink/firehose"
	sinkforward "github.com/firelane/firelane/sink/forward"
	"github.com/firelane/firelane/sink/gelf"
	"github.com/firelane/firelane/sink/httpout"
	sinkkafka "github.com/firelane/firelane/sink/kafka"
	"github.com/firelane/firelane/sink/kinesis"
	"github.com/firelane/firelane/sink/loki"
	"github.com/firelane/firelane/sink/newrelic"
	sinkopentelemetry "github.com/firelane/firelane/sink/opentelemetry"
	"github.com/firelane/firelane/sink/prometheus"
	"github.com/firelane/firelane/sink/s3"
	"github.com/firelane/firelane/sink/splunk"
	"github.com/firelane/firelane/sink/stream"
	"github.com/firelane/firelane/sink/sumologic"
	sinksyslog "github.com/firelane/firelane/sink/syslog"
	"github.com/firelane/firelane/sink/tcp"
	"github.com/firelane/firelane/sink/udp"
)

// Catalogue is every plugin that there is: its kind, its name in Fluent Bit and in Fluentd ("" where that dialect doesn't
// have it; aliases after commas), its constructor, and one line of help. Its options are what the constructor takes.
func Catalogue() []config.Plugin { return slices.Concat(inputs(), steps(), outputs()) }

func inputs() []config.Plugin {
	return []config.Plugin{
		Row(config.KindInput, "forward", "forward", forward.New, "the forward protocol, on TCP or a unix socket"),
		Row(config.KindInput, "", "unix", forward.NewUnix, "the forward protocol, on a unix socket"),
		Row(config.KindInput, "tail", "tail", tail.New, "the lines of files, as they grow"),
		Row(config.KindInput, "systemd", "systemd", systemd.New, "the journal of systemd, from its files"),
		Row(config.KindInput, "tcp", "", forward.NewTCP, "JSON or plain lines on TCP; ECS checks a router's health with it"),
		Row(config.KindInput, "unix_socket", "", forward.NewUnixSocket, "JSON or plain lines on a unix socket"),
		Row(config.KindInput, "kafka", "", inputkafka.New, "consumes topics of Kafka"),
		Row(config.KindInput, "http", "http", http.New, "JSON, MessagePack and forms by HTTP, answered when the events are queued"),
		Row(config.KindInput, "syslog", "syslog", syslog.New, "syslog by UDP, TCP, TLS or a socket file"),
		Row(config.KindInput, "opentelemetry", "", opentelemetry.New, "logs of OpenTelemetry, by OTLP/HTTP"),
		Row(config.KindInput, "exec", "", exec.New, "the lines that a command writes, if allow_exec is on in [SERVICE]"),
		Row(config.KindInput, "", "exec", exec.NewFluentd, "the lines that a command writes, if allow_exec is on in <system>"),
		Row(config.KindInput, "dummy", "sample,dummy", dummy.New, "events of its own, for tests of a configuration"),
		Row(config.KindInput, "", "tcp", socket.NewTCP, "messages on TCP, in the format of <parse>"),
		Row(config.KindInput, "udp", "udp", inputudp.New, "JSON or text, in datagrams"),
		Row(config.KindInput, "statsd", "", statsd.New, "metrics of StatsD, by UDP, each a record"),
		Row(config.KindInput, "stdin", "", stdin.New, "JSON or lines on the process's standard input"),
		Row(config.KindInput, "fluentbit_metrics", "", scrape.NewInternal, "the router's own metrics"),
		Row(config.KindInput, "", "monitor_agent", monitoragent.New, "a page, and events, with what is counted of inputs and outputs"),
		Row(config.KindInput, "fluentbit_logs", "fluentd_log", ownlog.New, "the router's own log, as events"),
		Row(config.KindInput, "emitter", "", emitter.New, "the metrics of a filter log_to_metrics, which adds this input itself"),
		Row(config.KindInput, "prometheus_scrape", "", scrape.New, "the metrics of a page in Prometheus's format"),
		Row(config.KindInput, "node_exporter_metrics", "", node.New, "the host's state as metrics, as Prometheus's node exporter has them"),
		Row(config.KindInput, "process_exporter_metrics", "", node.NewProcesses, "the state of processes as metrics, as process-exporter has them"),
		Row(config.KindInput, "cpu", "", host.NewCPU, "how busy the host's processors are, or those that a process uses"),
		Row(config.KindInput, "mem", "", host.NewMem, "the host's memory"),
		Row(config.KindInput, "disk", "", host.NewDisk, "what the host's disks read and write"),
		Row(config.KindInput, "netif", "", host.NewNetif, "what passes a network interface"),
		Row(config.KindInput, "proc", "", host.NewProc, "whether a process runs, and its memory"),
		Row(config.KindInput, "thermal", "", host.NewThermal, "the host's temperatures"),
		Row(config.KindInput, "health", "", host.NewHealth, "whether a server takes connections"),
		Row(config.KindInput, "head", "", host.NewHead, "the beginning of a file, again and again"),
		Row(config.KindInput, "random", "", host.NewRandom, "random numbers, for tests of a configuration"),
	}
}

// steps are the filters and the parsers.
func steps() []config.Plugin {
	return []config.Plugin{
		Row(config.KindFilter, "record_modifier", "", enrich.NewModifier, "adds and removes fields"),
		Row(config.KindFilter, "", "record_transformer", enrich.NewTransformer, "adds and removes fields"),
		Row(config.KindFilter, "grep", "grep", enrich.NewGrep, "keeps or drops records whose fields match"),
		Row(config.KindFilter, "modify", "", enrich.NewModify, "sets, adds, removes, renames, copies and moves fields, in order and under conditions"),
		Row(config.KindFilter, "content_modifier", "", enrich.NewContentModifier, "Fluent Bit's processor: changes one field"),
		Row(config.KindFilter, "sql", "", enrich.NewSQL, "Fluent Bit's processor: selects fields and records"),
		Row(config.KindFilter, "opentelemetry_envelope", "", enrich.NewEnvelope, "Fluent Bit's processor; accepted: the output opentelemetry groups records itself"),
		Row(config.KindFilter, "sampling", "", enrich.NewSampling, "Fluent Bit's processor; accepted: it is for traces"),
		Row(config.KindFilter, "nest", "", enrich.NewNest, "moves fields into a map, or a map's fields up"),
		Row(config.KindFilter, "rewrite_tag", "", enrich.NewRewrite, "gives events another tag, by what a field matches"),
		Row(config.KindFilter, "multiline", "", enrich.NewMultiline, "joins lines that belong together, such as those of a stack trace"),
		Row(config.KindFilter, "", "concat", enrich.NewConcat, "joins parts of a text that came as several records"),
		Row(config.KindFilter, "lua", "", lua.New, "runs a script on each record: changes it, drops it, makes several of it"),
		Row(config.KindFilter, "parser", "parser", enrich.NewParse, "makes fields of a text field"),
		Row(config.KindFilter, "throttle", "", enrich.NewThrottle, "limits the number of records, over a sliding window"),
		Row(config.KindFilter, "throttle_size", "", enrich.NewThrottleSize, "limits the bytes of records, for each value of a field"),
		Row(config.KindFilter, "type_converter", "", enrich.NewConvert, "adds fields that have another one's value in another type"),
		Row(config.KindFilter, "checklist", "", enrich.NewChecklist, "sets fields where a text is in a list"),
		Row(config.KindFilter, "expect", "", enrich.NewExpect, "checks that records have fields, for tests of a configuration"),
		Row(config.KindFilter, "sysinfo", "", enrich.NewSysinfo, "adds what the system says about itself"),
		Row(config.KindFilter, "log_to_metrics", "", logmetrics.New, "counts and measures records, for Prometheus"),
		Row(config.KindFilter, "aws", "", filteraws.New, "adds what the metadata service of an EC2 instance says"),
		Row(config.KindFilter, "ecs", "", filterecs.New, "adds what the ECS agent says about a record's task and container"),
		Row(config.KindFilter, "ecs_metadata", "ecs_metadata", ecsmetadata.New, "adds what ECS's task metadata endpoint says about a record's task and container: ecs_cluster, ecs_task_arn, ecs_task_definition, ecs_family, ecs_revision, ecs_task_id, ecs_container_name, ecs_container_image, availability_zone, launch_type, service_name, aws_region"),
		Row(config.KindFilter, "kubernetes", "", kubernetes.New, "adds what the API server says about a record's pod, and merges JSON"),
		Row(config.KindFilter, "stdout", "stdout", stdout.New, "writes records to standard output, too"),
		Row(config.KindParser, "json,regex,ltsv,logfmt", "", parse.New, "makes fields of text"),
		Row(config.KindMultiline, "regex,endswith,equal,eq", "", multiline.New, "joins lines that belong together"),
		Row(config.KindStream, "stream_task", "", enrich.NewStreamTask, "copies the events for which a condition holds, with another tag"),
	}
}

func outputs() []config.Plugin {
	return []config.Plugin{
		Row(config.KindOutput, "es,elasticsearch", "elasticsearch", bulk.New, "Elasticsearch"),
		Row(config.KindOutput, "opensearch", "opensearch", bulk.New, "OpenSearch, also on AWS and Serverless"),
		Row(config.KindOutput, "kafka", "kafka2,rdkafka2,rdkafka", sinkkafka.New, "Kafka, also Amazon MSK"),
		Row(config.KindOutput, "cloudwatch_logs,cloudwatch", "cloudwatch_logs", cloudwatch.New, "CloudWatch Logs"),
		Row(config.KindOutput, "s3", "", s3.New, "Amazon S3, and stores with its API: objects of JSON lines"),
		Row(config.KindOutput, "", "s3", s3.NewFluentd, "Amazon S3, and stores with its API"),
		Row(config.KindOutput, "kinesis_firehose", "kinesis_firehose", firehose.New, "Amazon Data Firehose"),
		Row(config.KindOutput, "firehose", "", firehose.NewGo, "Amazon Data Firehose, as AWS's plugin in Go"),
		Row(config.KindOutput, "kinesis_streams", "kinesis_streams", kinesis.New, "Amazon Kinesis Data Streams"),
		Row(config.KindOutput, "kinesis", "", kinesis.NewGo, "Amazon Kinesis Data Streams, as AWS's plugin in Go"),
		Row(config.KindOutput, "", "kinesis_streams_aggregated", kinesis.NewAggregated, "Amazon Kinesis Data Streams, several records in one"),
		Row(config.KindOutput, "http", "http", httpout.New, "any server, by HTTP"),
		Row(config.KindOutput, "datadog", "datadog", datadog.New, "Datadog"),
		Row(config.KindOutput, "splunk", "splunk_hec", splunk.New, "Splunk's HTTP Event Collector"),
		Row(config.KindOutput, "nrlogs,newrelic", "newrelic", newrelic.New, "New Relic"),
		Row(config.KindOutput, "", "sumologic", sumologic.New, "an HTTP source of Sumo Logic"),
		Row(config.KindOutput, "forward", "forward", sinkforward.New, "another router, by the forward protocol"),
		Row(config.KindOutput, "loki", "loki", loki.New, "Grafana Loki"),
		Row(config.KindOutput, "opentelemetry", "", sinkopentelemetry.New, "logs of OpenTelemetry, by OTLP/HTTP"),
		Row(config.KindOutput, "syslog", "", sinksyslog.New, "a syslog server, by UDP, TCP or TLS"),
		Row(config.KindOutput, "", "remote_syslog", sinksyslog.NewRemote, "a syslog server, by UDP, TCP or TLS"),
		Row(config.KindOutput, "gelf", "", gelf.New, "Graylog and others, by GELF over UDP, TCP or TLS"),
		Row(config.KindOutput, "", "gelf", gelf.NewFluentd, "Graylog and others, by GELF over UDP, TCP or TLS"),
		Row(config.KindOutput, "tcp", "", tcp.New, "JSON or MessagePack on a TCP connection, also with TLS"),
		Row(config.KindOutput, "udp", "", udp.New, "JSON or MessagePack, a datagram each"),
		Row(config.KindOutput, "prometheus_remote_write", "", prometheus.New, "Prometheus and what takes its remote write, also on AWS: metrics only"),
		Row(config.KindOutput, "prometheus_exporter", "", prometheus.NewExporter, "a page that Prometheus reads: metrics only"),
		Row(config.KindOutput, "stdout", "stdout", stream.NewStdout, "standard output"),
		Row(config.KindOutput, "counter", "", stream.NewCounter, "standard output: how many records each request has"),
		Row(config.KindOutput, "flowcounter", "", stream.NewFlowCounter, "standard output: counts of records and bytes for each second, minute, hour or day"),
		Row(config.KindOutput, "file", "file", stream.NewFile, "files"),
		Row(config.KindReroute, "", "rewrite_tag_filter", enrich.NewRetag, "gives records another tag, by what a field matches; they begin again at the first filter"),
		Row(config.KindOutput, "null", "null", stream.NewNull, "nowhere; records count as delivered"),
	}
}

// A constructor makes the part that a plugin stands for of its options; Env is that of the part's room.
type constructor[Env any] func(opts any, d config.Dialect, env Env) (any, error)

// Row is one plugin of a catalogue. It is a test's way, too, to have a plugin that the product doesn't.
func Row[Options, Env, Part any](
	kind config.Kind, fluentBit, fluentd string, make func(*Options, config.Dialect, Env) (Part, error), help string,
) config.Plugin {
	return config.Plugin{
		Kind: kind, FluentBit: names(fluentBit), Fluentd: names(fluentd), Help: help,
		Options: func() any { return new(Options) },
		New: constructor[Env](func(opts any, d config.Dialect, env Env) (any, error) {
			return make(opts.(*Options), d, env)
		}),
	}
}

// construct makes the part that an instance of a plugin stands for.
func construct[Part, Env any](in config.Instance, d config.Dialect, env Env) (part Part, err error) {
	made, err := in.Plugin.New.(constructor[Env])(in.Options, d, env)
	if err != nil {
		return part, err
	}
	return made.(Part), nil
}

// names splits the names of a plugin in a dialect: "cloudwatch_logs,cloudwatch".
func names(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}
