package check_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
)

// The options of docs/compatibility.md with which a configuration doesn't start are refused, each with a message of its own.
func TestOptionsThatAreNotThereAreRefused(t *testing.T) {
	page, err := os.ReadFile("../docs/compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| option | wanted |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	const input, fluentd = "[INPUT]\n  Name forward\n", "<source>\n  @type forward\n</source>\n<match **>\n  "
	output := func(options string) string { return input + "[OUTPUT]\n  Match *\n  Name " + options + "\n" }
	modifier := func(context string) string {
		return "pipeline:\n  inputs:\n    - name: forward\n      processors:\n        logs:\n          - name: content_modifier\n            action: delete\n            key: a\n            context: " +
			context + "\n  outputs:\n    - name: stdout\n      match: '*'\n"
	}
	for _, c := range []struct{ shown, text, want string }{
		{"`grpc on`", output("opentelemetry\n  host h\n  grpc on"), "OTLP/HTTP"},
		{"`oauth2.enable on`", output("opentelemetry\n  host h\n  oauth2.enable on"), "bearer_token"},
		{"`oauth2.validate on`", "[INPUT]\n  Name http\n  oauth2.validate on\n[OUTPUT]\n  Name stdout\n  Match *\n", "proxy"},
		{"`oauth2.validate on`", "[INPUT]\n  Name opentelemetry\n  oauth2.validate on\n[OUTPUT]\n  Name stdout\n  Match *\n", "proxy"},
		{"`format arrow`", output("s3\n  region eu-west-1\n  bucket b\n  format arrow"), "parquet"},
		{"`compression arrow`", output("s3\n  region eu-west-1\n  bucket b\n  compression arrow"), "parquet"},
		{"`mode dtls`", output("syslog\n  host h\n  mode dtls"), "want udp, tcp or tls"},
		{"`upstream`", output("forward\n  upstream f.conf"), "host and port"},
		{"`context metadata`", modifier("metadata"), "body"},
		{"`context attributes`", modifier("attributes"), "body"},
		{"`otel_`", modifier("otel_resource_attributes"), "body"},
		{"`data_type metric`", fluentd + "@type splunk_hec\n  hec_host h\n  hec_token t\n  data_type metric\n</match>\n", "event"},
		{"`data_type metrics`", fluentd + "@type sumologic\n  endpoint https://h/t\n  data_type metrics\n</match>\n", "logs"},
		{"`use_http false`", fluentd + "@type datadog\n  api_key k\n  use_http false\n</match>\n", "true"},
	} {
		if !strings.Contains(table, c.shown) {
			t.Errorf("%s is not in the table of docs/compatibility.md", c.shown)
		}
		name := "a.conf"
		if strings.HasPrefix(c.text, "pipeline") {
			name = "a.yaml"
		}
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if errs := subjectOf(file, func(string) (string, bool) { return "", false }).Errors; !mentions(errs, c.want) {
			t.Errorf("%s: got the mistakes %v, want one with %q", c.text, errs, c.want)
		}
	}
}

func mentions(list []config.Diagnostic, want string) bool {
	return len(list) == 1 && strings.Contains(list[0].Text+list[0].String(), want)
}
