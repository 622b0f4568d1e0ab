package bulk

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
)

func TestMistakesNameTheirOption(t *testing.T) {
	for _, tt := range []struct {
		dialect      config.Dialect
		set          func(*Options)
		option, says string
	}{
		{config.FluentBit, func(o *Options) { o.Port = 0 }, "port", "1 to 65535"},
		{config.FluentBit, func(o *Options) { o.Host = " " }, "host", "is empty"},
		{config.FluentBit, func(o *Options) { o.CloudID = "x" }, "cloud_id", "not a Cloud ID"},
		{config.FluentBit, func(o *Options) { o.CloudAuth = "x" }, "cloud_auth", "user:password"},
		{config.FluentBit, func(o *Options) { o.WriteOp = ptr("update") }, "write_operation", "needs id_key or generate_id"},
		{config.Fluentd, func(o *Options) { o.WriteOp = ptr("upsert") }, "write_operation", "needs id_key"},
		{config.FluentBit, func(o *Options) { o.Compress = "brotli" }, "compress", "gzip"},
		{config.FluentBit, func(o *Options) { o.Logstash, o.LogstashDateFormat = true, "%Q" }, "logstash_dateformat", "%Q"},
		{config.FluentBit, func(o *Options) { o.TimeKeyFormat = ptr("%") }, "time_key_format", "ends inside"},
		{config.Fluentd, func(o *Options) { o.TimeKeyFormat = ptr("%Q") }, "time_key_format", "%Q is not a conversion"},
		{config.FluentBit, func(o *Options) { o.Index = "${x" }, "index", "no closing }"},
		{config.Fluentd, func(o *Options) { o.Index = "${tag[x]}" }, "index_name", "no number in its brackets"},
		{config.Fluentd, func(o *Options) { o.Hosts = "a:b:c" }, "hosts", "is not a host"},
		{config.Fluentd, func(o *Options) { o.CustomHeaders = "{" }, "custom_headers", "JSON object"},
		{config.Fluentd, func(o *Options) { o.CustomHeaders = `{"X Tenant": "a"}` }, "custom_headers", "X Tenant"},
		{config.Fluentd, func(o *Options) { o.CustomHeaders = `{"": "a"}` }, "custom_headers", "no request can carry"},
		{config.Fluentd, func(o *Options) { o.CustomHeaders = `{"X-Tenant": "a\r\nX-Other: b"}` }, "custom_headers", "X-Tenant"},
		{config.Fluentd, func(o *Options) { o.Endpoint = &Endpoint{URL: "search-x"} }, "url", "is not a URL"},
		{config.Fluentd, func(o *Options) { o.Endpoint = &Endpoint{URL: "https://x", AccessKeyID: "a"} }, "access_key_id", "want both"},
		{config.Fluentd, func(o *Options) { o.Buffer = &sink.BufferOptions{TimekeyZone: "Mars"} }, "timekey_zone", "Europe/Berlin"},
		{config.FluentBit, func(o *Options) { o.IDKey = "$" }, "id_key", "names no field"},
		{config.FluentBit, func(o *Options) { o.RetryLimit = "many" }, "retry_limit", "many"},
		{config.FluentBit, func(o *Options) { o.MinVersion = "TLSv9" }, "tls.min_version", "TLSv9"},
	} {
		err := fluentBit(tt.set).Check(tt.dialect)
		var oe *config.OptionError
		if !errors.As(err, &oe) || oe.Option != tt.option || !strings.Contains(oe.Reason, tt.says) {
			t.Errorf("%s: got error %v, want %q", tt.option, err, tt.says)
		}
	}
	if err := fluentBit(nil).Check(config.FluentBit); err != nil {
		t.Errorf("the defaults: got %v, want no error", err)
	}
}

