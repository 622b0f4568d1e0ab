package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/e2e/servers"
)

// A diagnosis is what firelane doctor says of the output of a configuration.
type diagnosis struct {
	t      *testing.T
	report string
	exit   int
	took   time.Duration
	facts  []struct{ Step, Level, Text, Fix string }
}

// diagnose runs firelane doctor with one output, in an environment.
func diagnose(t *testing.T, output string, env []string, args ...string) *diagnosis {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "firelane.conf")
	if err := os.WriteFile(file, []byte(programConfig(dir, output)), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) ([]byte, int) {
		cmd := exec.Command(world.binary, append([]string{"doctor", "-c", file}, args...)...)
		cmd.Env = append(os.Environ(), env...)
		out, err := cmd.Output()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return out, cmd.ProcessState.ExitCode()
	}
	d := &diagnosis{t: t}
	start := time.Now()
	var doc struct {
		Parts []struct {
			Kind  string
			Facts []struct{ Step, Level, Text, Fix string }
		}
	}
	out, exit := run(append(args, "--json")...)
	d.exit, d.took = exit, time.Since(start)
	if err := json.Unmarshal(out, &doc); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, p := range doc.Parts {
		if p.Kind == "output" {
			d.facts = append(d.facts, p.Facts...)
		}
	}
	text, _ := run()
	d.report, _, _ = strings.Cut(string(text), "\n\nqueue")
	t.Logf("%s, exit code %d:\n%s", d.took.Round(time.Millisecond), exit, d.report)
	return d
}

// says fails the test unless there is such a fact.
func (d *diagnosis) says(level, step string, parts ...string) {
	d.t.Helper()
	for _, f := range d.facts {
		all := f.Level == level && f.Step == step
		for _, p := range parts {
			all = all && strings.Contains(f.Text+" "+f.Fix, p)
		}
		if all {
			return
		}
	}
	d.t.Errorf("want %s %s with %q, got:\n%s", level, step, parts, d.report)
}

func (d *diagnosis) exits(code int) {
	d.t.Helper()
	if d.exit != code {
		d.t.Errorf("got exit code %d, want %d:\n%s", d.exit, code, d.report)
	}
}

// What doctor says of OpenSearch with its security plugin: who signs in, what he may do. Nothing is written unless asked.
func TestDoctorOfASecureCluster(t *testing.T) {
	search := secureSearch(t)
	const (
		api  = "/_plugins/_security/api/"
		pass = "a-Long-passw0rd-1177"
		role = `{"cluster_permissions":["cluster_composite_ops","cluster_monitor","indices:admin/index_template/get","indices:admin/index_template/simulate_index"],
			"index_permissions":[{"index_patterns":["web-*"],"allowed_actions":["crud","create_index","indices:admin/get"]}]}`
	)
	must(t)(search.Do("PUT", api+"roles/router", role))
	must(t)(search.Do("PUT", api+"internalusers/router", `{"password":"`+pass+`"}`))
	must(t)(search.Do("PUT", api+"rolesmapping/router", `{"users":["router"]}`))
	must(t)(search.Do("PUT", "/_index_template/web", `{"index_patterns":["web-*"],"template":{"settings":{"number_of_shards":2,"number_of_replicas":0}}}`))
	server := fmt.Sprintf("    Name opensearch\n    Host %s\n    Port %d\n    HTTP_User router\n", servers.SecureHost, search.Port)
	secure := server + "    tls On\n    tls.ca_file " + search.CAFile() + "\n"
	today := "web-" + time.Now().UTC().Format("2006.01.02")

	good := diagnose(t, secure+"    HTTP_Passwd "+pass+"\n", nil)
	good.says("ok", "certificate", "is verified by the authorities of")
	good.says("warning", "certificate", "expires in 23 hours")
	good.says("ok", "server", "OpenSearch 2.19.1")
	good.says("ok", "sign-in", "signed in as router; roles:", "router")
	good.says("ok", "index", today+", which doesn't exist yet")
	good.says("ok", "template", "the index template web (web-*) covers "+today+"; a new index has 2 shards")
	good.says("ok", "rights", "this user may write to "+today)
	good.says("ok", "rights", "this user may create "+today)
	good.says("ok", "shards", "of 1000 shards are used")
	good.exits(1)
	if strings.Contains(good.report, pass) {
		t.Error("the report has the password")
	}
	if indices := must2(t)(search.Do("GET", "/_cat/indices/web-*?h=index", "")); len(indices) > 0 {
		t.Errorf("got the indices %s, want none: nothing is written unless asked", indices)
	}

	bad := diagnose(t, secure+"    HTTP_Passwd wrong-password\n", nil)
	bad.says("error", "sign-in", "refuses the sign-in (401)", "correct HTTP_User and HTTP_Passwd")
	bad.exits(2)

	plain := diagnose(t, server+"    HTTP_Passwd "+pass+"\n", nil)
	plain.says("error", "tls", "the server speaks TLS", "tls On")
	plain.exits(2)

	unknown := diagnose(t, server+"    tls On\n    HTTP_Passwd "+pass+"\n", nil)
	unknown.says("error", "certificate", "unknown authority", "tls.ca_file")

	forbidden := diagnose(t, secure+"    HTTP_Passwd "+pass+"\n    Logstash_Prefix other\n", nil)
	forbidden.says("error", "rights", "may not write to other-", "indices:data/write/index")
	forbidden.exits(2)

	written := diagnose(t, secure+"    HTTP_Passwd "+pass+"\n", nil, "--write")
	written.says("ok", "write", "a test document was stored in "+today)
	written.says("ok", "write", "the test document was deleted")
	if n, err := search.Count("web-*"); err != nil || n != 0 {
		t.Errorf("got %d documents and error %v, want none left", n, err)
	}
}

