package cloudwatch

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/format"
)

// Options are the options of Fluent Bit's cloudwatch_logs (in C) and cloudwatch (AWS's plugin in Go), which take the same
// ones here, and of Fluentd's cloudwatch_logs.
type Options struct {
	Group         string `fluentbit:"log_group_name" fluentd:"log_group_name" identity:"true" help:"log group; may have $(ecs_cluster), $(tag), $(tag[1]), $(field), $(field['inner']) (Fluent Bit), ${tag}, ${field} and strftime (Fluentd)"`
	Stream        string `fluentbit:"log_stream_name" fluentd:"log_stream_name" identity:"true" help:"log stream; may have $(ecs_task_id), $(uuid) and those of log_group_name"`
	StreamPrefix  string `fluentbit:"log_stream_prefix" identity:"true" help:"instead of log_stream_name: the stream is this prefix and the tag; without either of them it is the tag"`
	GroupTemplate string `fluentbit:"log_group_template" identity:"true" help:"log group of $field, $field['inner'] and $TAG[1]; if a value is missing, log_group_name is used"`
	StreamTmpl    string `fluentbit:"log_stream_template" identity:"true" help:"log stream of such values; if one is missing, log_stream_name or log_stream_prefix is used"`
	DefaultGroup  string `fluentbit:"default_log_group_name" default:"fluentbit-default" help:"log group if a value that log_group_name names is missing"`
	DefaultStream string `fluentbit:"default_log_stream_name" default:"/fluentbit-default" help:"log stream if a value that log_stream_name names is missing"`

	CreateGroup  bool   `fluentbit:"auto_create_group" default:"false" help:"create a log group that doesn't exist"`
	CreateStream *bool  `fluentbit:"auto_create_stream" fluentd:"auto_create_stream" help:"Fluent Bit: create a log stream that doesn't exist (default on). Fluentd: create groups and streams (default off)"`
	NewGroupTags string `fluentbit:"new_log_group_tags" help:"tags of groups that are created: key=value,key=value"`
	Retention    int    `fluentbit:"log_retention_days" fluentd:"retention_in_days" help:"retention in days of groups that are created; default: events never expire"`
	GroupClass   string `fluentbit:"log_group_class" other:"STANDARD" oneof:"STANDARD,INFREQUENT_ACCESS" help:"class of groups that are created"`

	LogKey      string `fluentbit:"log_key" help:"send the value of this field only; default: the whole record as JSON"`
	LogFormat   string `fluentbit:"log_format" help:"json/emf: the service extracts metrics from records in the embedded metric format"`
	Namespace   string `fluentbit:"metric_namespace" help:"with log_format json/emf, namespace of the metrics that records of the inputs cpu and mem become; default fluent-bit-metrics"`
	Dimensions  string `fluentbit:"metric_dimensions" help:"dimensions of these metrics: fields, with commas between them, and semicolons between sets"`
	LargeEvents string `fluentbit:"large_events" fluentd:"large_events" oneof:"cut,dead_letter,otlp" default:"cut" help:"an event of more than 1 MiB is cut, and ends in [Truncated...], goes to the dead letter, or goes whole to the service's OTLP endpoint"`
	UserAgent   string `fluentbit:"extra_user_agent" help:"added to the requests' User-Agent"`

	CredentialsEndpoint string `fluentbit:"credentials_endpoint" help:"URL of credentials like those of a container"`

	aws.ServiceOptions
	FluentdOptions
	sink.OutputOptions
	Unused
}

