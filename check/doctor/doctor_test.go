package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/freeport"
	"github.com/firelane/firelane/router"
	"github.com/firelane/firelane/sink/dial"
	"github.com/firelane/firelane/sink/probe"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

const opensearchHead = "[OUTPUT]\n  name opensearch\n  match *\n  http_user router\n  http_passwd long-passw0rd\n"

// A destination that connects to a server must be checked: its options say where it connects.
func TestEveryOutputWithANetworkSaysItsServers(t *testing.T) {
	for _, p := range router.Catalogue() {
		if p.Kind != config.KindOutput {
			continue
		}
		options := p.Options()
		v := reflect.Indirect(reflect.ValueOf(options))
		connects := false
		for _, typ := range []reflect.Type{reflect.TypeFor[dial.NetOptions](), reflect.TypeFor[dial.TLSOptions]()} {
			connects = connects || hasField(v.Type(), typ, 0)
		}
		if _, ok := options.(probe.Prober); ok != connects {
			t.Errorf("%v %v: it is a Prober: %v, want %v", p.FluentBit, p.Fluentd, ok, connects)
		}
	}
}

func hasField(in, typ reflect.Type, depth int) bool {
	if in == typ {
		return true
	}
	if in.Kind() != reflect.Struct || depth > maxDepth {
		return false
	}
	for i := range in.NumField() {
		if hasField(in.Field(i).Type, typ, depth+1) {
			return true
		}
	}
	return false
}

// listen accepts connections and gives each to serve, until the test ends.
func listen(t *testing.T, serve func(net.Conn)) (host string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns []net.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns = append(conns, c)
			go serve(c)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		for _, c := range conns {
			c.Close()
		}
	})
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return "  host 127.0.0.1\n  port " + port + "\n"
}

func TestAServerThatHangsEndsInSeconds(t *testing.T) {
	silent := func(net.Conn) {}
	trickle := func(c net.Conn) {
		for {
			if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nX-A: b\r\n"); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	slowBody := func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{")
		for {
			if _, err := io.WriteString(c, " "); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	authority := newAuthority(t)
	slow := secureServer(t, authority.issue(t, "localhost", time.Now().AddDate(1, 0, 0)), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	for _, c := range []struct {
		name, output, step, text string
	}{
		{"TLS", opensearchHead + listen(t, silent) + "  tls on\n", "tls", "doesn't answer the handshake"},
		{"HTTP", opensearchHead + listen(t, silent), "http", "no answer to GET /"},
		{"HTTP after TLS", opensearchHead + serverOptions(slow) + "  tls on\n  tls.ca_file " + authority.file + "\n", "http", "no answer to GET /"},
		{"headers", opensearchHead + listen(t, trickle), "http", "no answer to GET /"},
		{"body", opensearchHead + listen(t, slowBody), "http", "no answer to GET /"},
		{"proxy", "[OUTPUT]\n  name http\n  match *\n  host 192.0.2.1\n  tls on\n  proxy http://" + strings.TrimSpace(strings.NewReplacer("  host ", "", "\n  port ", ":").Replace(listen(t, silent))) + "\n", "proxy", "doesn't answer CONNECT"},
		{"forward", "[OUTPUT]\n  name forward\n  match *\n  shared_key abcdef\n" + listen(t, silent), "sign-in", "HELO"},
		{"kafka", "[OUTPUT]\n  name kafka\n  match *\n  brokers " + strings.TrimSpace(strings.NewReplacer("  host ", "", "\n  port ", ":").Replace(listen(t, silent))) + "\n", "kafka", "doesn't answer"},
		{"loki", "[OUTPUT]\n  name loki\n  match *\n" + listen(t, silent), "http", "no answer to GET /ready"},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := time.Now()
			facts := examine(t, quick, c.output)
			if took := time.Since(start); took > 15*time.Second {
				t.Errorf("the check took %s", took)
			}
			wants(t, facts, probe.Error, c.step, c.text)
		})
	}
}

func TestCertificatesThatDeliveriesDependOn(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	year := time.Now().AddDate(1, 0, 0)
	for _, c := range []struct {
		name    string
		ca      *authority
		certFor string
		until   time.Time
		options string
		level   probe.Level
		text    string
	}{
		{"good", a, "localhost", year, "", probe.OK, "is verified by the authorities of"},
		{"valid", a, "localhost", year, "", probe.OK, "it is valid until " + year.UTC().Format(time.DateOnly)},
		{"expiring", a, "localhost", time.Now().Add(12*24*time.Hour + time.Hour), "", probe.Warning, "expires in 12 days"},
		{"expired", a, "localhost", time.Now().Add(-time.Hour), "", probe.Error, "renew the certificate"},
		{"unknown authority", other, "localhost", year, "", probe.Error, "tls.ca_file"},
		{"wrong name", a, "other.example", year, "", probe.Error, "it is not for 127.0.0.1"},
		{"not verified, and bad", other, "localhost", year, "  tls.verify off\n", probe.Warning, "it would be refused"},
		{"not verified, and good", a, "localhost", year, "  tls.verify off\n", probe.Warning, "the certificate would be verified"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster := healthy(t)
			s := secureServer(t, c.ca.issue(t, c.certFor, c.until), cluster)
			facts := examine(t, patient, opensearchHead+serverOptions(s)+"  tls on\n  tls.ca_file "+a.file+"\n"+c.options)
			wants(t, facts, c.level, "certificate", c.text)
			if refused := c.level == probe.Error; refused != (len(cluster.questions()) == 0) {
				t.Errorf("questions after a certificate that is refused (%v): %q", refused, cluster.questions())
			}
		})
	}
	t.Run("wrong name that Fluent Bit accepts", func(t *testing.T) {
		s := secureServer(t, a.issue(t, "other.example", year), http.NotFoundHandler())
		facts := examine(t, patient, "[OUTPUT]\n  name loki\n  match *\n"+serverOptions(s)+"  tls on\n  tls.ca_file "+a.file+"\n")
		wants(t, facts, probe.Warning, "certificate", "for another name, which is accepted")
	})
}

