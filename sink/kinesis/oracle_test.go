package kinesis

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink/aws/awstest"
	"github.com/firelane/firelane/sink/sinktest"
)

func TestCallsAreThoseOfTheSDK(t *testing.T) {
	s := serve(t) // for the credentials
	service := awstest.Record(t, `{"FailedRecordCount":0}`)
	dest := destination(t, options(s, func(o *Options) { o.Endpoint, o.LogKey, o.PartitionKey = service.URL, "log", "user" }), config.FluentBit)
	client := kinesis.NewFromConfig(service.Config())
	stream := "logs"
	for i, user := range []string{"u1", "Grüße \" <&>"} {
		if _, err := client.PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamName: &stream, Records: []types.PutRecordsRequestEntry{
			{Data: []byte("a line\x00\n"), PartitionKey: &user},
		}}); err != nil {
			t.Fatal(err)
		}
		sdks := service.Calls()
		send(t, dest, sinktest.Record("app", uint64(i), "log", "a line\x00", "user", user))
		awstest.Same(t, service.Calls(), sdks)
	}
}
