package report

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"syscall"

	"github.com/firelane/firelane/sink"
)

// describe says what a failed attempt is about: as the destination says, or else as the cause, the status and the error do.
func describe(r *sink.Reply) sink.Trouble {
	switch {
	case r.Trouble != nil:
		return *r.Trouble
	case r.Cause == sink.Throttled:
		return sink.Trouble{Kind: sink.Overloaded, What: "is overloaded" + code(r.Status), Want: "more capacity there, if it lasts; the router sends one request at a time meanwhile"}
	case r.Cause == sink.Unauthorised && r.Status == http.StatusForbidden:
		return sink.Trouble{Kind: sink.AccessDenied, What: "denied access (403)", Want: "give the output's credentials the permission to write"}
	case r.Cause == sink.Unauthorised:
		return sink.Trouble{Kind: sink.Unauthenticated, What: "refused the credentials" + code(r.Status), Want: "correct the output's user, password, key or token"}
	case r.Verdict == sink.Done: // but for some items
		return sink.Trouble{Kind: sink.Refusing, What: "refuses records for now", Want: "the field error says why; they are sent again"}
	case r.Cause == sink.Unreached && r.Status == 0:
		return unreachable(r.Err)
	}
	return sink.Trouble{Kind: sink.Failing, What: "failed" + code(r.Status), Want: "the field error has its answer; see the service's own log"}
}

func code(status int) string {
	if status == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d)", status)
}

// unreachable tells apart why a destination wasn't reached.
func unreachable(err error) sink.Trouble {
	t := sink.Trouble{Kind: sink.Unreachable, What: "can't be reached", Want: "the field error says why"}
	var name *net.DNSError
	var record tls.RecordHeaderError
	var verify *tls.CertificateVerificationError
	var timeout interface{ Timeout() bool }
	var file *fs.PathError
	switch {
	case errors.As(err, &file):
		t.Kind, t.What, t.Want = sink.Failing, "can't be written", "create the folder, make it writable, or free disk space"
	case errors.As(err, &name):
		t.What, t.Want = "has a host name that can't be resolved", "correct the host's name, or the DNS of the task's network"
	case errors.As(err, &record):
		t.What, t.Want = "doesn't speak TLS at this port", "correct the port, or turn tls off"
	case errors.As(err, &verify), errors.As(err, new(x509.UnknownAuthorityError)), errors.As(err, new(x509.HostnameError)):
		t.What, t.Want = "has a certificate that can't be verified", "correct the host's name or the file of authorities, or renew the certificate"
	case errors.Is(err, syscall.ECONNREFUSED):
		t.What, t.Want = "refuses connections", "see whether it runs, and correct host and port"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		t.What, t.Want = "can't be reached: there is no route to it", "correct the routes of the task's subnet"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		t.What, t.Want = "doesn't answer in time", "see whether it is overloaded, and whether security groups and routes let the task connect"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		t.What, t.Want = "closes connections", "see whether the port needs tls, and what stands between, such as a load balancer"
	}
	return t
}
