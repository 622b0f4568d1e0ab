package dial

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// awsMetadata are the addresses that AWS serves metadata and credentials on, other than link-local ones: ULA addresses of
// the instance's and the pod's services.
var awsMetadata = netip.MustParsePrefix("fd00:ec2::/32")

// Proxy returns the proxy that the environment names for a request (HTTP_PROXY, HTTPS_PROXY, NO_PROXY), or nil. Requests
// to this host, to link-local addresses, and to metadata services never go by a proxy, which would ask its own.
func Proxy(req *http.Request) (*url.URL, error) {
	if isLocal(req.URL.Hostname()) {
		return nil, nil
	}
	return http.ProxyFromEnvironment(req)
}

// isLocal reports whether only this host, or its link, can reach what host names.
func isLocal(host string) bool {
	if name := strings.TrimSuffix(strings.ToLower(host), "."); name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	a = a.Unmap().WithZone("")
	return a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast() || awsMetadata.Contains(a)
}