// FluentdOptions are those that only Fluentd's cloudwatch_logs has.
type FluentdOptions struct {
	TagAsGroup      bool   `fluentd:"use_tag_as_group" default:"false" identity:"true" help:"the log group is the tag"`
	TagAsStream     bool   `fluentd:"use_tag_as_stream" default:"false" identity:"true" help:"the log stream is the tag"`
	GroupKey        string `fluentd:"log_group_name_key" identity:"true" help:"field that holds the log group"`
	StreamKey       string `fluentd:"log_stream_name_key" identity:"true" help:"field that holds the log stream"`
	RemoveGroupKey  bool   `fluentd:"remove_log_group_name_key" default:"false" help:"leave log_group_name_key out of the event"`
	RemoveStreamKey bool   `fluentd:"remove_log_stream_name_key" default:"false" help:"leave log_stream_name_key out of the event"`

	GroupTags       string `fluentd:"log_group_aws_tags" help:"tags of groups that are created: a JSON object, or key:value,key:value"`
	GroupTagsKey    string `fluentd:"log_group_aws_tags_key" help:"no effect but for remove_log_group_aws_tags_key: tags are the same for all groups"`
	RemoveGroupTags bool   `fluentd:"remove_log_group_aws_tags_key" default:"false" help:"leave log_group_aws_tags_key out of the event"`
	RetentionKey    string `fluentd:"retention_in_days_key" help:"no effect but for remove_retention_in_days_key: the retention is the same for all groups"`
	RemoveRetention bool   `fluentd:"remove_retention_in_days_key" default:"false" help:"leave retention_in_days_key out of the event"`

	MessageKeys      []string              `fluentd:"message_keys" help:"send the values of these fields only, with blanks between them; default: the whole record as JSON"`
	MaxMessageLength int                   `fluentd:"max_message_length" help:"longest event in characters; a longer one is cut"`
	MaxEvents        int                   `fluentd:"max_events_per_batch" default:"10000" help:"most events in a request"`
	Concurrency      int                   `fluentd:"concurrency" help:"most requests in flight at once; default 4"`
	Format           *format.Options       `fluentd:"<format>" help:"how a record is written, without the newline at its end; default: JSON"`
	Inject           *format.InjectOptions `fluentd:"<inject>" help:"fields to add"`
	OldTime          bool                  `fluentd:"include_time_key" default:"false" help:"old spelling of <inject> time_key"`
	OldTimeKey       string                `fluentd:"time_key" default:"time" help:"field for include_time_key"`
	OldTimeFormat    string                `fluentd:"time_format" help:"strftime for include_time_key; default ISO 8601"`
	OldLocaltime     bool                  `fluentd:"localtime" default:"false" help:"include_time_key in local time, not in UTC"`
	OldTag           bool                  `fluentd:"include_tag_key" default:"false" help:"old spelling of <inject> tag_key"`
	OldTagKey        string                `fluentd:"tag_key" default:"tag" help:"field for include_tag_key"`

	AccessKeyID     string        `fluentd:"aws_key_id" help:"static credentials, instead of the task's role"`
	SecretAccessKey config.Secret `fluentd:"aws_sec_key" help:"static credentials"`
	UseSTS          bool          `fluentd:"aws_use_sts" default:"false" help:"assume aws_sts_role_arn"`
	STSRole         string        `fluentd:"aws_sts_role_arn" identity:"true" help:"role to assume, with aws_use_sts"`
	STSSession      string        `fluentd:"aws_sts_session_name" default:"fluentd" help:"session name for aws_sts_role_arn"`
	STSExternalID   string        `fluentd:"aws_sts_external_id" help:"external id for aws_sts_role_arn"`
	STSEndpointURL  string        `fluentd:"aws_sts_endpoint_url" help:"STS endpoint for aws_sts_role_arn"`
	WebIdentity     *WebIdentity  `fluentd:"<web_identity_credentials>" help:"a role to assume with a token file, as on EKS"`
	SSLVerifyPeer   bool          `fluentd:"ssl_verify_peer" default:"true" help:"verify the server's certificate"`
}

// WebIdentity is Fluentd's <web_identity_credentials>.
type WebIdentity struct {
	RoleARN   string         `fluentd:"role_arn" required:"true" identity:"true" help:"role to assume"`
	Session   string         `fluentd:"role_session_name" help:"session name for role_arn"`
	TokenFile string         `fluentd:"web_identity_token_file" required:"true" help:"token file for role_arn"`
	Policy    string         `fluentd:"policy" help:"accepted"`
	Duration  *time.Duration `fluentd:"duration_seconds" help:"accepted; credentials are refreshed before they expire"`
}

