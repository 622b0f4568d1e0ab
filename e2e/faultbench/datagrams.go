package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// A service by UDP never answers; and nobody but its kernel knows what was lost on the way. So the kernel is asked: each datagram that
// the router has sent is read, or is one of those that found no room in the socket's buffer, or were in it when the socket was closed.
const (
	// datagramItems is the most records of a request: 1 MiB of lines of 250 bytes.
	datagramItems = 1 << 20 / 250
	// leastDatagram is the least memory that a datagram takes in a socket's buffer, in bytes.
	leastDatagram = 512
	maxDatagram   = 64 << 10
)

// openDatagrams begins to read datagrams, at the port that d.ln reserves.
func (d *destination) openDatagrams() error {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: d.port()})
	if err != nil {
		return fmt.Errorf("destination: %w", err)
	}
	d.mu.Lock()
	d.socket = c
	d.accepted++
	d.mu.Unlock()
	d.closeStreams = func() {
		lost := socketDrops(d.port()) + socketRoom()/leastDatagram
		d.mu.Lock()
		d.socket = nil
		d.unread += lost
		d.mu.Unlock()
		c.Close()
	}
	go func() {
		s := &stream{Conn: c, raw: c, d: d}
		buf := make([]byte, maxDatagram)
		for {
			n, err := s.Read(buf)
			if err != nil {
				return
			}
			if text := buf[:n]; d.service.datagrams(text) {
				d.count(text, "", false)
			}
		}
	}()
	return nil
}

// unreadDatagrams returns how many datagrams at most the service's sockets have lost.
func unreadDatagrams(r *run) int {
	r.dest.mu.Lock()
	defer r.dest.mu.Unlock()
	n := r.dest.unread
	if r.dest.socket != nil {
		n += socketDrops(r.dest.port())
	}
	return n
}

// socketDrops returns how many datagrams found no room in the buffer of the socket at a port: the last column of /proc/net/udp.
func socketDrops(port int) int {
	table, _ := os.ReadFile("/proc/net/udp")
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) > 3 && strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
			n, _ := strconv.Atoi(fields[len(fields)-1])
			return n
		}
	}
	return 0
}

// socketRoom is the size of a socket's buffer in bytes.
func socketRoom() int {
	text, _ := os.ReadFile("/proc/sys/net/core/rmem_default")
	n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return n
}

// isJSONLine reports whether a datagram is one line of JSON.
func isJSONLine(text []byte) bool {
	line, ended := bytes.CutSuffix(text, []byte{'\n'})
	return ended && json.Valid(line)
}

// datagramServices are the services by UDP.
func datagramServices() []*service {
	return []*service{{name: "udp", address: hostPort, datagrams: isJSONLine, silent: true, options: map[string]string{"Name": "udp"}}}
}
