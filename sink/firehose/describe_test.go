package firehose

import (
	"fmt"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink/sinktest"
)

func TestAnOutputSaysWhereItsRecordsGo(t *testing.T) {
	o := sinktest.Bind[Options](t, config.FluentBit, "region eu-west-1\ndelivery_stream logs")
	s := o.Describe(config.FluentBit, time.Now())
	want := "https://firehose.eu-west-1.amazonaws.com | stream logs | AWS Signature Version 4, service firehose, region eu-west-1 | [{[firehose:PutRecordBatch] arn:aws:firehose:eu-west-1:*:deliverystream/logs}]"
	if got := fmt.Sprintf("%s | %s | %s | %v", s.URL, s.Name, s.SignIn, s.Actions); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !o.Verify {
		t.Error("describing an output changed its options")
	}
}
