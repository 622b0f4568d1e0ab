package doctor

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/firelane/firelane/sink/probe"
)

// awsService is a stand-in of a service with AWS's JSON protocol, or of S3: it answers each operation with a status and a body.
func awsService(t *testing.T, answers map[string]string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
			t.Errorf("%s %s is not signed", r.Method, r.URL)
		}
		op := r.Method + " " + r.URL.Path
		if target := r.Header.Get("X-Amz-Target"); target != "" {
			_, op, _ = strings.Cut(target, ".")
		}
		answer, ok := answers[op]
		if !ok {
			t.Errorf("the service was asked %s, want only questions", op)
		}
		status, body, _ := strings.Cut(answer, " ")
		n := 0
		_, _ = fmt.Sscan(status, &n)
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		if n == http.StatusMovedPermanently {
			w.Header().Set("X-Amz-Bucket-Region", "us-east-1")
		}
		w.WriteHeader(n)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestServicesOfAWSAreAskedForWhatTheOutputUses(t *testing.T) {
	const (
		group    = "  name cloudwatch_logs\n  log_group_name /ecs/web\n  log_stream_name s\n"
		prefix   = "  name cloudwatch_logs\n  log_group_name /ecs/web\n  log_stream_prefix p\n"
		firehose = "  name kinesis_firehose\n  delivery_stream logs\n"
		kinesis  = "  name kinesis_streams\n  stream logs\n"
		bucket   = "  name s3\n  bucket logs\n"
		denied   = `400 {"__type":"AccessDeniedException","message":"User: x is not authorized"}`
		missing  = `400 {"__type":"ResourceNotFoundException","message":"none"}`
		found    = `200 {"logGroups":[{"logGroupName":"/ecs/web-2"},{"logGroupName":"/ecs/web","retentionInDays":30}]}`
	)
	for _, c := range []struct {
		output  string
		answers map[string]string
		level   probe.Level
		step    string
		text    string
	}{
		{group, map[string]string{"DescribeLogGroups": found, "DescribeLogStreams": `200 {"logStreams":[{"logStreamName":"s"}]}`}, probe.OK, "group", "keeps its events for 30 days"},
		{group, map[string]string{"DescribeLogGroups": found, "DescribeLogStreams": `200 {"logStreams":[{"logStreamName":"s"}]}`}, probe.OK, "stream", "the log stream s exists"},
		{group, map[string]string{"DescribeLogGroups": found, "DescribeLogStreams": `200 {"logStreams":[]}`}, probe.OK, "stream", "logs:CreateLogStream"},
		{group + "  auto_create_stream off\n", map[string]string{"DescribeLogGroups": found, "DescribeLogStreams": `200 {"logStreams":[]}`}, probe.Error, "stream", "auto_create_stream on"},
		{prefix, map[string]string{"DescribeLogGroups": `200 {"logGroups":[{"logGroupName":"/ecs/web"}]}`}, probe.Note, "group", "for ever"},
		{prefix, map[string]string{"DescribeLogGroups": `200 {"logGroups":[]}`}, probe.Error, "group", "auto_create_group is off"},
		{prefix + "  auto_create_group on\n", map[string]string{"DescribeLogGroups": `200 {"logGroups":[]}`}, probe.Note, "group", "logs:CreateLogGroup"},
		{prefix, map[string]string{"DescribeLogGroups": denied}, probe.Note, "group", "these credentials may not call logs:DescribeLogGroups"},
		{prefix, map[string]string{"DescribeLogGroups": `400 {"__type":"UnrecognizedClientException","message":"bad token"}`}, probe.Error, "group", "refuses the credentials"},
		{prefix, map[string]string{"DescribeLogGroups": `400 {"__type":"ThrottlingException"}`}, probe.Note, "group", "try again"},
		{prefix, map[string]string{"DescribeLogGroups": `200 {"logGroups":` + strings.Repeat("[", 5000)}, probe.Error, "group", ""},
		{firehose, map[string]string{"DescribeDeliveryStream": `200 {"DeliveryStreamDescription":{"DeliveryStreamARN":"arn:f","DeliveryStreamStatus":"ACTIVE"}}`}, probe.OK, "stream", "arn:f is ACTIVE"},
		{firehose, map[string]string{"DescribeDeliveryStream": `200 {"DeliveryStreamDescription":{"DeliveryStreamARN":"arn:f","DeliveryStreamStatus":"SUSPENDED"}}`}, probe.Error, "stream", "only when it is ACTIVE"},
		{firehose, map[string]string{"DescribeDeliveryStream": `200 {}`}, probe.Note, "stream", "not known"},
		{firehose, map[string]string{"DescribeDeliveryStream": missing}, probe.Error, "stream", "doesn't exist in eu-west-1"},
		{firehose, map[string]string{"DescribeDeliveryStream": denied}, probe.Note, "stream", "firehose:PutRecordBatch"},
		{kinesis, map[string]string{"DescribeStreamSummary": `200 {"StreamDescriptionSummary":{"StreamARN":"arn:k","StreamStatus":"ACTIVE","OpenShardCount":2,"RetentionPeriodHours":24}}`}, probe.OK, "stream", "with 2 open shards; records are kept for 24 hours"},
		{kinesis, map[string]string{"DescribeStreamSummary": `200 {"StreamDescriptionSummary":{"StreamStatus":"CREATING"}}`}, probe.Error, "stream", "ACTIVE or UPDATING"},
		{kinesis, map[string]string{"DescribeStreamSummary": missing}, probe.Error, "stream", "doesn't exist"},
		{kinesis, map[string]string{"DescribeStreamSummary": `200 {}`}, probe.Note, "stream", "not known"},
		{bucket, map[string]string{"HEAD /logs": "200 "}, probe.OK, "bucket", "the bucket logs exists"},
		{bucket, map[string]string{"HEAD /logs": "404 "}, probe.Error, "bucket", "doesn't exist"},
		{bucket, map[string]string{"HEAD /logs": "403 "}, probe.Note, "bucket", "may not call s3:ListBucket"},
		{bucket, map[string]string{"HEAD /logs": "301 "}, probe.Error, "bucket", "another region"},
	} {
		sts := tokenService(t, someone)
		_ = sts
		t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
		t.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
		s := awsService(t, c.answers)
		wants(t, examine(t, patient, "[OUTPUT]\n  match *\n  region eu-west-1\n  endpoint "+s.URL+"\n"+c.output), c.level, c.step, c.text)
	}
}

