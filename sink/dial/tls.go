package dial

import (
	"crypto/tls"
	"fmt"
	"strings"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
)

// TLSOptions are the options for TLS. A destination's options struct embeds them.
type TLSOptions struct {
	TLS            bool          `fluentbit:"tls" other:"off" help:"use TLS"`
	Verify         bool          `fluentbit:"tls.verify" fluentd:"ssl_verify" other:"on" default:"true" help:"verify the server's certificate"`
	VerifyHostname *bool         `fluentbit:"tls.verify_hostname" fluentd:"tls_verify_hostname" other:"(not written)" help:"verify the name in the certificate; default: on where credentials are sent and in Fluentd, else a wrong name is only a warning"`
	InsecureMode   bool          `fluentd:"tls_insecure_mode,tls_allow_self_signed_cert" help:"don't verify the server's certificate"`
	VHost          string        `fluentbit:"tls.vhost" help:"name to request (SNI) and verify instead of host"`
	CAFile         string        `fluentbit:"tls.ca_file" fluentd:"ca_file,tls_cert_path,tls_ca_cert_path" help:"PEM file of the certificate authorities to trust instead of the system's"`
	CAPath         string        `fluentbit:"tls.ca_path" help:"folder of such files"`
	CertFile       string        `fluentbit:"tls.crt_file" fluentd:"client_cert,tls_client_cert_path" help:"PEM file of the client's certificate"`
	KeyFile        string        `fluentbit:"tls.key_file" fluentd:"client_key,tls_client_private_key_path,tls_private_key_path" help:"PEM file of its key"`
	KeyPass        config.Secret `fluentbit:"tls.key_passwd" fluentd:"client_key_pass,tls_client_private_key_passphrase,tls_private_key_passphrase" help:"the key's password"`
	Version        string        `fluentd:"ssl_version,tls_version" help:"oldest version of TLS, such as TLSv1_2"`
	MinVersion     string        `fluentbit:"tls.min_version" fluentd:"ssl_min_version" help:"oldest version of TLS, such as TLSv1.2 (the default)"`
	MaxVersion     string        `fluentbit:"tls.max_version" fluentd:"ssl_max_version" help:"newest version of TLS"`
	Ciphers        string        `fluentbit:"tls.ciphers" fluentd:"tls_ciphers" help:"cipher suites for TLS 1.2, separated by colons or commas"`
	Debug          string        `fluentbit:"tls.debug" help:"accepted"`
}

// CheckTLS reports the mistakes that binding can't find. It reads no files.
func (o *TLSOptions) CheckTLS(d config.Dialect) error {
	if (o.CertFile == "") != (o.KeyFile == "") && (o.TLS || d != config.FluentBit) {
		return &config.OptionError{Option: "tls.crt_file", Reason: "a client's certificate needs its key, and a key its certificate; want both"}
	}
	for _, v := range []struct{ bit, fluentd, value string }{
		{"", "ssl_version", o.Version},
		{"tls.min_version", "ssl_min_version", o.MinVersion},
		{"tls.max_version", "ssl_max_version", o.MaxVersion},
	} {
		if _, err := tlsVersion(v.value); err != nil && d == config.Fluentd {
			return &config.OptionError{Option: v.fluentd, Reason: err.Error()}
		} else if err != nil {
			return &config.OptionError{Option: v.bit, Reason: err.Error(), Instead: config.NotWritten}
		}
	}
	return nil
}