func TestTLSAndPlainTextAreToldApart(t *testing.T) {
	a := newAuthority(t)
	secure := secureServer(t, a.issue(t, "localhost", time.Now().AddDate(1, 0, 0)), healthy(t))
	plainText := healthy(t).start()
	wants(t, examine(t, patient, opensearchHead+serverOptions(secure)), probe.Error, "tls", "the server speaks TLS", "tls On")
	wants(t, examine(t, patient, "[OUTPUT]\n  name http\n  match *\n"+serverOptions(secure)), probe.Error, "tls", "the server speaks TLS")
	wants(t, examine(t, patient, opensearchHead+serverOptions(plainText)+"  tls on\n"), probe.Error, "tls", "doesn't speak TLS", "tls Off")
	// A server that closes the connection, as OpenSearch does.
	s := answerWith(t, http.StatusBadRequest, "<html>400 The plain HTTP request was sent to HTTPS port</html>")
	wants(t, examine(t, patient, opensearchHead+serverOptions(s)), probe.Error, "tls", "the server speaks TLS")
}

func TestEachStatusSaysWhatToDo(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		level  probe.Level
		step   string
		text   string
	}{
		{401, "Unauthorized", probe.Error, "sign-in", "correct HTTP_User and HTTP_Passwd"},
		{403, `{"Message":"User: anonymous is not authorized"}`, probe.Error, "sign-in", "User: anonymous is not authorized"},
		{302, "", probe.Error, "server", "doesn't follow redirects"},
		{429, `{"error":{"type":"x","reason":"circuit breaker"}}`, probe.Warning, "server", "circuit breaker"},
		{503, "no backend", probe.Error, "server", "GET / answers 503: no backend"},
		{200, "hello", probe.Warning, "server", "neither OpenSearch nor Elasticsearch"},
		{200, strings.Repeat("x", 2*maxAnswer), probe.Warning, "server", "neither OpenSearch"},
		{200, strings.Repeat("[", maxAnswer), probe.Warning, "server", "neither OpenSearch"},
		{404, "", probe.Note, "server", "404"},
	} {
		t.Run(fmt.Sprint(c.status), func(t *testing.T) {
			s := answerWith(t, c.status, c.body)
			wants(t, examine(t, patient, opensearchHead+serverOptions(s)), c.level, c.step, c.text)
		})
	}
}

