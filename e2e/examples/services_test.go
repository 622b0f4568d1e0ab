package examples

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/firelane/firelane/e2e/sigv4"
	"github.com/firelane/firelane/ecs/ecstest"
	"github.com/firelane/firelane/sink/aws/put/puttest"
	"github.com/firelane/firelane/sink/bulk/bulktest"
	"github.com/firelane/firelane/sink/cloudwatch/cloudwatchtest"
	"github.com/firelane/firelane/sink/datadog/datadogtest"
	"github.com/firelane/firelane/sink/firehose/firehosetest"
	"github.com/firelane/firelane/sink/httpout/httpouttest"
	"github.com/firelane/firelane/sink/kinesis/kinesistest"
	"github.com/firelane/firelane/sink/loki/lokitest"
	"github.com/firelane/firelane/sink/newrelic/newrelictest"
	"github.com/firelane/firelane/sink/prometheus/prometheustest"
	"github.com/firelane/firelane/sink/s3/s3test"
)

// The task's region, and its secrets by the names that the cases use.
const (
	region  = puttest.Region
	secret  = "s3cr3t"
	token   = "task-role-token" // of the task role's keys
	crossID = "ASIACROSSACCOUNT"
)

// taskRole answers what the agent answers for the task's role.
func taskRole(w http.ResponseWriter, _ *http.Request) {
	json.NewEncoder(w).Encode(map[string]string{
		"AccessKeyId": puttest.AccessKey, "SecretAccessKey": puttest.SecretKey, "Token": token,
		"Expiration": time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
	})
}

// A standIn is a service of a handler and what it prints.
type standIn struct {
	http.Handler
	print func() []string
}

func (s *standIn) lines() []string { return s.print() }

// stand makes the stand-in of a host.
func (n *internet) stand(address string) service {
	host, _, _ := strings.Cut(address, ":")
	name, _, _ := strings.Cut(host, ".")
	switch {
	case host == "sts."+region+".amazonaws.com":
		return securityTokens()
	case host == "logs."+region+".amazonaws.com":
		return n.signed("logs", cloudWatch())
	case host == "firehose."+region+".amazonaws.com":
		return n.signed("firehose", firehose())
	case host == "kinesis."+region+".amazonaws.com":
		return n.signed("kinesis", kinesis())
	case strings.HasSuffix(host, ".s3."+region+".amazonaws.com"):
		return n.bucket(name)
	case strings.HasSuffix(host, "."+region+".es.amazonaws.com"):
		return n.signed("es", search(""))
	case strings.HasSuffix(host, "."+region+".aoss.amazonaws.com"):
		return n.signed("aoss", search(""))
	case strings.HasSuffix(host, ".found.io"):
		return search(secret)
	case host == "aps-workspaces."+region+".amazonaws.com":
		return n.signed("aps", prometheus())
	case host == "http-intake.logs.datadoghq.com":
		s := datadogtest.New(datadogtest.Options{Key: secret})
		return &standIn{s, func() (all []string) {
			for _, log := range s.Logs() {
				all = append(all, string(log))
			}
			return all
		}}
	case host == "log-api.newrelic.com":
		return newRelic()
	case strings.HasSuffix(host, ".grafana.net"):
		s := lokitest.New(lokitest.Options{User: "user_id", Pass: secret})
		return &standIn{s, func() (all []string) {
			for _, e := range s.Entries() {
				all = append(all, e.Labels+" "+e.Line)
			}
			return all
		}}
	}
	return web()
}

// signed has requests verified before a service sees them.
func (n *internet) signed(name string, s service) service {
	keys := sigv4.Keys{AccessKey: puttest.AccessKey, SecretKey: puttest.SecretKey, Token: token}
	if n.c.signer != "" {
		keys = sigv4.Keys{AccessKey: n.c.signer, SecretKey: secret, Token: token}
	}
	return &standIn{&sigv4.Verifier{Keys: keys, Region: region, Service: name, Next: s}, s.lines}
}

