package s3

import (
	"fmt"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/sinktest"
)

func TestAnOutputSaysWhereItsRecordsGo(t *testing.T) {
	now := time.Date(2026, 11, 26, 22, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		o    sink.Describer
		d    config.Dialect
		want string
	}{
		{
			sinktest.Bind[Options](t, config.FluentBit, "region eu-west-1\nbucket logs\nuse_put_object on\ncanned_acl private"), config.FluentBit,
			"https://logs.s3.eu-west-1.amazonaws.com | bucket logs; object fluent-bit-logs/<tag>/2026/11/26/22/00/00-object$UUID, filled in for each object | [{logs.s3.eu-west-1.amazonaws.com 443 true true false}] | [{[s3:PutObject s3:PutObjectAcl] arn:aws:s3:::logs/*}]",
		},
		{
			sinktest.Bind[Options](t, config.FluentBit, "bucket logs\nendpoint http://minio:9000\ns3_key_format /a/$INDEX\nsse aws:kms\nsse_kms_key_id alias/x"), config.FluentBit,
			"http://minio:9000/logs | bucket logs; object a/$INDEX, filled in for each object | [{minio 9000 false false false}] | [{[s3:PutObject s3:AbortMultipartUpload] arn:aws:s3:::logs/*} {[s3:ListBucketMultipartUploads] arn:aws:s3:::logs} {[kms:GenerateDataKey kms:Decrypt] arn:aws:kms:*:*:key/*}]",
		},
		{ // a fixed name
			sinktest.Bind[Options](t, config.FluentBit, "region eu-west-1\nbucket logs\nuse_put_object on\ns3_key_format /a/b\nstatic_file_path on"), config.FluentBit,
			"https://logs.s3.eu-west-1.amazonaws.com | bucket logs; object a/b | [{logs.s3.eu-west-1.amazonaws.com 443 true true false}] | [{[s3:PutObject] arn:aws:s3:::logs/*}]",
		},
		{ // a date alone
			sinktest.Bind[Options](t, config.FluentBit, "region eu-west-1\nbucket logs\nuse_put_object on\ns3_key_format /a/%Y\nstatic_file_path on"), config.FluentBit,
			"https://logs.s3.eu-west-1.amazonaws.com | bucket logs; object a/2026, filled in for each object | [{logs.s3.eu-west-1.amazonaws.com 443 true true false}] | [{[s3:PutObject] arn:aws:s3:::logs/*}]",
		},
		{ // no grant of all buckets
			sinktest.Bind[Options](t, config.FluentBit, "region eu-west-1\nbucket *\nuse_put_object on"), config.FluentBit,
			"https://*.s3.eu-west-1.amazonaws.com | bucket *; object fluent-bit-logs/<tag>/2026/11/26/22/00/00-object$UUID, filled in for each object | [{*.s3.eu-west-1.amazonaws.com 443 true true false}] | [{[s3:PutObject] arn:aws:s3:::${*}/*}]",
		},
		{
			sinktest.Bind[FluentdOptions](t, config.Fluentd, "s3_bucket logs\ns3_region us-east-1\npath logs/${tag}/\nutc true\naws_key_id a\naws_sec_key b"), config.Fluentd,
			"https://logs.s3.us-east-1.amazonaws.com | bucket logs; object logs/${tag}/20261126_%{index}.%{file_extension}, filled in for each object | [{logs.s3.us-east-1.amazonaws.com 443 true true false}] | []",
		},
	} {
		s := c.o.Describe(c.d, now)
		if got := fmt.Sprintf("%s | %s | %v | %v", s.URL, s.Name, s.Servers, s.Actions); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}
