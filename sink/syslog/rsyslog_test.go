//go:build rsyslog

// These tests need rsyslog, which `make e2e` installs.

package syslog

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/firelane/firelane/internal/freeport"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/sinktest"
)

// freePort is a port of TCP and UDP on loopback that nobody uses.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port, err := freeport.Next()
		if err != nil {
			t.Fatal(err)
		}
		if c, err := net.ListenPacket("udp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			c.Close()
			return port
		}
	}
	t.Fatal("found no free port")
	return 0
}

// A rsyslogd is a real server with a configuration of its own.
type rsyslogd struct {
	port int
	file string // one line a message, with its parts
	cmd  *exec.Cmd
}

// startRsyslog starts Debian's rsyslogd with this input, which has %d for the port. Where there is none, the test is skipped.
func startRsyslog(t *testing.T, dir, input string, port int) *rsyslogd {
	t.Helper()
	path, err := exec.LookPath("rsyslogd")
	if err != nil {
		if path = "/usr/sbin/rsyslogd"; !exists(path) {
			t.Skip("rsyslogd isn't installed: apt-get install rsyslog rsyslog-gnutls")
		}
	}
	r := &rsyslogd{port: port, file: filepath.Join(dir, "messages")}
	conf := filepath.Join(dir, "rsyslog.conf")
	text := fmt.Sprintf(input, port) + `
global(workDirectory="` + dir + `")
template(name="parts" type="string" string="%pri%|%timestamp:::date-rfc3339%|%hostname%|%app-name%|%procid%|%msgid%|%structured-data%|%msg%\n")
action(type="omfile" file="` + r.file + `" template="parts" asyncWriting="off" ioBufferSize="1" flushOnTXEnd="on")
`
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r.cmd = exec.Command(path, "-n", "-f", conf, "-i", filepath.Join(dir, "pid"))
	var out strings.Builder
	r.cmd.Stdout, r.cmd.Stderr, r.cmd.Env = &out, &out, append(os.Environ(), "TZ=UTC")
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.stop()
		if t.Failed() {
			t.Log(out.String())
		}
	})
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			c.Close()
			return r
		}
		if time.Now().After(deadline) {
			t.Fatalf("rsyslogd doesn't listen: %v\n%s", err, out.String())
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// stop ends the server as Debian does, and waits for it.
func (r *rsyslogd) stop() {
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	_ = r.cmd.Wait()
}

// lines waits for n lines with this text.
func (r *rsyslogd) lines(t *testing.T, n int, with string) []string {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		data, _ := os.ReadFile(r.file)
		var got []string
		for line := range strings.Lines(string(data)) {
			if strings.Contains(line, with) {
				got = append(got, strings.TrimSuffix(line, "\n"))
			}
		}
		if len(got) >= n {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %d lines, want %d:\n%s", len(got), n, data)
		}
	}
}

const plainInput = `
module(load="imtcp")
module(load="imudp")
input(type="imtcp" address="127.0.0.1" port="%[1]d")
input(type="imudp" address="127.0.0.1" port="%[1]d")
`

func TestRsyslogReadsEveryPart(t *testing.T) {
	r := startRsyslog(t, t.TempDir(), plainInput, freePort(t))
	for _, mode := range []string{"tcp", "udp"} {
		for format, want := range map[string]string{
			"rfc5424": `155|2023-11-14T22:13:20.123456Z|h1|web|12|M1|[sd@1 a="x\"y\\z\]"]|` + mode + ` 5424 ünï#012two`,
			"rfc3164": `155|-11-14T22:13:20+00:00|h1|web|12|-|-| ` + mode + ` 3164 ünï#012two`,
		} {
			d := open(t, fmt.Sprintf("mode %s\nport %d\nsyslog_format %s\n%ssyslog_sd_key sd@1\n", mode, r.port, format, all))
			js := fmt.Sprintf(`{"log":"%s %s ünï\ntwo","sev":"err","fac":"local3","host":"h1","app":"web","pid":12,"mid":"M1","sd@1":{"a":"x\"y\\z]"}}`, mode, format[3:])
			req, err := sinktest.Encode(d, event(t, js))
			if err != nil {
				t.Fatal(err)
			}
			if reply := d.Send(t.Context(), req); reply.Verdict != sink.Done {
				t.Fatalf("%s %s: got %+v, want done", mode, format, reply)
			}
			got := r.lines(t, 1, mode+" "+format[3:])[0]
			got = strings.ReplaceAll(got, "\ufeff", "")
			if year, rest, ok := strings.Cut(got, "-"); ok && format == "rfc3164" { // rsyslog guesses the year
				got = year[:len(year)-4] + "-" + rest
			}
			if got != want {
				t.Errorf("%s %s: got\n%s, want\n%s", mode, format, got, want)
			}
			d.Close()
		}
	}
}

