package main

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/firelane/firelane/internal/freeport"
	"github.com/firelane/firelane/record"
)

// holdZstd holds 200 connections, each with a compressed message that lacks its last bytes.
func holdZstd(ctx context.Context, a *arena) {
	z, err := zstd.NewWriter(nil, zstd.WithWindowSize(8<<20))
	if err != nil {
		a.fail(err)
		return
	}
	now := time.Now()
	entry := record.AppendTime(record.AppendArrayHeader(nil, 2), record.Time{Sec: uint32(now.Unix())})
	entry = record.AppendStr(record.AppendMapHeader(entry, 1), "log")
	entry = record.AppendStrBytes(entry, bytes.Repeat([]byte("0123456789abcdef"), 5<<20/16))
	frame := z.EncodeAll(entry, nil)
	message := record.AppendStr(record.AppendArrayHeader(nil, 3), "app0")
	message = append(message, 0xc6, byte(len(frame)>>24), byte(len(frame)>>16), byte(len(frame)>>8), byte(len(frame)))
	message = append(message, frame[:len(frame)-8]...)
	a.remark("%d connections with %d bytes each", len(a.hold(ctx, 200, "unix", a.socket, message)), len(message))
	<-ctx.Done()
}

// halfRecord returns the first n bytes of a record of size bytes.
func halfRecord(n, size int) []byte {
	return newShape("app0", load{size: size}, 0).append(nil, 1<<40, 1<<40+1, false)[:n]
}

// secondInput adds an input.
func secondInput(a *arena) error {
	a.external += "[INPUT]\n    Name forward\n    unix_path " + a.socket + "2\n"
	return nil
}

// holdHalves holds 500 connections in the middle of a record, on each of two inputs.
func holdHalves(ctx context.Context, a *arena) {
	for _, socket := range []string{a.socket, a.socket + "2"} {
		a.remark("%d connections on %s", len(a.hold(ctx, 500, "unix", socket, halfRecord(31_000, 40_000))), filepath.Base(socket))
	}
	<-ctx.Done()
}

// nullOutput adds an output for the attack's own records.
func nullOutput(a *arena) error {
	a.external += "[OUTPUT]\n    Name null\n    Match null*\n"
	return nil
}

// holdAcks holds 900 connections that send chunks and never read the acks.
func holdAcks(ctx context.Context, a *arena) {
	id := string(bytes.Repeat([]byte("x"), 4000))
	var chunks []byte
	for range 64 {
		chunks = record.AppendStr(record.AppendArrayHeader(chunks, 3), "null")
		chunks = record.AppendArrayHeader(record.AppendArrayHeader(chunks, 1), 2)
		chunks = record.AppendTime(chunks, record.Time{Sec: 1})
		chunks = record.AppendStr(record.AppendStr(record.AppendMapHeader(chunks, 1), "log"), "x")
		chunks = record.AppendStr(record.AppendStr(record.AppendMapHeader(chunks, 1), "chunk"), id)
	}
	a.each(ctx, a.holdQuickly(ctx, 900, nil), func(conn net.Conn) { _, _ = conn.Write(chunks) })
	<-ctx.Done()
}

// sendTags sends 1,000 events with a tag each on each of 400 connections.
func sendTags(ctx context.Context, a *arena) {
	conns := a.holdQuickly(ctx, 400, nil)
	for c, conn := range conns {
		var events []byte
		for n := range 1000 {
			events = appendEvent(events, time.Now(), fmt.Sprintf("null.%d.%d.made-up-by-an-application", c, n), 1, func(b []byte) []byte {
				return record.AppendStr(record.AppendStr(b, "log"), "x")
			})
		}
		a.each(ctx, []net.Conn{conn}, func(conn net.Conn) { _, _ = conn.Write(events) })
		if ctx.Err() != nil {
			return
		}
	}
	<-ctx.Done()
}

// each calls write for each connection, with 20 ms for each.
func (a *arena) each(ctx context.Context, conns []net.Conn, write func(net.Conn)) {
	for _, conn := range conns {
		if ctx.Err() != nil {
			return
		}
		_ = conn.SetWriteDeadline(time.Now().Add(20 * time.Millisecond)) // a router that doesn't read is not waited for
		write(conn)
	}
}

func (a *arena) holdQuickly(ctx context.Context, n int, payload []byte) []net.Conn {
	return a.hold(ctx, n, "unix", a.socket, payload)
}

// withAdmin turns the HTTP server on.
func withAdmin(a *arena) error {
	port, err := freeport.Next()
	a.admin = port
	a.service += fmt.Sprintf("    HTTP_Server On\n    HTTP_Listen 127.0.0.1\n    HTTP_Port %d\n", port)
	return err
}

// holdAdmin holds n connections to the HTTP server in the middle of a header.
func (a *arena) holdAdmin(ctx context.Context, n int) {
	conns := a.hold(ctx, n, "tcp", local(a.admin), []byte("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "))
	drip(ctx, conns, []byte("x"), time.Second)
}

