package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/firelane/firelane/e2e/servers"
)

// awsRecords is how many records are sent to each stream, fewAWSRecords where moto would be busy for too long.
const (
	awsRecords    = 100_000
	fewAWSRecords = 20_000
)

// An awsFound is what a program found in a stream: how many records of the service there are, how many lines with a number in them,
// and how many different numbers.
type awsFound struct{ Records, Lines, Numbers, Highest int }

// boto is how a program gets a client of a service.
const boto = `
import base64, boto3, gzip, hashlib, json, re, sys, zlib
def client(name): return boto3.client(name, endpoint_url=sys.argv[1])
`

// awsCount counts the lines in the texts that a program yields.
const awsCount = `
records, lines, numbers = 0, 0, set()
for text in texts():
    records += 1
    for n in re.findall(rb'n=(\d+)\.', text):
        lines += 1
        numbers.add(int(n))
print(json.dumps(dict(records=records, lines=lines, numbers=len(numbers), highest=max(numbers, default=-1))))
`

// fromBucket yields the objects that Firehose has delivered to the bucket logs.
const fromBucket = `
s3 = client('s3')
def texts():
    for page in s3.get_paginator('list_objects_v2').paginate(Bucket='logs'):
        for o in page.get('Contents', []):
            yield unpack(s3.get_object(Bucket='logs', Key=o['Key'])['Body'].read())
`

// fromStream yields the records in the stream logs.
const fromStream = `
import aws_kinesis_agg.deaggregator as agg
k = client('kinesis')
def texts():
    for shard in k.list_shards(StreamName='logs')['Shards']:
        at = k.get_shard_iterator(StreamName='logs', ShardId=shard['ShardId'], ShardIteratorType='TRIM_HORIZON')['ShardIterator']
        low, high = (int(shard['HashKeyRange'][x]) for x in ('StartingHashKey', 'EndingHashKey'))
        while at:
            page = k.get_records(ShardIterator=at, Limit=1000)
            if not page['Records']: break
            at = page.get('NextShardIterator')
            yield from unpack(page['Records'], low, high)
`

// Every record arrives once in the real clients' eyes, in each form in which it may be sent. Kinesis gets one request at a time,
// since moto loses records if there are several, and many shards, since moto's time for a record grows with those in its shard.
func TestRecordsArriveInFirehoseAndKinesis(t *testing.T) {
	const plain = "\ndef unpack(b): return b\n"
	const members = "\ndef unpack(records, low, high):\n    for r in records: yield r['Data']\n"
	const aggregated = `
def unpack(records, low, high):
    raw = [{'kinesis': {'data': base64.b64encode(r['Data']), 'partitionKey': r['PartitionKey'], 'sequenceNumber': r['SequenceNumber'],
        'kinesisSchemaVersion': '1.0', 'approximateArrivalTimestamp': 0}, 'eventSource': '', 'eventVersion': '', 'eventID': '', 'eventName': '',
        'invokeIdentityArn': '', 'awsRegion': '', 'eventSourceARN': ''} for r in records]
    for u in agg.deaggregate_records(raw):
        key = u['kinesis']['partitionKey']
        # A reader's library drops what isn't of its shard.
        if low <= int(hashlib.md5(key.encode()).hexdigest(), 16) <= high:
            yield base64.b64decode(u['kinesis']['data'])
`
	for _, c := range []struct {
		name    string
		records int
		output  string
		read    string
	}{
		{"firehose", awsRecords, "Name kinesis_firehose\n    delivery_stream logs\n    time_key time", plain + fromBucket},
		{"firehose, as the plugin in Go", awsRecords, "Name firehose\n    delivery_stream logs\n    simple_aggregation true", plain + fromBucket},
		{"firehose, gzip", awsRecords, "Name kinesis_firehose\n    delivery_stream logs\n    compression gzip\n    simple_aggregation true",
			"\ndef unpack(b): return gzip.decompress(b)\n" + fromBucket},
		{"kinesis", awsRecords, "Name kinesis_streams\n    stream logs\n    workers 1", members + fromStream},
		{"kinesis, aggregated", awsRecords, "Name kinesis\n    stream logs\n    workers 1\n    aggregation true", aggregated + fromStream},
		{"kinesis, aggregated by key", fewAWSRecords, "Name kinesis\n    stream logs\n    workers 1\n    aggregation true\n    partition_key log\n    data_keys log", aggregated + fromStream},
		{"kinesis, zlib", fewAWSRecords, "Name kinesis\n    stream logs\n    workers 1\n    compression zlib",
			"\ndef unpack(records, low, high):\n    for r in records: yield zlib.decompress(r['Data'])\n" + fromStream},
	} {
		t.Run(c.name, func(t *testing.T) {
			url := startMoto(t)
			sendToMoto(t, url, c.output, c.records)
			var f awsFound
			if err := json.Unmarshal([]byte(servers.Boto(t, boto+c.read+awsCount, url)), &f); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d records of the service", f.Records)
			if f.Lines != c.records || f.Numbers != c.records || f.Highest != c.records-1 {
				t.Errorf("got %+v, want %d lines with numbers of their own", f, c.records)
			}
		})
	}
}

// startMoto starts a moto with a bucket, a Firehose stream that delivers to it, and a Kinesis stream, each called logs.
func startMoto(t *testing.T) (url string) {
	t.Helper()
	url = servers.Moto(t)
	servers.Boto(t, boto+`
client('s3').create_bucket(Bucket='logs', CreateBucketConfiguration={'LocationConstraint': 'eu-west-1'})
client('firehose').create_delivery_stream(DeliveryStreamName='logs', DeliveryStreamType='DirectPut', S3DestinationConfiguration=dict(
    RoleARN='arn:aws:iam::123456789012:role/logs', BucketARN='arn:aws:s3:::logs'))
client('kinesis').create_stream(StreamName='logs', ShardCount=250)
`, url)
	return url
}

// sendToMoto sends n records through a router with that output, and returns when it has delivered them.
func sendToMoto(t *testing.T, url, output string, n int) {
	t.Helper()
	dir := t.TempDir()
	config := fmt.Sprintf("[SERVICE]\n    Grace 240\n    storage.path %[1]s/queue\n[INPUT]\n    Name forward\n    unix_path %[1]s/in.sock\n[OUTPUT]\n    %[2]s\n    Match *\n    endpoint %[3]s\n",
		dir, output, url)
	p := startProgram(t, dir, config, "", servers.MotoEnv()...)
	began := time.Now()
	if err := p.send(0, n, 200, nil); err != nil {
		t.Fatal(err)
	}
	p.cmd.Process.Signal(syscall.SIGTERM) // it delivers what is left first
	exited := make(chan error, 1)
	go func() { exited <- p.cmd.Wait() }()
	select {
	case err := <-exited:
		if err != nil {
			t.Fatalf("the router ended with %v", err)
		}
	case <-time.After(5 * time.Minute):
		t.Fatal("the router doesn't end")
	}
	if log := p.log(); strings.Contains(log, `"level":"error"`) {
		t.Error("the router logged an error")
	}
	t.Logf("%d records in %v", n, time.Since(began).Round(time.Millisecond))
}
