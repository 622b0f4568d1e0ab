package aws

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/enrich/aws/awstest"
	"github.com/firelane/firelane/enrich/steptest"
	"github.com/firelane/firelane/record"
)

// added is what the filter makes of the record {"log":"x"}.
func added(t *testing.T, f enrich.Filter) string {
	t.Helper()
	body, err := record.AppendFromJSON(nil, []byte(`{"log":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	ev := record.Event{Body: body}
	if !f.Apply(&ev, &enrich.Scratch{}) {
		t.Error("the record was dropped")
	}
	return string(record.AppendJSON(nil, ev.Body))
}

func filterOf(t *testing.T, o Options, base string) enrich.Filter {
	t.Helper()
	f, err := newFilter(&o, config.FluentBit, enrich.Env{Log: zerolog.Nop()}, base)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.(enrich.Closer).Close)
	return f
}

func TestTheFirstRecordHasWhatTheInstanceSays(t *testing.T) {
	s := awstest.New(awstest.Options{TokenRequired: true, Tags: map[string]string{"Name": "web 1", "team/a": "b", "secret": "s"}})
	defer s.Close()
	all := Options{Version: "v2", Zone: true, InstanceID: true, InstanceType: true, PrivateIP: true, VPC: true, AMI: true, Account: true, Hostname: true,
		Tags: true, Include: []string{"Name"}, Entity: true}
	want := `{"log":"x","az":"eu-west-1b","ec2_instance_id":"i-0123456789abcdef0","ec2_instance_type":"t4g.small","private_ip":"10.0.0.7",` +
		`"vpc_id":"vpc-0123456789abcdef0","ami_id":"ami-0123456789abcdef0","account_id":"123456789012","hostname":"ip-10-0-0-7.eu-west-1.compute.internal",` +
		`"Name":"web 1","aws_entity_ec2_instance_id":"i-0123456789abcdef0","aws_entity_account_id":"123456789012"}`
	f := filterOf(t, all, s.URL)
	if got := added(t, f); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	asked := s.Requests.Load()
	if added(t, f); s.Requests.Load() != asked {
		t.Error("the service was asked for the second record")
	}
	if got := added(t, filterOf(t, Options{Version: "v2", Tags: true, Exclude: []string{"secret", "Name"}}, s.URL)); got != `{"log":"x","team/a":"b"}` {
		t.Errorf("got %s, want the tag that isn't excluded", got)
	}
}

func TestVersion1NeedsNoToken(t *testing.T) {
	s := awstest.New(awstest.Options{})
	defer s.Close()
	if got := added(t, filterOf(t, Options{Version: "v1", Zone: true, Tags: true}, s.URL)); got != `{"log":"x","az":"eu-west-1b"}` || s.Requests.Load() != 2 {
		t.Errorf("got %s by %d requests", got, s.Requests.Load())
	}
	strict := awstest.New(awstest.Options{TokenRequired: true})
	defer strict.Close()
	var log bytes.Buffer
	f, _ := newFilter(&Options{Version: "v1", Zone: true}, config.FluentBit, enrich.Env{Log: zerolog.New(&log)}, strict.URL)
	got := added(t, f)
	f.(enrich.Closer).Close()
	if got != `{"log":"x"}` || !strings.Contains(log.String(), "imds_version v2") {
		t.Errorf("got %s and log %s, want the version to use", got, &log)
	}
}

func TestWhatIsMissingIsLeftOutAndAskedForAgain(t *testing.T) {
	s := awstest.New(awstest.Options{Missing: []string{"meta-data/local-ipv4"}})
	defer s.Close()
	f := filterOf(t, Options{Version: "v2", Zone: true, PrivateIP: true, InstanceID: true, Retry: 1}, s.URL)
	if got, want := added(t, f), `{"log":"x","az":"eu-west-1b","ec2_instance_id":"i-0123456789abcdef0"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	asked := s.Requests.Load()
	for s.Requests.Load() < asked+2 { // a token, and what was missing
		added(t, f)
		time.Sleep(10 * time.Millisecond)
	}
}

func TestAServiceThatDoesNotAnswerHoldsUpOneRecordForASecond(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := awstest.New(awstest.Options{})
	s.Hang.Store(true)
	f := filterOf(t, Options{Version: "v2", Zone: true, Retry: 300}, s.URL)
	begin := time.Now()
	for range 1000 {
		if got := added(t, f); got != `{"log":"x"}` {
			t.Fatalf("got %s", got)
		}
	}
	if took := time.Since(begin); took > firstWait+requestTime {
		t.Errorf("1000 records took %v, want about %v", took, firstWait)
	}
	f.(enrich.Closer).Close()
	s.CloseClientConnections()
	s.Close()
}

func TestTheStepKeepsTheContract(t *testing.T) {
	s := awstest.New(awstest.Options{})
	defer s.Close()
	steptest.Run(t, func() enrich.Stage {
		f, err := newFilter(&Options{Version: "v2", Zone: true}, config.FluentBit, enrich.Env{Log: zerolog.Nop()}, s.URL)
		if err != nil {
			t.Fatal(err)
		}
		return f
	})
}

func TestAddingAllocatesNothing(t *testing.T) {
	s := awstest.New(awstest.Options{})
	defer s.Close()
	f := filterOf(t, Options{Version: "v2", Zone: true, InstanceID: true}, s.URL)
	added(t, f)
	scratch, ev, body := &enrich.Scratch{}, record.Event{}, record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 1), "log"), "x")
	if n := testing.AllocsPerRun(100, func() {
		scratch.Reset()
		ev = record.Event{Body: body}
		f.Apply(&ev, scratch)
	}); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}
