package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// A stream is a connection of a service that doesn't speak HTTP.
type stream struct {
	net.Conn          // with TLS, if the service has it
	raw      net.Conn // without
	d        *destination
	stall    int // bytes to be read before the next stall may be
}

// Limits of streams.
const (
	stallEvery = 4 << 20 // bytes between two moments at which a silent service may stop reading
	stallLook  = 10 * time.Millisecond
	endTime    = 10 * time.Second // for a client to end its side after the service has ended its own
	maxFrame   = 4 << 20
)

// The ways in which a service that never answers is written to. A text that isn't what the protocol wants isn't counted: it is lost.
var (
	syslogFrames = frames{end: '\n', valid: func(text []byte) bool { return bytes.HasPrefix(text, []byte("<14>1 ")) }}
	gelfFrames   = frames{end: 0, valid: func(text []byte) bool {
		var message struct {
			Version, Host string
			Short         string `json:"short_message"`
		}
		return json.Unmarshal(text, &message) == nil && message.Version == "1.1" && message.Host != "" && message.Short != ""
	}}
	jsonLines = frames{end: '\n', valid: json.Valid}
)

// frames are texts that end in a byte.
type frames struct {
	end   byte
	valid func(text []byte) bool
}

// read reads the frames of a connection until the client ends it. What is after the last end is dropped.
func (f frames) read(s *stream) error {
	in := bufio.NewReaderSize(s, maxFrame)
	for {
		text, err := in.ReadSlice(f.end)
		if err != nil {
			return err
		}
		if text = text[:len(text)-1]; f.valid(text) {
			s.d.count(text, "", false)
		}
	}
}

// Read implements io.Reader. A silent service that has a fault stops reading for a while; it can do nothing else.
func (s *stream) Read(b []byte) (int, error) {
	if s.d.service.silent {
		s.pause()
	}
	n, err := s.Conn.Read(b)
	s.stall -= n
	return n, err
}

func (s *stream) pause() {
	for {
		s.d.mu.Lock()
		f := s.d.faults
		stops := f.hang > 0 && s.stall <= 0 && (s.stall == 0 || s.d.random.Float64() < f.hang) // the first time always
		if stops || f.refuse > 0 {
			s.d.faulty++
		}
		s.d.mu.Unlock()
		if s.stall <= 0 {
			s.stall = stallEvery
		}
		if stops {
			time.Sleep(f.hangFor)
		}
		if f.refuse == 0 {
			return
		}
		time.Sleep(stallLook)
	}
}

// end ends the service's side of a connection. A silent service still reads all that the client has sent: its host has acknowledged
// that, and a service that is stopped without reading it would lose it.
func (s *stream) end() {
	if !s.d.service.silent {
		s.Close()
		return
	}
	if t, ok := s.Conn.(*tls.Conn); ok {
		_ = t.CloseWrite() // fails before the handshake, when the client hasn't sent anything
	}
	_ = s.raw.(*net.TCPConn).CloseWrite() // fails if the client has closed the connection
	_ = s.raw.SetReadDeadline(time.Now().Add(endTime))
}

// serveStreams accepts connections until the listener is closed, or its deadline passes.
func (d *destination) serveStreams(ln *net.TCPListener, ended chan struct{}) {
	defer close(ended)
	for {
		raw, err := ln.Accept()
		if err != nil {
			return
		}
		s := &stream{Conn: raw, raw: raw, d: d}
		if d.http.TLSConfig != nil {
			s.Conn = tls.Server(raw, d.http.TLSConfig)
		}
		d.mu.Lock()
		d.streams[s] = struct{}{}
		d.accepted++
		d.mu.Unlock()
		go func() {
			_ = d.service.stream(s) // the end of the connection, and whatever broke it
			s.Close()
			d.mu.Lock()
			delete(d.streams, s)
			d.mu.Unlock()
		}()
	}
}

// openStreams begins to accept connections.
func (d *destination) openStreams(ln net.Listener) {
	tcp := ln.(*net.TCPListener)
	ended := make(chan struct{})
	d.closeStreams = func() {
		_ = tcp.SetDeadline(time.Now()) // what has been connected until now is still accepted: its host has acknowledged what was sent
		<-ended
		tcp.Close()
		d.mu.Lock()
		defer d.mu.Unlock()
		for s := range d.streams {
			s.end()
		}
	}
	go d.serveStreams(tcp, ended)
}

// setStreamsDown has nobody listen, and ends the connections; or has the service listen again.
func (d *destination) setStreamsDown(down bool) {
	if down {
		d.closeStreams()
		return
	}
	if d.service.datagrams != nil {
		d.failed = d.openDatagrams()
		return
	}
	ln, err := net.Listen("tcp", d.ln.Addr().String())
	if err != nil {
		d.failed = fmt.Errorf("listening again: %w", err)
		return
	}
	d.openStreams(ln)
}