// Unused are options that are accepted, so that existing configurations work, and that have no effect.
type Unused struct {
	Entity        bool           `fluentbit:"add_entity" help:"accepted; Fluent Bit uses it with its kubernetes filter only"`
	RetryWait     *time.Duration `fluentd:"put_log_events_retry_wait" help:"accepted; see <buffer>"`
	RetryLimitPut *int           `fluentd:"put_log_events_retry_limit" help:"accepted; throttled records are never given up"`
	NoRetryLimit  bool           `fluentd:"put_log_events_disable_retry_limit" help:"accepted; throttled records are never given up"`
	JSONHandler   string         `fluentd:"json_handler" help:"accepted"`
	LogRejected   bool           `fluentd:"log_rejected_request" help:"accepted; rejected events go to the dead letter, with the reason"`
	HTTPProxy     string         `fluentd:"http_proxy" ignored:"set the variable HTTPS_PROXY instead" help:"see HTTPS_PROXY"`
	STSPolicy     string         `fluentd:"aws_sts_policy" ignored:"give the role a policy instead" help:"the role has its own policy"`
	STSDuration   *time.Duration `fluentd:"aws_sts_duration_seconds" help:"accepted; credentials are refreshed before they expire"`
	ECSAuth       bool           `fluentd:"aws_ecs_authentication" help:"accepted; the task's role is found in any case"`
	ProfileTries  *int           `fluentd:"aws_instance_profile_credentials_retries" help:"accepted; credentials are asked for until there are some"`

	ofFluentd bool // Check has seen Fluentd's dialect, which has an error where Fluent Bit's has a warning
}

// retentions are the days that PutRetentionPolicy takes ("PutRetentionPolicy - Amazon CloudWatch Logs").
var retentions = [...]int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

// Check reports the mistakes that binding can't find.
func (o *Options) Check(d config.Dialect) error {
	if o.ofFluentd = d == config.Fluentd; o.ofFluentd {
		if err := o.checkFluentd(); err != nil {
			return err
		}
	} else if err := o.checkFluentBit(); err != nil {
		return err
	}
	if _, err := o.tags(); err != nil {
		return err
	}
	if _, err := o.names(d); err != nil {
		return err
	}
	return errors.Join(o.CheckService(d), o.CheckOutput(d))
}

func (o *Options) checkFluentBit() error {
	switch {
	case o.Group == "":
		return &config.OptionError{Option: "log_group_name", Reason: "is missing; want the log group"}
	case o.Stream != "" && o.StreamPrefix != "":
		return &config.OptionError{Option: "log_stream_prefix", Reason: "contradicts log_stream_name; want only one of them"}
	}
	return nil
}

func (o *Options) checkFluentd() error {
	if one := count(o.Group != "", o.TagAsGroup, o.GroupKey != ""); one != 1 {
		return &config.OptionError{Option: "log_group_name", Reason: "want exactly one of log_group_name, use_tag_as_group and log_group_name_key"}
	}
	if one := count(o.Stream != "", o.TagAsStream, o.StreamKey != ""); one != 1 {
		return &config.OptionError{Option: "log_stream_name", Reason: "want exactly one of log_stream_name, use_tag_as_stream and log_stream_name_key"}
	}
	switch {
	case (o.AccessKeyID == "") != (o.SecretAccessKey == ""):
		return &config.OptionError{Option: "aws_key_id", Reason: "a key needs its secret, and a secret its key; want aws_key_id and aws_sec_key"}
	case o.UseSTS && o.STSRole == "":
		return &config.OptionError{Option: "aws_sts_role_arn", Reason: "is missing; want the role for aws_use_sts"}
	case o.MaxMessageLength < 0:
		return &config.OptionError{Option: "max_message_length", Reason: "must not be negative"}
	case o.MaxEvents < 1:
		return &config.OptionError{Option: "max_events_per_batch", Reason: "must be 1 or more"}
	case o.Concurrency < 0:
		return &config.OptionError{Option: "concurrency", Reason: "must not be negative"}
	}
	return nil
}

// count returns how many are true.
func count(all ...bool) (n int) {
	for _, set := range all {
		if set {
			n++
		}
	}
	return n
}

