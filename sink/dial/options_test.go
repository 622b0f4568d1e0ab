package dial

import (
	"errors"
	"testing"

	"github.com/firelane/firelane/config"
)

func TestMistakesInOptionsNameTheOption(t *testing.T) {
	for want, err := range map[string]error{
		"net.source_address":  (&NetOptions{SourceAddress: "eth0"}).CheckNet(),
		"net.dns.prefer_ipv6": (&NetOptions{PreferIPv4: true, PreferIPv6: true}).CheckNet(),
		"tls.crt_file":        (&TLSOptions{TLS: true, CertFile: "x"}).CheckTLS(config.FluentBit),
		"tls.min_version":     (&TLSOptions{MinVersion: "SSLv3"}).CheckTLS(config.FluentBit),
	} {
		var bad *config.OptionError
		if !errors.As(err, &bad) || bad.Option != want || bad.Reason == "" {
			t.Errorf("%s: %v", want, err)
		}
	}
}
