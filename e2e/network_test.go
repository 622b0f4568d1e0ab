package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firelane/firelane/e2e/sigv4"
	"github.com/firelane/firelane/sink/bulk/bulktest"
)

// away is a destination that answers 503 until it is back.
func away(back *atomic.Bool) func(int, *http.Request) bulktest.Fault {
	return func(int, *http.Request) bulktest.Fault {
		if back.Load() {
			return bulktest.Fault{}
		}
		return bulktest.Fault{Status: http.StatusServiceUnavailable}
	}
}

// A destination moves: its name can't be looked up for a while, and then has another address.
func TestANameThatFailsAndComesBackElsewhereIsFollowed(t *testing.T) {
	const name, before, after = "search.firelane.test", "127.0.0.21", "127.0.0.22"
	dns := startDNS(t, "127.0.0.23:53")
	dns.answer(before)
	here, there := bulktest.New(bulktest.Options{}), bulktest.New(bulktest.Options{})
	first := serve(t, before+":0", httptest.NewUnstartedServer(here))
	first.Start()
	port := portOf(first)

	dir := t.TempDir()
	resolv := filepath.Join(dir, "resolv.conf")
	if err := os.WriteFile(resolv, []byte("nameserver 127.0.0.23\noptions timeout:1 attempts:1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	config := programConfig(dir, fmt.Sprintf("    Name opensearch\n    Host %s\n    Port %d\n", name, port))
	p := startProgram(t, dir, config, "mount --make-rprivate /; mount --bind "+resolv+" /etc/resolv.conf")
	p.mustSend(t, 0, 1000)
	arrived(t, time.Minute, 1000, here, there)

	dns.answer("")
	first.CloseClientConnections()
	first.Close()
	p.mustSend(t, 1000, 2000)
	p.says(t, "lookup "+name, time.Minute)
	second := serve(t, fmt.Sprintf("%s:%d", after, port), httptest.NewUnstartedServer(there))
	second.Start()
	p.mustSend(t, 2000, 3000)
	dns.answer(after)
	arrived(t, time.Minute, 3000, here, there)
	p.stop(t)
	arrived(t, 0, 3000, here, there)
	if n := len(there.Documents("web-*")); n < 2000 {
		t.Errorf("the new address has %d records, want 2000", n)
	}
}

// A nameServer knows one address, or answers that it has failed.
type nameServer struct{ address atomic.Pointer[net.IP] }

func (s *nameServer) answer(address string) {
	ip := net.ParseIP(address).To4()
	s.address.Store(&ip)
}

func startDNS(t *testing.T, at string) *nameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	s := new(nameServer)
	go func() {
		buf := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply := s.reply(buf[:n]); reply != nil {
				conn.WriteTo(reply, from)
			}
		}
	}()
	return s
}

// reply answers a query of one question (RFC 1035, 4): an A record, nothing for other types, or a failed server.
func (s *nameServer) reply(query []byte) []byte {
	end := 12
	for end < len(query) && query[end] != 0 {
		end += 1 + int(query[end])
	}
	end += 5 // the root's length, type, class
	if end > len(query) {
		return nil
	}
	isA := query[end-3] == 1
	reply := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, query[12:end]...)
	switch ip := *s.address.Load(); {
	case ip == nil:
		reply[3] |= 2 // SERVFAIL
	case isA:
		reply[7] = 1
		reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4) // the name again, A, IN, 1 s, 4 bytes
		reply = append(reply, ip...)
	}
	return reply
}

// Connections that take everything and never answer cost a time-out and no record.
func TestAConnectionThatHangsIsLeft(t *testing.T) {
	search := bulktest.New(bulktest.Options{})
	server := serve(t, "", httptest.NewServer(search))
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { front.Close() })
	var hung atomic.Int64
	go func() {
		for {
			conn, err := front.Accept()
			if err != nil {
				return
			}
			if hung.Add(1) <= 3 {
				go io.Copy(io.Discard, conn)
				continue
			}
			go splice(conn, server.Listener.Addr().String())
		}
	}()
	dir := t.TempDir()
	p := startProgram(t, dir, programConfig(dir, fmt.Sprintf("    Name opensearch\n    Host 127.0.0.1\n    Port %d\n    net.io_timeout 1s\n",
		front.Addr().(*net.TCPAddr).Port)), "")
	p.mustSend(t, 0, 1000)
	arrived(t, time.Minute, 1000, search)
	p.stop(t)
	arrived(t, 0, 1000, search)
	if hung.Load() < 4 {
		t.Errorf("%d connections", hung.Load())
	}
}