// A server that sends for ever is read to a bound, not to a time.
func TestAnEndlessAnswerIsReadToABound(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for err := error(nil); err == nil; {
			_, err = w.Write(make([]byte, 64<<10))
		}
	}))
	t.Cleanup(s.Close)
	wants(t, examine(t, limits{20 * time.Second, 20 * time.Second, 20 * time.Second}, opensearchHead+serverOptions(s)), probe.Warning, "server", "neither OpenSearch")
}

// A server answers with what the request had, as some do, and the router's owner pastes the report into a ticket.
func TestNoSecretIsShown(t *testing.T) {
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"message":"you sent %s %s %v to %s %s"}`, user, password, r.Header, r.URL, r.Host)
	}))
	t.Cleanup(echo.Close)
	secrets := []string{"s3cr3t-password", "api-key-in-base64", "header-value-1", "url-pass-word", "token-of-splunk", "proxy-pass", "key",
		"dTpzM2NyM3QtcGFzc3dvcmQ=", // u:s3cr3t-password
		`pass"word\x`, `pass\"word\\x`, "t0ken-of-the-session", secretKey}
	tokenService(t, someone)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
	t.Setenv("AWS_SESSION_TOKEN", "t0ken-of-the-session")
	at := serverOptions(echo)
	for _, output := range []string{
		"[OUTPUT]\n  name es\n  match *\n  http_user u\n  http_passwd s3cr3t-password\n" + at,
		"[OUTPUT]\n  name es\n  match *\n  http_api_key api-key-in-base64\n" + at,
		"[OUTPUT]\n  name es\n  match *\n  http_user u\n  http_passwd key\n" + at,
		"[OUTPUT]\n  name es\n  match *\n  host http://u:url-pass-word@" + echo.Listener.Addr().String() + "\n",
		"[OUTPUT]\n  name http\n  match *\n  header X-A header-value-1\n  proxy http://p:proxy-pass@" + echo.Listener.Addr().String() + "\n  host 192.0.2.1\n",
		"[OUTPUT]\n  name http\n  match *\n  tls on\n  proxy http://p:proxy-pass@" + echo.Listener.Addr().String() + "\n  host 192.0.2.1\n",
		"[OUTPUT]\n  name es\n  match *\n  http_user u\n  http_passwd pass\"word\\x\n" + at,
		signed + at,
		"[OUTPUT]\n  name splunk\n  match *\n  splunk_token token-of-splunk\n" + at,
		"<match **>\n  @type opensearch\n  hosts http://u:url-pass-word@" + echo.Listener.Addr().String() + "\n</match>\n",
	} {
		r := Run(context.Background(), Options{Plan: compile(t, output), limits: patient})
		var text, doc bytes.Buffer
		if err := r.Text(&text); err != nil {
			t.Fatal(err)
		}
		if err := r.JSON(&doc); err != nil {
			t.Fatal(err)
		}
		for _, s := range secrets {
			if s == "key" && !strings.Contains(output, "http_passwd key") {
				continue
			}
			for _, out := range []string{text.String(), doc.String()} {
				if strings.Contains(out, " "+s+" ") || len(s) > 3 && strings.Contains(out, s) {
					t.Errorf("%s\nshows %q:\n%s", output, s, out)
				}
			}
		}
	}
}

