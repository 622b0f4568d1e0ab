// Package input has the contracts between the router and the sources of events: Input, Receiver and Listener; and the Memory
// that inputs share. The forward protocol is the package forward; every other input is a folder here.
//
// A constructor binds its socket, or opens its file, and returns at once; Run does the rest:
//
//	New(opts *Options, d config.Dialect, env input.Env) (input.Input, error)
package input

import (
	"cmp"
	"context"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/record"
)

// Env is what the process gives to an input.
type Env struct {
	Log zerolog.Logger // its lines name the input already
	ID  string         // of the input in the configuration: tcp.0, or its alias
	Tag string         // of events whose input's options have none; "": ID

	Parsers   []config.Instance // the [PARSER] sections, and the built-in ones
	Multiline []config.Instance // the [MULTILINE_PARSER] sections
	StateDir  string            // a folder, which the queue is in, for what an input keeps across restarts; "": there is none

	Memory *Memory // shared by all inputs of the process; nil: the input makes its own
	// FlushTime is how long what was read may wait for a full queue after a stop has ended Run; 0: the input's own limit.
	FlushTime time.Duration
	AllowExec bool // [SERVICE] allows inputs that run commands

	// Internal calls see for each metric of the router itself; nil: it has none.
	Internal func(see func(*metric.Sample))

	// FilterMetrics calls see for each metric of the filter with that ID, if outputs take metrics with the tag and more has changed than
	// since. It returns what since is next time. nil: there are no filters.
	FilterMetrics func(filter, tag string, since uint64, see func(*metric.Sample)) (changes uint64)

	Monitor Monitor // of the router; nil: the input learns nothing of it

	OwnLog *OwnLog                  // of the process; nil: its lines aren't passed on
	Feeds  func(output string) bool // whether events of an input that reads OwnLog have reached an output

	Sockets *Sockets // of the configuration; nil: no socket is handed over at a reload
}

// DefaultTag is the tag of events whose input's options have none.
func (e Env) DefaultTag() string { return cmp.Or(e.Tag, e.ID) }

// Input is where events come from. New has bound what it listens on, so that clients can connect before Run.
type Input interface {
	// Run takes events until ctx ends or Close is called, and returns when everything that it started has ended. Each
	// connection, file or loop has a Receiver of its own, made by receiver. When ctx ends, Run still takes what clients
	// have sent already, within a few seconds. It returns an error where the input failed, nil where it was stopped.
	Run(ctx context.Context, receiver func() Receiver) error

	// WaitIdle waits until nothing more is expected (no client is connected, everything that is there has been read and
	// flushed), or ctx ends, whose error it returns. A stop waits for it before it ends Run.
	WaitIdle(ctx context.Context) error

	// Close ends everything at once. It may be called at any time, more than once, also before Run or instead of it.
	Close() error
}

// ReadCounter is implemented by an Input that counts its reads, so that a stop doesn't take a client in the middle of a long
// message for silent. The clients of other inputs are silent while their Receivers get nothing.
type ReadCounter interface {
	// Reads is how often clients have sent something since the start.
	Reads() int64
}

// MetricSource is implemented by an Input whose events are metrics (package metric). They pass no filters, and go to outputs
// that take metrics only, as in Fluent Bit.
type MetricSource interface {
	// HasMetrics reports whether they are. The answer never changes.
	HasMetrics() bool
}

// LogSource is implemented by an Input whose events are the router's own log. The router notes which outputs they reach.
type LogSource interface {
	// ReadsOwnLog reports whether they are. The answer never changes.
	ReadsOwnLog() bool
}

// Receiver takes the events of one connection, file or loop of an input. It is not called concurrently.
type Receiver interface {
	// Add takes one event. tag and body belong to the caller and are valid only during the call; body is one MessagePack
	// map that record.Check has accepted. The event is not queued before Flush returns.
	Add(tag []byte, t record.Time, body []byte)

	// Reject counts n events, or pieces of input that would have been events, that were refused for reason: a constant
	// of a few words such as "record is not a map". The input logs; the receiver only counts.
	Reject(n int, reason string)

	// Flush queues everything that was added. When it returns nil, every event that was ever added is in the queue of
	// each output that it is routed to: it may be acknowledged, its offset saved, its request answered with 200. Flush
	// blocks while a queue is full; the input then reads no more from that source. ErrHeld means that events are still
	// held by a step. Any other error means that ctx ended first: nothing that was added since the last Flush may be
	// acknowledged, and those events are lost unless the source offers them again.
	Flush(ctx context.Context) error
}

// Discarder is implemented by a Receiver that must know when an input won't flush what it added, as after a client has hung up
// in the middle of a message. Without steps that hold events nothing of it is queued.
type Discarder interface {
	// Discard ends the Receiver. It queues what events of other sources have become a part of, and may block as Flush does.
	Discard(ctx context.Context) error
}

// Burster is implemented by a Receiver to which several events cost less between Begin and End. The caller waits for nothing between
// the two, and calls nothing but Add and Reject. The router's Receiver does: the burst is inside its gate.
type Burster interface {
	Begin()
	End()
}

// Identifier is implemented by a Receiver that takes events with an identity of their own. The router's does.
type Identifier interface {
	// AddIdentified is Add for an event that its source may offer again, to this process or to another one. origin is the
	// same each time, and no other event has it: the record's id is made of it, by which a destination tells twice from once.
	AddIdentified(tag []byte, t record.Time, body []byte, origin record.ID)
}

// Retirer is implemented by an Input whose clients lose what they have sent if their connections are closed: when another
// configuration has taken over its socket, it serves those that are open until their clients hang up.
type Retirer interface {
	// Retire has Run accept no more connections, and return when the last one has ended.
	Retire()
}

// ErrHeld is returned by Flush where everything that could be queued is, but a step still holds events that were added
// through this Receiver, such as the beginning of a line whose end has not come. They must not be acknowledged yet:
// Flush again, later, with or without more events. An input that acknowledges nothing treats it as nil.
var ErrHeld = errors.New("events are held by a step")

// Listener is implemented by the options of an input that clients connect to.
type Listener interface {
	// Listens lists the addresses that an input with these options listens on.
	Listens(d config.Dialect) []Address
}

// Address is where an input listens, as a client on the same host dials it.
type Address struct {
	Network string // tcp or unix
	Address string // host:port, or the path of the socket
	Health  bool   // it takes the line that the health check of ECS sends
}

// TCP is the Address of an input that listens on host and port.
func TCP(host string, port int) Address {
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return Address{Network: "tcp", Address: net.JoinHostPort(host, strconv.Itoa(port))}
}

// Unix is the Address of an input that listens on a unix socket.
func Unix(path string) Address { return Address{Network: "unix", Address: path} }
