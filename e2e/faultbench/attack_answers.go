package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// answerWith has answer answer every bulk request to the other destination.
func answerWith(answer answerFunc) func(context.Context, *arena) {
	return func(ctx context.Context, a *arena) {
		a.other.setAnswer(answer)
		<-ctx.Done()
	}
}

// nestedCauses answers with 17 MiB of errors in errors.
func nestedCauses() answerFunc {
	const cause = `"caused_by":{"type":"x",`
	n := 17 << 20 / (len(cause) + 1)
	body := []byte(`{"took":1,"errors":true,"items":[{"create":{"_index":"web","_id":"x","status":429,"error":{"type":"x","reason":"y",` +
		strings.Repeat(cause, n) + `"reason":"z"` + strings.Repeat("}", n) + `}}}]}`)
	return func(w http.ResponseWriter, r *http.Request) bool {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
		return true
	}
}

// switchProtocols answers 101 and keeps the connection open.
func switchProtocols(w http.ResponseWriter, _ *http.Request) bool {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return true
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
	_ = conn.SetReadDeadline(time.Now().Add(attackTime))
	_, _ = io.Copy(io.Discard, conn)
	return true
}

// endlessBody answers with a reply of spaces, as fast as they are read.
func endlessBody(w http.ResponseWriter, r *http.Request) bool {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	_, err := io.WriteString(w, `{"took":1,"errors":true,"items":[`)
	for spaces := bytes.Repeat([]byte(" "), 1<<20); err == nil && r.Context().Err() == nil; {
		_, err = w.Write(spaces)
	}
	return true
}

// emptyReply answers 200 and nothing more.
func emptyReply(w http.ResponseWriter, r *http.Request) bool {
	_, _ = io.Copy(io.Discard, r.Body)
	w.WriteHeader(http.StatusOK)
	return true
}

// mustNameServer checks that the log says which server's reply was empty.
func mustNameServer(_ context.Context, a *arena) {
	text, err := os.ReadFile(filepath.Join(a.dir, "log"))
	if err == nil && !bytes.Contains(text, []byte("the reply is empty")) {
		err = errors.New("the log doesn't say that the server's reply is empty")
	}
	a.fail(err)
}

// resetLarge resets connections on which a large request begins.
func resetLarge(w http.ResponseWriter, r *http.Request) bool {
	if r.ContentLength <= 600_000 {
		return false
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
	return true
}

// inNetwork calls row in a network of its own, with a loopback interface that has the address of a task's credentials.
// The router's process is in it, too.
func inNetwork(row func()) error {
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := syscall.Unshare(syscall.CLONE_NEWNET)
		for _, args := range []string{"link set lo up", "addr add " + credentialsHost + "/32 dev lo"} {
			if err == nil {
				err = exec.Command("ip", strings.Fields(args)...).Run()
			}
		}
		if err == nil {
			row()
		}
		failed <- err
	}()
	return <-failed
}

const credentialsHost = "169.254.170.2"

// withProxy sets HTTP_PROXY, and has the other output sign its requests with the task's credentials.
func withProxy(a *arena) error {
	credentials, err := net.Listen("tcp", credentialsHost+":80")
	if err != nil {
		return err
	}
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	a.asked = new(atomic.Int64)
	go http.Serve(credentials, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"AccessKeyId":"AKID","SecretAccessKey":"secret","Token":"t","Expiration":%q}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	go http.Serve(proxy, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		a.asked.Add(1)
		w.WriteHeader(http.StatusBadGateway)
	}))
	a.cleanUp = append(a.cleanUp, func() { credentials.Close() }, func() { proxy.Close() })
	a.before = fmt.Sprintf("export HTTP_PROXY=http://%s AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/credentials/x;", proxy.Addr())
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"} {
		a.before += "unset " + name + ";"
	}
	a.before += "export HOME=" + os.DevNull + ";"
	a.outputs[1]["AWS_Auth"], a.outputs[1]["AWS_Region"] = "On", "eu-west-1"
	return nil
}

// mustNotAskProxy checks that nobody asked the proxy for anything.
func mustNotAskProxy(_ context.Context, a *arena) {
	if n := a.asked.Load(); n > 0 {
		a.fail(fmt.Errorf("the proxy got %d requests for addresses of this host", n))
	}
}
