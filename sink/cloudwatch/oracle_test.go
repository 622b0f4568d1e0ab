package cloudwatch

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink/aws/awstest"
)

func TestCallsAreThoseOfTheSDK(t *testing.T) {
	recorder, group := awstest.Record(t, "{}"), "/ecs/web"
	s := service{log: &logBuffer{}}.connect(t, recorder, options(func(o *Options) {
		o.Group, o.GroupClass, o.NewGroupTags, o.Retention, o.LogFormat, o.LogKey = group, "INFREQUENT_ACCESS", "team=a <&>", 30, "json/emf", "log"
	}), config.FluentBit)
	s.send(t, line(1), line(2))
	ctx := t.Context()
	for _, err := range []error{
		s.createGroup(ctx, group), s.retain(ctx, group), s.createStream(ctx, group, "web"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	ours := recorder.Calls()

	client, stream := cloudwatchlogs.NewFromConfig(recorder.Config()), "web"
	at := aws.Int64(now().UnixMilli())
	_, err := client.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream, LogEvents: []types.InputLogEvent{
		{Message: aws.String("line 1"), Timestamp: at}, {Message: aws.String("line 2"), Timestamp: at},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{
		LogGroupName: &group, LogGroupClass: types.LogGroupClassInfrequentAccess, Tags: map[string]string{"team": "a <&>"},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: &group, RetentionInDays: aws.Int32(30)}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &stream}); err != nil {
		t.Fatal(err)
	}
	sdks := recorder.Calls()
	sdks[0].Format = "json/emf" // which the SDK can't set
	awstest.Same(t, ours, sdks)
}
