package kafka

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/dial"
)

// Limits of the client.
const (
	MaxFetch        = 1 << 20          // bytes that a broker is asked for at once; it sends more if one batch has more
	maxResponse     = 16 << 20         // bytes of a broker's response: at least one batch of a fetch has to fit
	maxBrokerConfig = 64               // names of brokers whose TLS configuration is kept
	requestTimeout  = 10 * time.Second // for a broker to answer, beyond the time that the request asks for
	metadataAge     = 5 * time.Minute  // after which topics and their leaders are asked for again
	metadataPause   = time.Second      // between two such questions
)

// A Config is all that clients of one plugin need.
type Config struct {
	Options []kgo.Opt
	Watch   *Watch
}

// Config returns the client's configuration. It reads the certificates' files, and opens no connection. common is where AWS
// credentials are shared; nil: they aren't.
func (o *Options) Config(d config.Dialect, common *sink.Common, log zerolog.Logger) (*Config, error) {
	w := &Watch{log: log}
	mechanism, err := o.mechanism(d, common, w)
	if err != nil {
		return nil, err
	}
	dialer := &dialer{net: o.Dialer(), limit: ms(o.SetupTimeout, o.Connect()), dialect: d, secrets: mechanism != nil, log: log}
	if o.usesTLS(d) {
		t := o.tlsOptions()
		dialer.tls = &t
		host, _, err := net.SplitHostPort(o.seeds()[0])
		if err != nil {
			host = o.seeds()[0]
		}
		if _, err := dialer.config(host); err != nil { // now rather than at the first connection
			return nil, err
		}
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(o.seeds()...),
		kgo.ClientID(o.ClientID),
		kgo.DisableClientMetrics(),
		kgo.Dialer(dialer.dial),
		kgo.WithHooks(w),
		kgo.WithLogger(logger{log}),
		kgo.BrokerMaxReadBytes(maxResponse),
		kgo.FetchMaxBytes(MaxFetch),
		kgo.RequestTimeoutOverhead(ms(o.SocketTimeout, requestTimeout)),
		kgo.MetadataMaxAge(max(ms(o.MetadataAge, metadataAge), metadataPause)),
		kgo.MetadataMinAge(metadataPause),
	}
	if mechanism != nil {
		opts = append(opts, kgo.SASL(mechanism))
	}
	return &Config{Options: opts, Watch: w}, nil
}

// A dialer connects to brokers, each of which has its own name in its certificate.
type dialer struct {
	net     *dial.Dialer
	limit   time.Duration // of connecting, TLS included
	tls     *dial.TLSOptions
	dialect config.Dialect
	secrets bool
	log     zerolog.Logger

	mu      sync.Mutex
	configs map[string]*tls.Config // by host
}

func (d *dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.limit)
	defer cancel()
	nc, err := d.net.DialContext(ctx, network, addr)
	if err != nil || d.tls == nil {
		return nc, err
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	c, err := d.config(host)
	if err != nil {
		nc.Close()
		return nil, err
	}
	t := tls.Client(nc, c)
	if err := t.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, fmt.Errorf("TLS handshake with %s: %w", addr, err)
	}
	return t, nil
}

// config returns the TLS configuration for a broker. It is kept, since it reads files, and reads them again when they change.
func (d *dialer) config(host string) (*tls.Config, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c, ok := d.configs[host]; ok {
		return c, nil
	}
	c, err := d.tls.Config(d.dialect, host, d.secrets, d.log)
	if err != nil {
		return nil, err
	}
	if d.configs == nil || len(d.configs) >= maxBrokerConfig {
		d.configs = map[string]*tls.Config{}
	}
	d.configs[host] = c
	return c, nil
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return path != "" && err == nil && st.IsDir()
}

// credentials returns the AWS credentials of the options.
func (o *Options) credentials(d config.Dialect, common *sink.Common) *aws.Credentials {
	source := aws.Source{Region: o.region(d)}
	if d == config.Fluentd {
		source.AccessKeyID, source.SecretAccessKey = o.IAMKey, string(o.IAMSecret)
	}
	return aws.For(common, source)
}