// An answer is cut at a length. What is left of a secret there must not be shown either.
func TestASecretThatIsCutIsHidden(t *testing.T) {
	for n := range 30 {
		s := answerWith(t, http.StatusUnauthorized, strings.Repeat(".", excerptBytes-n)+"long-passw0rd and more")
		if report := show(examine(t, patient, opensearchHead+serverOptions(s))); strings.Contains(report, "long") {
			t.Fatalf("cut %d bytes after the beginning of the secret:\n%s", n, report)
		}
	}
}

func TestWhatServersAnswerIsSafeToPrint(t *testing.T) {
	s := answerWith(t, http.StatusUnauthorized, "\x1b[2Jowned\r\n\u202egnp.exe\x00\xff \u0085")
	facts := examine(t, patient, opensearchHead+serverOptions(s))
	wants(t, facts, probe.Error, "sign-in", `\x1b[2Jowned`, `\u202egnp.exe\x00\xff`)
	for _, f := range facts {
		if strings.ContainsAny(f.Text+f.Fix, "\x1b\x00\r\n\u202e\u0085") {
			t.Errorf("got %q, want no control characters", f.Text)
		}
	}
}

func TestServersAreCheckedSideBySideWithinABound(t *testing.T) {
	var now, most atomic.Int64
	release := make(chan struct{})
	released := sync.OnceFunc(func() { close(release) })
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if n == maxAtOnce { // also later, when one that was released is followed by the next
			released()
		}
		<-release
		now.Add(-1)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(s.Close)
	facts := examine(t, patient, strings.Repeat(opensearchHead+serverOptions(s), 3*maxAtOnce))
	if most.Load() != maxAtOnce {
		t.Errorf("got %d servers at once, want %d", most.Load(), maxAtOnce)
	}
	if n := len(slices.DeleteFunc(facts, func(f probe.Fact) bool { return f.Step != "sign-in" })); n != 3*maxAtOnce {
		t.Errorf("got %d answers, want %d", n, 3*maxAtOnce)
	}
}

func TestAServerThatFailsIsAWarningWhereAnotherOneWorks(t *testing.T) {
	good := healthy(t).start()
	facts := examine(t, patient, fmt.Sprintf("<match **>\n  @type opensearch\n  hosts %s,127.0.0.1:1\n  user router\n  password x\n</match>\n", good.Listener.Addr()))
	wants(t, facts, probe.Warning, "connect", "connection refused", "another server of this output works")
	if slices.ContainsFunc(facts, isError) {
		t.Errorf("got an error:\n%s", show(facts))
	}
}

func TestNamesThatDoNotExist(t *testing.T) {
	facts := examine(t, limits{20 * time.Second, 20 * time.Second, time.Minute}, "[OUTPUT]\n  name loki\n  match *\n  host nothing.invalid\n")
	wants(t, facts, probe.Error, "dns", "nothing.invalid")
}

func TestProxies(t *testing.T) {
	a := newAuthority(t)
	server := secureServer(t, a.issue(t, "localhost", time.Now().AddDate(1, 0, 0)), http.NotFoundHandler())
	for _, c := range []struct {
		status int
		level  probe.Level
		text   string
	}{{200, probe.OK, "the proxy connects to"}, {407, probe.Error, "refuses the sign-in"}, {403, probe.Error, "NO_PROXY"}} {
		proxy := listen(t, func(conn net.Conn) { tunnelTo(conn, server.Listener.Addr().String(), c.status) })
		address := strings.TrimSpace(strings.NewReplacer("  host ", "", "\n  port ", ":").Replace(proxy))
		output := "[OUTPUT]\n  name http\n  match *\n  tls on\n  tls.ca_file " + a.file + "\n  proxy http://u:p@" + address + "\n" + serverOptions(server)
		facts := examine(t, patient, output)
		wants(t, facts, c.level, "proxy", c.text)
		if c.status == http.StatusOK {
			wants(t, facts, probe.OK, "certificate", "is verified by")
			wants(t, facts, probe.OK, "http", "the server speaks HTTP")
		}
	}
}

