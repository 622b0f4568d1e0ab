package main

import (
	"crypto/x509"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// useOwnRoots gives the process the certificate authorities that are inside this binary, for where the system has none:
// the image has no files. SSL_CERT_FILE and SSL_CERT_DIR still come first. It takes 2 ms, so it is done when the sockets
// are bound and before the first connection to a destination.
func useOwnRoots() {
	pool := x509.NewCertPool()
	for root := range bundle.Roots() {
		cert, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			continue // one that this Go can't read; the others still count
		}
		if root.Constraint == nil {
			pool.AddCert(cert)
		} else {
			pool.AddCertWithConstraint(cert, root.Constraint)
		}
	}
	x509.SetFallbackRoots(pool)
}
