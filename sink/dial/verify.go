package dial

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
)

// nameRule is what happens if a server's certificate is for another name.
type nameRule uint8

const (
	nameVerified nameRule = iota // an error
	nameWarned                   // one warning
	nameIgnored
)

// A verifier verifies servers' certificates against authorities in files that may change.
type verifier struct {
	name          string // of the server; "": the name that each connection asks for
	files, folder string // tls.ca_file and tls.ca_path
	names         nameRule
	unset         bool // tls.verify_hostname isn't written
	log           zerolog.Logger
	warned        sync.Once

	mu    sync.Mutex
	pool  *x509.CertPool
	stamp string // of the files that pool was read from
}

// verify is a tls.Config's VerifyConnection.
func (v *verifier) verify(cs tls.ConnectionState) error {
	roots, err := v.roots()
	if err != nil {
		return err
	}
	name := v.name
	if name == "" {
		name = cs.ServerName
	}
	opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, c := range cs.PeerCertificates[1:] {
		opts.Intermediates.AddCert(c)
	}
	leaf := cs.PeerCertificates[0]
	if _, err := leaf.Verify(opts); err != nil {
		return fmt.Errorf("verifying the certificate of %s: %w", name, err)
	}
	if v.names == nameIgnored {
		return nil
	}
	err = leaf.VerifyHostname(name)
	if err != nil && v.names == nameWarned {
		v.warned.Do(func() {
			v.log.Warn().Err(err).Msg("the server's certificate is for another name; it is accepted because tls.verify_hostname is not on")
		})
		return nil
	}
	if err != nil && v.unset {
		err = fmt.Errorf("%w; no credentials are sent to another name unless tls.verify_hostname off is written", err)
	}
	return err
}

// roots returns the authorities to trust, nil for the system's. It reads them again when a file has changed; if that fails,
// the last ones remain valid.
func (v *verifier) roots() (*x509.CertPool, error) {
	if v.files == "" && v.folder == "" {
		return nil, nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	files, err := v.list()
	var stamp string
	if err == nil {
		stamp, err = stampOf(files)
	}
	if err == nil && v.pool != nil && stamp == v.stamp {
		return v.pool, nil
	}
	var pool *x509.CertPool
	if err == nil {
		pool, err = readRoots(files)
	}
	switch {
	case err == nil:
		v.pool, v.stamp = pool, stamp
	case v.pool == nil:
		return nil, fmt.Errorf("reading authorities: %w", err)
	default:
		v.log.Warn().Err(err).Msg("the authorities' files can't be read again: the last ones remain valid")
	}
	return v.pool, nil
}

// readRoots reads the certificates of all files, of which there is one at least.
func readRoots(files []string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	found := false
	for _, f := range files {
		pem, err := config.ReadFile(f)
		if err != nil {
			return nil, err
		}
		found = pool.AppendCertsFromPEM(pem) || found
	}
	if !found {
		return nil, fmt.Errorf("no PEM certificate in %s", files[0])
	}
	return pool, nil
}

// list returns the paths of the authorities' files.
func (v *verifier) list() ([]string, error) {
	var files []string
	if v.files != "" {
		files = append(files, v.files)
	}
	if v.folder == "" {
		return files, nil
	}
	entries, err := os.ReadDir(v.folder)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if path := filepath.Join(v.folder, e.Name()); isFile(path) {
			files = append(files, path)
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no file in %s", v.folder)
	}
	return files, nil
}

func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}

// stampOf returns a string that changes when one of the files does.
func stampOf(files []string) (string, error) {
	var s string
	for _, f := range files {
		st, err := os.Stat(f)
		if err != nil {
			return "", err
		}
		s += fmt.Sprintf("%s %d %s\n", f, st.Size(), st.ModTime().Format(time.RFC3339Nano))
	}
	return s, nil
}

// A keyPair is a client's certificate and key, which are read again when their files have changed.
type keyPair struct {
	cert, key string
	pass      config.Secret

	mu    sync.Mutex
	pair  *tls.Certificate
	stamp string
}

// get returns the pair. If reading changed files fails, or they don't match because only one has been replaced so far, the
// last pair remains valid.
func (k *keyPair) get() (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	stamp, err := stampOf([]string{k.cert, k.key})
	if k.pair != nil && (err != nil || stamp == k.stamp) {
		return k.pair, nil
	}
	if err == nil {
		var pair tls.Certificate
		if pair, err = k.read(); err == nil {
			k.pair, k.stamp = &pair, stamp
		}
	}
	if k.pair == nil {
		return nil, fmt.Errorf("reading the client's certificate: %w", err)
	}
	return k.pair, nil
}

func (k *keyPair) read() (tls.Certificate, error) {
	cert, err := config.ReadFile(k.cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := config.ReadFile(k.key)
	if err != nil {
		return tls.Certificate{}, err
	}
	if key, err = decryptKey(key, string(k.pass)); err != nil {
		return tls.Certificate{}, fmt.Errorf("%s: %w", k.key, err)
	}
	return tls.X509KeyPair(cert, key)
}

var errKeyPassword = errors.New("the key is encrypted, and the password is wrong")
