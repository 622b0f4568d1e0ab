package cloudwatch

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
	for _, c := range []struct {
		d     config.Dialect
		lines string
		want  string
	}{
		{config.FluentBit, "region eu-west-1\nlog_group_name /ecs/app\nlog_stream_prefix app-", "https://logs.eu-west-1.amazonaws.com | log group /ecs/app; log stream app-<tag>, filled in for each record | AWS Signature Version 4, service logs, region eu-west-1 | [{logs.eu-west-1.amazonaws.com 443 true true false}] | [{[logs:PutLogEvents logs:CreateLogStream] arn:aws:logs:eu-west-1:*:log-group:/ecs/app:*}]"},
		{config.FluentBit, "log_group_name /ecs/$(ecs_cluster)\nlog_stream_name a b:c\nauto_create_group on\nlog_retention_days 30\nnew_log_group_tags a=b", " | log group /ecs/$(ecs_cluster), filled in for each record; log stream a b.c | AWS Signature Version 4, service logs, region of AWS_REGION | [] | [{[logs:PutLogEvents logs:CreateLogStream logs:CreateLogGroup logs:PutRetentionPolicy] arn:aws:logs:*:*:log-group:/ecs/*:*} {[logs:TagResource] arn:aws:logs:*:*:log-group:/ecs/*}]"},
		{config.Fluentd, "region cn-north-1\nlog_group_name app-%Y.%m\nuse_tag_as_stream true", "https://logs.cn-north-1.amazonaws.com.cn | log group app-2026.11, a new one each month, UTC; log stream <tag>, filled in for each record | AWS Signature Version 4, service logs, region cn-north-1 | [{logs.cn-north-1.amazonaws.com.cn 443 true true false}] | [{[logs:PutLogEvents] arn:aws-cn:logs:cn-north-1:*:log-group:app-2026.11:*}]"},
	} {
		o := sinktest.Bind[Options](t, c.d, c.lines)
		s := o.Describe(c.d, time.Date(2026, 11, 26, 22, 0, 0, 0, time.UTC))
		if got := fmt.Sprintf("%s | %s | %s | %v | %v", s.URL, s.Name, s.SignIn, s.Servers, s.Actions); got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.lines, got, c.want)
		}
	}
}
