package kinesis

import (
	"fmt"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/sinktest"
)

func TestAnOutputSaysWhereItsRecordsGo(t *testing.T) {
	for _, o := range []sink.Describer{
		sinktest.Bind[Options](t, config.Fluentd, "region eu-west-1\nstream_name logs-${tag}"),
		sinktest.Bind[AggregatedOptions](t, config.Fluentd, "region eu-west-1\nstream_name logs-${tag}"),
	} {
		s := o.Describe(config.Fluentd, time.Now())
		want := "https://kinesis.eu-west-1.amazonaws.com | stream logs-${tag}, filled in for each record | [{[kinesis:PutRecords] arn:aws:kinesis:eu-west-1:*:stream/logs-*}]"
		if got := fmt.Sprintf("%s | %s | %v", s.URL, s.Name, s.Actions); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
