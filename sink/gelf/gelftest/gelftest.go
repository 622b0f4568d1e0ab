// Package gelftest is a strict parser of GELF messages, and a small fake server, for tests. It accepts what Graylog's page
// "GELF Payload Specification" (version 1.1) allows, and puts chunks together as "GELF via UDP" says.
package gelftest

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

var additional = regexp.MustCompile(`^_[\w.\-]*$`)

// Parse parses a message, and returns its members in the order of their names, as name=JSON.
func Parse(msg []byte) (string, error) {
	var m map[string]json.RawMessage
	d := json.NewDecoder(bytes.NewReader(msg))
	if err := d.Decode(&m); err != nil {
		return "", err
	}
	if _, err := d.Token(); err != io.EOF {
		return "", errors.New("there is more after the object")
	}
	if string(m["version"]) != `"1.1"` {
		return "", fmt.Errorf("version is %s; want \"1.1\"", m["version"])
	}
	for _, must := range []string{"host", "short_message"} {
		var s string
		if err := json.Unmarshal(m[must], &s); err != nil || strings.TrimSpace(s) == "" {
			return "", fmt.Errorf("%s is %s; want a text that isn't empty", must, m[must])
		}
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		value := m[name]
		isText, isNumber := value[0] == '"', value[0] == '-' || value[0] >= '0' && value[0] <= '9'
		ok := false
		switch name {
		case "version", "host", "short_message", "full_message":
			ok = isText
		case "timestamp":
			ok = isNumber
		case "level":
			ok = isNumber && !bytes.ContainsAny(value, ".eE-")
		default:
			ok = additional.MatchString(name) && name != "_id" && (isText || isNumber)
		}
		if !ok {
			return "", fmt.Errorf("%s: %s is not allowed", name, value)
		}
		if name != "version" {
			out = append(out, name+"="+string(value))
		}
	}
	return strings.Join(out, " "), nil
}

// A Server takes messages by TCP, each with a zero byte at its end, or by UDP.
type Server struct {
	Port  int
	got   chan []byte
	close func() error
	group sync.WaitGroup

	mu        sync.Mutex
	datagrams int
}

// Listen starts a server on loopback; network is tcp or udp.
func Listen(network string) (*Server, error) {
	s := &Server{got: make(chan []byte, 1000)}
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		s.Port, s.close = c.LocalAddr().(*net.UDPAddr).Port, c.Close
		s.group.Go(func() { s.receive(c) })
		return s, nil
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.Port, s.close = ln.Addr().(*net.TCPAddr).Port, ln.Close
	s.group.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go s.read(c) // until the client closes
		}
	})
	return s, nil
}

func (s *Server) read(c net.Conn) {
	defer c.Close()
	var rest []byte
	buf := make([]byte, 65_536)
	for {
		n, err := c.Read(buf)
		rest = append(rest, buf[:n]...)
		for {
			msg, after, found := bytes.Cut(rest, []byte{0})
			if !found {
				break
			}
			s.got <- bytes.Clone(msg)
			rest = after
		}
		if err != nil {
			return
		}
	}
}

// receive puts chunks together. Unlike Graylog it waits for the missing ones forever.
func (s *Server) receive(c net.PacketConn) {
	chunks := map[string][][]byte{}
	buf := make([]byte, 65_536)
	for {
		n, _, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.datagrams++
		s.mu.Unlock()
		b := bytes.Clone(buf[:n])
		if n < 12 || b[0] != 0x1e || b[1] != 0x0f {
			s.got <- unpack(b)
			continue
		}
		id, number, count := string(b[2:10]), int(b[10]), int(b[11])
		if chunks[id] == nil {
			chunks[id] = make([][]byte, count)
		}
		if count > 128 || number >= count || len(chunks[id]) != count {
			s.got <- fmt.Appendf(nil, "chunk %d of %d is invalid", number, count)
			continue
		}
		chunks[id][number] = b[12:]
		if !slices.ContainsFunc(chunks[id], func(c []byte) bool { return c == nil }) {
			s.got <- unpack(bytes.Join(chunks[id], nil))
			delete(chunks, id)
		}
	}
}

// unpack decompresses a message, if it is compressed.
func unpack(b []byte) []byte {
	var r io.Reader
	var err error
	switch {
	case len(b) > 2 && b[0] == 0x1f && b[1] == 0x8b:
		r, err = gzip.NewReader(bytes.NewReader(b))
	case len(b) > 2 && b[0] == 0x78:
		r, err = zlib.NewReader(bytes.NewReader(b))
	default:
		return b
	}
	if err == nil {
		b, err = io.ReadAll(r)
	}
	if err != nil {
		return []byte(err.Error())
	}
	return b
}

// Datagrams is how many datagrams have arrived.
func (s *Server) Datagrams() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.datagrams
}

// Next is the next message.
func (s *Server) Next(patience time.Duration) ([]byte, error) {
	select {
	case m := <-s.got:
		return m, nil
	case <-time.After(patience):
		return nil, errors.New("no message came")
	}
}

// Close stops listening.
func (s *Server) Close() error {
	err := s.close()
	s.group.Wait()
	return err
}
