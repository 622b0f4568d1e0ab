package main

import (
	"bytes"
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/cmd/firelane/shell"
)

// openLog makes the log of the process: JSON lines in a container, a readable form on a terminal. Logging never waits for the
// reader of w. end writes the pending lines, and waits at most logCloseTime for that.
// beside gets each line, too, as JSON.
func openLog(w io.Writer, beside ...io.Writer) (log zerolog.Logger, end func()) {
	terminal := isTerminal(w)
	var b bytes.Buffer
	own := newLogger(&b, terminal) // here, since it sets the format of all logs' times
	ring := newLogRing(w, func(lines int) []byte {
		b.Reset()
		own.Warn().Int("lines", lines).Msg("lines of the log are missing here: nobody read the log in time")
		return b.Bytes()
	})
	return newLogger(ring, terminal, beside...), ring.Close
}

func newLogger(w io.Writer, terminal bool, beside ...io.Writer) zerolog.Logger {
	zerolog.TimeFieldFormat = time.RFC3339Nano
	if terminal {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: "15:04:05.000"}
	} else {
		w = &messageFirst{out: w}
	}
	if len(beside) > 0 {
		w = io.MultiWriter(append(beside, w)...)
	}
	return zerolog.New(zerolog.SyncWriter(w)).With().Timestamp().Logger()
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && shell.IsTerminal(f)
}

// messageFirst moves the message of a JSON line, which zerolog writes last, to the beginning. It is not safe for
// concurrent use.
type messageFirst struct {
	out  io.Writer
	line []byte
}

// Write writes one line.
func (m *messageFirst) Write(line []byte) (int, error) {
	// Quotes in strings are escaped, so only a key matches. Every line of the router has a message, and zerolog writes it last,
	// so the last match is its key.
	at := bytes.LastIndex(line, []byte(`,"message":"`))
	if at < 0 || !bytes.HasSuffix(line, []byte("\"}\n")) {
		return m.out.Write(line)
	}
	m.line = append(m.line[:0], '{')
	m.line = append(m.line, line[at+1:len(line)-2]...)
	m.line = append(m.line, ',')
	m.line = append(m.line, line[1:at]...)
	m.line = append(m.line, "}\n"...)
	if _, err := m.out.Write(m.line); err != nil {
		return 0, err
	}
	return len(line), nil
}
