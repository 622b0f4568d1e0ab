package aws

import (
	"crypto/x509"
	"os"

	"github.com/firelane/firelane/sink/dial"
)

// bundle is the variable that names the authorities which connections to AWS trust instead of the system's, as in AWS's SDKs.
const bundle = "AWS_CA_BUNDLE"

// WithBundle returns the options of connections to a service of AWS: unless they name authorities themselves, those of AWS_CA_BUNDLE
// are trusted. A file that can't be read, or that has no certificate, counts for nothing here: the SDK, which fetches the
// credentials, reports it.
func WithBundle(o *dial.TLSOptions) *dial.TLSOptions {
	file := os.Getenv(bundle)
	if file == "" || o.CAFile != "" || o.CAPath != "" {
		return o
	}
	if pem, err := os.ReadFile(file); err != nil || !x509.NewCertPool().AppendCertsFromPEM(pem) {
		return o
	}
	with := *o
	with.CAFile = file
	return &with
}
