package kafka

import (
	"net"
	"strconv"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
)

// defaultPort is the port of brokers that are named without one.
const defaultPort = 9092

// DescribeClient describes an output to these brokers, which writes to topics of that name, with * for what each record fills in. It
// lacks the name for people.
func (o *Options) DescribeClient(d config.Dialect, topic string) sink.Description {
	tls := o.usesTLS(d)
	verified := o.tlsOptions()
	var servers []sink.Server
	for _, b := range o.seeds() {
		host, text, err := net.SplitHostPort(b)
		port, wrong := strconv.Atoi(text)
		if err != nil || wrong != nil {
			host, port = strings.Trim(b, "[]"), defaultPort
		}
		servers = append(servers, sink.Server{Host: host, Port: port, TLS: tls, Verify: tls && verified.Verified()})
	}
	out := sink.DescribePeer("Kafka", servers...)
	if o.iam(d) {
		region := o.region(d)
		source := aws.Source{Region: region}
		if d == config.Fluentd {
			source.AccessKeyID = o.IAMKey
		}
		out.Service, out.AWSRegion, out.SignIn = "Amazon MSK", region, source.SignIn("kafka-cluster", region)
		out.Actions = source.Grants(o.grants(topic)...)
	} else if mechanism, user, _ := o.signIn(d); mechanism != "" {
		out.SignIn = mechanism + ", user " + user
	}
	return out
}

// grants are what a role needs to write to a topic of Amazon MSK ("IAM access control", actions of a producer). Its ARN is like the
// cluster's: arn:aws:kafka:eu-west-1:123456789012:cluster/demo/abc has arn:aws:kafka:eu-west-1:123456789012:topic/demo/abc/logs.
func (o *Options) grants(topic string) []sink.IAMGrant {
	cluster, topics := "*", "*"
	if strings.Contains(o.MSKClusterARN, ":cluster/") {
		cluster = o.MSKClusterARN
		topics = strings.Replace(cluster, ":cluster/", ":topic/", 1) + "/" + topic
	}
	return []sink.IAMGrant{
		{Actions: []string{"kafka-cluster:Connect", "kafka-cluster:WriteDataIdempotently"}, Resource: cluster},
		{Actions: []string{"kafka-cluster:DescribeTopic", "kafka-cluster:WriteData"}, Resource: topics},
	}
}
