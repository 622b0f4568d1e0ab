package loki

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dial"
	"github.com/firelane/firelane/sink/httpsend"
)

// Options are the options of Fluent Bit's loki, and of the output loki of fluent-plugin-grafana-loki.
type Options struct {
	Host string `fluentbit:"host" default:"127.0.0.1" identity:"true" help:"server's name or address"`
	Port int    `fluentbit:"port" default:"3100" identity:"true" help:"server's port"`
	URI  string `fluentbit:"uri" default:"/loki/api/v1/push" identity:"true" help:"path of the push API"`
	URL  string `fluentd:"url" default:"https://logs-prod-us-central1.grafana.net" identity:"true" help:"base URL of the server, without /loki/api/v1/push"`

	TenantID     string `fluentbit:"tenant_id" fluentd:"tenant" identity:"true" help:"tenant, sent in the header X-Scope-OrgID; Fluentd: may have placeholders such as ${tag}"`
	TenantKey    string `fluentbit:"tenant_id_key" identity:"true" help:"field that holds the tenant; where it is missing, tenant_id is used"`
	TenantErrors string `fluentbit:"tenant_id_key_error_handling" help:"accepted; each tenant's records are delivered by themselves, and none are dropped"`

	Labels       []string `fluentbit:"labels" help:"labels of the stream: name=text, name=$field or $field, separated by commas; default job=fluent-bit"`
	LabelKeys    []string `fluentbit:"label_keys" help:"fields that become labels, each with a $"`
	LabelMap     string   `fluentbit:"label_map_path" help:"JSON file in which the place of a text is that of a field, and the text the label's name"`
	KubeLabels   bool     `fluentbit:"auto_kubernetes_labels" fluentd:"extract_kubernetes_labels" help:"the members of $kubernetes['labels'] become labels"`
	Metadata     []string `fluentbit:"structured_metadata" help:"structured metadata of the entry: name=text, name=$field or $field, separated by commas"`
	MetadataMaps []string `fluentbit:"structured_metadata_map_keys" help:"fields whose members become structured metadata, each with a $"`
	RemoveKeys   []string `fluentbit:"remove_keys" fluentd:"remove_keys" help:"fields to leave out of the line; fields that become labels or metadata always are"`
	LineFormat   string   `fluentbit:"line_format" fluentd:"line_format" oneof:"json,key_value" default.fluentbit:"json" default.fluentd:"key_value" help:"how the line is made of the record"`
	DropSingle   string   `fluentbit:"drop_single_key" fluentd:"drop_single_key" default:"off" help:"on: if one field is left, the line is its value; raw: the same, and a text isn't quoted"`

	ExtraLabels  string        `fluentd:"extra_labels" help:"JSON object of labels of every stream"`
	LabelSection []config.Pair `fluentd:"<label>" help:"labels: name and field; without a field it is that of the same name"`
	ThreadLabel  *bool         `fluentd:"include_thread_label" help:"accepted; there are no threads to label"`

	User        string        `fluentbit:"http_user" fluentd:"username" identity:"true" help:"user of basic authentication"`
	Password    config.Secret `fluentbit:"http_passwd" fluentd:"password" help:"password of basic authentication"`
	Bearer      config.Secret `fluentbit:"bearer_token" help:"token for the header Authorization, if there is no user"`
	BearerFile  string        `fluentd:"bearer_token_file" help:"file with that token, read at the start"`
	Header      []config.Pair `fluentbit:"header" secret:"true" help:"name and value of a header of every request; may be repeated"`
	CustomHeads string        `fluentd:"custom_headers" secret:"true" help:"JSON object of headers of every request"`

	Compress   string       `fluentbit:"compress" fluentd:"compress" help:"accepted; requests are always compressed, by snappy"`
	BufferSize *config.Size `fluentbit:"buffer_size" help:"accepted"`

	Cert     string `fluentd:"cert" help:"PEM file of the client's certificate"`
	Key      string `fluentd:"key" help:"PEM file of its key"`
	CACert   string `fluentd:"ca_cert" help:"PEM file of the certificate authorities to trust instead of the system's"`
	Ciphers  string `fluentd:"ciphers" help:"cipher suites for TLS 1.2, separated by colons or commas"`
	MinTLS   string `fluentd:"min_version" help:"oldest version of TLS, such as TLS1_2"`
	Insecure bool   `fluentd:"insecure_tls" help:"don't verify the server's certificate"`

	dial.TLSOptions
	dial.NetOptions
	sink.OutputOptions
}

