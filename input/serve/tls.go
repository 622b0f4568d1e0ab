package serve

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/firelane/firelane/config"
)

// TLS are the options of Fluent Bit's inputs for TLS.
type TLS struct {
	On             bool          `fluentbit:"tls" other:"off" help:"take TLS connections"`
	CrtFile        string        `fluentbit:"tls.crt_file" help:"certificate, PEM"`
	KeyFile        string        `fluentbit:"tls.key_file" help:"private key, PEM"`
	KeyPasswd      config.Secret `fluentbit:"tls.key_passwd" help:"not supported: the key must not be encrypted"`
	CAFile         string        `fluentbit:"tls.ca_file" help:"CA certificates that client certificates are verified with, PEM"`
	CAPath         string        `fluentbit:"tls.ca_path" help:"folder of CA certificates, instead of tls.ca_file"`
	VerifyClient   bool          `fluentbit:"tls.verify_client_cert" help:"ask clients for a certificate"`
	Verify         bool          `fluentbit:"tls.verify" other:"(not written)" default:"true" help:"accepted; tls.verify_client_cert asks for certificates"`
	VerifyHostname bool          `fluentbit:"tls.verify_hostname" other:"(not written)" help:"accepted; it has no meaning for a server"`
	VHost          string        `fluentbit:"tls.vhost" help:"accepted; it has no meaning for a server"`
	Debug          string        `fluentbit:"tls.debug" help:"accepted"`
	MinVersion     string        `fluentbit:"tls.min_version" help:"oldest version: TLSv1.2 unless written"`
	MaxVersion     string        `fluentbit:"tls.max_version" help:"newest version"`
	Ciphers        string        `fluentbit:"tls.ciphers" help:"accepted; the ciphers are those that are safe today"`
}

// Transport is Fluentd's <transport>.
type Transport struct {
	Protocol   string        `fluentd:"<>" oneof:"tcp,tls" default:"tcp" help:"tcp or tls"`
	CertPath   string        `fluentd:"cert_path" help:"certificate, PEM"`
	KeyPath    string        `fluentd:"private_key_path" help:"private key, PEM"`
	KeyPasswd  config.Secret `fluentd:"private_key_passphrase" help:"not supported: the key must not be encrypted"`
	CAPath     string        `fluentd:"ca_path" help:"CA certificates that client certificates are verified with, PEM"`
	ClientAuth bool          `fluentd:"client_cert_auth" help:"ask clients for a certificate"`
	Insecure   bool          `fluentd:"insecure" help:"not supported: TLS without certificates protects nothing"`
	Version    string        `fluentd:"version" help:"oldest version: TLSv1_2 unless written"`
	MinVersion string        `fluentd:"min_version" help:"oldest version"`
	MaxVersion string        `fluentd:"max_version" help:"newest version"`
	Ciphers    string        `fluentd:"ciphers" help:"accepted; the ciphers are those that are safe today"`
	Linger     int           `fluentd:"linger_timeout" help:"accepted"`
	RecvBuffer string        `fluentd:"receive_buffer_size" help:"accepted"`
}

// settings are the TLS options of either dialect.
type settings struct {
	cert, key, caFile, caPath string
	clientAuth                bool
	min, max                  string
}

// Check reports what is missing or wrong.
func (t *TLS) Check() error {
	switch {
	case !t.On:
		return nil
	case t.KeyPasswd != "":
		return &config.OptionError{Option: "tls.key_passwd", Reason: "encrypted keys aren't supported: give a key without a password"}
	case t.CrtFile == "" || t.KeyFile == "":
		return &config.OptionError{Option: "tls", Reason: "needs tls.crt_file and tls.key_file"}
	case t.VerifyClient && t.CAFile == "" && t.CAPath == "":
		return &config.OptionError{Option: "tls.verify_client_cert", Reason: "needs tls.ca_file or tls.ca_path"}
	}
	return checkVersions("tls.min_version", t.MinVersion, "tls.max_version", t.MaxVersion)
}

