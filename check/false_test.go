package check_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/firelane/firelane/check"
)

// mistakes are the findings about some files, each as "error F106 text", without notes about what isn't in the files.
func mistakes(t *testing.T, files map[string]string, copies []string, path string) (list []string) {
	t.Helper()
	subjects, wrong := opened(t, files, check.Options{ConfigFiles: copies, Now: now}, path)
	if len(subjects) != 1 || len(wrong) > 0 {
		t.Fatalf("got %q and %v, want one subject", names(subjects), wrong)
	}
	for _, f := range subjects[0].Run(rules()) {
		list = append(list, fmt.Sprintf("%s %s %s", f.Severity, f.Rule.Number, f.Text))
	}
	return list
}

// tells reports whether a finding begins with some words.
func tells(list []string, words string) bool {
	return slices.ContainsFunc(list, func(f string) bool { return strings.HasPrefix(f, words) })
}

func TestAWrongPatternOfTagsIsNoMissingFile(t *testing.T) {
	list := mistakes(t, map[string]string{"task.json": task(plainRouter, `"Name": "http", "Host": "h", "Match_Regex": "app(-fire"`)}, nil, "task.json")
	if !tells(list, `error F106 Match_Regex: pattern "app(-fire" can't be used`) {
		t.Errorf("got %q, want the pattern as an error", list)
	}
}

// Certificates and the like are in the router's container, and not where the check runs.
func TestFilesOfOutputsInTheContainerAreNoErrors(t *testing.T) {
	const fluentd = `"firelensConfiguration": {"type": "fluentd"}`
	for options, router := range map[string]string{
		`"Name": "http", "Host": "h", "tls": "on", "tls.crt_file": "/c.pem", "tls.key_file": "/k.pem", "tls.key_passwd": "x"`:                     plainRouter,
		`"Name": "kafka", "Brokers": "b:9092", "Topics": "t", "rdkafka.ssl.certificate.location": "/c.pem", "rdkafka.ssl.key.location": "/k.pem"`: plainRouter,
		`"Name": "loki", "Host": "h", "label_map_path": "/map.json"`:                                                                              plainRouter,
		`"Name": "es", "Upstream": "/up.conf"`: plainRouter,
		`"@type": "elasticsearch", "host": "h", "scheme": "https", "client_cert": "/c.pem", "client_key": "/k.pem"`:                                       fluentd,
		`"@type": "http", "endpoint": "https://h/", "tls_client_cert_path": "/c.pem", "tls_private_key_path": "/k.pem", "tls_private_key_passphrase": ""`: fluentd,
		`"@type": "elasticsearch", "host": "h", "template_name": "t", "template_file": "/t.json"`:                                                         fluentd,
	} {
		list := mistakes(t, map[string]string{"task.json": task(router, options)}, nil, "task.json")
		for _, number := range []string{"F104", "F106", "F108", "F191", "F304"} {
			if tells(list, "error "+number) || tells(list, "warning "+number) {
				t.Errorf("%s: got %q, want nothing of the files", options, list)
			}
		}
	}
}

func TestACertificateInALocalCopyIsLeftOutWithItsKey(t *testing.T) {
	for name, text := range map[string]string{
		"x.conf": "[OUTPUT]\n    Name http\n    Match *\n    Host a\n    tls on\n    tls.key_file /k.pem\n    tls.crt_file /c.pem\n[OUTPUT]\n    Name http\n    Match *\n    Host b\n    tls on\n    tls.crt_file /d.pem\n    tls.key_file /e.pem\n",
		"x.yaml": "pipeline:\n  outputs:\n    - name: http\n      match: '*'\n      host: a\n      tls: on\n      tls.crt_file: /c.pem\n      tls.key_file: /k.pem\n",
	} {
		router := `"firelensConfiguration": {"type": "fluentbit", "options": {"config-file-type": "file", "config-file-value": "/` + name + `"}}`
		if list := mistakes(t, map[string]string{"task.json": task(router, `"Name": "null"`), name: text}, []string{name}, "task.json"); tells(list, "error F106") || tells(list, "error F108") {
			t.Errorf("%s: got %q, want nothing of the files", name, list)
		}
	}
}