func TestThresholdIsTheRequestsSize(t *testing.T) {
	for _, tt := range []struct {
		size *config.Size
		want int
	}{{nil, 1 << 20}, {ptr(config.Unlimited), 1 << 20}, {ptr(config.Size(5 << 20)), 5 << 20}, {ptr(config.Size(1 << 40)), sink.MaxRequestBytes}} {
		d := newDestination(t, fluentd(func(o *Options) { o.Threshold = tt.size }), config.Fluentd)
		if got := d.Limits().MaxBytes; got != tt.want {
			t.Errorf("%v: got %d, want %d", tt.size, got, tt.want)
		}
	}
}

func TestTimesAreReadInTheirFormat(t *testing.T) {
	want := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		value  any
		format string
	}{
		{"2025-01-02T03:04:05Z", ""}, {"2025-01-02T04:04:05+01:00", ""}, {"2025-01-02T04:04:05.000+0100", ""}, {"2025-01-02T03:04:05", ""},
		{1735787045, ""}, {1735787045000, ""}, {1735787045.0, ""}, {"1735787045", "%s"},
		{"02/Jan/2025:04:04:05 +0100", "%d/%b/%Y:%H:%M:%S %z"}, {"2025-01-02 03:04:05.000", "%Y-%m-%d %H:%M:%S.%L"}, {"2025-01-02 03:04:05.000", "%Y-%m-%d %H:%M:%S"}, {"2025-01-02T04:04:05+01:00", "%Y-%m-%dT%H:%M:%S%:z"},
	} {
		s, err := newStamp(fluentd(func(o *Options) { o.TimeKeyFormat = &tt.format }), config.Fluentd)
		if err != nil {
			t.Errorf("%s: got %v, want no error", tt.format, err)
			continue
		}
		got, ok := parseTime(object("", tt.value)[2:], s.read)
		if !ok || !got.Equal(want) {
			t.Errorf("%v by %q: got %v, %t, want %v", tt.value, tt.format, got, ok, want)
		}
	}
}

// FuzzDate: what is kept as a record's own @timestamp is a time that Go can read as well.
func FuzzDate(f *testing.F) {
	for _, s := range []string{"2025-01-02", "2025-01-02T03:04", "2025-01-02T03:04:05,5+01", "2024-02-29T23:59:59.999999999-18:00", "2024-02-29T23:59:59+1800", "2024-02-29T23:59:59+17:59"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if isDateTime([]byte(s)) {
			if _, err := time.Parse(layoutFor([]byte(s)), s); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestADateWithAZoneThatServersRefuseIsNone(t *testing.T) {
	for zone, want := range map[string]bool{"+18:00": true, "-1800": true, "+18": true, "+17:59": true, "+18:30": false, "-1801": false, "+19": false, "+12:60": false} {
		if got := isDateTime([]byte("2026-11-28T10:00:00" + zone)); got != want {
			t.Errorf("%s: got %v, want %v", zone, got, want)
		}
	}
}

func TestWhatIsWrittenAndHasNoEffectIsWarnedOf(t *testing.T) {
	const aws = "search-x.eu-west-1.es.amazonaws.com"
	for _, tt := range []struct {
		set  func(*Options)
		want string
	}{
		{nil, ""},
		{func(o *Options) { o.TemplateFile = "t.json" }, "template_file has no effect without template_name and template_file"},
		{func(o *Options) { o.Host = aws }, "host: " + aws + " is an AWS domain, which listens on port 443 with TLS, not on 9200"},
		{func(o *Options) { o.Host, o.Port, o.TLS = aws, 443, true }, ""},
		{func(o *Options) { o.Host = "https://" + aws }, ""},
		{func(o *Options) { o.Host, o.Upstream = aws, "u.conf" }, ""},
		{func(o *Options) { o.RetryLimit = "0" }, "retry_limit 0 means no limit"},
	} {
		if got := strings.Join(warnings(fluentBit(tt.set)), "\n"); !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

// warnings are all warnings of an options struct, as config asks for them.
func warnings(o *Options) []string {
	return append(o.Warnings(), o.CheckedWarnings(config.FluentBit)...)
}
