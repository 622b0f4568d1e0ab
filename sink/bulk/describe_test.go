package bulk

import (
	"fmt"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/sinktest"
)

var _ sink.Describer = (*Options)(nil)

func TestAnOutputSaysWhereItsRecordsGo(t *testing.T) {
	now := time.Date(2026, 11, 26, 22, 0, 0, 0, time.UTC)
	const domain = "search-web-logs-4kg2hnzrpsjzb2sgnq7gmz7jtm.eu-west-1.es.amazonaws.com"
	for _, c := range []struct {
		d     config.Dialect
		lines string
		want  string
	}{
		{config.FluentBit, "host search\nlogstash_format on\nlogstash_prefix web\nlogstash_dateformat %Y-%m-%d\nhttp_user elastic\nhttp_passwd x", "Elasticsearch or OpenSearch http://search:9200/_bulk | index web-2026-11-26, a new one each day, UTC | user elastic and password (basic authentication) | [{search 9200 false false false}] |  | []"},
		{config.FluentBit, "host " + domain + "\nport 443\ntls on\naws_auth on\nindex web", "Amazon OpenSearch Service https://" + domain + "/_bulk | index web | AWS Signature Version 4, service es, region eu-west-1 | [{" + domain + " 443 true true false}] | eu-west-1 | [{[es:ESHttpPost] arn:aws:es:eu-west-1:*:domain/web-logs/*}]"},
		{config.FluentBit, "host " + domain + "\nport 443\ntls on\naws_auth on\nindex web\nfirelane_bootstrap on", "Amazon OpenSearch Service https://" + domain + "/_bulk | index web | AWS Signature Version 4, service es, region eu-west-1 | [{" + domain + " 443 true true false}] | eu-west-1 | [{[es:ESHttpPost es:ESHttpGet es:ESHttpPut] arn:aws:es:eu-west-1:*:domain/web-logs/*}]"},
		{config.FluentBit, "host " + domain + "\nport 443\ntls on\ntls.verify off\naws_auth on\naws_role_arn arn:aws:iam::1:role/logs\nindex Web", "Amazon OpenSearch Service https://" + domain + "/_bulk | index web | AWS Signature Version 4, service es, region eu-west-1, as role arn:aws:iam::1:role/logs | [{" + domain + " 443 true false false}] | eu-west-1 | [{[sts:AssumeRole] arn:aws:iam::1:role/logs}]"},
		{config.FluentBit, "host abc.us-east-1.aoss.amazonaws.com\nport 443\ntls on\naws_auth on\naws_service_name aoss\nindex app-$TAG", "Amazon OpenSearch Serverless https://abc.us-east-1.aoss.amazonaws.com/_bulk | index app-$TAG, filled in for each record | AWS Signature Version 4, service aoss, region us-east-1 | [{abc.us-east-1.aoss.amazonaws.com 443 true true false}] | us-east-1 | [{[aoss:APIAccessAll] arn:aws:aoss:us-east-1:*:collection/abc}]"},
		{config.Fluentd, "hosts https://u:p@a:9243,https://b:9243\nindex_name ${tag}-%Y.%m.%d-x", "Elasticsearch or OpenSearch https://a:9243/_bulk | index ${tag}-2026.11.26-x, filled in for each record, a new one each day, UTC | user u and password (basic authentication) | [{a 9243 true true false} {b 9243 true true false}] |  | []"},
		{config.Fluentd, "<endpoint>\nurl https://" + domain + "\naccess_key_id A\nsecret_access_key B\n</endpoint>\nlogstash_format true\nlogstash_dateformat %G.%V", "Amazon OpenSearch Service https://" + domain + "/_bulk | index logstash-2026.48, a new one each week, UTC | AWS Signature Version 4, service es, region eu-west-1, with an access key of the configuration | [{" + domain + " 443 true true false}] | eu-west-1 | []"},
	} {
		o := sinktest.Bind[Options](t, c.d, c.lines)
		s := o.Describe(c.d, now)
		if got := fmt.Sprintf("%s %s | %s | %s | %v | %s | %v", s.Service, s.URL, s.Name, s.SignIn, s.Servers, s.AWSRegion, s.Actions); got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.lines, got, c.want)
		}
	}
}