// Check reports the mistakes that binding can't find.
func (o *Options) Check(d config.Dialect) error {
	if err := o.CheckOutput(d); err != nil {
		return err
	}
	if err := o.CheckNet(); err != nil {
		return err
	}
	tls := o.tls()
	if err := tls.CheckTLS(d); err != nil {
		return err
	}
	if _, err := o.target(d); err != nil {
		return err
	}
	if _, err := o.header(); err != nil {
		return err
	}
	_, err := newEncoder(o, d)
	return err
}

// Warnings returns a line for each option that doesn't do what its name promises. Fluent Bit, too, starts without the labels of a file
// that it can't read.
func (o *Options) Warnings() []string {
	w := o.OutputOptions.Warnings()
	if missing, text := o.labelMapWarning(); text != "" && !missing {
		w = append(w, text)
	}
	return w
}

// FileWarnings is called by config after binding.
func (o *Options) FileWarnings() []string {
	if missing, text := o.labelMapWarning(); missing {
		return []string{text}
	}
	return nil
}

// labelMapWarning says why label_map_path has no effect, "" if it has one; missing: there is no such file.
func (o *Options) labelMapWarning() (missing bool, text string) {
	if _, err := labelMap(o.LabelMap, new([]field.Accessor)); err != nil {
		_, at := os.Stat(o.LabelMap)
		return errors.Is(at, fs.ErrNotExist), err.Error() + "; so it sets no label, as in Fluent Bit"
	}
	return false, ""
}

// tls returns the options for TLS, completed by those that only this plugin of Fluentd has.
func (o *Options) tls() dial.TLSOptions {
	t := o.TLSOptions
	t.CertFile, t.KeyFile = cmp.Or(o.Cert, t.CertFile), cmp.Or(o.Key, t.KeyFile)
	t.CAFile, t.Ciphers, t.MinVersion = cmp.Or(o.CACert, t.CAFile), cmp.Or(o.Ciphers, t.Ciphers), cmp.Or(o.MinTLS, t.MinVersion)
	t.InsecureMode = t.InsecureMode || o.Insecure
	return t
}

// target returns the URL of the requests.
func (o *Options) target(d config.Dialect) (*url.URL, error) {
	if d == config.Fluentd {
		u, err := url.Parse(strings.TrimSuffix(strings.TrimSpace(o.URL), "/") + "/loki/api/v1/push")
		if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, &config.OptionError{Option: "url", Reason: "is not a URL; want http(s)://name:port"}
		}
		return u, nil
	}
	host := strings.TrimSpace(o.Host)
	if host == "" || strings.ContainsAny(host, "/ ") {
		return nil, &config.OptionError{Option: "host", Reason: fmt.Sprintf("%q is not a host; want the server's name or address, and the path in uri", o.Host)}
	}
	if o.Port < 1 || o.Port > 65535 {
		return nil, &config.OptionError{Option: "port", Reason: fmt.Sprintf("%d is not a port; want 1 to 65535", o.Port), Instead: config.NotWritten}
	}
	u, err := url.Parse("/" + strings.TrimLeft(o.URI, "/"))
	if err != nil {
		return nil, &config.OptionError{Option: "uri", Reason: fmt.Sprintf("%q is not a path; want, for example, /loki/api/v1/push", o.URI)}
	}
	u.Scheme, u.Host = "http", net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(o.Port))
	if o.TLS {
		u.Scheme = "https"
	}
	return u, nil
}

// header returns the headers of every request.
func (o *Options) header() (http.Header, error) {
	h := http.Header{"User-Agent": {"firelane"}}
	if err := httpsend.AddHeaders(h, "header", o.Header); err != nil {
		return nil, err
	}
	if err := httpsend.SetHeaders(h, "custom_headers", o.CustomHeads); err != nil {
		return nil, err
	}
	h.Set("Content-Type", "application/x-protobuf")
	return h, nil
}

// authorize adds the credentials to the headers, and reports whether there are any.
func (o *Options) authorize(h http.Header) (bool, error) {
	token := string(o.Bearer)
	if o.BearerFile != "" {
		text, err := config.ReadFile(o.BearerFile)
		if err != nil {
			return false, fmt.Errorf("reading bearer_token_file: %w", err)
		}
		token = strings.TrimSpace(string(text))
	}
	switch {
	case o.User != "":
		r := http.Request{Header: h}
		r.SetBasicAuth(o.User, string(o.Password))
	case token != "":
		h.Set("Authorization", "Bearer "+token)
	}
	return h.Get("Authorization") != "" || len(o.Header) > 0 || o.CustomHeads != "", nil
}

// maxLabelMap is the largest label_map_path in bytes.
const maxLabelMap = 1 << 20
