package e2e

import (
	"bytes"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink/bulk/bulktest"
)

// A program is firelane alone, with a folder of its own, for faults that no container can be given.
type program struct {
	dir string
	cmd *exec.Cmd
}

// programConfig is a configuration with an input at dir/in.sock and the queue in dir/queue. output is the rest of its
// one [OUTPUT].
func programConfig(dir, output string) string {
	return fmt.Sprintf(`[SERVICE]
    storage.path %[1]s/queue
[INPUT]
    Name forward
    unix_path %[1]s/in.sock
[OUTPUT]
    Match *
    Logstash_Format On
    Logstash_Prefix web
%[2]s`, dir, output)
}

// startProgram starts firelane with a configuration in dir, and waits for its socket. shell, where it isn't empty, runs
// before it, in a mount namespace of its own.
func startProgram(t *testing.T, dir, config, shell string, env ...string) *program {
	t.Helper()
	file := filepath.Join(dir, "firelane.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p := &program{dir: dir, cmd: exec.Command(world.binary, "run", "-c", file)}
	if shell != "" {
		p.cmd = exec.Command("/bin/sh", "-ec", shell+`; exec "$@"`, "sh", world.binary, "run", "-c", file)
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			p.cmd.Process.Kill()
			p.cmd.Wait()
		}
		if t.Failed() {
			t.Logf("firelane's log:\n%s", p.log())
		}
	})
	eventually(t, time.Minute, func() (bool, string) {
		conn, err := net.Dial("unix", p.socket())
		if err == nil {
			conn.Close()
		}
		return err == nil, fmt.Sprint(err)
	})
	return p
}

func (p *program) socket() string { return filepath.Join(p.dir, "in.sock") }

func (p *program) log() string {
	text, _ := os.ReadFile(filepath.Join(p.dir, "log"))
	return string(text)
}

// says waits until the log has a text.
func (p *program) says(t *testing.T, text string, limit time.Duration) {
	t.Helper()
	eventually(t, limit, func() (bool, string) { return strings.Contains(p.log(), text), "the log doesn't say " + text })
}

// chunk is how many records are acknowledged together.
const chunk = 100

// send sends the records from first to last-1, each with its number, and returns when they are acknowledged: all are
// in the queue then. done counts them; it may be nil. size is that of a record's line.
func (p *program) send(first, last, size int, done func(int)) error {
	conn, err := net.Dial("unix", p.socket())
	if err != nil {
		return err
	}
	defer conn.Close()
	acks := msgpack.NewDecoder(conn)
	filler := strings.Repeat("x", size)
	for ; first < last; first += chunk {
		n := min(chunk, last-first)
		b := record.AppendStr(record.AppendArrayHeader(nil, 3), "app-firelens-0d2c1a7e")
		b = record.AppendArrayHeader(b, n)
		for i := range n {
			b = record.AppendTime(record.AppendArrayHeader(b, 2), record.Time{Sec: uint32(time.Now().Unix())})
			b = record.AppendStr(record.AppendMapHeader(b, 1), "log")
			b = record.AppendStr(b, fmt.Sprintf("n=%d. %s", first+i, filler))
		}
		b = record.AppendStr(record.AppendMapHeader(b, 1), "chunk")
		b = record.AppendStr(b, strconv.Itoa(first))
		if _, err := conn.Write(b); err != nil {
			return err
		}
		var reply struct {
			Ack string `msgpack:"ack"`
		}
		if err := acks.Decode(&reply); err != nil || reply.Ack != strconv.Itoa(first) {
			return fmt.Errorf("chunk %d: %w, ack %q", first, err, reply.Ack)
		}
		if done != nil {
			done(first + n)
		}
	}
	return nil
}

// mustSend is send, for records that are taken at once.
func (p *program) mustSend(t *testing.T, first, last int) {
	t.Helper()
	if err := p.send(first, last, 100, nil); err != nil {
		t.Fatal(err)
	}
}

// stop ends firelane as ECS does.
func (p *program) stop(t *testing.T) {
	t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// peak is the most memory that firelane has taken, in MiB.
func (p *program) peak(t *testing.T) float64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return float64(kib) / 1024
}

// arrived waits until the servers together have the records 0 to want-1, and fails where one is there twice.
func arrived(t *testing.T, limit time.Duration, want int, all ...*bulktest.Server) {
	t.Helper()
	eventually(t, limit, func() (bool, string) {
		seen := make(map[string]bool)
		for _, s := range all {
			for _, d := range s.Documents("web-*") {
				_, rest, _ := bytes.Cut(d.Source, []byte("n="))
				n, _, _ := bytes.Cut(rest, []byte("."))
				if seen[string(n)] {
					t.Fatalf("record %s is there twice", n)
				}
				seen[string(n)] = true
			}
		}
		return len(seen) == want, fmt.Sprintf("%d records of %d", len(seen), want)
	})
}

// serve has a server listen at an address of loopback.
func serve(t *testing.T, address string, s *httptest.Server) *httptest.Server {
	t.Helper()
	if address != "" {
		s.Listener.Close()
		var err error
		if s.Listener, err = net.Listen("tcp", address); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(s.Close)
	return s
}

// portOf is the port of a server.
func portOf(s *httptest.Server) int { return s.Listener.Addr().(*net.TCPAddr).Port }
