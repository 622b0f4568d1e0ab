package bulk

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
)

func TestServersAreThoseTheOptionsName(t *testing.T) {
	upstream := filepath.Join(t.TempDir(), "upstream.conf")
	if err := os.WriteFile(upstream, []byte("[UPSTREAM]\n    name  x\n\n[NODE]\n    name a\n    host 10.0.0.1\n    port 9201\n[NODE]\n    host b\n    tls on\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cloud := func(s string) string { return "my:" + base64.StdEncoding.EncodeToString([]byte(s)) }
	tests := []struct {
		dialect config.Dialect
		set     func(*Options)
		want    string
	}{
		{config.FluentBit, nil, "http://127.0.0.1:9200"},
		{config.FluentBit, func(o *Options) { o.Host, o.Port, o.TLS = "os.example", 443, true }, "https://os.example"},
		{config.FluentBit, func(o *Options) { o.Host, o.Port = "os.example", 80 }, "http://os.example"},
		{config.FluentBit, func(o *Options) { o.Host = "::1" }, "http://[::1]:9200"},
		{config.FluentBit, func(o *Options) { o.Host = "https://os.example/es/" }, "https://os.example/es"},
		{config.FluentBit, func(o *Options) { o.Host, o.Port = "https://os.example", 9243 }, "https://os.example:9243"},
		{config.FluentBit, func(o *Options) { o.Host, o.Port = "https://os.example:443", 9243 }, "https://os.example"},
		{config.FluentBit, func(o *Options) { o.Host = "http://os.example" }, "http://os.example:9200"},
		{config.FluentBit, func(o *Options) { o.Path = "/es/" }, "http://127.0.0.1:9200/es"},
		{config.FluentBit, func(o *Options) { o.CloudID = cloud("eu.cloud.example$c1$k1") }, "https://c1.eu.cloud.example"},
		{config.FluentBit, func(o *Options) { o.CloudID = cloud("eu.cloud.example:9243$c1$k1") }, "https://c1.eu.cloud.example:9243"},
		{config.FluentBit, func(o *Options) { o.CloudID = cloud("eu.cloud.example$c1:9244$k1") }, "https://c1.eu.cloud.example:9244"},
		{config.FluentBit, func(o *Options) { o.Upstream = upstream }, "http://10.0.0.1:9201 https://b:9200"},
		{config.Fluentd, func(o *Options) { o.Scheme = "https" }, "https://127.0.0.1:9200"},
		{config.Fluentd, func(o *Options) { o.Hosts = "a, b:9201 ,https://c/p" }, "http://a:9200 http://b:9201 https://c/p"},
		{config.Fluentd, func(o *Options) { o.Hosts, o.Scheme = "a", "https" }, "https://a:9200"},
		{config.Fluentd, func(o *Options) { o.Endpoint = &Endpoint{URL: "https://search-x.eu-west-1.es.amazonaws.com/"} }, "https://search-x.eu-west-1.es.amazonaws.com"},
	}
	for _, tt := range tests {
		o := fluentBit(tt.set)
		if err := o.Check(tt.dialect); err != nil {
			t.Errorf("%s: %v", tt.want, err)
		}
		list, err := configuredServers(o, tt.dialect)
		if err != nil {
			t.Errorf("%s: %v", tt.want, err)
			continue
		}
		var got []string
		for i := range list {
			got = append(got, list[i].url())
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

func TestCredentialsOfHosts(t *testing.T) {
	list, err := configuredServers(fluentd(func(o *Options) { o.Hosts, o.User, o.Password = "a,https://u:p%40@b", "x", "y" }), config.Fluentd)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := list[0], list[1]; a.user != "x" || a.password != "y" || b.user != "u" || b.password != "p@" {
		t.Errorf("got %+v, want each server with its own user and password", list)
	}
	list, err = configuredServers(fluentBit(func(o *Options) {
		o.CloudID, o.CloudAuth = "x:"+base64.StdEncoding.EncodeToString([]byte("d$c")), "elastic:s:1"
	}), config.FluentBit)
	if err != nil || list[0].user != "elastic" || list[0].password != "s:1" {
		t.Errorf("got %+v and error %v, want the user and the password of cloud_auth", list, err)
	}
}

func TestFluentdEncodesWhatStandsInPercentBraces(t *testing.T) {
	for _, c := range []struct{ hosts, user, password, wantUser, wantPassword string }{
		{"", "%{j+hn}", "%{passw@rd}", "j+hn", "passw@rd"},
		{"", "%{john}", "%{a%40:/}b}", "john", "a%40:/}b"},
		{"", "j%2Bhn", "%{", "j%2Bhn", "%{"},
		{"a", "%{j+hn}", "%{passw@rd}", "j+hn", "passw@rd"},
		{"https://%{j+hn}:%{passw@rd}@a:9200", "x", "y", "j+hn", "passw@rd"},
		{"https://%{j n}:%{p/%40}:%{}@a/p", "", "", "j n", "p/%40}:%{"},
		{"https://j%2Bhn:p%40@a", "", "", "j+hn", "p@"},
	} {
		o := fluentd(func(o *Options) { o.Hosts, o.User, o.Password = c.hosts, c.user, config.Secret(c.password) })
		if err := o.Check(config.Fluentd); err != nil {
			t.Error(err)
			continue
		}
		list, err := configuredServers(o, config.Fluentd)
		if err != nil || list[0].user != c.wantUser || list[0].password != c.wantPassword {
			t.Errorf("%+v: got %+v and error %v", c, list, err)
		}
	}
	list, err := configuredServers(fluentBit(func(o *Options) { o.User = "%{j}" }), config.FluentBit)
	if err != nil || list[0].user != "%{j}" {
		t.Errorf("got %+v and error %v, want the text as it is in Fluent Bit's dialect", list, err)
	}
}

func TestErrorsOfHostsShowNoPassword(t *testing.T) {
	for name, o := range map[string]*Options{
		"hosts": fluentd(func(o *Options) { o.Hosts = "https://me:pass@word@h:92x00" }),
		"port":  fluentd(func(o *Options) { o.Hosts = "https://me:password@h:99999" }),
		"host":  fluentd(func(o *Options) { o.Host = "https://me:password@h h" }),
	} {
		if err := o.Check(config.Fluentd); err == nil || strings.Contains(err.Error(), "word") || !strings.Contains(err.Error(), "https://***@h") {
			t.Errorf("%s: got error %v, want one that hides the password", name, err)
		}
	}
}
