package shell

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// maxLine is the longest line in bytes that grep and tail read.
	maxLine = 4 << 20
	// maxTail is how many bytes tail keeps.
	maxTail = 8 << 20
	// maxEncoded is how many bytes base64 and envsubst read.
	maxEncoded = 4 << 20
	// followPause is how often tail -f looks for more.
	followPause = 250 * time.Millisecond
)

// each calls do for each of the named files, or for standard input. It returns exitFailed if one can't be read.
func (c *call) each(names []string, do func(name string, r io.Reader) error) int {
	if len(names) == 0 {
		names = []string{"-"}
	}
	status := exitOK
	for _, name := range names {
		switch err := c.one(name, do); {
		case errors.Is(err, syscall.EPIPE): // a signal ends a real program, and nothing is printed
			return exitBrokenPipe
		case err != nil && !errors.Is(err, io.ErrClosedPipe):
			status = c.fail(exitFailed, "%v", err)
		}
	}
	return status
}

func (c *call) one(name string, do func(name string, r io.Reader) error) error {
	if name == "-" {
		return do("", c.input())
	}
	f, err := c.openFile(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return do(name, f)
}

// cat prints files, those on disk or built in.
func (c *call) cat() int {
	_, names, err := c.flags("u", "", nil, false)
	if err != nil {
		return c.fail(exitUsage, "%v", err)
	}
	return c.each(names, func(_ string, r io.Reader) error { return c.copy(c.stdout, r) })
}

// copy copies until the end of r or of the call.
func (c *call) copy(w io.Writer, r io.Reader) error {
	b := make([]byte, 32<<10)
	for c.ctx.Err() == nil {
		n, err := r.Read(b)
		if _, wrote := w.Write(b[:n]); wrote != nil {
			return wrote
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// count parses the number of head and tail: "-n 5", "-5", "-c 100".
func (c *call) count(letters string) (given map[byte]string, n int, names []string, err error) {
	for i, arg := range c.args {
		value := i > 0 && (c.args[i-1] == "-n" || c.args[i-1] == "-c")
		if len(arg) > 1 && arg[0] == '-' && arg[1] >= '0' && arg[1] <= '9' && !value {
			c.args[i] = "-n" + arg[1:]
		}
	}
	given, names, err = c.flags(letters, "nc", nil, false)
	n = 10
	for _, letter := range "nc" {
		value, ok := given[byte(letter)]
		if !ok || err != nil {
			continue
		}
		digits := value
		if c.name == "tail" {
			digits = strings.TrimPrefix(value, "-")
		}
		if n, err = strconv.Atoi(digits); err != nil || n < 0 || n > maxTail {
			err = fmt.Errorf("want a number up to %d, got %q", maxTail, value)
		}
	}
	return given, n, names, err
}

// head prints the first lines, or with -c the first bytes.
func (c *call) head() int {
	given, n, names, err := c.count("q")
	if err != nil {
		return c.fail(exitUsage, "%v", err)
	}
	return c.each(names, func(_ string, r io.Reader) error {
		if has(given, 'c') {
			return c.copy(c.stdout, io.LimitReader(r, int64(n)))
		}
		lines := bufio.NewReader(r)
		for range n {
			line, err := readLine(lines)
			if _, wrote := c.stdout.Write(line); wrote != nil || err != nil {
				return errors.Join(wrote, notEOF(err))
			}
		}
		return nil
	})
}

func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// readLine reads a line with its end. Of one that is longer than maxLine it returns pieces.
func readLine(r *bufio.Reader) (line []byte, err error) {
	for {
		piece, err := r.ReadSlice('\n')
		line = append(line, piece...)
		if !errors.Is(err, bufio.ErrBufferFull) || len(line) >= maxLine {
			if errors.Is(err, bufio.ErrBufferFull) {
				err = nil
			}
			return line, err
		}
	}
}

// tail prints the last lines, or with -c the last bytes, or from a line ("-n +2") or byte on; and with -f what is added to a file after
// that.
func (c *call) tail() int {
	given, n, names, err := c.count("fFq")
	if err != nil {
		return c.fail(exitUsage, "%v", err)
	}
	from := strings.HasPrefix(given['n']+given['c'], "+")
	return c.each(names, func(name string, r io.Reader) error {
		f, _ := r.(*os.File)
		if f != nil && !from {
			if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Size() > maxTail {
				_, _ = f.Seek(-maxTail, io.SeekEnd)
			}
		}
		show := c.last
		if from {
			show = c.from
		}
		if err := show(r, n, has(given, 'c')); err != nil {
			return err
		}
		if f != nil && (has(given, 'f') || has(given, 'F')) {
			return c.follow(f)
		}
		return nil
	})
}

// from prints everything from a line or a byte on; the first one is 1.
func (c *call) from(r io.Reader, n int, inBytes bool) error {
	in := bufio.NewReader(r)
	if inBytes {
		if _, err := in.Discard(max(n-1, 0)); err != nil {
			return notEOF(err)
		}
		n = 0
	}
	for n > 1 && c.ctx.Err() == nil {
		line, err := readLine(in)
		if err != nil {
			return notEOF(err)
		}
		if line[len(line)-1] == '\n' {
			n--
		}
	}
	return c.copy(c.stdout, in)
}

// last reads everything and prints its end.
func (c *call) last(r io.Reader, n int, inBytes bool) error {
	var kept []byte
	b := make([]byte, 32<<10)
	for c.ctx.Err() == nil {
		size, err := r.Read(b)
		if kept = append(kept, b[:size]...); len(kept) > 2*maxTail {
			kept = append(kept[:0], kept[len(kept)-maxTail:]...)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	at := len(kept) // from where it is printed
	switch {
	case inBytes:
		at = max(at-n, 0)
	case n > 0:
		end := len(bytes.TrimSuffix(kept, []byte("\n")))
		for ; n > 0 && end >= 0; n-- {
			end = bytes.LastIndexByte(kept[:end], '\n')
		}
		at = end + 1
	}
	_, err := c.stdout.Write(kept[at:])
	return err
}

// follow prints what is added to a file. It begins again if the file was truncated.
func (c *call) follow(f *os.File) error {
	ticks := time.NewTicker(followPause)
	defer ticks.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return nil
		case <-ticks.C:
		}
		at, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		if info, err := f.Stat(); err == nil && info.Size() < at {
			if _, err := f.Seek(0, io.SeekStart); err != nil {
				return err
			}
		}
		if err := c.copy(c.stdout, f); err != nil {
			return err
		}
	}
}

// wc counts lines, words or bytes.
func (c *call) wc() int {
	given, names, err := c.flags("lwc", "", nil, false)
	if err != nil {
		return c.fail(exitUsage, "%v", err)
	}
	return c.each(names, func(name string, r io.Reader) error {
		counts := map[byte]int{}
		lines := bufio.NewReader(r)
		for {
			line, err := readLine(lines)
			counts['c'] += len(line)
			counts['w'] += len(strings.Fields(string(line)))
			if strings.HasSuffix(string(line), "\n") {
				counts['l']++
			}
			if err == nil {
				continue
			}
			var shown []string
			for _, letter := range []byte("lwc") {
				if has(given, letter) || len(given) == 0 {
					shown = append(shown, strconv.Itoa(counts[letter]))
				}
			}
			if name != "" {
				shown = append(shown, name)
			}
			fmt.Fprintln(c.stdout, strings.Join(shown, " "))
			return notEOF(err)
		}
	})
}

// readUpTo reads everything; it is an error if that is more than limit bytes.
func readUpTo(r io.Reader, limit int) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err == nil && len(text) > limit {
		err = fmt.Errorf("more than %d MiB", limit>>20)
	}
	return text, err
}

// base64 encodes or, with -d, decodes.
func (c *call) base64() int {
	given, names, err := c.flags("dDi", "w", map[string]byte{"decode": 'd', "wrap": 'w'}, false)
	if err != nil {
		return c.fail(exitUsage, "%v", err)
	}
	return c.each(names, func(_ string, r io.Reader) error {
		text, err := readUpTo(r, maxEncoded)
		if err != nil {
			return err
		}
		if !has(given, 'd') && !has(given, 'D') {
			fmt.Fprintln(c.stdout, base64.StdEncoding.EncodeToString(text))
			return nil
		}
		data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(text)), ""))
		if err != nil {
			return err
		}
		_, err = c.stdout.Write(data)
		return err
	})
}

// variableName finds $NAME and ${NAME}, as envsubst replaces them.
var variableName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$(?:(\w+)|\{(\w+)\})`) })

// envsubst replaces the variables in a text.
func (c *call) envsubst() int {
	return c.each(nil, func(_ string, r io.Reader) error {
		text, err := readUpTo(r, maxEncoded)
		if err != nil {
			return err
		}
		_, err = c.stdout.Write(variableName().ReplaceAllFunc(text, func(found []byte) []byte {
			return []byte(c.lookup(strings.Trim(string(found), "${}")))
		}))
		return err
	})
}
