// Package syslogtest is a strict parser of syslog messages, and a small fake server, for tests: it accepts what RFC 5424 and
// RFC 3164 allow, and nothing else. Real servers are more lenient.
package syslogtest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// A Message is one parsed message.
type Message struct {
	Facility, Severity               int
	Time                             time.Time
	Hostname, Appname, ProcID, MsgID string // "" for -
	Structured                       string // "" for -
	Text                             string
	BOM                              bool
}

// rfc5424 is the grammar of RFC 5424, 6: the header's parts with their lengths.
var rfc5424 = regexp.MustCompile(`^<(0|[1-9]\d{0,2})>1 (\S+) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) (.*)$`)

// element is an SD-ELEMENT; the names have at most 32 characters.
var element = regexp.MustCompile(`^\[([!#-<>-\\^-~]{1,32})((?: [!#-<>-\\^-~]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*)\]`)

// Parse5424 parses a message of RFC 5424.
func Parse5424(line string) (m Message, err error) {
	parts := rfc5424.FindStringSubmatch(strings.ReplaceAll(line, "\n", "\x00")) // . matches no newline
	if parts == nil {
		return m, fmt.Errorf("%q is no message of RFC 5424", line)
	}
	if m.Facility, m.Severity, err = priority(parts[1]); err != nil {
		return m, err
	}
	if m.Time, err = time.Parse("2006-01-02T15:04:05.999999Z07:00", parts[2]); err != nil {
		return m, err
	}
	for i, at := range []*string{&m.Hostname, &m.Appname, &m.ProcID, &m.MsgID} {
		if *at = parts[3+i]; *at == "-" {
			*at = ""
		}
	}
	rest := strings.ReplaceAll(parts[7], "\x00", "\n")
	if after, none := strings.CutPrefix(rest, "-"); none {
		rest = after
	} else {
		for strings.HasPrefix(rest, "[") {
			sd := element.FindString(rest)
			if sd == "" {
				return m, fmt.Errorf("%q has malformed structured data", line)
			}
			m.Structured, rest = m.Structured+sd, rest[len(sd):]
		}
		if m.Structured == "" || !utf8.ValidString(m.Structured) {
			return m, fmt.Errorf("%q has no structured data, or such that isn't UTF-8", line)
		}
	}
	if rest == "" {
		return m, nil
	}
	text, ok := strings.CutPrefix(rest, " ")
	if !ok {
		return m, fmt.Errorf("%q: want a blank after the structured data", line)
	}
	m.Text, m.BOM = strings.CutPrefix(text, "\xef\xbb\xbf")
	if m.BOM && !utf8.ValidString(m.Text) {
		return m, errors.New("the text has a BOM and isn't UTF-8")
	}
	return m, nil
}

// rfc3164 is the format of RFC 3164, 4.1, with the host's name and the tag that 4.1.2 and 4.1.3 recommend.
var rfc3164 = regexp.MustCompile(`(?s)^<(0|[1-9]\d{0,2})>([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) (?:([!-~]+) )?(?:([^\s\[:]+)(?:\[([!-Z\\^-~]+)\])?: )?(.*)$`)

// Parse3164 parses a message of RFC 3164. Its time has no year.
func Parse3164(line string) (m Message, err error) {
	parts := rfc3164.FindStringSubmatch(line)
	if parts == nil || len(line) > 1024 {
		return m, fmt.Errorf("%q is no message of RFC 3164", line)
	}
	if m.Facility, m.Severity, err = priority(parts[1]); err != nil {
		return m, err
	}
	m.Time, err = time.Parse("Jan _2 15:04:05", parts[2])
	m.Hostname, m.Appname, m.ProcID, m.Text = parts[3], parts[4], parts[5], parts[6]
	return m, err
}

func priority(s string) (facility, severity int, err error) {
	n, err := strconv.Atoi(s)
	if err == nil && n > 191 {
		err = fmt.Errorf("priority %d is above 191", n)
	}
	return n / 8, n % 8, err
}

// A Server takes messages by TCP, a line each, or by UDP.
type Server struct {
	Port int
	got  chan string

	close func() error
	group sync.WaitGroup
}

// Listen starts a server on loopback; network is tcp or udp.
func Listen(network string) (*Server, error) {
	s := &Server{got: make(chan string, 10_000)}
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		s.Port, s.close = c.LocalAddr().(*net.UDPAddr).Port, c.Close
		s.group.Go(func() {
			buf := make([]byte, 65_536)
			for {
				n, _, err := c.ReadFrom(buf)
				if err != nil {
					return
				}
				s.got <- string(buf[:n])
			}
		})
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
			line, after, found := bytes.Cut(rest, []byte{'\n'})
			if !found {
				break
			}
			s.got <- string(line)
			rest = after
		}
		if err != nil {
			return
		}
	}
}

// Next is the next message.
func (s *Server) Next(patience time.Duration) (string, error) {
	select {
	case m := <-s.got:
		return m, nil
	case <-time.After(patience):
		return "", errors.New("no message came")
	}
}

// Close stops listening.
func (s *Server) Close() error {
	err := s.close()
	s.group.Wait()
	return err
}
