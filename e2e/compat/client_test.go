package compat

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/firelane/firelane/record"
)

// answerLimit is how long a client waits for an acknowledgment or an answer.
const answerLimit = 20 * time.Second

// feed sends the case's inputs one after another, and returns the answers of HTTP.
func (r *running) feed(t *testing.T, c *testCase) (answers string) {
	t.Helper()
	for _, in := range c.inputs {
		data := r.expandTimes(in.Data)
		kind := strings.TrimSpace(strings.TrimPrefix(in.Name, "input"))
		network := "tcp"
		switch kind {
		case "udp":
			network = kind
			r.waitForLog(t)
		case "unix", "unixgram":
			network = kind
		}
		conn := r.dial(t, network)
		if conn == nil {
			return notStarted
		}
		conn.SetDeadline(time.Now().Add(answerLimit))
		var err error
		switch kind {
		case "", "forward", "packed", "gzip":
			err = sendForward(conn, kind, data)
		case "http":
			var answer string
			answer, err = sendHTTP(conn, data)
			answers += answer
		case "hex":
			data, err = hex.DecodeString(regexp.MustCompile(`(?m)#.*$|\s+`).ReplaceAllString(string(data), ""))
			fallthrough
		case "tcp", "udp", "unix", "unixgram":
			if err == nil {
				err = sendRaw(conn, kind, data)
			}
		default:
			err = fmt.Errorf("unknown kind of input")
		}
		conn.Close()
		if err != nil && eventually(answerLimit/10, r.ended, r.over) != nil && !r.over() {
			t.Errorf("section %q: %v", in.Name, err)
		}
	}
	return answers
}

// waitForLog waits until the program's log says that it runs: before that nothing listens on UDP.
func (r *running) waitForLog(t *testing.T) {
	t.Helper()
	eventually(startLimit, r.ended, func() bool {
		log := r.read("log") + r.read("stdout")
		return strings.Contains(log, "is running") || strings.Contains(log, "worker is now running") ||
			strings.Contains(log, "engine started") || strings.Contains(log, "sp] stream processor started")
	})
}

// nowText matches a time in an input: @NOW:layout@ is the current second in a Go layout.
var nowText = regexp.MustCompile(`@NOW:([^@]*)@`)

func (r *running) expandTimes(data []byte) []byte {
	return nowText.ReplaceAllFunc(data, func(m []byte) []byte {
		now := r.now.UTC().Format(string(nowText.FindSubmatch(m)[1]))
		r.nows = append(r.nows, now, string(m)) // to replace it in the output, too
		return []byte(now)
	})
}

// sendRaw sends text; by UDP and on a socket of datagrams, each line is one.
func sendRaw(conn net.Conn, kind string, data []byte) error {
	if kind == "udp" || kind == "unixgram" {
		for line := range bytes.Lines(data) {
			if _, err := conn.Write(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
				return err
			}
		}
		return nil
	}
	if _, err := conn.Write(data); err != nil {
		return err
	}
	return conn.(interface{ CloseWrite() error }).CloseWrite()
}