// Config returns the client's configuration for a server called host, or for servers of any name if host is "": the
// certificate's name is then compared with that of each connection, which can't be an address. It reads the files, so as to report mistakes; later
// they are read again when they have changed, so that replacing an expired certificate needs no restart. If credentials are
// sent (secrets), a server whose certificate is for another name is refused, unless tls.verify_hostname is off. Where the
// dialect tolerates such a certificate, a warning goes to log.
func (o *TLSOptions) Config(d config.Dialect, host string, secrets bool, log zerolog.Logger) (*tls.Config, error) {
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if o.VHost != "" {
		c.ServerName = o.VHost
	}
	if err := o.versions(c); err != nil {
		return nil, err
	}
	var err error
	if c.CipherSuites, err = cipherSuites(o.Ciphers); err != nil {
		return nil, err
	}
	if o.CertFile != "" {
		pair := &keyPair{cert: o.CertFile, key: o.KeyFile, pass: o.KeyPass}
		if _, err := pair.get(); err != nil {
			return nil, err
		}
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair.get() }
	}
	v := &verifier{name: c.ServerName, files: o.CAFile, folder: o.CAPath, names: o.nameRule(d, secrets), unset: o.VerifyHostname == nil && d == config.FluentBit, log: log}
	if _, err := v.roots(); err != nil {
		return nil, err
	}
	// verifier replaces the standard verification, which can neither reload authorities nor tolerate a wrong name.
	c.InsecureSkipVerify = true
	if o.Verified() {
		c.VerifyConnection = v.verify
		if v.names == nameWarned {
			log.Warn().Str("host", host).Msg("a wrong name in the server's certificate is accepted, as in Fluent Bit; tls.verify_hostname on refuses it")
		}
	}
	return c, nil
}

// Verified reports whether the server's certificate is verified.
func (o *TLSOptions) Verified() bool { return o.Verify && !o.InsecureMode }

func (o *TLSOptions) versions(c *tls.Config) error {
	oldest := o.MinVersion
	if oldest == "" {
		oldest = o.Version
	}
	if v, err := tlsVersion(oldest); err != nil {
		return err
	} else if v != 0 {
		c.MinVersion = v
	}
	var err error
	c.MaxVersion, err = tlsVersion(o.MaxVersion)
	return err
}

// tlsVersion parses a version in any spelling of the dialects: TLSv1.2, TLSv1_2, tls1.2, 1.2. "" is 0.
func tlsVersion(s string) (uint16, error) {
	name := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(s, ":")), "_", ".")
	name = strings.TrimPrefix(strings.TrimPrefix(name, "tls"), "v")
	switch name {
	case "":
		return 0, nil
	case "1", "1.0":
		return tls.VersionTLS10, nil
	case "1.1":
		return tls.VersionTLS11, nil
	case "1.2":
		return tls.VersionTLS12, nil
	case "1.3":
		return tls.VersionTLS13, nil
	}
	return 0, fmt.Errorf("%q is not a version of TLS; want TLSv1.2 or TLSv1.3", s)
}

// cipherSuites parses a list of names, IANA's or OpenSSL's (ECDHE-RSA-AES128-GCM-SHA256). OpenSSL's groups, such as
// HIGH:!aNULL and ALL, are ignored: a list of these alone means the default.
func cipherSuites(list string) ([]uint16, error) {
	known := map[string]uint16{}
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		known[s.Name] = s.ID
		known[openSSLName(s.Name)] = s.ID
	}
	var ids []uint16
	for _, name := range strings.FieldsFunc(list, func(r rune) bool { return r == ':' || r == ',' || r == ' ' }) {
		id, ok := known[name]
		if !ok && strings.Contains(name, "_") {
			return nil, fmt.Errorf("%q is not a supported cipher suite", name)
		}
		if ok {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// openSSLName turns TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 into ECDHE-RSA-AES128-GCM-SHA256.
func openSSLName(iana string) string {
	s := strings.TrimPrefix(iana, "TLS_")
	s = strings.Replace(s, "_WITH_", "_", 1)
	s = strings.Replace(s, "AES_", "AES", 1)
	s = strings.Replace(s, "CHACHA20_POLY1305_SHA256", "CHACHA20_POLY1305", 1)
	return strings.ReplaceAll(s, "_", "-")
}

// nameRule returns what happens if a certificate is for another name. Fluent Bit ignores the name by default, so a task
// definition that works there must work here: the default in its dialect is a warning, unless credentials are sent.
func (o *TLSOptions) nameRule(d config.Dialect, secrets bool) nameRule {
	switch {
	case o.VerifyHostname == nil && d == config.FluentBit && !secrets:
		return nameWarned
	case o.VerifyHostname == nil || *o.VerifyHostname:
		return nameVerified
	}
	return nameIgnored
}
