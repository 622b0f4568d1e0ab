package kafka

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/twmb/franz-go/pkg/sasl"

	"github.com/firelane/firelane/sink/aws"
)

// The SASL mechanism of Amazon MSK for IAM, as aws-msk-iam-auth describes it ("Authentication payload"): a request for an action, which
// is signed in its query, as JSON.
const (
	iamMechanism = "AWS_MSK_IAM"
	iamService   = "kafka-cluster"
	iamAction    = "kafka-cluster:Connect"
	iamVersion   = "2020_10_22"
	iamExpires   = "900" // seconds, the most that MSK takes
)

// An iam signs in with AWS credentials.
type iam struct {
	signer *aws.Signer
	region string // that the options have; "": that in the broker's name, or the credentials' own
}

// Name implements sasl.Mechanism.
func (*iam) Name() string { return iamMechanism }

// Authenticate implements sasl.Mechanism.
func (m *iam) Authenticate(ctx context.Context, broker string) (sasl.Session, []byte, error) {
	host, _, err := net.SplitHostPort(broker)
	if err != nil {
		return nil, nil, fmt.Errorf("signing in to %s: %w", broker, err)
	}
	query := url.Values{"Action": {iamAction}, "X-Amz-Expires": {iamExpires}}
	req := (&http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: "https", Host: host, Path: "/", RawQuery: query.Encode()}, Host: host, Header: http.Header{}})
	signed, err := m.signer.Presign(ctx, req, cmp.Or(m.region, regionOf(host)))
	if err != nil {
		return nil, nil, err
	}
	payload := map[string]string{"version": iamVersion, "host": host, "user-agent": "firelane"}
	for name := range signed {
		payload[strings.ToLower(name)] = signed.Get(name)
	}
	text, err := json.Marshal(payload)
	return iamSession{}, text, err
}

type iamSession struct{}

// Challenge implements sasl.Session. The broker answers once, with its version and the request's id.
func (iamSession) Challenge(answer []byte) (done bool, next []byte, err error) {
	if len(answer) == 0 {
		return false, nil, errors.New("the broker has not confirmed the credentials")
	}
	return true, nil, nil
}