// must2 is must for a call whose value is used.
func must2(t *testing.T) func([]byte, error) []byte {
	return func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

// What doctor says of clusters without users, in states that keep records from being delivered.
func TestDoctorOfClustersInTrouble(t *testing.T) {
	for _, kind := range []servers.Kind{servers.OpenSearch2(), servers.OpenSearch3(), servers.Elasticsearch7()} {
		t.Run(kind.Name, func(t *testing.T) {
			search := useSearch(t, kind)
			server := fmt.Sprintf("    Name opensearch\n    Host 127.0.0.1\n    Port %d\n", search.Port)
			today := "web-" + time.Now().UTC().Format("2006.01.02")
			d := diagnose(t, server, nil)
			_, version, _ := strings.Cut(kind.Name, "-")
			d.says("ok", "server", version)
			d.says("ok", "index", today+", which doesn't exist yet")
			d.says("note", "template", "no index template covers "+today)
			d.exits(0)

			secure := diagnose(t, server+"    tls On\n", nil)
			secure.says("error", "tls", "doesn't speak TLS", "tls Off")

			must(t)(search.Do("PUT", "/"+today, `{"settings":{"index.blocks.read_only_allow_delete":true}}`))
			diagnose(t, server, nil).says("error", "index", "is read-only, since a disk was full")
			must(t)(search.Do("PUT", "/"+today+"/_settings", `{"index.blocks.read_only_allow_delete":null}`))
			must(t)(search.Do("POST", "/"+today+"/_close", ""))
			diagnose(t, server, nil).says("error", "index", "is closed", "_open")
			must(t)(search.Do("DELETE", "/"+today, ""))

			must(t)(search.Do("PUT", "/_cluster/settings", `{"transient":{"cluster.max_shards_per_node":1,"cluster.routing.allocation.disk.threshold_enabled":true,"cluster.routing.allocation.disk.watermark.low":"1%","cluster.routing.allocation.disk.watermark.high":"99%","cluster.routing.allocation.disk.watermark.flood_stage":"100%"}}`))
			full := diagnose(t, server, nil)
			full.says("error", "shards", "of 1 shards are used", "none are left for a new index")
			full.says("warning", "disk", "over the low watermark (1%)")
			must(t)(search.Do("PUT", "/_cluster/settings", `{"transient":{"cluster.max_shards_per_node":null,"cluster.routing.allocation.disk.threshold_enabled":false,"cluster.routing.allocation.disk.watermark.low":null,"cluster.routing.allocation.disk.watermark.high":null,"cluster.routing.allocation.disk.watermark.flood_stage":null}}`))

			must(t)(search.Do("PUT", "/_template/old", `{"index_patterns":["web-*"],"order":3}`))
			diagnose(t, server, nil).says("ok", "template", "the legacy index template old (web-*) covers")
			must(t)(search.Do("DELETE", "/_template/old", ""))
			diagnose(t, server+"    Pipeline none\n", nil).says("error", "pipeline", "the ingest pipeline none doesn't exist")
			if kind.Name == servers.OpenSearch3().Name {
				must(t)(search.Do("PUT", "/_index_template/stream", `{"index_patterns":["web-*"],"data_stream":{}}`))
				stream := diagnose(t, server+"    Write_Operation index\n", nil)
				stream.says("note", "template", "makes a data stream")
				stream.says("error", "index", "takes only create")
				must(t)(search.Do("DELETE", "/_index_template/stream", ""))
			}
		})
	}
}

// Certificates of nginx that expire soon, or are for another name.
func TestDoctorOfCertificates(t *testing.T) {
	ca, err := servers.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, ca.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host, level, text string
		exit              int
	}{
		{"localhost", "warning", "expires in 23 hours", 1},
		{"other.example", "error", "it is not for localhost", 2},
	} {
		port, err := servers.FreePort(19500, 19599)
		if err != nil {
			t.Fatal(err)
		}
		nginx, err := servers.StartNginx(t.TempDir(), ca, c.host, port, "127.0.0.1:1")
		if err != nil {
			t.Fatal(err)
		}
		output := fmt.Sprintf("    Name http\n    Host localhost\n    Port %d\n    http_user u\n    tls On\n    tls.ca_file %s\n", port, file)
		d := diagnose(t, output, nil)
		d.says(c.level, "certificate", c.text)
		d.exits(c.exit)
		if c.exit == 1 {
			d.says("ok", "clock", "is right")
			d.says("warning", "http", "502") // what nginx stands before doesn't run
		}
		plain := diagnose(t, strings.Replace(output, "tls On", "tls Off", 1), nil)
		plain.says("error", "tls", "the server speaks TLS")
		nginx.Stop(5 * time.Second)
	}
}