// tunnelTo answers CONNECT with a status, and then is a tunnel.
func tunnelTo(conn net.Conn, address string, status int) {
	var head []byte
	for b := make([]byte, 1); !bytes.HasSuffix(head, []byte("\r\n\r\n")); head = append(head, b[0]) {
		if _, err := conn.Read(b); err != nil {
			return
		}
	}
	fmt.Fprintf(conn, "HTTP/1.1 %d x\r\n\r\n", status)
	if status != http.StatusOK {
		conn.Close()
		return
	}
	up, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	go func() { _, _ = io.Copy(up, conn); up.Close() }()
	_, _ = io.Copy(conn, up)
	conn.Close()
}

func TestTheQueuesFolderIsCheckedWithoutWriting(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	facts := queueFacts(filepath.Join(dir, "a", "b"), 1<<20, 0)
	wants(t, facts, probe.OK, "queue", "doesn't exist yet; it can be made in "+dir)
	wants(t, facts, probe.OK, "disk", "the queues take 1.0 MiB at most")
	wants(t, queueFacts(filepath.Join(file, "b"), 0, 1), probe.Warning, "queue", "in memory", "mount a volume")
	wants(t, queueFacts(dir, 1<<60, 0), probe.Warning, "disk", "but the queues may take")
	wants(t, queueFacts("", 0, 1), probe.Note, "queue", "as the configuration says")
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("got %d files, want the test's own only", len(entries))
	}
}

func TestInputsSocketsAreTried(t *testing.T) {
	l, err := freeport.Listener()
	if err != nil {
		t.Fatal(err)
	}
	taken := router.Listener{Network: "tcp", Address: l.Addr().String()}
	wants(t, []probe.Fact{listenFact(context.Background(), taken)}, probe.OK, "listen", "probably a running router")
	l.Close()
	wants(t, []probe.Fact{listenFact(context.Background(), taken)}, probe.OK, "listen", "the router can listen")
	wants(t, []probe.Fact{listenFact(context.Background(), router.Listener{Network: "tcp", Address: "192.0.2.1:5000"})}, probe.Error, "listen", "can't listen")
	p, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	wants(t, []probe.Fact{listenFact(context.Background(), router.Listener{Network: "udp", Address: p.LocalAddr().String()})}, probe.Note, "listen", "is in use")
}

func TestTheReportIsOneJSONDocument(t *testing.T) {
	s := healthy(t).start()
	r := Run(context.Background(), Options{Plan: compile(t, opensearchHead+serverOptions(s)), limits: patient})
	var b bytes.Buffer
	if err := r.JSON(&b); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Parts []struct {
			Kind, ID, Plugin, Place, Server string
			Facts                           []struct{ Step, Level, Text, Fix string }
		}
		Errors, Warnings *int
	}
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Parts) != 3 || doc.Parts[0].Kind != "output" || doc.Parts[0].Plugin != "opensearch" || doc.Parts[0].Place != "test.conf:6" || doc.Errors == nil || doc.Warnings == nil {
		t.Errorf("got %s", b.String())
	}
	if f := doc.Parts[0].Facts; len(f) == 0 || f[0].Step != "connect" || f[0].Level != "ok" {
		t.Errorf("got the facts %v, want the connection first", f)
	}
}

func FuzzCleanTextHasNoControlCharacters(f *testing.F) {
	f.Add("\x1b[2J", "secret")
	f.Add("a\xff\u202e", "\xff")
	f.Add("secretsecret", "sec")
	f.Fuzz(func(t *testing.T, text, secret string) {
		m := newMask([]string{secret})
		got := m.clean(probe.Fact{Text: text}).Text
		for _, c := range got {
			if c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 || c == '\u202e' {
				t.Errorf("got %q", got)
			}
		}
		if s := strings.TrimSpace(secret); len(s) >= wholeWord && !strings.Contains(hidden, s) && strings.Contains(m.hide(text), s) && !strings.Contains(strings.ReplaceAll(text, s, hidden), s) {
			t.Errorf("got the secret %q in %q", s, got)
		}
	})
}