func TestAnOptionThatTheOutputHasIsNoneOfTheLogDriver(t *testing.T) {
	for options, want := range map[string]bool{
		`"Name": "syslog", "Host": "h", "mode": "tls", "syslog_message_key": "log"`: false,
		`"Name": "syslog", "Host": "h", "mode": "tls", "Port": "many"`:              false, // it doesn't start
		`"Name": "forward", "Host": "h", "tag": "x"`:                                false,
		`"Name": "http", "Host": "h", "mode": "non-blocking"`:                       true,
		`"Name": "http", "Host": "h", "tag": "x"`:                                   true,
	} {
		if list := mistakes(t, map[string]string{"task.json": task(plainRouter, options)}, nil, "task.json"); tells(list, "warning F515") != want {
			t.Errorf("%s: got %q, want F515: %v", options, list, want)
		}
	}
}

func TestSecretsInATaskDefinitionAreKnownByTheirOptions(t *testing.T) {
	const fluentd = `"firelensConfiguration": {"type": "fluentd"}`
	for options, c := range map[string]struct {
		router string
		want   bool
	}{
		`"Name": "http", "Host": "h", "oauth2.enable": "on", "oauth2.client_id": "i", "oauth2.client_secret": "${S}", "oauth2.token_url": "https://h/token"`: {plainRouter, false},
		`"Name": "http", "Host": "h", "Header": "Authorization Bearer abcdef"`:                                                                               {plainRouter, true},
		`"Name": "http", "Host": "h", "Header": "X-Env prod"`:                                                                                                {plainRouter, false},
		`"Name": "http", "Host": "h", "Proxy": "http://proxy:3128"`:                                                                                          {plainRouter, false},
		`"Name": "http", "Host": "h", "HTTP_User": "u", "HTTP_Passwd": "abcdef"`:                                                                             {plainRouter, true},
		`"Name": "http", "Host": "h", "HTTP_User": "u", "HTTP_Passwd": "abcdef", "Port": "many"`:                                                             {plainRouter, true}, // it doesn't start
		`"@type": "s3", "s3_bucket": "my-bucket", "s3_region": "eu-west-1", "aws_key_id": "A", "aws_sec_key": "abcdef"`:                                      {fluentd, true},
	} {
		if list := mistakes(t, map[string]string{"task.json": task(c.router, options)}, nil, "task.json"); tells(list, "warning F511") != c.want {
			t.Errorf("%s: got %q, want F511: %v", options, list, c.want)
		}
	}
}

func TestOnlyHeadersAndProxiesWithACredentialAreSecretsInAFile(t *testing.T) {
	for options, want := range map[string]bool{
		"proxy http://proxy:3128": false, "proxy http://user:pass@proxy:3128": true,
		"headers {\"X-Env\":\"prod\"}": false, "headers {\"Authorization\":\"Bearer abcdef\"}": true, "headers {\"X-Api-Key\":\"abcdef\"}": true,
	} {
		text := "<source>\n  @type forward\n</source>\n<match **>\n  @type http\n  endpoint http://h.example.com/\n  " + options + "\n</match>\n"
		list := mistakes(t, map[string]string{"fluent.conf": text}, nil, "fluent.conf")
		if got := tells(list, "warning F314"); got != want {
			t.Errorf("%s: got %q, want F314: %v", options, list, want)
		}
		if got := tells(list, "warning F316"); strings.HasPrefix(options, "headers") && got != want {
			t.Errorf("%s: got %q, want F316: %v", options, list, want)
		}
	}
}