// A service's message is cut at a length, and may have what it was sent.
func TestAMessageThatIsCutHasNoSecret(t *testing.T) {
	tokenService(t, someone)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
	t.Setenv("AWS_SESSION_TOKEN", strings.Repeat("t0ken-", 100))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"__type":"AccessDeniedException","message":"you sent %s"}`, r.Header.Get("X-Amz-Security-Token"))
	}))
	t.Cleanup(s.Close)
	report := show(examine(t, patient, "[OUTPUT]\n  match *\n  name kinesis_firehose\n  delivery_stream logs\n  endpoint "+s.URL+"\n"))
	if !strings.Contains(report, "you sent ***") || strings.Contains(report, "t0ken") {
		t.Errorf("got\n%s", report)
	}
}

func TestCollectorsAreAskedForTheirHealth(t *testing.T) {
	for _, c := range []struct {
		plugin string
		status int
		body   string
		level  probe.Level
		text   string
	}{
		{"loki", 200, "ready\n", probe.OK, "GET /ready answers 200: ready"},
		{"loki", 503, "Ingester not ready", probe.Error, "Ingester not ready"},
		{"loki", 404, "", probe.Note, "a gateway"},
		{"splunk\n  splunk_token x-token", 200, `{"text":"HEC is healthy","code":17}`, probe.OK, "HEC is healthy"},
		{"splunk\n  splunk_token x-token", 503, `{"text":"HEC is unhealthy, queues are full","code":18}`, probe.Error, "queues are full"},
	} {
		s := answerWith(t, c.status, c.body)
		wants(t, examine(t, patient, "[OUTPUT]\n  match *\n  name "+c.plugin+"\n"+serverOptions(s)), c.level, "health", c.text)
	}
}

// A receiver of the forward protocol with a shared key refuses another one; nothing but the handshake is sent to it.
func TestRecordsAreNeverSent(t *testing.T) {
	for _, plugin := range []string{"tcp", "forward", "gelf\n  mode tcp", "syslog\n  mode tcp\n  syslog_message_key log"} {
		got := make(chan int, 1)
		at := listen(t, func(c net.Conn) {
			n, _ := c.Read(make([]byte, 1))
			got <- n
		})
		wants(t, examine(t, patient, "[OUTPUT]\n  match *\n  name "+plugin+"\n"+at), probe.OK, "connect", "connected to 127.0.0.1")
		if n := <-got; n > 0 {
			t.Errorf("%s: got bytes, want none", plugin)
		}
	}
}
