package main

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/firelane/firelane/e2e/servers"
)

// serve has the service answer a request. lost means that the reply is lost.
func (d *destination) serve(w http.ResponseWriter, r *http.Request, body []byte, f faults, lost bool) {
	var text []byte
	var reply string
	status := http.StatusOK
	if f.items429 > 0 && d.service.refused != nil {
		var again int
		text, again, reply = d.service.refused(body, func() bool {
			d.mu.Lock()
			defer d.mu.Unlock()
			return d.random.Float64() < f.items429
		})
		d.mu.Lock()
		d.items, d.toResend, d.faulty = d.items+again, d.toResend+again, d.faulty+again
		d.mu.Unlock()
	} else {
		text, status, reply = d.service.take(&d.store, r, body)
	}
	d.count(text, r.URL.Path, lost && !d.service.once)
	if lost {
		hangUp(w)
		return
	}
	if status == http.StatusOK && bytes.HasPrefix([]byte(reply), []byte{'{'}) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	} else if status == http.StatusOK && bytes.HasPrefix([]byte(reply), []byte{cborMap}) {
		w.Header().Set("Content-Type", "application/x-amz-cbor-1.1")
	}
	w.Header().Set("X-Amzn-Requestid", "0") // without which Fluent Bit takes no answer of CloudWatch Logs
	w.Header().Set("ETag", `"1"`)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, reply)
}

// count counts the numbered records in a text, and returns how many there are. A key that was sent before replaces what it brought
// then.
func (d *destination) count(text []byte, key string, lost bool) (counted int) {
	if text == nil {
		return 0
	}
	replaces := d.service.name == "s3"
	d.mu.Lock()
	defer d.mu.Unlock()
	if replaces {
		for _, n := range d.store.forget(key) {
			d.copies[n]--
			d.documents--
		}
	}
	var records []int64
	now := time.Now()
	for {
		at := bytes.Index(text, []byte("n="))
		if at < 0 {
			break
		}
		text = text[at:]
		if n := number(text, "n="); n >= d.first && n < int64(len(d.copies)) {
			d.items++
			counted++
			if lost {
				d.toResend++
			}
			d.add(n, text[:min(len(text), minLine)], now)
			records = append(records, n)
		}
		text = text[2:]
	}
	if replaces {
		d.store.keep(key, records)
	}
	d.lastDoc = now
	return counted
}

// unconfirmed returns how many records were taken although the reply was lost; or, of a service that never answers, at most how many
// were in the requests whose connections have ended, or, with datagrams, in those that were in progress when the service stopped or
// began to listen.
func (d *destination) unconfirmed() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.service.datagrams != nil {
		return 2 * (d.accepted - 1) * datagramItems
	}
	if d.service.silent {
		return max(d.accepted-1, 0) * inFlight
	}
	return d.toResend
}

// authorities is the folder, in that of the run, with the authority of a service with TLS, in the files of the system's folder.
const authorities = "certs"

// tlsConfig returns the TLS configuration of a service, and adds its authority to those in a folder.
func tlsConfig(folder string) (*tls.Config, error) {
	ca, err := servers.NewCA()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	for _, file := range []string{"ca-certificates.crt", "ca-bundle.crt"} { // Go's, and Fluent Bit's
		f, err := os.OpenFile(filepath.Join(folder, file), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return nil, err
		}
		if _, err := f.Write(ca.PEM); err != nil {
			return nil, err
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
	config := new(tls.Config)
	for _, name := range []string{"localhost", kinesisHost} {
		cert, key, err := ca.Issue(name)
		if err != nil {
			return nil, err
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, err
		}
		config.Certificates = append(config.Certificates, pair)
	}
	return config, os.WriteFile(filepath.Join(folder, hosts), []byte("127.0.0.1 localhost "+kinesisHost+"\n"), 0o644)
}

// hosts is the file, in that folder, with the names of the services' hosts.
const hosts = "hosts"

// trust has the command trust the authority in a folder instead of the system's, and know the services' names, as root. Not every
// router has options for that.
func trust(cmd *exec.Cmd, folder string) {
	const script = `mount --make-rprivate / && mount --bind "$0/` + hosts + `" /etc/hosts && mount --bind "$0" /etc/ssl/certs && exec "$@"`
	cmd.Args = append([]string{"sh", "-c", script, folder}, cmd.Args...)
	cmd.Path = "/bin/sh"
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
}