func TestTheInitImagesVariablesMayHaveACapitalAndNoNumber(t *testing.T) {
	for _, name := range []string{"aws_fluent_bit_init_S3_1", "aws_fluent_bit_init_File_1", "aws_fluent_bit_init_s3"} {
		value := map[bool]string{true: "arn:aws:s3:::bucket/x.conf", false: "/x.conf"}[strings.Contains(strings.ToLower(name), "s3")]
		files := map[string]string{"task.json": task(plainRouter+`, "environment": [{"name": "`+name+`", "value": "`+value+`"}]`, `"Name": "null"`), "x.conf": configuration}
		if list := mistakes(t, files, []string{"x.conf"}, "task.json"); tells(list, "warning F509") || tells(list, "error F509") {
			t.Errorf("%s: got %q, want nothing of the variable", name, list)
		}
	}
}

func TestAVariableThatSomethingElseSetsOrReplacesIsNotUnset(t *testing.T) {
	router := func(kind, file string) string {
		return `"firelensConfiguration": {"type": "` + kind + `", "options": {"config-file-type": "file", "config-file-value": "` + file + `"}}`
	}
	for name, c := range map[string]struct{ router, options, text, want string }{
		"x.yaml": {router("fluentbit", "/x.yaml"), `"Name": "null"`, "env:\n  SET: a\npipeline:\n  filters:\n    - name: record_modifier\n      match: '*'\n      record:\n        - a ${SET}\n        - b ${UNSET}x\n", "UNSET"},
		"y.conf": {router("fluentd", "/y.conf"), `"@type": "null"`, "<filter **>\n  @type record_transformer\n  <record>\n    a \"#{ENV['SET'] || 'x'}\"\n    b \"#{ENV['UNSET']}\"\n  </record>\n</filter>\n", "UNSET"},
	} {
		list := mistakes(t, map[string]string{"task.json": task(c.router, c.options), name: c.text}, []string{name}, "task.json")
		if tells(list, "warning F508 The configuration uses the variable SET,") || !tells(list, "warning F508 The configuration uses the variable UNSET,") {
			t.Errorf("%s: got %q, want F508 of UNSET alone", name, list)
		}
	}
}

func TestNamesOfServersOfOthersInACloudMayBeWithoutTLS(t *testing.T) {
	for host, want := range map[string]bool{
		"ec2-52-1-2-3.compute-1.amazonaws.com": false, "ec2-52-1-2-3.eu-west-1.compute.amazonaws.com": false, "web-123.eu-west-1.elb.amazonaws.com": false,
		"vpce-0a1b-c2d3.vpce-svc-0e4f.eu-west-1.vpce.amazonaws.com": false, "vm.westeurope.cloudapp.azure.com": false, "logs.eu-west-1.amazonaws.com": true,
	} {
		text := "[INPUT]\n    Name forward\n[OUTPUT]\n    Name http\n    Match *\n    Host " + host + "\n    Port 9200\n    http_user u\n    http_passwd ${P:-x}\n"
		list := mistakes(t, map[string]string{"f.conf": text}, nil, "f.conf")
		if tells(list, "error F302") != want || tells(list, "warning F316") == want {
			t.Errorf("%s: got %q, want F302: %v, otherwise F316", host, list, want)
		}
		text = strings.Replace(text, "    Port", "    tls On\n    tls.verify Off\n    Port", 1)
		subjects, _ := opened(t, map[string]string{"f.conf": text}, check.Options{Now: now}, "f.conf")
		for _, f := range subjects[0].Run(rules()) {
			if f.Rule.Number == "F303" && (f.Fix != nil) != want {
				t.Errorf("%s: got the fix %v, want one: %v", host, f.Fix, want)
			}
		}
	}
}

// Fluent Bit numbers inputs together, and an alias changes no tag.
func TestAnInputWithoutATagHasTheRoutersDefaultTag(t *testing.T) {
	text := "[INPUT]\n    Name forward\n[INPUT]\n    Name dummy\n    Alias other\n[OUTPUT]\n    Name stdout\n    Match %s\n"
	for match, want := range map[string]bool{"dummy.1": false, "other": true, "dummy.0": true} {
		list := mistakes(t, map[string]string{"f.conf": fmt.Sprintf(text, match)}, nil, "f.conf")
		if tells(list, "warning F402 Records of the input dummy, with the tag dummy.1,") != want {
			t.Errorf("%s: got %q, want F402: %v", match, list, want)
		}
	}
}