// rsyslog is restarted in the middle: what it had not acknowledged is sent again, and each record is there at least once.
func TestRsyslogGetsEveryRecordOverItsRestart(t *testing.T) {
	dir, port := t.TempDir(), freePort(t)
	r := startRsyslog(t, dir, plainInput, port)
	d := open(t, fmt.Sprintf("mode tcp\nport %d\nsyslog_message_key log", port))
	defer d.Close()
	const requests, each = 40, 25
	for n := range requests {
		var records []*sink.Record
		for i := range each {
			records = append(records, event(t, fmt.Sprintf(`{"log":"record %d"}`, n*each+i)))
		}
		req, err := sinktest.Encode(d, records...)
		if err != nil {
			t.Fatal(err)
		}
		if n == requests/2 {
			r.lines(t, n*each, "record ")
			r.stop()
			if reply := d.Send(t.Context(), req); reply.Verdict != sink.Again {
				t.Fatalf("while it is stopped: got %+v, want again", reply)
			}
			r = startRsyslog(t, dir, plainInput, port)
		}
		if reply := d.Send(t.Context(), req); reply.Verdict != sink.Done {
			t.Fatalf("request %d: got %+v, want done", n, reply)
		}
	}
	var numbers []int
	for _, line := range r.lines(t, requests*each, "record ") {
		n, err := strconv.Atoi(line[strings.LastIndexByte(line, ' ')+1:])
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	if numbers = slices.Compact(numbers); len(numbers) != requests*each {
		t.Errorf("got %d records, want %d", len(numbers), requests*each)
	}
}

func TestRsyslogReadsTLS(t *testing.T) {
	if matches, _ := filepath.Glob("/usr/lib/*/rsyslog/lmnsd_gtls.so"); len(matches) == 0 {
		t.Skip("rsyslog has no TLS: apt-get install rsyslog-gnutls")
	}
	dir := t.TempDir()
	cert, key := selfSigned(t, dir)
	r := startRsyslog(t, dir, `
global(defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile="`+cert+`" defaultNetstreamDriverCertFile="`+cert+`" defaultNetstreamDriverKeyFile="`+key+`")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")
input(type="imtcp" address="127.0.0.1" port="%[1]d")
`, freePort(t))
	d := open(t, fmt.Sprintf("host localhost\nmode tls\nport %d\nsyslog_message_key log\ntls.ca_file %s\ntls.verify_hostname on\n", r.port, cert))
	for i := range 3 {
		req, err := sinktest.Encode(d, event(t, fmt.Sprintf(`{"log":"secret %d"}`, i)))
		if err != nil {
			t.Fatal(err)
		}
		if reply := d.Send(t.Context(), req); reply.Verdict != sink.Done {
			t.Fatalf("got %+v, want done", reply)
		}
	}
	d.Close()
	r.lines(t, 3, "secret ")
	other := open(t, fmt.Sprintf("host localhost\nmode tls\nport %d\n", r.port)) // doesn't know the authority
	defer other.Close()
	req, err := sinktest.Encode(other, event(t, `{"log":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	if reply := other.Send(t.Context(), req); reply.Verdict != sink.Again || !strings.Contains(reply.Err.Error(), "TLS handshake") {
		t.Errorf("an unknown authority: got %+v, want an error of the handshake", reply)
	}
}

// selfSigned makes a certificate for localhost, which is its own authority.
func selfSigned(t *testing.T, dir string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}
