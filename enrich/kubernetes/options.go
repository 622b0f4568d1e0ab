// Package kubernetes is Fluent Bit's filter kubernetes: it adds the metadata of a record's pod from the API server, and merges the
// JSON in the field log into the record.
package kubernetes

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/enrich/fetch"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/pattern"
)

// Options are those of kubernetes.
type Options struct {
	MergeLog    bool   `fluentbit:"merge_log" default:"false" help:"make fields of the JSON object that is the text of log, or of the map that log is"`
	MergeParser string `fluentbit:"merge_parser" help:"parser for the text of log, instead of JSON"`
	MergeLogKey string `fluentbit:"merge_log_key" help:"field that gets the merged fields as a map; default: they become fields of the record"`
	MergeTrim   bool   `fluentbit:"merge_log_trim" default:"true" help:"remove newlines at the end of merged texts"`
	KeepLog     bool   `fluentbit:"keep_log" default:"true" help:"keep log when it was merged"`

	TagPrefix   string `fluentbit:"kube_tag_prefix" default:"kube.var.log.containers." help:"what comes before POD_NAMESPACE_CONTAINER-ID.log in the tag. Records with other tags pass unchanged"`
	RegexParser string `fluentbit:"regex_parser" help:"parser with the groups pod_name, namespace_name, container_name and docker_id, for what comes after the prefix"`
	UseTag      bool   `fluentbit:"use_tag_for_meta" default:"false" help:"add only what the tag says; the API server isn't asked"`
	Dummy       bool   `fluentbit:"dummy_meta" default:"false" help:"add the field dummy with the time, for tests"`

	URL          string        `fluentbit:"kube_url" default:"https://kubernetes.default.svc" help:"the API server"`
	CAFile       string        `fluentbit:"kube_ca_file" default:"/var/run/secrets/kubernetes.io/serviceaccount/ca.crt" help:"PEM file of the certificate authorities to trust"`
	CAPath       string        `fluentbit:"kube_ca_path" help:"folder of such files"`
	TokenFile    string        `fluentbit:"kube_token_file" default:"/var/run/secrets/kubernetes.io/serviceaccount/token" help:"file of the token"`
	TokenTTL     time.Duration `fluentbit:"kube_token_ttl" default:"10m" help:"accepted; the file is read for each request"`
	BufferSize   config.Size   `fluentbit:"buffer_size" default:"32K" help:"largest reply; 0 is the largest that is possible, 4M"`
	CacheTTL     time.Duration `fluentbit:"kube_meta_cache_ttl" default:"0s" help:"how long what is known of a pod is used; 0 is for good"`
	PreloadDir   string        `fluentbit:"kube_meta_preload_cache_dir" help:"folder with files NAMESPACE_POD.meta that are read instead of asking the API server"`
	Kubelet      bool          `fluentbit:"use_kubelet" default:"false" help:"ask the node's kubelet instead of the API server"`
	KubeletHost  string        `fluentbit:"kubelet_host" default:"127.0.0.1" help:"its address"`
	KubeletPort  int           `fluentbit:"kubelet_port" default:"10250" help:"its port"`
	Verify       bool          `fluentbit:"tls.verify" default:"true" help:"verify the server's certificate"`
	VHost        string        `fluentbit:"tls.vhost" help:"name to request (SNI) and verify instead of the URL's"`
	VerifyName   bool          `fluentbit:"tls.verify_hostname" help:"accepted; the name is verified with the certificate"`
	TLSDebug     int           `fluentbit:"tls.debug" help:"accepted"`
	Labels       bool          `fluentbit:"labels" default:"true" help:"add the pod's labels"`
	Annotations  bool          `fluentbit:"annotations" default:"true" help:"add the pod's annotations"`
	Owners       bool          `fluentbit:"owner_references" default:"false" help:"add the pod's owners"`
	NSLabels     bool          `fluentbit:"namespace_labels" default:"false" help:"add the namespace's labels, in the map kubernetes_namespace"`
	NSNotes      bool          `fluentbit:"namespace_annotations" default:"false" help:"add the namespace's annotations, in the same map"`
	NSOnly       bool          `fluentbit:"namespace_metadata_only" default:"false" help:"add nothing about the pod"`
	NSTTL        time.Duration `fluentbit:"kube_meta_namespace_cache_ttl" default:"15m" help:"accepted; a namespace is asked for with its pod"`
	AllowParser  bool          `fluentbit:"k8s-logging.parser" default:"false" help:"a pod's annotation fluentbit.io/parser names the parser for its log"`
	AllowExclude bool          `fluentbit:"k8s-logging.exclude" default:"false" help:"records of a pod with the annotation fluentbit.io/exclude are dropped"`
	UseDockerID  bool          `fluentbit:"cache_use_docker_id" default:"false" help:"ask again for a pod whose container has another id"`
	DNSRetries   int           `fluentbit:"dns_retries" help:"accepted"`
	DNSWait      string        `fluentbit:"dns_wait_time" help:"accepted"`

	Journal      string `fluentbit:"use_journal" ignored:"a record is found by its tag, not by fields of the journal" help:"without effect"`
	TokenCommand string `fluentbit:"kube_token_command" ignored:"no command is run; use kube_token_file" help:"without effect"`
	NSFile       string `fluentbit:"kube_namespace_file" help:"accepted"`
	Association  string `fluentbit:"aws_use_pod_association,use_pod_association" ignored:"pods aren't associated with services" help:"without effect"`
	AssocHost    string `fluentbit:"aws_pod_association_host" help:"accepted, without effect"`
	AssocPath    string `fluentbit:"aws_pod_association_endpoint" help:"accepted, without effect"`
	AssocPort    string `fluentbit:"aws_pod_association_port" help:"accepted, without effect"`
	AssocTTL     string `fluentbit:"aws_pod_service_map_ttl" help:"accepted, without effect"`
	AssocRefresh string `fluentbit:"aws_pod_service_map_refresh_interval" help:"accepted, without effect"`
	AssocDir     string `fluentbit:"aws_pod_service_preload_cache_dir" help:"accepted, without effect"`
	AssocCA      string `fluentbit:"aws_pod_association_host_server_ca_file" help:"accepted, without effect"`
	AssocCert    string `fluentbit:"aws_pod_association_host_client_cert_file" help:"accepted, without effect"`
	AssocKey     string `fluentbit:"aws_pod_association_host_client_key_file" help:"accepted, without effect"`
	AssocDebug   string `fluentbit:"aws_pod_association_host_tls_debug" help:"accepted, without effect"`
	AssocVerify  string `fluentbit:"aws_pod_association_host_tls_verify" help:"accepted, without effect"`
	Platform     string `fluentbit:"set_platform" help:"accepted, without effect"`
}

