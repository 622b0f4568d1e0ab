package config_test

import (
	"errors"
	"flag"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/config/configtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The catalogue of these tests has one plugin for every way of declaring an option.

type inputOptions struct {
	Listen string `fluentbit:"listen" fluentd:"bind" default:"0.0.0.0" help:"address"`
	Port   int    `fluentbit:"port" fluentd:"port" default:"24224" help:"port"`
	Tag    string `fluentbit:"tag" fluentd:"tag" help:"tag"`
	Users  []user `fluentd:"<user>" help:"users"`
}

type user struct {
	Name     string        `fluentd:"<>" help:"name"`
	Password config.Secret `fluentd:"password" required:"true" help:"password"`
}

type filterOptions struct {
	Record []config.Pair `fluentbit:"record" fluentd:"<record>" quotes:"true" help:"fields"`
	Regex  []config.Pair `fluentbit:"regex" help:"patterns"`
	Remove []string      `fluentbit:"remove_key" fluentd:"remove_keys" help:"fields"`
	Parser []string      `fluentbit:"parser" help:"parsers"`
}

type netOptions struct {
	Timeout time.Duration `fluentbit:"net.timeout" fluentd:"timeout" default:"10s" help:"limit"`
	Workers *int          `fluentbit:"workers" fluentd:"workers" help:"number"`
}

type buffer struct {
	Keys string      `fluentd:"<>" help:"keys"`
	Type string      `fluentd:"@type" oneof:"file,memory" default:"memory" help:"where"`
	Size config.Size `fluentd:"total_limit_size" help:"limit"`
}

type outputOptions struct {
	Host     string        `fluentbit:"host" fluentd:"host,hostname" default:"127.0.0.1" help:"server"`
	Port     int           `fluentbit:"port" fluentd:"port" default:"9200" help:"port"`
	Password config.Secret `fluentbit:"http_passwd" fluentd:"password" help:"password"`
	Index    string        `fluentbit:"index" fluentd:"index_name" default.fluentbit:"fluent-bit" default.fluentd:"fluentd" help:"index"`
	Op       string        `fluentbit:"write_operation" fluentd:"write_operation" oneof:"create,index,upsert" default:"create" help:"operation"`
	TLS      bool          `fluentbit:"tls" fluentd:"tls" help:"TLS"`
	Ratio    float64       `fluentbit:"ratio" fluentd:"ratio" default:"0.5" help:"number"`
	Size     config.Size   `fluentbit:"buffer_size" fluentd:"buffer_size" help:"size"`
	Old      *string       `fluentbit:"old" fluentd:"old" ignored:"nothing is old" help:"accepted"`
	Headers  []config.Pair `fluentbit:"header" fluentd:"<headers>" help:"headers"`
	Buffer   *buffer       `fluentd:"<buffer>" help:"queue"`
	netOptions
}

func (o *outputOptions) Check(config.Dialect) error {
	if o.Port < 1 || o.Port > 65535 {
		return &config.OptionError{Option: "port", Reason: "1 to 65535 is expected"}
	}
	if o.Host == "nowhere" {
		return errors.New("there is nowhere to send to")
	}
	return nil
}

func (o *outputOptions) Warnings() []string {
	if o.Index == "old" {
		return []string{"index old is old"}
	}
	return nil
}

type urlOptions struct {
	netOptions
	URL string `fluentbit:"url" fluentd:"url" required:"true" help:"where"`
}

type parserOptions struct {
	Name   string `fluentbit:"name" help:"name"`
	Format string `fluentbit:"format" help:"format"`
	Time   string `fluentbit:"time_key" help:"time"`
	Layout string `fluentbit:"time_format" help:"layout"`
	Keep   bool   `fluentbit:"time_keep" help:"keep"`
}

func options[O any]() any { return new(O) }

var catalogue = []config.Plugin{
	{Kind: config.KindInput, FluentBit: []string{"forward"}, Fluentd: []string{"forward"}, Options: options[inputOptions], Help: "a server"},
	{Kind: config.KindFilter, FluentBit: []string{"record_modifier"}, Fluentd: []string{"record_transformer"}, Options: options[filterOptions], Help: "fields"},
	{Kind: config.KindFilter, FluentBit: []string{"grep"}, Fluentd: []string{"grep"}, Options: options[filterOptions], Help: "patterns"},
	{Kind: config.KindFilter, FluentBit: []string{"parser"}, Options: options[filterOptions], Help: "text"},
	{Kind: config.KindOutput, FluentBit: []string{"es"}, Fluentd: []string{"elasticsearch"}, Options: options[outputOptions], Help: "a cluster"},
	{Kind: config.KindOutput, FluentBit: []string{"stdout"}, Fluentd: []string{"stdout"}, Options: options[struct{}], Help: "text"},
	{Kind: config.KindOutput, FluentBit: []string{"null"}, Fluentd: []string{"null"}, Options: options[struct{}], Help: "nowhere"},
	{Kind: config.KindOutput, FluentBit: []string{"http"}, Fluentd: []string{"http"}, Options: options[urlOptions], Help: "a URL"},
	{Kind: config.KindParser, FluentBit: []string{"json"}, Options: options[parserOptions], Help: "JSON"},
}

func TestFluentBitConfigurationsCompileAsWritten(t *testing.T) {
	configtest.Golden(t, "testdata/fluentbit/*.txt", catalogue, *update)
}

func TestFluentdConfigurationsCompileAsWritten(t *testing.T) {
	configtest.Golden(t, "testdata/fluentd/*.txt", catalogue, *update)
}

func TestEveryDeclarationIsSound(t *testing.T) {
	if err := config.CheckCatalogue(catalogue); err != nil {
		t.Error(err)
	}
	service := []config.Plugin{{Kind: config.KindInput, FluentBit: []string{"service"}, Fluentd: []string{"system"}, Options: options[config.Service]}}
	if err := config.CheckCatalogue(service); err != nil {
		t.Error(err)
	}
	type bad struct {
		NoHelp  string         `fluentbit:"a"`
		Default int            `fluentbit:"b" default:"many" help:"h"`
		Type    map[string]int `fluentbit:"c" help:"h"`
		Section int            `fluentd:"<d>" help:"h"`
		Oneof   string         `fluentd:"e" oneof:"x,y" default:"z" help:"h"`
	}
	err := config.CheckCatalogue([]config.Plugin{{FluentBit: []string{"x"}, Fluentd: []string{"x"}, Options: options[bad]}})
	const want = `input x of fluentbit: a: no help
input x of fluentbit: b: "many" is not an integer, such as many
input x of fluentbit: c: options of type map[string]int are not supported
input x of fluentd: <d>: a section can't be of type int
input x of fluentd: e: "z" is not supported; want x or y`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}
