package config

import "time"

// Service is Fluent Bit's [SERVICE] and Fluentd's <system>: options of the whole router. Several [SERVICE] sections are
// merged, the later option wins; so are several <system> sections.
type Service struct {
	Flush time.Duration `fluentbit:"flush" default:"1s" strict:"zero" help:"how long the first record of a request waits for more"`
	Grace time.Duration `fluentbit:"grace" fluentd:"grace" default:"25s" negative:"8760h" help:"how long a stop may take (ECS kills after 30 s); outside of ECS and Kubernetes the default is 8s (Docker kills after 10 s); an idle router exits at once, and undelivered records stay in the queue"`

	LogLevel  string `fluentbit:"log_level" fluentd:"log_level" oneof:"off,fatal,error,warn,warning,info,debug,trace" default:"info" help:"which lines the router's own log shows"`
	LogFile   string `fluentbit:"log_file" ignored:"the router's own log goes to stderr" help:"accepted"`
	SystemLog Log    `fluentd:"<log>" help:"the router's own log"`

	HTTPServer bool   `fluentbit:"http_server" fluentd:"http_server" other:"off" default:"off" help:"serve health and metrics"`
	HTTPListen string `fluentbit:"http_listen" fluentd:"http_listen" default:"0.0.0.0" help:"address of the HTTP server"`
	HTTPPort   int    `fluentbit:"http_port" fluentd:"http_port" default:"2020" strict:"true" help:"port of the HTTP server"`
	HTTPHosts  string `fluentbit:"http_hosts" fluentd:"http_hosts" help:"names, besides localhost and addresses, that a request's Host may be, with commas; * for any"`

	// HTTPRecords is firelane's own: the page of metrics may be open to a network that may not read log records.
	HTTPRecords string `fluentbit:"http_records" fluentd:"http_records" oneof:"local,on,off" default:"local" help:"whether the status page shows log records (live tail, refused records, fields); local: only where http_listen is a loopback address"`

	HealthCheck    bool          `fluentbit:"health_check" fluentd:"health_check" other:"(not written)" default:"off" help:"accepted: /api/v1/health is always there, and answers 200 while the router runs; /api/v1/health/delivery answers 500 if an output has failed for a minute"`
	HCErrors       int           `fluentbit:"hc_errors_count" fluentd:"hc_errors_count" default:"5" help:"accepted; see health_check"`
	HCRetries      int           `fluentbit:"hc_retry_failure_count" fluentd:"hc_retry_failure_count" default:"5" help:"accepted; see health_check"`
	HCPeriod       time.Duration `fluentbit:"hc_period" fluentd:"hc_period" default:"60s" help:"accepted; see health_check"`
	StoragePath    string        `fluentbit:"storage.path" fluentd:"root_dir" help:"folder of the queues; /var/lib/firelane unless written, and memory where it can't be written to"`
	Sync           string        `fluentbit:"storage.sync" oneof:"normal,full" default:"normal" help:"full: accepted records are written to the disk at once, and a power failure loses none; normal: the kernel decides when"`
	StorageMetrics bool          `fluentbit:"storage.metrics" other:"(not written)" default:"off" help:"accepted; the queues are always measured"`
	ParsersFiles   []string      `fluentbit:"parsers_file" help:"file with [PARSER] sections; may be repeated"`
	StreamsFile    string        `fluentbit:"streams_file" help:"file with [STREAM_TASK] sections"`

	// AllowExec is firelane's own: a configuration that comes with an image should not run commands unasked.
	AllowExec bool `fluentbit:"allow_exec" fluentd:"allow_exec" default:"off" help:"run the commands of the inputs exec; off: none is run, and one line in the log says so"`

	// AllowScriptIO is firelane's own, for the same reason.
	AllowScriptIO bool `fluentbit:"allow_script_io" default:"off" help:"let the scripts of filters lua read and write files, load modules and run commands; off: what would do that is an error of the script"`

	// JoinPartial is firelane's own: Docker splits lines at 16 KiB, and neither dialect joins them unless configured to.
	JoinPartial bool `fluentbit:"join_partial" fluentd:"join_partial" default:"on" help:"join the lines that Docker split at 16 KiB"`

	// Metadata is firelane's own. A task without a file of its own sets the variable FIRELANE_ECS_METADATA, which takes precedence.
	Metadata string `fluentbit:"ecs_metadata" fluentd:"ecs_metadata" oneof:"agent,full" default:"agent" help:"full: records get what ECS's task metadata endpoint says about their task and container; agent: only what ECS writes into the configuration"`

	// HotReload is off in Fluent Bit unless it is written. Here a SIGHUP that does nothing has no use.
	HotReload bool `fluentbit:"hot_reload" fluentd:"hot_reload" other:"off" default:"on" help:"SIGHUP, SIGUSR2 and POST /api/v2/reload read the configuration again"`

	Tuning
	SystemOptions
}

// Log is the <log> of Fluentd's <system>.
type Log struct {
	Path   string `fluentd:"path" ignored:"the router's own log goes to stderr" help:"accepted"`
	Format string `fluentd:"format" oneof:"text,json" default:"text" help:"accepted: JSON in a container, readable on a terminal"`
	Time   string `fluentd:"time_format" help:"accepted"`
	Age    string `fluentd:"rotate_age" help:"accepted"`
	Size   string `fluentd:"rotate_size" help:"accepted"`
	Stack  string `fluentd:"forced_stacktrace_level" help:"accepted"`
}