// Check implements config's check after binding.
func (o *Options) Check(config.Dialect) error {
	if u, err := url.Parse(o.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return &config.OptionError{Option: "kube_url", Reason: fmt.Sprintf("%q is not a URL; want, for example, https://kubernetes.default.svc", o.URL)}
	}
	return nil
}

const (
	// tagPattern matches the name that the kubelet gives a log file.
	tagPattern = `(?<pod_name>[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*)_(?<namespace_name>[^_]+)_(?<container_name>.+)-(?<docker_id>[a-z0-9]{64})\.log$`

	maxPods   = 256     // pods whose metadata is kept, as in Fluent Bit
	maxReply  = 4 << 20 // the largest reply of a server, in bytes
	maxToken  = 64 << 10
	firstWait = time.Second      // how long the first records of a pod wait
	fetchTime = 10 * time.Second // limit for all requests of one attempt
	retryTime = 2 * time.Second  // until the next attempt
)

// New makes the step of a kubernetes. It makes no request before the first record.
func New(o *Options, d config.Dialect, env enrich.Env) (enrich.Filter, error) {
	if err := o.Check(d); err != nil {
		return nil, err
	}
	f := &filter{o: *o, env: env, tags: make(map[string]*identity), parsers: make(map[string]*parse.Parser)}
	var err error
	if f.merge, err = f.parserNamed("merge_parser", o.MergeParser); err != nil {
		return nil, err
	}
	if f.tagParser, err = f.parserNamed("regex_parser", o.RegexParser); err != nil {
		return nil, err
	}
	if f.pattern, err = pattern.CompileFluentBitCapture(tagPattern, nil); err != nil {
		return nil, err
	}
	s := &source{o: *o, log: env.Log, parser: f.annotated}
	f.pods = fetch.New(fetch.Options{Max: maxPods, TTL: o.CacheTTL, Retry: retryTime, Timeout: fetchTime, FirstWait: firstWait}, s.fetch)
	return f, nil
}

// parserNamed returns a parser, nil if name is empty. A parser that isn't defined is logged, and then nil, as in Fluent Bit; for
// regex_parser it is an error.
func (f *filter) parserNamed(option, name string) (*parse.Parser, error) {
	if name == "" {
		return nil, nil
	}
	p, err := parse.Find(name, parse.Env{Parsers: f.env.Parsers, Log: f.env.Log})
	if err != nil && option == "regex_parser" {
		return nil, &config.OptionError{Option: option, Reason: err.Error()}
	}
	if err != nil {
		f.env.Log.Error().Err(err).Str("option", option).Msg("kubernetes: the parser can't be used: log is parsed as JSON")
		return nil, nil
	}
	return p, nil
}

// annotated returns the parser that a pod's annotation names, nil if it isn't defined. Each name has only one parser, which pods
// share.
func (f *filter) annotated(name string) *parse.Parser {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.parsers[name]; p != nil {
		return p
	}
	p, _ := f.parserNamed("fluentbit.io/parser", name)
	if p != nil {
		f.parsers[name] = p
	}
	return p
}

// client makes a client for the API server or the kubelet. A file that can't be read is an error, and the next attempt reads it again.
func (o *Options) client() (*fetch.Client, error) {
	c := &tls.Config{InsecureSkipVerify: !o.Verify, ServerName: o.VHost, MinVersion: tls.VersionTLS12}
	if !o.Verify || !o.Kubelet && strings.HasPrefix(o.URL, "http:") {
		return fetch.NewClient(c), nil
	}
	pool := x509.NewCertPool()
	files := []string{o.CAFile}
	if o.CAPath != "" {
		files, _ = filepath.Glob(filepath.Join(o.CAPath, "*"))
	}
	for _, name := range files {
		pem, err := config.ReadFile(name)
		if err != nil {
			return nil, err
		}
		pool.AppendCertsFromPEM(pem)
	}
	c.RootCAs = pool
	return fetch.NewClient(c), nil
}
