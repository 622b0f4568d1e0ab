package cloudwatch

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/cloudwatch/cloudwatchtest"
	"github.com/firelane/firelane/sink/sinktest"
)

func TestMistakesAreToldWithTheOptionAndWhatWouldBeRight(t *testing.T) {
	for _, c := range []struct {
		d    config.Dialect
		o    *Options
		want string
	}{
		{config.FluentBit, options(func(o *Options) { o.Group = "" }), "log_group_name: is missing"},
		{config.FluentBit, options(func(o *Options) { o.Stream = "" }), ""},
		{config.FluentBit, options(func(o *Options) { o.StreamPrefix = "x" }), "log_stream_prefix: contradicts log_stream_name"},
		{config.FluentBit, options(func(o *Options) { o.Group = "$(x" }), "log_group_name: \"$(x\" has no closing )"},
		{config.FluentBit, options(func(o *Options) { o.StreamTmpl = "$x[" }), ""},
		{config.FluentBit, options(func(o *Options) { o.GroupTemplate = "${x" }), "log_group_template: "},
		{config.FluentBit, options(func(o *Options) { o.Endpoint = "ftp://x" }), "endpoint: "},
		{config.FluentBit, options(func(o *Options) { o.RetryLimit = "x" }), "retry_limit: "},
		{config.Fluentd, fluentd(func(o *Options) { o.Group, o.GroupKey, o.Stream = "g", "k", "s" }), "log_group_name: want exactly one"},
		{config.Fluentd, fluentd(func(o *Options) { o.Group = "g" }), "log_stream_name: want exactly one"},
		{config.Fluentd, fluentd(func(o *Options) { o.Group, o.Stream, o.SecretAccessKey = "g", "s", "" }), "aws_key_id: "},
		{config.Fluentd, fluentd(func(o *Options) { o.Group, o.Stream, o.UseSTS = "g", "s", true }), "aws_sts_role_arn: is missing"},
		{config.Fluentd, fluentd(func(o *Options) { o.Group, o.Stream, o.GroupTags = "g", "s", "{x}" }), "log_group_aws_tags: \"{x}\" is no JSON object of strings"},
		{config.Fluentd, fluentd(func(o *Options) { o.Group, o.Stream, o.MaxEvents = "g", "s", 0 }), "max_events_per_batch: "},
		{config.Fluentd, fluentd(func(o *Options) { o.Group, o.Stream, o.MaxMessageLength = "g", "s", -1 }), "max_message_length: "},
		{config.Fluentd, fluentd(func(o *Options) { o.Group, o.Stream, o.Concurrency = "g", "s", -1 }), "concurrency: "},
	} {
		err := c.o.Check(c.d)
		var option *config.OptionError
		if c.want == "" {
			if err != nil {
				t.Errorf("got %v, want no error", err)
			}
		} else if !errors.As(err, &option) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

func TestWhatHasNoEffectIsAWarning(t *testing.T) {
	for want, set := range map[string]func(o *Options){
		"CloudWatch Logs takes no retention of 10 days: new groups keep their events forever; want one of [1, 3, 5,": func(o *Options) { o.Retention = 10 },
		"neither log_stream_name nor log_stream_prefix is set: each stream has the name of its tag":                  func(o *Options) { o.Stream = "" },
		"log_format json is sent as it is": func(o *Options) { o.LogFormat = "json" },
		`log_group_name "my group": CloudWatch Logs takes no such name, and firelane makes it "my.group"; want my.group`: func(o *Options) { o.Group = "my group" },
		"log_group_name has $ecs_cluster as it is written, and no value":                                                 func(o *Options) { o.Group = "/$ecs_cluster/$(tag)" },
		"tags and retention aren't read": func(o *Options) { o.RetentionKey = "days" },
	} {
		o := options(set)
		if w := append(o.Warnings(), o.CheckedWarnings(config.FluentBit)...); len(w) != 1 || !strings.HasPrefix(w[0], want) {
			t.Errorf("got %q, want %s", w, want)
		}
	}
	o := options(func(o *Options) { o.LogFormat, o.Retention, o.Group = "json/emf", 3653, "/$(bad)/a" })
	if w := append(o.Warnings(), o.CheckedWarnings(config.FluentBit)...); len(w) != 0 {
		t.Errorf("got %q, want none", w)
	}
}

func TestARetentionThatTheServiceDoesNotTakeIsNotAskedFor(t *testing.T) {
	s := serve(t, cloudwatchtest.Options{}, func(o *Options) { o.Retention = 10 })
	s.deliver(t, line(1))
	if n := s.Calls("PutRetentionPolicy"); n != 0 {
		t.Errorf("got %d calls of PutRetentionPolicy, want none", n)
	}
}

func TestTheLimitsOfARequestAreTheServicesOrTheUsers(t *testing.T) {
	if l := bound(t, config.FluentBit, options(nil)).Limits(); l.MaxBytes != 1<<20 || l.MaxItems != 10_000 {
		t.Errorf("got %+v, want the service's", l)
	}
	d := bound(t, config.Fluentd, fluentd(func(o *Options) { o.Group, o.Stream, o.MaxEvents, o.Concurrency = "g", "s", 500, 100 }))
	if l := d.Limits(); l.MaxItems != 500 || l.Workers != sink.MaxWorkers {
		t.Errorf("got %+v, want 500 items and %d workers", l, sink.MaxWorkers)
	}
	req, _ := sinktest.Encode(d, lines(1100)...)
	if n := len(d.batches(req)); n != 3 {
		t.Errorf("got %d calls of 1100 events, want 3", n)
	}
}

func TestCredentialsOfBothDialects(t *testing.T) {
	for _, c := range []struct {
		o    *Options
		want aws.Source
	}{
		{options(func(o *Options) {
			o.AccessKeyID, o.SecretAccessKey = "", ""
			o.RoleARN, o.ExternalID, o.STSEndpoint, o.Profile = "arn:r", "x", "sts.example", "web"
		}), aws.Source{Region: "eu-west-1", RoleARN: "arn:r", ExternalID: "x", STSEndpoint: "sts.example", Profile: "web"}},
		{fluentd(func(o *Options) {
			o.UseSTS, o.STSRole, o.STSSession, o.STSExternalID, o.STSEndpointURL = true, "arn:r", "fluentd", "x", "https://sts.example"
		}), aws.Source{
			Region: "eu-west-1", RoleARN: "arn:r", Session: "fluentd", ExternalID: "x", STSEndpoint: "https://sts.example",
		}},
		{fluentd(func(o *Options) {
			o.AccessKeyID, o.SecretAccessKey = "", ""
			o.WebIdentity = &WebIdentity{RoleARN: "arn:r", Session: "s", TokenFile: "/token"}
		}), aws.Source{Region: "eu-west-1", RoleARN: "arn:r", Session: "s", WebIdentityFile: "/token"}},
	} {
		if got := c.o.source(); got != c.want {
			t.Errorf("got %+v, want %+v", got, c.want)
		}
	}
}

func TestFluentdCreatesOnlyWhereItIsAskedTo(t *testing.T) {
	for _, on := range []bool{true, false} {
		fake := cloudwatchtest.New(cloudwatchtest.Options{Now: now})
		s := service{Server: fake, log: &logBuffer{}}.connect(t, fake, fluentd(func(o *Options) {
			o.Group, o.TagAsStream, o.CreateStream = "g", true, &on
			o.GroupTags, o.Retention = "a:b,c:d", 7
		}), config.Fluentd)
		r := s.send(t, line(1))
		if !on {
			if s.Calls("CreateLogStream") != 0 || len(r.Items) != 1 || !strings.Contains(r.Err.Error(), "(auto_create_stream is off)") {
				t.Errorf("got %+v", r)
			}
			continue
		}
		g, _ := s.Group("g")
		if s.messages("g", "app.web") != `{"log":"line 1"}` || g.Retention != 7 || fmt.Sprint(g.Tags) != "map[a:b c:d]" {
			t.Errorf("got %+v and %+v", r, g)
		}
	}
}