// splice joins a connection with a new one to address until either side ends.
func splice(conn net.Conn, address string) {
	defer conn.Close()
	back, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer back.Close()
	go func() {
		io.Copy(back, conn)
		back.Close()
	}()
	io.Copy(conn, back)
}

// A certificate that has run out stops delivery and says why; the next one is taken with no restart.
func TestACertificateThatExpiresAndIsReplacedCostsNothing(t *testing.T) {
	issue, ca := authority(t)
	var current atomic.Pointer[tls.Certificate]
	current.Store(issue(time.Now().Add(time.Hour)))
	search := bulktest.New(bulktest.Options{})
	server := serve(t, "", httptest.NewUnstartedServer(search))
	server.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current.Load(), nil }}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are what is tested
	server.StartTLS()
	server.Config.SetKeepAlivesEnabled(false)

	dir := t.TempDir()
	file := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(file, ca, 0o644); err != nil {
		t.Fatal(err)
	}
	p := startProgram(t, dir, programConfig(dir, fmt.Sprintf("    Name opensearch\n    Host localhost\n    Port %d\n    tls On\n    tls.verify On\n    tls.ca_file %s\n",
		portOf(server), file)), "")
	p.mustSend(t, 0, 1000)
	arrived(t, time.Minute, 1000, search)
	current.Store(issue(time.Now().Add(-time.Minute)))
	p.mustSend(t, 1000, 2000)
	p.says(t, "expired", time.Minute)
	current.Store(issue(time.Now().Add(time.Hour)))
	arrived(t, time.Minute, 2000, search)
	p.stop(t)
	arrived(t, 0, 2000, search)
}

// authority makes a certificate authority, and what issues certificates for localhost.
func authority(t *testing.T) (issue func(until time.Time) *tls.Certificate, ca []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(c, parent *x509.Certificate, public *ecdsa.PublicKey) []byte {
		c.SerialNumber, c.NotBefore = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, c, parent, public, key)
		if err != nil {
			t.Error(err)
		}
		return der
	}
	root := &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	der := sign(root, root, &key.PublicKey)
	issue = func(until time.Time) *tls.Certificate {
		leaf := &x509.Certificate{
			Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, NotAfter: until,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}
		return &tls.Certificate{Certificate: [][]byte{sign(leaf, root, &key.PublicKey)}, PrivateKey: key}
	}
	return issue, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// A task role's credentials end while records flow: one refresh, and nothing is lost or duplicated.
func TestCredentialsThatExpireInFlightCostNothing(t *testing.T) {
	search := bulktest.New(bulktest.Options{})
	roles := []sigv4.Keys{
		{AccessKey: "ASIAFIRST", SecretKey: "first", Token: "first"},
		{AccessKey: "ASIASECOND", SecretKey: "second", Token: "second"},
	}
	var now, refused atomic.Int64
	server := serve(t, "", httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		good := roles[now.Load()]
		if r.Header.Get("X-Amz-Security-Token") != good.Token {
			refused.Add(1)
			w.Header().Set("X-Amzn-ErrorType", "ExpiredTokenException")
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, `{"message":"The security token included in the request is expired"}`)
			return
		}
		(&sigv4.Verifier{Keys: good, Region: region, Service: "es", Next: search}).ServeHTTP(w, r)
	})))
	credentials := serve(t, "", httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		k := roles[now.Load()]
		json.NewEncoder(w).Encode(map[string]string{
			"AccessKeyId": k.AccessKey, "SecretAccessKey": k.SecretKey, "Token": k.Token,
			"Expiration": time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
		})
	})))
	dir := t.TempDir()
	p := startProgram(t, dir, programConfig(dir, fmt.Sprintf("    Name es\n    Host 127.0.0.1\n    Port %d\n    AWS_Auth On\n    AWS_Region %s\n",
		portOf(server), region)), "", "AWS_CONTAINER_CREDENTIALS_FULL_URI="+credentials.URL)
	p.mustSend(t, 0, 1000)
	arrived(t, time.Minute, 1000, search)
	now.Store(1)
	p.mustSend(t, 1000, 5000)
	arrived(t, time.Minute, 5000, search)
	p.stop(t)
	arrived(t, 0, 5000, search)
	if n := refused.Load(); n == 0 || n > 4 {
		t.Errorf("%d requests were refused, want those that were in flight", n)
	}
}
