package firehose

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink/aws/awstest"
	"github.com/firelane/firelane/sink/sinktest"
)

func TestCallsAreThoseOfTheSDK(t *testing.T) {
	s := serve(t) // for the credentials
	service := awstest.Record(t, `{"FailedPutCount":0}`)
	dest := destination(t, options(s, func(o *Options) { o.Endpoint, o.LogKey = service.URL, "log" }), config.FluentBit)
	texts := []string{"a line", "Grüße \x00\" <&>", ""}
	var records []types.Record
	for i, text := range texts {
		send(t, dest, sinktest.Record("app", uint64(i), "log", text))
		records = append(records, types.Record{Data: []byte(text + "\n")})
	}
	ours := service.Calls()
	client := firehose.NewFromConfig(service.Config())
	stream := "logs"
	for i := range records {
		if _, err := client.PutRecordBatch(t.Context(), &firehose.PutRecordBatchInput{DeliveryStreamName: &stream, Records: records[i : i+1]}); err != nil {
			t.Fatal(err)
		}
	}
	awstest.Same(t, ours, service.Calls())
}