// Whose credentials they are, by moto's STS, and what its services have.
func TestDoctorOfAWS(t *testing.T) {
	url := servers.Moto(t)
	env := append(servers.MotoEnv(), "AWS_ENDPOINT_URL_STS="+url)
	servers.Boto(t, `
import boto3, sys
k = dict(endpoint_url=sys.argv[1], region_name='eu-west-1')
boto3.client('logs', **k).create_log_group(logGroupName='/ecs/web')
boto3.client('logs', **k).put_retention_policy(logGroupName='/ecs/web', retentionInDays=30)
boto3.client('kinesis', **k).create_stream(StreamName='logs', ShardCount=2)
boto3.client('s3', **k).create_bucket(Bucket='logs', CreateBucketConfiguration={'LocationConstraint': 'eu-west-1'})
boto3.client('firehose', **k).create_delivery_stream(DeliveryStreamName='logs',
    S3DestinationConfiguration={'RoleARN': 'arn:aws:iam::123456789012:role/x', 'BucketARN': 'arn:aws:s3:::logs'})
`, url)
	for _, c := range []struct{ output, step, good, bad string }{
		{"cloudwatch_logs\n    log_stream_prefix p\n    log_group_name ", "group", "/ecs/web", "/ecs/none"},
		{"kinesis_firehose\n    delivery_stream ", "stream", "logs", "none"},
		{"kinesis_streams\n    stream ", "stream", "logs", "none"},
		{"s3\n    bucket ", "bucket", "logs", "none"},
	} {
		plain := func(name string) string {
			return "    Name " + c.output + name + "\n    region eu-west-1\n    endpoint " + url + "\n"
		}
		// programConfig has the options of a cluster's index, which others ignore with a warning.
		d := diagnose(t, plain(c.good), env)
		d.says("ok", "credentials", "from the environment (AWS_ACCESS_KEY_ID); region eu-west-1")
		d.says("ok", "identity", "account 123456789012, arn:aws:sts::123456789012:")
		d.says("ok", c.step, c.good)
		bad := diagnose(t, plain(c.bad), env)
		bad.says("error", c.step, c.bad, "doesn't exist")
		bad.exits(2)
		if strings.Contains(d.report, "secret") {
			t.Errorf("the report has the secret key:\n%s", d.report)
		}
	}
	none := diagnose(t, "    Name s3\n    bucket logs\n    region eu-west-1\n    endpoint "+url+"\n", []string{"AWS_EC2_METADATA_DISABLED=true"})
	none.says("error", "credentials", "no AWS credentials")
}

// A server that accepts connections and says nothing.
func TestDoctorDoesNotWaitForAServerThatHangs(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	for _, tls := range []string{"On", "Off"} {
		d := diagnose(t, fmt.Sprintf("    Name opensearch\n    Host 127.0.0.1\n    Port %d\n    tls %s\n", port, tls), nil)
		d.exits(2)
		if d.took > 8*time.Second {
			t.Errorf("doctor took %s", d.took)
		}
	}
}