// Config reads the files. It is nil where TLS is off.
func (t *TLS) Config() (*tls.Config, error) {
	if !t.On {
		return nil, nil
	}
	s := settings{
		cert: t.CrtFile, key: t.KeyFile, caFile: t.CAFile, caPath: t.CAPath,
		clientAuth: t.VerifyClient, min: t.MinVersion, max: t.MaxVersion,
	}
	return s.load()
}

// Check reports what is missing or wrong.
func (t *Transport) Check() error {
	switch {
	case t == nil || t.Protocol != "tls":
		return nil
	case t.Insecure:
		return &config.OptionError{Option: "insecure", Reason: "isn't supported: give cert_path and private_key_path"}
	case t.KeyPasswd != "":
		return &config.OptionError{Option: "private_key_passphrase", Reason: "encrypted keys aren't supported: give a key without a password"}
	case t.CertPath == "" || t.KeyPath == "":
		return &config.OptionError{Option: "<transport>", Reason: "tls needs cert_path and private_key_path"}
	case t.ClientAuth && t.CAPath == "":
		return &config.OptionError{Option: "client_cert_auth", Reason: "needs ca_path"}
	}
	return checkVersions("version", t.Version, "max_version", t.MaxVersion)
}

// Config reads the files. It is nil where TLS is off.
func (t *Transport) Config() (*tls.Config, error) {
	if t == nil || t.Protocol != "tls" {
		return nil, nil
	}
	oldest := t.MinVersion
	if oldest == "" {
		oldest = t.Version
	}
	s := settings{
		cert: t.CertPath, key: t.KeyPath, caFile: t.CAPath,
		clientAuth: t.ClientAuth, min: oldest, max: t.MaxVersion,
	}
	return s.load()
}

// load reads the files.
func (t *settings) load() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(t.cert, t.key)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate %s and its key %s: %w", t.cert, t.key, err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if v, _ := tlsVersion(t.min); v != 0 {
		c.MinVersion = v
	}
	c.MaxVersion, _ = tlsVersion(t.max)
	if !t.clientAuth {
		return c, nil
	}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	c.ClientCAs, err = certPool(t.caFile, t.caPath)
	return c, err
}

// certPool reads the certificates of a file, or of every file of a folder.
func certPool(file, folder string) (*x509.CertPool, error) {
	files := []string{file}
	if file == "" {
		files, _ = filepath.Glob(filepath.Join(folder, "*")) // the pattern is always valid
	}
	pool, found := x509.NewCertPool(), false
	for _, f := range files {
		pem, err := config.ReadFile(f)
		if err != nil && file != "" {
			return nil, fmt.Errorf("reading certificates: %w", err)
		}
		found = pool.AppendCertsFromPEM(pem) || found
	}
	if !found {
		return nil, fmt.Errorf("reading certificates: no certificate in %s", file+folder)
	}
	return pool, nil
}

func checkVersions(minOption, oldest, maxOption, newest string) error {
	if _, err := tlsVersion(oldest); err != nil {
		return &config.OptionError{Option: minOption, Reason: err.Error()}
	}
	if _, err := tlsVersion(newest); err != nil {
		return &config.OptionError{Option: maxOption, Reason: err.Error()}
	}
	return nil
}

// tlsVersion reads a version as either dialect spells it: TLSv1.2, TLSv1_2. "" is 0, which leaves the choice to Go.
func tlsVersion(s string) (uint16, error) {
	switch strings.ToLower(strings.TrimPrefix(strings.ReplaceAll(s, "_", "."), ":")) {
	case "":
		return 0, nil
	case "tlsv1.3", "tls1.3", "1.3":
		return tls.VersionTLS13, nil
	case "tlsv1.2", "tls1.2", "1.2":
		return tls.VersionTLS12, nil
	case "tlsv1.1", "tls1.1", "1.1":
		return tls.VersionTLS11, nil
	case "tlsv1", "tlsv1.0", "tls1.0", "1.0":
		return tls.VersionTLS10, nil
	}
	return 0, errors.New("must be TLSv1.2 or TLSv1.3")
}
