package main

import (
	"crypto/x509"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// useOwnRoots makes the certificate authorities in this binary the fallback for a system that has none, such as the image.
// SSL_CERT_FILE and SSL_CERT_DIR take precedence. The call takes 2 ms, so it comes after the sockets are bound, and before the
// first connection to a destination.
func useOwnRoots() {
	pool := x509.NewCertPool()
	for root := range bundle.Roots() {
		cert, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			continue // this version of Go can't parse it; the others are still used
		}
		if root.Constraint == nil {
			pool.AddCert(cert)
		} else {
			pool.AddCertWithConstraint(cert, root.Constraint)
		}
	}
	x509.SetFallbackRoots(pool)
}