// sendHTTP sends a request: its first line, headers, an empty line and the body. It returns the status and the body.
func sendHTTP(conn net.Conn, data []byte) (string, error) {
	head, body, _ := bytes.Cut(data, []byte("\n\n"))
	body = bytes.TrimSuffix(body, []byte("\n"))
	text := strings.ReplaceAll(string(head), "\n", "\r\n")
	if !strings.Contains(text, "HTTP/1.1") {
		first, rest, _ := strings.Cut(text, "\r\n")
		text = first + " HTTP/1.1\r\n" + rest
	}
	text = strings.TrimSuffix(text, "\r\n") + "\r\nHost: localhost\r\nConnection: close\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n"
	if _, err := conn.Write(append([]byte(text), body...)); err != nil {
		return "", err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return strconv.Itoa(res.StatusCode) + "\n", err
}

// sendForward sends events of the forward protocol, one ["tag", time, record] a line, and then waits until all are
// acknowledged: one event a message as Docker does, or all events of one tag in a message (forward, packed, gzip).
func sendForward(conn net.Conn, mode string, data []byte) error {
	var messages [][]byte
	var tag string
	var entries []byte
	n := 0
	flush := func() {
		if n > 0 {
			messages = append(messages, groupMessage(mode, tag, n, entries))
		}
		n, entries = 0, nil
	}
	for line := range bytes.Lines(data) {
		var parts []json.RawMessage
		if err := json.Unmarshal(line, &parts); err != nil || len(parts) != 3 {
			return fmt.Errorf("%q: want [tag, time, record]: %w", line, err)
		}
		var to string
		if err := json.Unmarshal(parts[0], &to); err != nil {
			return err
		}
		event, err := eventTime(string(parts[1]))
		if err != nil {
			return err
		}
		if event, err = packJSON(event, parts[2]); err != nil {
			return err
		}
		if mode == "" {
			b := record.AppendStr(record.AppendArrayHeader(nil, 4), to)
			messages = append(messages, appendChunk(record.AppendMapHeader(append(b, event...), 1)))
			continue
		}
		if to != tag {
			flush()
		}
		tag, n = to, n+1
		entries = append(record.AppendArrayHeader(entries, 2), event...)
	}
	flush()
	if _, err := conn.Write(slices.Concat(messages...)); err != nil {
		return err
	}
	acks := msgpack.NewDecoder(conn)
	for range messages {
		var reply map[string]string
		if err := acks.Decode(&reply); err != nil {
			return fmt.Errorf("waiting for an acknowledgment: %w", err)
		}
	}
	return nil
}

// groupMessage makes a message of n events with one tag, in the modes Forward, PackedForward and CompressedPackedForward.
func groupMessage(mode, tag string, n int, entries []byte) []byte {
	b := record.AppendStr(record.AppendArrayHeader(nil, 3), tag)
	if mode == "forward" {
		b = append(record.AppendArrayHeader(b, n), entries...)
		return appendChunk(record.AppendMapHeader(b, 1))
	}
	if mode == "packed" {
		b = record.AppendMapHeader(record.AppendBin(b, entries), 2)
	} else {
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		w.Write(entries)
		w.Close()
		b = record.AppendMapHeader(record.AppendBin(b, z.Bytes()), 3)
		b = record.AppendStr(record.AppendStr(b, "compressed"), "gzip")
	}
	return appendChunk(record.AppendInt(record.AppendStr(b, "size"), int64(n)))
}

// appendChunk appends the option that asks for an acknowledgment.
func appendChunk(b []byte) []byte { return record.AppendStr(record.AppendStr(b, "chunk"), "c") }

// eventTime encodes a time as MessagePack: whole seconds as an integer, or with a fraction as an EventTime.
func eventTime(text string) ([]byte, error) {
	whole, fraction, _ := strings.Cut(text, ".")
	sec, err := strconv.ParseUint(whole, 10, 32)
	if err != nil || len(fraction) > 9 {
		return nil, fmt.Errorf("%q is not a time", text)
	}
	if fraction == "" {
		return record.AppendUint(nil, sec), nil
	}
	nsec, err := strconv.ParseUint((fraction + "000000000")[:9], 10, 32)
	return record.AppendTime(nil, record.Time{Sec: uint32(sec), Nsec: uint32(nsec)}), err
}

// packJSON appends a JSON value as MessagePack. A number with a point or an exponent is a float.
func packJSON(dst, text []byte) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	return packValue(dst, dec)
}

func packValue(dst []byte, dec *json.Decoder) ([]byte, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch v := token.(type) {
	case string:
		return record.AppendStr(dst, v), nil
	case json.Number:
		if i, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return record.AppendInt(dst, i), nil
		}
		f, err := v.Float64()
		return record.AppendFloat(dst, f), err
	case bool:
		return record.AppendBool(dst, v), nil
	case nil:
		return record.AppendNil(dst), nil
	}
	isMap := token == json.Delim('{')
	var members []byte
	n := 0
	for dec.More() {
		if members, err = packValue(members, dec); err != nil {
			return nil, err
		}
		n++
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if isMap {
		return append(record.AppendMapHeader(dst, n/2), members...), nil
	}
	return append(record.AppendArrayHeader(dst, n), members...), nil
}
