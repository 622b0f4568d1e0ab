package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/firelane/firelane/e2e/servers"
)

// numbersIn prints how many objects and unfinished uploads are in the bucket logs, how many of the numbers up to argument 2 are
// missing in them, and how many are there more than once.
const numbersIn = `
import boto3, collections, io, json, pyarrow.parquet, re, sys
s3 = boto3.client('s3', endpoint_url=sys.argv[1])
seen, objects = collections.Counter(), 0
for page in s3.get_paginator('list_objects_v2').paginate(Bucket='logs'):
    for o in page.get('Contents', []):
        objects += 1
        body = s3.get_object(Bucket='logs', Key=o['Key'])['Body'].read()
        if body[:4] == b'PAR1':
            logs = pyarrow.parquet.read_table(io.BytesIO(body))['log'].to_pylist()
        else:
            logs = [json.loads(line)['log'] for line in body.splitlines()]
        for log in logs:
            seen[int(re.match('n=([0-9]+)', log)[1])] += 1
print(objects, len(s3.list_multipart_uploads(Bucket='logs').get('Uploads', [])),
    sum(1 for n in range(int(sys.argv[2])) if seen[n] == 0), sum(1 for n in seen if seen[n] > 1))
`

// s3Config is a configuration for a bucket of moto.
func s3Config(dir, moto, format string) string {
	return fmt.Sprintf(`[SERVICE]
    storage.path %[1]s/queue
    Grace 30
[INPUT]
    Name forward
    unix_path %[1]s/in.sock
[OUTPUT]
    Name s3
    Match *
    bucket logs
    endpoint %[2]s
    total_file_size 7M
    upload_timeout 2s
    format %[3]s
    s3_key_format /$TAG[0]/%%Y/%%m/%%d/$UUID
`, dir, moto, format)
}

// Each record is in one object, as AWS's own client reads them, although the router is killed again and again while it sends, and
// the bucket is missing at first; no unfinished upload is left.
func TestS3HasEachRecordOnceWhateverKillsTheRouter(t *testing.T) {
	for _, format := range []string{"json_lines", "parquet"} {
		t.Run(format, func(t *testing.T) { testS3(t, format) })
	}
}

func testS3(t *testing.T, format string) {
	const records, kills = 100_000, 10
	moto, dir := servers.Moto(t), t.TempDir()
	config := s3Config(dir, moto, format)
	p := startProgram(t, dir, config, "", servers.MotoEnv()...)
	p.mustSend(t, 0, records)
	servers.Boto(t, `import boto3, sys
boto3.client('s3', endpoint_url=sys.argv[1]).create_bucket(Bucket='logs', CreateBucketConfiguration={'LocationConstraint': 'eu-west-1'})`, moto)
	peak := 0.0
	for n := range kills {
		time.Sleep(time.Duration(50+100*n) * time.Millisecond)
		peak = max(peak, p.peak(t))
		if err := p.cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_ = p.cmd.Wait()
		p = startProgram(t, dir, config, "", servers.MotoEnv()...)
	}
	time.Sleep(time.Second)
	peak = max(peak, p.peak(t))
	p.stop(t)
	got := strings.Fields(servers.Boto(t, numbersIn, moto, strconv.Itoa(records)))
	if len(got) != 4 || got[0] == "0" || got[1] != "0" || got[2] != "0" || got[3] != "0" {
		t.Errorf("got %v (objects, unfinished uploads, missing, twice), want objects and no others", got)
	}
	if peak > 50 {
		t.Errorf("got a peak of %.0f MiB, want at most 50 MiB", peak)
	}
	t.Logf("%v objects, peak %.0f MiB", got, peak)
}