// dripLarge holds eight connections that send a large record, a byte a second.
func dripLarge(ctx context.Context, a *arena) {
	drip(ctx, a.holdQuickly(ctx, 8, halfRecord(40_000, 1<<20)), []byte("x"), time.Second)
}

// sendPieces sends a record of six million nils, the last ones byte by byte.
func sendPieces(ctx context.Context, a *arena) {
	const nils, late = 6_000_000, 100_000
	event := appendEvent(nil, time.Now(), "app0", 1, func(b []byte) []byte { return record.AppendArrayHeader(record.AppendStr(b, "a"), nils) })
	event = append(event, bytes.Repeat([]byte{0xc0}, nils-late)...)
	drip(ctx, a.holdQuickly(ctx, 1, event), []byte{0xc0}, 30*time.Millisecond)
}

// drip writes piece to each connection, again and again.
func drip(ctx context.Context, conns []net.Conn, piece []byte, every time.Duration) {
	for ctx.Err() == nil {
		for _, conn := range conns {
			_ = conn.SetWriteDeadline(time.Now().Add(time.Millisecond))
			_, _ = conn.Write(piece) // the server may have closed it
		}
		sleep(ctx, every)
	}
}

const sharedKey = "attack"

// signedInput adds an input with a shared key.
func signedInput(a *arena) error {
	port, err := freeport.Next()
	a.port = port
	a.external += fmt.Sprintf("[INPUT]\n    Name forward\n    Listen 127.0.0.1\n    Port %d\n    Shared_Key %s\n", port, sharedKey)
	return err
}

// withSharedKey has the neighbour connect by TCP with a shared key.
func withSharedKey(a *arena) error {
	err := signedInput(a)
	a.neighbour.dial = func(ctx context.Context) (net.Conn, error) {
		for {
			conn, err := signIn(ctx, local(a.port))
			if !errors.Is(err, syscall.ECONNREFUSED) || ctx.Err() != nil {
				return conn, err
			}
			time.Sleep(time.Millisecond) // the router is starting
		}
	}
	return err
}

// signIn connects and does the client's part of the handshake.
func signIn(ctx context.Context, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	_ = conn.SetReadDeadline(time.Now().Add(dialTimeout))
	in := msgpack.NewDecoder(conn)
	var helo []any
	if helo, err = in.DecodeSlice(); err == nil && len(helo) == 2 {
		options, _ := helo[1].(map[string]any)
		nonce := fmt.Sprintf("%s", options["nonce"])
		sum := sha512.Sum512([]byte("salt" + "bench" + nonce + sharedKey))
		ping := record.AppendArrayHeader(nil, 6)
		for _, s := range []string{"PING", "bench", "salt", hex.EncodeToString(sum[:]), "", ""} {
			ping = record.AppendStr(ping, s)
		}
		_, err = conn.Write(ping)
	}
	var pong []any
	if err == nil {
		pong, err = in.DecodeSlice()
	}
	if err == nil && (len(pong) < 2 || pong[1] != true) {
		err = fmt.Errorf("the handshake was refused: %v", pong)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// signInPatience is how long signing in may take among clients that drip.
const signInPatience = time.Second

// dripHandshakes holds n connections that drip a PING, and checks that another client can sign in at once: at its first attempt,
// since the router closes the oldest of those that drip.
func (a *arena) dripHandshakes(ctx context.Context, n int) {
	conns := a.hold(ctx, n, "tcp", local(a.port), []byte{0x96})
	begin := time.Now()
	conn, err := signIn(ctx, local(a.port))
	if a.newest = time.Since(begin); err != nil {
		a.fail(fmt.Errorf("a new client can't sign in: %w", err))
		return
	}
	conn.Close()
	if a.newest > signInPatience {
		a.fail(fmt.Errorf("a new client signed in after %v, want %v at most", a.newest, signInPatience))
	}
	drip(ctx, conns, []byte{0xa1}, time.Second)
}

// fewDescriptors limits the router's descriptors.
func fewDescriptors(a *arena) error {
	a.before = "ulimit -n 512;"
	return nil
}

// holdIdle holds 600 idle connections. The destination closes its own after each request, so that the router needs another.
func holdIdle(ctx context.Context, a *arena) {
	a.holdQuickly(ctx, 600, nil)
	a.dest.http.SetKeepAlivesEnabled(false)
	<-ctx.Done()
}

// newcomer checks that a new client can connect.
func (a *arena) newcomer(ctx context.Context, within time.Duration) {
	conn, err := (&net.Dialer{Timeout: within}).DialContext(ctx, "unix", a.socket)
	if err != nil {
		a.fail(fmt.Errorf("a new client can't connect: %w", err))
		return
	}
	conn.Close()
}

// local is the address of a port.
func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// removeQueue removes the queue's folder, three times.
func removeQueue(ctx context.Context, a *arena) {
	for range 3 {
		sleep(ctx, a.sc.length/5)
		if ctx.Err() == nil {
			a.fail(os.RemoveAll(filepath.Join(a.dir, "queue")))
		}
	}
	<-ctx.Done()
}
