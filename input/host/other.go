package host

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/poll"
	"github.com/firelane/firelane/record"
)

const (
	maxHead  = 1 << 20 // bytes of a file that head reads
	maxLines = 1000    // lines that head reads

	connectTime = 5 * time.Second // for a connection attempt of health
	headTime    = 5 * time.Second // for what is written to a pipe that head reads
)

// HealthOptions are the options of the input health.
type HealthOptions struct {
	poll.Options
	Host    string `fluentbit:"host" required:"true" help:"server's name or address"`
	Port    int    `fluentbit:"port" default:"80" help:"server's port"`
	Alert   bool   `fluentbit:"alert" default:"false" help:"make an event only while no connection can be made"`
	AddHost bool   `fluentbit:"add_host" default:"false" help:"add the field hostname"`
	AddPort bool   `fluentbit:"add_port" default:"false" help:"add the field port"`
}

// NewHealth makes the input health, which tries to connect to a server.
func NewHealth(o *HealthOptions, _ config.Dialect, env input.Env) (input.Input, error) {
	var m members
	d := net.Dialer{Timeout: connectTime}
	return poll.New(o.Tag, o.Interval(), func(ctx context.Context, add poll.Add) error {
		conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(o.Host, strconv.Itoa(o.Port)))
		if err == nil {
			_ = conn.Close() // that it can be made is enough
		}
		if ctx.Err() == context.Canceled || err == nil && o.Alert {
			return nil
		}
		m.reset()
		m.bool("alive", err == nil)
		if o.AddHost {
			m.text("hostname", o.Host)
		}
		if o.AddPort {
			m.uint("port", uint64(max(o.Port, 0)))
		}
		add(m.record())
		return nil
	}, env), nil
}

// HeadOptions are the options of the input head.
type HeadOptions struct {
	poll.Options
	File    string      `fluentbit:"file" required:"true" help:"file whose beginning is read each time"`
	Key     string      `fluentbit:"key" default:"head" help:"field that gets the text"`
	BufSize config.Size `fluentbit:"buf_size" default:"256" strict:"true" help:"bytes that are read, unless lines is written; at most 1 MiB"`
	Lines   int         `fluentbit:"lines" default:"0" help:"lines that are read, instead of bytes; at most 1000"`
	Split   bool        `fluentbit:"split_line" default:"false" help:"a field for each line: line0, line1 …; 10 unless lines is written"`
	AddPath bool        `fluentbit:"add_path" default:"false" help:"add the field path"`
}

// Warnings returns a line if buf_size or lines is over its limit.
func (o *HeadOptions) Warnings() (w []string) {
	if o.BufSize > maxHead || o.Lines > maxLines {
		w = append(w, fmt.Sprintf("buf_size is limited to %d bytes here, and lines to %d", maxHead, maxLines))
	}
	return w
}

// NewHead makes the input head.
func NewHead(o *HeadOptions, _ config.Dialect, env input.Env) (input.Input, error) {
	var m members
	return poll.New(o.Tag, o.Interval(), func(_ context.Context, add poll.Add) error {
		m.reset()
		if err := o.read(&m); err != nil {
			return err
		}
		add(m.record())
		return nil
	}, env), nil
}

func (o *HeadOptions) read(m *members) error {
	f, err := os.OpenFile(o.File, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe isn't waited for
	if err != nil {
		return err
	}
	defer f.Close()                                 //nolint:errcheck // it was only read
	_ = f.SetReadDeadline(time.Now().Add(headTime)) // of a pipe; other files have none
	lines := min(o.Lines, maxLines)
	if o.Split && lines <= 0 {
		lines = 10
	}
	if lines <= 0 {
		text, err := io.ReadAll(io.LimitReader(f, min(max(int64(o.BufSize), 1), maxHead)))
		if err != nil {
			return err
		}
		m.text(o.Key, string(text))
		o.addPath(m)
		return nil
	}
	list, err := firstLines(f, lines, maxHead)
	if err != nil {
		return err
	}
	if !o.Split {
		var text []byte
		for _, line := range list {
			text = append(text, line...)
		}
		m.text(o.Key, string(text))
		o.addPath(m)
		return nil
	}
	o.addPath(m)
	for n := range lines { // lines that the file doesn't have are empty, as in Fluent Bit
		var line []byte
		if n < len(list) {
			line = list[n]
		}
		if len(line) > 0 && line[len(line)-1] == '\n' {
			line = line[:len(line)-1]
		}
		m.text("line"+strconv.Itoa(n), string(line))
	}
	return nil
}

func (o *HeadOptions) addPath(m *members) {
	if o.AddPath {
		m.text("path", o.File)
	}
}

// RandomOptions are the options of the input random.
type RandomOptions struct {
	poll.Options
	Samples int `fluentbit:"samples" default:"-1" help:"how many events are made; -1: without end"`
}

// NewRandom makes the input random, which makes events with a random number.
func NewRandom(o *RandomOptions, _ config.Dialect, env input.Env) (input.Input, error) {
	left, body := o.Samples, []byte(nil)
	return poll.New(o.Tag, o.Interval(), func(_ context.Context, add poll.Add) error {
		if left == 0 {
			return nil
		}
		left = max(left-1, -1)
		var b [8]byte
		if _, err := rand.Read(b[:]); err != nil {
			return err
		}
		body = record.AppendStr(record.AppendMapHeader(body[:0], 1), "rand_value")
		body = record.AppendUint(body, binary.LittleEndian.Uint64(b[:]))
		add(body)
		return nil
	}, env), nil
}