// takeForward is a server of the forward protocol that acknowledges each chunk.
func takeForward(s *stream) error {
	in := msgpack.NewDecoder(bufio.NewReader(s))
	for {
		entries, options, err := readChunk(in)
		if err != nil {
			return err
		}
		d := s.d
		d.mu.Lock()
		f := d.faults
		d.requests++
		refuse, hang, lose := f.refuse > 0 && d.random.Float64() < f.refuse, f.hang > 0 && d.random.Float64() < f.hang, f.lose > 0 && d.random.Float64() < f.lose
		if refuse || hang || lose {
			d.faulty++
		}
		d.mu.Unlock()
		switch {
		case refuse:
			return nil
		case hang:
			time.Sleep(f.hangFor)
			return nil
		}
		n := d.count(entries, "", lose)
		if lose {
			return nil
		}
		ack, err := msgpack.Marshal(map[string]string{"ack": options.Chunk})
		if err == nil {
			_, err = s.Write(ack)
		}
		if err != nil {
			d.mu.Lock()
			d.toResend += n
			d.mu.Unlock()
			return err
		}
	}
}

type chunkOptions struct {
	Chunk string `msgpack:"chunk"`
	Size  int    `msgpack:"size"`
}

var errChunk = errors.New("the message isn't what the forward protocol wants: a tag, entries as binary, and options with chunk and size")

// readChunk reads a message in PackedForward mode.
func readChunk(in *msgpack.Decoder) (entries []byte, options chunkOptions, err error) {
	n, err := in.DecodeArrayLen()
	if err != nil {
		return nil, options, err
	}
	tag, err1 := in.DecodeString()
	entries, err2 := in.DecodeBytes()
	err3 := in.Decode(&options)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, options, err
	}
	count := 0
	all := msgpack.NewDecoder(bytes.NewReader(entries))
	for err == nil {
		if err = all.Skip(); err == nil {
			count++
		}
	}
	if n != 3 || tag == "" || options.Chunk == "" || options.Size != count || !errors.Is(err, io.EOF) {
		return nil, options, errChunk
	}
	return entries, options, nil
}

// streamServices are the services that don't speak HTTP.
func streamServices() []*service {
	return []*service{
		{name: "forward", address: hostPort, stream: takeForward,
			options: map[string]string{"Name": "forward", "require_ack_response": "On"}},
		{name: "syslog", address: hostPort, stream: syslogFrames.read, silent: true,
			options: map[string]string{"Name": "syslog", "mode": "tcp", "syslog_message_key": "log"}},
		{name: "syslog-tls", tls: true, stream: syslogFrames.read, silent: true,
			address: func(options map[string]string, port int) {
				options["Host"], options["Port"] = "localhost", strconv.Itoa(port)
			},
			options: map[string]string{"Name": "syslog", "mode": "tls", "syslog_message_key": "log"}},
		{name: "gelf", address: hostPort, stream: gelfFrames.read, silent: true,
			options: map[string]string{"Name": "gelf", "Mode": "tcp", "gelf_short_message_key": "log"}},
		{name: "tcp", address: hostPort, stream: jsonLines.read, silent: true,
			options: map[string]string{"Name": "tcp", "Format": "json_lines"}},
	}
}

// sumologic is a service that Fluentd's dialect alone has.
func sumologic() *service {
	return &service{name: "sumologic", take: answering(http.StatusOK, ""),
		address: func(options map[string]string, port int) {
			options["endpoint"] = fmt.Sprintf("http://127.0.0.1:%d/receiver/v1/http/token", port)
		},
		options: map[string]string{"@type": "sumologic", "source_category": "web"}}
}

// writeFluentd writes a configuration in Fluentd's dialect, with one output, and returns its path.
func (r *run) writeFluentd(output map[string]string) (string, error) {
	grace := 25 * time.Second
	if r.grace > 0 {
		grace = r.grace
	}
	text := fmt.Sprintf("<system>\n  root_dir %s\n  grace %d\n  http_server on\n  http_listen 127.0.0.1\n  http_port %d\n</system>\n",
		filepath.Join(r.dir, "queue"), int(grace.Seconds()), r.port)
	text += fmt.Sprintf("<source>\n  @type unix\n  path %s\n</source>\n<match app**>\n", r.socket)
	for name, value := range output {
		text += fmt.Sprintf("  %s %s\n", name, value)
	}
	file := filepath.Join(r.dir, "fluent.conf")
	return file, os.WriteFile(file, []byte(text+"</match>\n"), 0o644)
}
