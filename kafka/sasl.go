package kafka

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
)

// mechanism returns how the client signs in; nil if it doesn't.
func (o *Options) mechanism(d config.Dialect, common *sink.Common, w *Watch) (sasl.Mechanism, error) {
	if o.iam(d) {
		creds := o.credentials(d, common)
		w.refresh = func() { creds.Invalidate() }
		return &iam{signer: aws.NewSigner(creds, iamService), region: o.ownRegion(d)}, nil
	}
	name, user, pass := o.signIn(d)
	switch name {
	case "":
		return nil, nil
	case "PLAIN":
		return plain.Auth{User: user, Pass: pass}.AsMechanism(), nil
	case "SCRAM-SHA-256":
		return scram.Auth{User: user, Pass: pass}.AsSha256Mechanism(), nil
	case "SCRAM-SHA-512":
		return scram.Auth{User: user, Pass: pass}.AsSha512Mechanism(), nil
	}
	return nil, fmt.Errorf("the SASL mechanism %s is not supported; want PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", name)
}

// signIn returns the mechanism, "" for none, and the user.
func (o *Options) signIn(d config.Dialect) (name, user, pass string) {
	if strings.HasPrefix(o.SecurityProtocol, "sasl_") && o.SASLMechanism != "" {
		return o.SASLMechanism, o.SASLUsername, string(o.SASLPassword)
	}
	if d == config.FluentBit || o.Username == "" { // librdkafka signs in for these protocols alone
		return "", "", ""
	}
	switch o.ScramMechanism {
	case "sha256", "SCRAM-SHA-256":
		name = "SCRAM-SHA-256"
	case "sha512", "SCRAM-SHA-512":
		name = "SCRAM-SHA-512"
	default:
		name = "PLAIN"
	}
	return name, o.Username, string(o.Password)
}

// brokerRegion matches the name of a broker of Amazon MSK: b-1.demo.abc123.c2.kafka.eu-west-1.amazonaws.com. It is compiled when it is
// first needed, not at every start.
var brokerRegion = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\.kafka(?:-serverless)?\.([a-z]{2}(?:-[a-z]+)+-\d)\.`)
})

// region returns the MSK cluster's region; "" if neither the options nor the brokers' names have it.
func (o *Options) region(d config.Dialect) string {
	region := o.ownRegion(d)
	for _, b := range o.seeds() {
		region = cmp.Or(region, regionOf(b))
	}
	return region
}

// ownRegion returns the region that the options have; "" if they don't.
func (o *Options) ownRegion(d config.Dialect) string {
	if d == config.Fluentd && o.IAMRegion != "" {
		return o.IAMRegion
	}
	if parts := strings.Split(o.MSKClusterARN, ":"); len(parts) > 3 { // arn:aws:kafka:eu-west-1:…
		return parts[3]
	}
	return ""
}

// regionOf returns the region in a broker's name; "" if it has none.
func regionOf(broker string) string {
	if m := brokerRegion().FindStringSubmatch(strings.ToLower(broker)); m != nil {
		return m[1]
	}
	return ""
}