// securityTokens answers AssumeRole.
func securityTokens() service {
	var mu sync.Mutex
	var roles []string
	return &standIn{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.Form.Get("Action") != "AssumeRole" || !strings.Contains(r.Header.Get("Authorization"), puttest.AccessKey) {
			http.Error(w, "want AssumeRole by the task's role", http.StatusForbidden)
			return
		}
		mu.Lock()
		roles = append(roles[:0], "AssumeRole "+r.Form.Get("RoleArn"))
		mu.Unlock()
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>`+
			`<AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration>`+
			`</Credentials></AssumeRoleResult></AssumeRoleResponse>`, crossID, secret, token, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return roles
	}}
}

// cloudWatch prints GROUP STREAM MESSAGE, with the format after the message if the request's header has one.
func cloudWatch() service {
	var mu sync.Mutex
	formats := map[string]string{} // by group:stream
	s := cloudwatchtest.New(cloudwatchtest.Options{Call: func(op string, _ int, r *http.Request, body []byte) (f cloudwatchtest.Fault) {
		var q struct{ LogGroupName, LogStreamName string }
		if op == "PutLogEvents" && json.Unmarshal(body, &q) == nil {
			mu.Lock()
			defer mu.Unlock()
			formats[q.LogGroupName+":"+q.LogStreamName] = r.Header.Get("X-Amzn-Logs-Format")
		}
		return f
	}})
	return &standIn{s, func() (all []string) {
		mu.Lock()
		defer mu.Unlock()
		for key := range s.Streams() {
			group, stream, _ := strings.Cut(key, ":")
			for _, e := range s.Events(group, stream) {
				all = append(all, strings.TrimSpace(group+" "+stream+" "+quoted(e.Message)+" "+formats[key]))
			}
		}
		return all
	}}
}

// quoted is a message in one line.
func quoted(message string) string {
	if strings.Contains(message, "\n") && !strings.HasPrefix(message, "{") {
		return fmt.Sprintf("%q", message)
	}
	return message
}

// streamNames are those of the cases.
var streamNames = []string{"my-stream", "my-data-stream", "stream-one", "stream-two"}

func firehose() service {
	s := firehosetest.New(streamNames...)
	s.Server.Close() // only its handler is used
	return &standIn{s.Config.Handler, func() (all []string) {
		for _, name := range streamNames {
			for _, data := range s.Records(name) {
				all = append(all, name+" "+strings.TrimSuffix(string(data), "\n"))
			}
		}
		return all
	}}
}

func kinesis() service {
	s := kinesistest.New(4, streamNames...)
	s.Server.Close() // only its handler is used
	return &standIn{s.Config.Handler, func() (all []string) {
		for _, name := range streamNames {
			for _, r := range s.Records(name) {
				all = append(all, name+" "+strings.TrimSuffix(string(r.Data), "\n"))
			}
		}
		return all
	}}
}

// search prints INDEX DOCUMENT.
func search(password string) service {
	s := bulktest.New(bulktest.Options{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, given, _ := r.BasicAuth(); given != password {
			http.Error(w, "wrong password", http.StatusUnauthorized)
			return
		}
		s.ServeHTTP(w, r)
	})
	return &standIn{h, func() (all []string) {
		for _, index := range s.Indices() {
			for _, d := range s.Documents(index) {
				all = append(all, index+" "+string(d.Source))
			}
		}
		return all
	}}
}

func prometheus() service {
	s := prometheustest.New(prometheustest.Options{Path: "/workspaces/ws-1/api/v1/remote_write"})
	return &standIn{s, func() (all []string) {
		for name := range s.Series() {
			if strings.HasPrefix(name, "node_load1{") {
				all = append(all, strings.ReplaceAll(name, "{", "("))
			}
		}
		return all
	}}
}

func newRelic() service {
	s := newrelictest.New(newrelictest.Options{Key: secret})
	return &standIn{s, func() (all []string) {
		for _, log := range s.Logs() {
			text, _ := json.Marshal(log)
			all = append(all, string(text))
		}
		return all
	}}
}

// web is a server of HTTP that prints METHOD PATH, the headers that a configuration set, and the record.
func web() service {
	var mu sync.Mutex
	var paths []string // of each record
	s := httpouttest.New(httpouttest.Options{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		path := r.Method + " " + r.URL.RequestURI() + " " + r.Header.Get("Content-Type")
		if v := r.Header.Get("Sourcename"); v != "" {
			path += " sourceName: " + v
		}
		if v := r.Header.Get("Content-Encoding"); v != "" {
			path += " " + v
		}
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil {
			r.Header.Set("Content-Type", kind) // the stand-in knows no charset
		}
		before := s.Count()
		s.ServeHTTP(w, r)
		for range s.Count() - before {
			paths = append(paths, path)
		}
	})
	return &standIn{h, func() (all []string) {
		mu.Lock()
		defer mu.Unlock()
		for i, r := range s.Records() {
			all = append(all, paths[i]+" "+r)
		}
		return all
	}}
}

// Parts of an object's key that differ each time.
var (
	keyTime   = regexp.MustCompile(`\d{4}/\d\d/\d\d/\d\d/\d\d/\d\d`)
	keyRandom = regexp.MustCompile(`-object[0-9A-Za-z]+`)
)

// bucket is a bucket of S3: with the case's objects, or one that objects are written to.
func (n *internet) bucket(name string) service {
	conf := ecstest.New()
	conf.Server.Close() // only its handler is used
	for key, text := range n.c.objects {
		if bucket, key, _ := strings.Cut(key, "/"); bucket == name {
			conf.Put(region, bucket, key, text)
		}
	}
	logs := s3test.New(name)
	logs.Server.Close() // only its handler is used
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = "/" + name + r.URL.Path
		if r.Method == http.MethodGet && r.URL.RawQuery != "uploads" && !strings.HasPrefix(r.URL.RawQuery, "uploads") {
			asked := httptest.NewRequest(r.Method, r.URL.Path, nil)
			asked.Header = r.Header
			conf.ServeHTTP(w, asked)
			return
		}
		logs.Config.Handler.ServeHTTP(w, r)
	})
	return &standIn{h, func() (all []string) {
		for key, o := range logs.Objects() {
			key = keyRandom.ReplaceAllString(keyTime.ReplaceAllString(key, "DATE"), "-objectRANDOM")
			for line := range strings.Lines(string(o.Body)) {
				all = append(all, key+" "+strings.TrimSpace(line))
			}
		}
		return all
	}}
}
