package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/rs/zerolog"
)

// renewBefore is how long before its expiry a certificate is a warning: it should have been renewed by then.
const renewBefore = 30 * 24 * time.Hour

// A handshake is what a TLS handshake has shown.
type handshake struct {
	tls.ConnectionState
	verified error // why the chain or the name is refused
	name     error // why the name alone is
}

// secure does a TLS handshake, with the output's own options. It reports whether the output's own would succeed.
func (e *exam) secure(ctx context.Context, conn net.Conn) bool {
	ctx, cancel := limited(ctx, e.step)
	defer cancel()
	name := e.Host
	if e.Verify != "" {
		name = e.Verify
	}
	strict := *e.TLS // verifies, whatever the options say, to find out what it would say
	strict.Verify, strict.InsecureMode = true, false
	conf, err := strict.Config(e.dialect, name, e.Secrets, zerolog.Nop())
	if err != nil {
		e.fail("tls", "correct the option or the file", "preparing TLS: %v", err)
		return false
	}
	var h handshake
	verify := conf.VerifyConnection
	conf.VerifyConnection = func(s tls.ConnectionState) error {
		h.ConnectionState, h.verified = s, verify(s)
		h.name = s.PeerCertificates[0].VerifyHostname(conf.ServerName)
		return nil
	}
	start := time.Now()
	c := tls.Client(conn, conf)
	if err := c.HandshakeContext(ctx); err != nil {
		e.noHandshake(ctx, err)
		return false
	}
	took := since(start)
	e.ok("tls", "%s, %s (%s)", tls.VersionName(h.Version), tls.CipherSuiteName(h.CipherSuite), took)
	return e.certificate(&h, conf.ServerName)
}

// noHandshake says why there is no TLS.
func (e *exam) noHandshake(ctx context.Context, err error) {
	var plainText tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &plainText):
		e.fail("tls", "turn TLS off (tls Off; in Fluentd scheme http), or write the port that has TLS", "the server doesn't speak TLS on port %d: it answers %q", e.Port, plainText.RecordHeader[:])
	case errors.As(err, &alert):
		e.fail("tls", "the server's log says more; it may want a client's certificate (tls.crt_file) or another version of TLS", "the server ends the handshake: %v", alert)
	case ctx.Err() != nil:
		e.fail("tls", "the port may be for another protocol, or something between drops large packets", "connected, but the server doesn't answer the handshake: %v", context.Cause(ctx))
	case errors.Is(plain(ctx, err), errCut):
		e.fail("tls", "the port may be for another protocol: check port, and whether the server has TLS", "the server closes the connection during the handshake")
	default:
		e.fail("tls", "check that the port has TLS", "the handshake fails: %v", plain(ctx, err))
	}
}

// certificate says what the server's certificate is worth. It reports whether the output accepts it.
func (e *exam) certificate(h *handshake, name string) bool {
	leaf := h.PeerCertificates[0]
	roots := "the system's authorities"
	if e.TLS.CAFile != "" || e.TLS.CAPath != "" {
		roots = "the authorities of " + e.TLS.CAFile
		if e.TLS.CAFile == "" {
			roots += e.TLS.CAPath
		}
	}
	verifies := e.TLS.Verify && !e.TLS.InsecureMode
	switch {
	case h.verified == nil && verifies:
		e.ok("certificate", "%s is verified by %s; issued by %s", subject(leaf), roots, issuer(leaf))
	case h.verified == nil:
		e.warn("certificate", "turn tls.verify on: the certificate would be verified", "%s is not verified, since tls.verify is off: someone between could read everything", subject(leaf))
	case !verifies:
		e.warn("certificate", "fix this, and turn tls.verify on; until then someone between could read everything", "%s is not verified, since tls.verify is off; it would be refused: %v", subject(leaf), h.verified)
	default:
		e.fail("certificate", certificateFix(h.verified, name), "%s is refused (%s): %v", subject(leaf), roots, h.verified)
	}
	if h.verified == nil && h.name != nil {
		e.warn("certificate", "write the name that the certificate has as host or tls.vhost, then tls.verify_hostname on", "the certificate is for another name, which is accepted, as in Fluent Bit: %v", h.name)
	}
	e.expiry(h)
	return h.verified == nil || !verifies
}

func subject(c *x509.Certificate) string {
	if len(c.DNSNames) > 0 {
		return "the certificate of " + c.DNSNames[0]
	}
	if c.Subject.CommonName != "" {
		return "the certificate of " + c.Subject.CommonName
	}
	return "the certificate"
}

func issuer(c *x509.Certificate) string {
	if c.Issuer.CommonName != "" {
		return c.Issuer.CommonName
	}
	return c.Issuer.String()
}

func certificateFix(err error, name string) string {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &authority):
		return "name the PEM file of the authority that issued it in tls.ca_file (Fluentd: ca_file); a server must also send its intermediate certificates"
	case errors.As(err, &host):
		return "write the name that the certificate has as host, or in tls.vhost; it is not for " + name
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the certificate, if this host's clock is right"
	}
	return "replace the server's certificate"
}

// expiry warns of the certificate of the chain that expires first.
func (e *exam) expiry(h *handshake) {
	first := h.PeerCertificates[0]
	for _, c := range h.PeerCertificates[1:] {
		if c.NotAfter.Before(first.NotAfter) {
			first = c
		}
	}
	left, date := first.NotAfter.Sub(e.now()), first.NotAfter.UTC().Format(time.DateOnly)
	switch {
	case left < 0: // said already
	case left < renewBefore:
		e.warn("certificate", "renew it before then: records will not be delivered after that", "%s expires in %s, on %s", subject(first), daysOf(left), date)
	default:
		e.ok("certificate", "it is valid until %s", date)
	}
}

// daysOf is a time in days, or in hours if it is short.
func daysOf(d time.Duration) string {
	if d < 2*24*time.Hour {
		return fmt.Sprintf("%d hours", int(d/time.Hour))
	}
	return fmt.Sprintf("%d days", int(d/(24*time.Hour)))
}

// speaksTLS finds out whether a server that was spoken to without TLS has it. Nothing is sent over the connection.
func (e *exam) speaksTLS(ctx context.Context) bool {
	ctx, cancel := limited(ctx, e.step)
	defer cancel()
	conn, err := e.Net.Dialer().DialContext(ctx, "tcp", joinPort(e.Host, e.Port))
	if err != nil {
		return false
	}
	defer conn.Close()
	// It is only asked whether the server has TLS: no certificate is trusted.
	return tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ServerName: e.Host}).HandshakeContext(ctx) == nil
}