// Tuning are Fluent Bit's settings of features that don't exist here. They are accepted, with a warning for those that a
// user may rely on.
type Tuning struct {
	Daemon           bool    `fluentbit:"daemon" other:"(not written)" ignored:"firelane stays in the foreground" help:"accepted"`
	PluginsFile      *string `fluentbit:"plugins_file" ignored:"plugins can't be loaded" help:"accepted"`
	Checksum         *bool   `fluentbit:"storage.checksum" other:"(not written)" help:"accepted; the queue always has checksums"`
	MaxChunksUp      string  `fluentbit:"storage.max_chunks_up" help:"accepted; memory is bounded in any case"`
	BacklogLimit     string  `fluentbit:"storage.backlog.mem_limit" help:"accepted; memory is bounded in any case"`
	DeleteBroken     *bool   `fluentbit:"storage.delete_irrecoverable_chunks" other:"(not written)" help:"accepted; damaged files are set aside, never deleted"`
	KeepRejected     string  `fluentbit:"storage.keep.rejected,storage.rejected.path,storage.rejected.limit" help:"accepted; refused records go to the dead letter"`
	InheritStorage   string  `fluentbit:"storage.inherit,storage.type" help:"accepted"`
	BacklogFlush     *bool   `fluentbit:"storage.backlog.flush_on_shutdown" other:"(not written)" help:"accepted"`
	TrimFiles        *bool   `fluentbit:"storage.trim_files" other:"(not written)" help:"accepted"`
	CoroStack        string  `fluentbit:"coro_stack_size" help:"accepted"`
	SchedulerBase    string  `fluentbit:"scheduler.base" help:"accepted; the wait between retries grows by itself"`
	SchedulerCap     string  `fluentbit:"scheduler.cap" help:"accepted; the wait is never longer than 30 s"`
	NaNToNull        *bool   `fluentbit:"json.convert_nan_to_null" other:"(not written)" help:"accepted; NaN is always null"`
	EscapeUnicode    *bool   `fluentbit:"json.escape_unicode" other:"(not written)" help:"accepted; text in JSON is UTF-8, as with off"`
	HotReloadExtras  string  `fluentbit:"hot_reload.ensure_thread_safety,hot_reload.timeout" help:"accepted; a reload always waits for what is in progress, and for 20 s at most"`
	MultilineLimit   string  `fluentbit:"multiline_buffer_limit" help:"accepted"`
	ChunkTrace       *bool   `fluentbit:"enable_chunk_trace" other:"(not written)" help:"accepted"`
	DNS              string  `fluentbit:"dns.mode,dns.resolver,dns.prefer_ipv4,dns.prefer_ipv6" ignored:"write net.dns.mode and the like in each output" help:"accepted"`
	SQLNumbers       *bool   `fluentbit:"sp.convert_from_str_to_num" other:"(not written)" help:"accepted; a text that begins with a number counts as that number when it is compared with one"`
	HTTPServerExtras string  `fluentbit:"http_server.max_connections,http_server.workers,http_server.http2,http_server.idle_timeout,http_server.buffer_max_size,http_server.buffer_chunk_size,http_server.ingress_queue_event_limit,http_server.ingress_queue_byte_limit" help:"accepted"`
	FlushAdaptive    string  `fluentbit:"flush.adaptive,flush.adaptive.min_interval,flush.adaptive.max_interval,flush.adaptive.low_pressure,flush.adaptive.medium_pressure,flush.adaptive.high_pressure,flush.adaptive.up_steps,flush.adaptive.down_steps" help:"accepted; flush stays what it is"`
	FIPSMode         string  `fluentbit:"security.fips_mode" ignored:"TLS here isn't OpenSSL's" help:"accepted"`
	MaxStdio         string  `fluentbit:"windows.maxstdio" help:"accepted"`
}

// SystemOptions are Fluentd's settings of features that don't exist here. They are accepted.
type SystemOptions struct {
	Workers          int    `fluentd:"workers" default:"1" help:"accepted: one process serves all"`
	SuppressStack    *bool  `fluentd:"suppress_repeated_stacktrace" help:"accepted; repeated lines are always suppressed"`
	EmitErrorLog     string `fluentd:"emit_error_log_interval" help:"accepted"`
	IgnoreRepeated   string `fluentd:"ignore_repeated_log_interval,ignore_same_log_interval" help:"accepted; repeated lines are always suppressed"`
	SuppressDump     *bool  `fluentd:"suppress_config_dump" help:"accepted; the configuration is never dumped"`
	LogVerbose       *bool  `fluentd:"log_event_verbose" help:"accepted"`
	WithoutSource    bool   `fluentd:"without_source,with_source_only" ignored:"sources are always started" help:"accepted"`
	RPCEndpoint      string `fluentd:"rpc_endpoint" ignored:"there is no RPC; http_server serves health and metrics" help:"accepted"`
	GetDump          *bool  `fluentd:"enable_get_dump" help:"accepted"`
	ProcessName      string `fluentd:"process_name" help:"accepted"`
	StrictValue      *bool  `fluentd:"strict_config_value" help:"accepted; values are always checked"`
	TimeSupport      *bool  `fluentd:"enable_msgpack_time_support" help:"accepted"`
	SharedSocket     *bool  `fluentd:"disable_shared_socket" help:"accepted"`
	InputMetrics     *bool  `fluentd:"enable_input_metrics,enable_size_metrics" help:"accepted; everything is measured"`
	JIT              *bool  `fluentd:"enable_jit" help:"accepted"`
	FilePermission   string `fluentd:"file_permission,dir_permission,umask" help:"accepted"`
	RestartInterval  string `fluentd:"restart_worker_interval" help:"accepted"`
	ConfigIncludeDir string `fluentd:"config_include_dir" help:"folder whose files .conf, .yaml and .yml are read, too, with those in folders inside of it"`
	Metrics          []Pair `fluentd:"<metrics>" help:"accepted"`
	Counters         []Pair `fluentd:"<counter_server>,<counter_client>,<source_only_buffer>" help:"accepted"`
}
