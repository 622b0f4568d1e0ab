package servers

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// SecureHost is the only name in the certificate of a secure server.
const SecureHost = "localhost"

// nobody is the user that runs the server: OpenSearch refuses to run as root.
const nobody = 65534

const secureConfig = `cluster.name: firelane
node.name: node
path.data: %[1]s/data
path.logs: %[1]s/logs
http.port: %[2]d
transport.port: %[3]d
network.host: 127.0.0.1
discovery.type: single-node
cluster.routing.allocation.disk.threshold_enabled: false
plugins.security.ssl.transport.pemcert_filepath: node.pem
plugins.security.ssl.transport.pemkey_filepath: node.key
plugins.security.ssl.transport.pemtrustedcas_filepath: ca.pem
plugins.security.ssl.transport.enforce_hostname_verification: false
plugins.security.ssl.http.enabled: true
plugins.security.ssl.http.pemcert_filepath: node.pem
plugins.security.ssl.http.pemkey_filepath: node.key
plugins.security.ssl.http.pemtrustedcas_filepath: ca.pem
plugins.security.nodes_dn: ["CN=localhost"]
plugins.security.restapi.roles_enabled: ["all_access"]
plugins.security.allow_unsafe_democertificates: true
plugins.security.allow_default_init_securityindex: true
`

const secureLog = `status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
`

// StartSecureSearch starts a SecureOpenSearch2 with a heap of 512 MiB on a free port. Its home and its data are in dir, which
// the user nobody must be able to reach.
func StartSecureSearch(dir string) (*Search, error) {
	kind := SecureOpenSearch2()
	if !kind.Installed() {
		return nil, fmt.Errorf("%s is not installed: run e2e/setup", kind.Name)
	}
	// The cache may be in root's home, which nobody can't read.
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(cache(), kind.Name))); err != nil {
		return nil, err
	}
	port, err := FreePort(9201, 9299)
	if err != nil {
		return nil, err
	}
	ca, err := NewCA()
	if err != nil {
		return nil, err
	}
	cert, key, err := ca.Issue(SecureHost)
	if err != nil {
		return nil, err
	}
	for name, content := range map[string][]byte{
		"ca.pem": ca.PEM, "node.pem": cert, "node.key": key, "log4j2.properties": []byte(secureLog),
		"opensearch.yml": fmt.Appendf(nil, secureConfig, dir, port, port+100),
	} {
		if err := os.WriteFile(filepath.Join(dir, "config", name), content, 0o600); err != nil {
			return nil, err
		}
	}
	if err := exec.Command("chown", "-R", fmt.Sprint(nobody), dir).Run(); err != nil {
		return nil, fmt.Errorf("giving %s to nobody: %w", dir, err)
	}
	java, err := filepath.EvalSymlinks(filepath.Join(cache(), kind.java, "bin/java"))
	if err != nil {
		return nil, err
	}
	p, err := start(filepath.Join(dir, "log"), secureCommand(java, kind, dir))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM)
	s := &Search{Process: p, Kind: kind, Port: port, dir: dir, user: "admin", password: "admin"}
	s.http = http.Client{Timeout: startLimit, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	return s, p.ready(startLimit, func() bool {
		// Until the plugin has made its own index, it answers 503, or 401.
		_, err := s.Do("GET", "/_plugins/_security/api/roles/all_access", "")
		return err == nil
	})
}

// CAFile is the certificate of the authority that issued a secure server's certificate, in PEM.
func (s *Search) CAFile() string { return filepath.Join(s.dir, "config", "ca.pem") }

func secureCommand(java string, kind Kind, home string) *exec.Cmd {
	cmd := exec.Command(java,
		"-Xms512m", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
		"-Djava.security.manager=allow", "-Djava.awt.headless=true", "-Dio.netty.noUnsafe=true",
		"-Dio.netty.noKeySetOptimization=true", "-Dlog4j.shutdownHookEnabled=false", "-Dlog4j2.disable.jmx=true",
		"-Djava.io.tmpdir="+home,
		"-Dopensearch.path.home="+home, "-Dopensearch.path.conf="+filepath.Join(home, "config"),
		"-Dopensearch.distribution.type=tar", "-Dopensearch.bundled_jdk=false",
		"-cp", home+"/lib/*", kind.main)
	cmd.Dir = home
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	return cmd
}
