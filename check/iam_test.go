package check_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// A name that has a wildcard grants nothing but what has that name.
func TestNamesAreNoWildcardsOfThePolicy(t *testing.T) {
	for name, text := range map[string]string{
		"f.conf": "[INPUT]\n    Name forward\n[OUTPUT]\n    Name kinesis_streams\n    Match *\n    region eu-west-1\n    stream s\n    role_arn arn:aws:iam::WILD:role/WILD\n" +
			"[OUTPUT]\n    Name cloudwatch_logs\n    Match *\n    region WILD\n    log_group_name a\n    log_stream_name WILD\n",
		"f.json": `{"family": "f", "containerDefinitions": [{"name": "r", "image": "firelane", "environment": [{"name": "aws_fluent_bit_init_s3_1", "value": "arn:aws:s3:::WILD/WILD"}],
			"firelensConfiguration": {"type": "fluentbit"}}]}`,
	} {
		var got bytes.Buffer
		r := report(t, &txtar.Archive{Files: []txtar.File{{Name: name, Data: []byte(strings.ReplaceAll(text, "WILD", "x*x"))}}})
		if err := r.IAM(&got); err != nil {
			t.Fatal(err)
		}
		if text := got.String(); strings.Contains(text, "x*x") || !strings.Contains(text, "x${*}x") {
			t.Errorf("%s: got a wildcard:\n%s", name, text)
		}
	}
}