// Fluentd's log has tags such as fluent.info.
func TestTheRoutersOwnLogGetsToTheOutputsOfItsLevels(t *testing.T) {
	const text = "<source>\n  @type forward\n</source>\n<match app.**>\n  @type null\n</match>\n<label @FLUENT_LOG>\n  <filter fluent.*>\n    @type stdout\n  </filter>\n  <match %s>\n    @type stdout\n  </match>\n</label>\n"
	for _, match := range []string{"fluent.*", "fluent.{warn,error}", "**"} {
		if list := mistakes(t, map[string]string{"f.conf": fmt.Sprintf(text, match)}, nil, "f.conf"); tells(list, "warning F402") || tells(list, "error F402") {
			t.Errorf("%s: got %q, want no F402", match, list)
		}
	}
}

// Fluent Bit ignores such a section.
func TestAMisspelledSectionIsAnErrorThatTheRouterStartsWith(t *testing.T) {
	const text = "[INPUT]\n    Name forward\n[%s]\n    Name null\n    Match a\n[OUTPUT]\n    Name null\n    Match *\n"
	for name, want := range map[string]string{"OUTPTU": "error", "OUTPUT_SWITCHED_OFF": "warning"} {
		list := mistakes(t, map[string]string{"f.conf": fmt.Sprintf(text, name)}, nil, "f.conf")
		if !tells(list, want+" F104 unknown section ["+name+"], which is ignored, as in Fluent Bit") || strings.Contains(fmt.Sprint(list), "doesn't start") {
			t.Errorf("%s: got %q, want F104 as %s", name, list, want)
		}
	}
}

// The file in the image may turn the HTTP server on, as AWS's examples do.
func TestWhatAFileThatIsNotHereMayChangeIsANote(t *testing.T) {
	const check = `, "stopTimeout": 20, "readonlyRootFilesystem": true, "healthCheck": {"command": ["CMD-SHELL", "curl -f http://127.0.0.1:2020/api/v1/uptime || exit 1"]}`
	file := `"firelensConfiguration": {"type": "fluentbit", "options": {"config-file-type": "file", "config-file-value": "/extra.conf"}}`
	for router, severities := range map[string][]string{file + check: {"note", "note", "note"}, plainRouter + check: {"error", "warning", "warning"}} {
		list := mistakes(t, map[string]string{"task.json": task(router, `"Name": "es", "Host": "h"`)}, nil, "task.json")
		for i, number := range []string{"F520", "F523", "F531"} {
			if !tells(list, severities[i]+" "+number) {
				t.Errorf("got %q, want %s as %s", list, number, severities[i])
			}
		}
	}
}

func TestACertificateThatIsNotHereHidesNoLostLines(t *testing.T) {
	text := strings.Replace(task(plainRouter, `"Name": "http", "Host": "h", "tls": "on", "tls.ca_file": "/ca.pem"`), "}}}]}", `}}}, {"name": "other", "image": "i", "logConfiguration": {"logDriver": "awsfirelens"}}]}`, 1)
	if list := mistakes(t, map[string]string{"task.json": text}, nil, "task.json"); !tells(list, "error F501 other has no log options") {
		t.Errorf("got %q, want F501 of other", list)
	}
}

// In YAML a # in quotes belongs to the value, so that F109 says nothing.
func TestANameWithANumberSignInYAMLIsChecked(t *testing.T) {
	text := "pipeline:\n  inputs:\n    - name: forward\n  outputs:\n    - name: es\n      match: '*'\n      host: h\n      index: 'app # x'\n"
	if list := mistakes(t, map[string]string{"f.yaml": text}, nil, "f.yaml"); !tells(list, "warning F201") {
		t.Errorf("got %q, want F201", list)
	}
}
