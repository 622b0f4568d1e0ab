package forward

import (
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/firelane/firelane/record"
)

// saltSize is how many random bytes either side mixes into a digest.
const saltSize = 16

// digest is the SHA-512 of its parts in hexadecimal: proof that the sender knows them.
func digest(parts ...[]byte) []byte {
	h := sha512.New()
	for _, p := range parts {
		h.Write(p)
	}
	return hex.AppendEncode(nil, h.Sum(nil))
}

func salt() []byte {
	b := make([]byte, saltSize)
	rand.Read(b) // never fails
	return b
}

// A helo is the server's first message.
type helo struct {
	nonce, auth []byte // auth is empty if no user name is required
	keepalive   bool
}

func (h *helo) append(b []byte) []byte {
	b = record.AppendStr(record.AppendArrayHeader(b, 2), "HELO")
	b = record.AppendMapHeader(b, 3)
	b = record.AppendBin(record.AppendStr(b, "nonce"), h.nonce)
	b = record.AppendBin(record.AppendStr(b, "auth"), h.auth)
	return record.AppendBool(record.AppendStr(b, "keepalive"), h.keepalive)
}

func (h *helo) read(b []byte) error {
	n, rest, err := record.ArrayHeader(b)
	if err != nil || n != 2 {
		return errors.New("it is not an array of two")
	}
	if name, r, err := record.Str(rest); err != nil || string(name) != "HELO" {
		return errors.New("it doesn't begin with HELO")
	} else {
		rest = r
	}
	h.keepalive = true
	for f := record.FieldsOf(rest); f.Next(); {
		switch string(f.Key()) {
		case "nonce":
			h.nonce, _ = record.Text(f.Value())
		case "auth":
			h.auth, _ = record.Text(f.Value())
		case "keepalive":
			if v, _, err := record.Bool(f.Value()); err == nil {
				h.keepalive = v
			}
		}
	}
	if len(h.nonce) == 0 {
		return errors.New("it has no nonce")
	}
	return nil
}

// A ping is the client's answer.
type ping struct {
	hostname, salt, digest []byte
	user, password         []byte // password is a digest
}

func (p *ping) append(b []byte) []byte {
	b = record.AppendStr(record.AppendArrayHeader(b, 6), "PING")
	for _, s := range [][]byte{p.hostname, p.salt, p.digest, p.user, p.password} {
		b = record.AppendStrBytes(b, s) // Fluent Bit accepts no bin here
	}
	return b
}

func (p *ping) read(b []byte) error {
	n, rest, err := record.ArrayHeader(b)
	if err != nil || n != 6 {
		return errors.New("it is not an array of six")
	}
	var name []byte
	for _, s := range []*[]byte{&name, &p.hostname, &p.salt, &p.digest, &p.user, &p.password} {
		if *s, rest, err = record.Str(rest); err != nil {
			return errors.New("one of its values is not a string")
		}
	}
	if string(name) != "PING" {
		return errors.New("it doesn't begin with PING")
	}
	return nil
}

// A pong is the server's verdict on a ping.
type pong struct {
	ok                       bool
	reason, hostname, digest []byte
}

func (p *pong) append(b []byte) []byte {
	b = record.AppendStr(record.AppendArrayHeader(b, 5), "PONG")
	b = record.AppendBool(b, p.ok)
	for _, s := range [][]byte{p.reason, p.hostname, p.digest} {
		b = record.AppendStrBytes(b, s)
	}
	return b
}

func (p *pong) read(b []byte) error {
	n, rest, err := record.ArrayHeader(b)
	if err != nil || n != 5 {
		return errors.New("it is not an array of five")
	}
	name, rest, err := record.Str(rest)
	if err != nil || string(name) != "PONG" {
		return errors.New("it doesn't begin with PONG")
	}
	if p.ok, rest, err = record.Bool(rest); err != nil {
		return errors.New("its result is not a bool")
	}
	for _, s := range []*[]byte{&p.reason, &p.hostname, &p.digest} {
		if *s, rest, err = record.Str(rest); err != nil {
			return errors.New("one of its values is not a string")
		}
	}
	return nil
}

// A Client is the client's side of the handshake with a server that has a shared key.
type Client struct {
	Hostname  string // the client's own
	SharedKey string
	Username  string
	Password  string
	// NotSelf refuses a server with the client's own hostname, as Fluentd does to prevent loops.
	NotSelf bool
}

// ErrRefused is the error of a server that refused the client, or that doesn't know the shared key.
var ErrRefused = errors.New("handshake refused")

// Handshake does the client's part on a new connection. The caller sets deadlines. keepalive reports whether the server
// allows more than one message on the connection. The error is ErrRefused, or that of reading or writing.
func (c *Client) Handshake(rw io.ReadWriter) (keepalive bool, err error) {
	buf := make([]byte, maxHandshake)
	msg, err := readMessage(rw, buf)
	if err != nil {
		return false, fmt.Errorf("waiting for HELO: %w", err)
	}
	var h helo
	if err := h.read(msg); err != nil {
		return false, fmt.Errorf("%w: reading HELO: %w", ErrRefused, err)
	}
	nonce := append([]byte(nil), h.nonce...) // buf is used again
	p := ping{hostname: []byte(c.Hostname), salt: []byte(hex.EncodeToString(salt()))}
	p.digest = digest(p.salt, p.hostname, nonce, []byte(c.SharedKey))
	if len(h.auth) > 0 {
		p.user = []byte(c.Username)
		p.password = digest(h.auth, p.user, []byte(c.Password))
	}
	if _, err := rw.Write(p.append(nil)); err != nil {
		return false, fmt.Errorf("sending PING: %w", err)
	}
	if msg, err = readMessage(rw, buf); err != nil {
		if errors.Is(err, io.EOF) { // Fluent Bit sends no answer where the key is wrong
			return false, fmt.Errorf("%w: the server hung up (a wrong shared key?)", ErrRefused)
		}
		return false, fmt.Errorf("waiting for PONG: %w", err)
	}
	var q pong
	if err := q.read(msg); err != nil {
		return false, fmt.Errorf("%w: reading PONG: %w", ErrRefused, err)
	}
	want := digest(p.salt, q.hostname, nonce, []byte(c.SharedKey))
	switch {
	case !q.ok:
		return false, fmt.Errorf("%w: %q", ErrRefused, q.reason)
	case c.NotSelf && string(q.hostname) == c.Hostname:
		return false, fmt.Errorf("%w: the server and this client are both named %q; use another self_hostname", ErrRefused, c.Hostname)
	case subtle.ConstantTimeCompare(want, q.digest) != 1:
		return false, fmt.Errorf("%w: the server doesn't know the shared key", ErrRefused)
	}
	return h.keepalive, nil
}

// readMessage reads one MessagePack value of at most len(buf) bytes, which nothing may follow. It aliases buf.
func readMessage(r io.Reader, buf []byte) ([]byte, error) {
	for n := 0; n < len(buf); {
		k, err := r.Read(buf[n:])
		n += k
		if k == 0 && err != nil {
			return nil, err
		}
		size, err := record.Check(buf[:n])
		switch {
		case err == nil && size == n:
			return buf[:n], nil
		case err == nil:
			return nil, errors.New("got more than one message")
		case !errors.Is(err, record.ErrShort):
			return nil, err
		}
	}
	return nil, fmt.Errorf("got a message of more than %d bytes", len(buf))
}