// Warnings returns a line for each option that was set and does not do here what its name promises.
func (o *Options) Warnings() []string {
	w := o.OutputOptions.Warnings()
	if o.Stream == "" && o.StreamPrefix == "" && !o.ofFluentd {
		w = append(w, "neither log_stream_name nor log_stream_prefix is set: each stream has the name of its tag; Fluent Bit does not start")
	}
	if o.Retention > 0 && !slices.Contains(retentions[:], o.Retention) {
		w = append(w, fmt.Sprintf("CloudWatch Logs takes no retention of %d days: new groups keep their events forever; want one of %s",
			o.Retention, strings.Join(strings.Fields(fmt.Sprint(retentions))[:], ", ")))
	}
	if o.LogFormat != "" && !strings.EqualFold(o.LogFormat, "json/emf") {
		w = append(w, fmt.Sprintf("log_format %s is sent as it is; CloudWatch Logs documents only json/emf", o.LogFormat))
	}
	if o.GroupTagsKey != "" || o.RetentionKey != "" {
		w = append(w, "tags and retention aren't read from records here; use log_group_aws_tags and retention_in_days")
	}
	return w
}

// retention returns the retention of new groups in days, 0 for none.
func (o *Options) retention() int {
	if slices.Contains(retentions[:], o.Retention) {
		return o.Retention
	}
	return 0
}

// creates reports what is created if it doesn't exist.
func (o *Options) creates(d config.Dialect) (group, stream bool) {
	if d == config.Fluentd {
		on := o.CreateStream != nil && *o.CreateStream
		return on, on
	}
	return o.CreateGroup, o.CreateStream == nil || *o.CreateStream
}

// tags returns the tags of new groups. Fluent Bit's are key=value,key=value; an empty key is ignored, as there.
func (o *Options) tags() (map[string]string, error) {
	text, separator, option := o.NewGroupTags, "=", "new_log_group_tags"
	if o.GroupTags != "" {
		text, separator, option = o.GroupTags, ":", "log_group_aws_tags"
	}
	tags := map[string]string{}
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		if err := json.Unmarshal([]byte(text), &tags); err != nil {
			return nil, &config.OptionError{Option: option, Reason: fmt.Sprintf("%q is no JSON object of strings", text)}
		}
		return tags, nil
	}
	for pair := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(pair, separator)
		if key = strings.TrimSpace(key); key != "" {
			tags[key] = strings.TrimSpace(value)
		}
	}
	return tags, nil
}

// source returns where credentials come from.
func (o *Options) source() aws.Source {
	s := o.Source()
	s.ContainerURI = o.CredentialsEndpoint
	s.AccessKeyID, s.SecretAccessKey = o.AccessKeyID, string(o.SecretAccessKey)
	switch {
	case o.UseSTS: // by the task's role, as in Fluentd
		s.AccessKeyID, s.SecretAccessKey = "", ""
		s.RoleARN, s.Session, s.ExternalID, s.STSEndpoint = o.STSRole, o.STSSession, o.STSExternalID, o.STSEndpointURL
	case o.WebIdentity != nil:
		s.RoleARN, s.Session, s.WebIdentityFile = o.WebIdentity.RoleARN, o.WebIdentity.Session, o.WebIdentity.TokenFile
	}
	return s
}

// omitted returns the fields that are left out of an event.
func (o *Options) omitted() (keys []string) {
	for _, k := range []struct {
		remove bool
		key    string
	}{{o.RemoveGroupKey, o.GroupKey}, {o.RemoveStreamKey, o.StreamKey}, {o.RemoveGroupTags, o.GroupTagsKey}, {o.RemoveRetention, o.RetentionKey}} {
		if k.remove && k.key != "" {
			keys = append(keys, k.key)
		}
	}
	return keys
}

// inject returns <inject>, completed from the old spellings; nil for none.
func (o *Options) inject() *format.InjectOptions {
	if o.Inject == nil && !o.OldTime && !o.OldTag {
		return nil
	}
	var in format.InjectOptions
	if o.Inject != nil {
		in = *o.Inject
	}
	if o.OldTime {
		in.TimeKey, in.TimeType = cmp.Or(in.TimeKey, o.OldTimeKey), "string"
		in.TimeFormat, in.Localtime = cmp.Or(in.TimeFormat, o.OldTimeFormat), cmp.Or(in.Localtime, &o.OldLocaltime)
	}
	if o.OldTag {
		in.TagKey = cmp.Or(in.TagKey, o.OldTagKey)
	}
	return &in
}
