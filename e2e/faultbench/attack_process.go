package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/firelane/firelane/internal/freeport"
)

// logToPipe makes the log a pipe. Until leaveLog it is read.
func logToPipe(a *arena) error {
	name := filepath.Join(a.dir, "log")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		return err
	}
	pipe, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	a.pipe = pipe
	a.cleanUp = append(a.cleanUp, func() { pipe.Close() })
	go io.Copy(io.Discard, pipe) // until leaveLog sets a deadline
	return nil
}

// leaveLog leaves the pipe full, and later closes it.
func leaveLog(ctx context.Context, a *arena) {
	_ = a.pipe.SetReadDeadline(time.Now())
	time.Sleep(10 * time.Millisecond)
	_ = a.pipe.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	_, _ = a.pipe.Write(make([]byte, 1<<20)) // as much as it holds
	p := a.process
	if p == nil {
		return // it doesn't start again
	}
	for range 4 {
		_ = p.cmd.Process.Signal(syscall.SIGUSR1) // a line in the log
		a.dest.setDown(true)                      // and one more
		sleep(ctx, 20*time.Millisecond)
		a.dest.setDown(false)
		sleep(ctx, a.sc.length/8)
	}
	a.pipe.Close()
	_ = p.cmd.Process.Signal(syscall.SIGUSR1)
	<-ctx.Done()
}

// defaultGrace leaves the stop its usual time, so that docker stop's is shorter.
func defaultGrace(a *arena) error {
	a.grace = 25 * time.Second
	return nil
}

// sendSignals sends signals that other programs take as a request to end or to reload.
func sendSignals(ctx context.Context, a *arena) {
	p := a.process
	if p == nil {
		return // it doesn't start again
	}
	for range 4 {
		for _, sig := range []os.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE} {
			_ = p.cmd.Process.Signal(sig)
		}
		sleep(ctx, a.sc.length/8)
	}
	<-ctx.Done()
}

// fluentdHeartbeat configures Fluentd's source forward, which answers heartbeats by UDP.
func fluentdHeartbeat(a *arena) error {
	port, err := freeport.Next()
	a.port, a.file = port, "fluent.conf"
	a.text = func(a *arena) string {
		return fmt.Sprintf(`<source>
  @type unix
  path %s
</source>
<source>
  @type forward
  bind 127.0.0.1
  port %d
</source>
<match app**>
  @type elasticsearch
  host 127.0.0.1
  port %d
  logstash_format true
  <buffer>
    @type file
    path %s
  </buffer>
</match>
`, a.socket, a.port, a.dest.port(), filepath.Join(a.dir, "queue"))
	}
	return err
}

// spoofHeartbeat sends datagrams to the router whose source is its own address.
func spoofHeartbeat(ctx context.Context, a *arena) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_RAW)
	if err != nil {
		a.fail(fmt.Errorf("a raw socket: %w", err))
		return
	}
	defer syscall.Close(fd)
	ip := net.IPv4(127, 0, 0, 1).To4()
	packet := make([]byte, 29) // the kernel fills in the length and the checksum of the header
	packet[0], packet[8], packet[9] = 0x45, 64, syscall.IPPROTO_UDP
	copy(packet[12:], ip)
	copy(packet[16:], ip)
	binary.BigEndian.PutUint16(packet[20:], uint16(a.port))
	binary.BigEndian.PutUint16(packet[22:], uint16(a.port))
	binary.BigEndian.PutUint16(packet[24:], 9)
	for range 10 {
		if err := syscall.Sendto(fd, packet, 0, &syscall.SockaddrInet4{Addr: [4]byte(ip)}); err != nil {
			a.fail(fmt.Errorf("a forged datagram: %w", err))
			return
		}
	}
	<-ctx.Done()
}

// mustBeIdle checks that a router with nothing to do does nothing.
func mustBeIdle(ctx context.Context, a *arena) {
	before := a.cpuNow()
	sleep(ctx, time.Second)
	if used := a.cpuNow() - before; used > 100*time.Millisecond {
		a.fail(fmt.Errorf("an idle router used %v of CPU in a second", used))
	}
}
