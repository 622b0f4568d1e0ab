package check_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/firelane/firelane/check"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs/taskdef"
)

// here is the package's folder: tests work in others.
var here, _ = os.Getwd()

// reportOf checks an input of testdata/report.
func reportOf(t *testing.T, name string) *check.Report {
	t.Helper()
	a, err := txtar.ParseFile(filepath.Join(here, "testdata/report", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	return report(t, a)
}

// golden compares a text with a file.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	file = filepath.Join(here, file)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, _ := os.ReadFile(file); !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s", file, got)
	}
}

func TestJSONIsTheSchemaOfThePage(t *testing.T) {
	var got bytes.Buffer
	if err := reportOf(t, "task-rewrite").JSON(&got); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/report.json", got.Bytes())
	page, err := os.ReadFile(filepath.Join(here, "../docs/check.md"))
	if err != nil {
		t.Fatal(err)
	}
	var whole any
	if err := json.Unmarshal(got.Bytes(), &whole); err != nil {
		t.Fatal(err)
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, inner := range v {
				if !bytes.Contains(page, []byte("`"+key+"`")) {
					t.Errorf("docs/check.md does not describe the field %s", key)
				}
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	walk(whole)
}

// finding is a report with one finding.
func finding(f check.Finding) *check.Report {
	if f.Rule == nil {
		f.Rule = &check.Rule{Number: "F999", Name: "test"}
	}
	return &check.Report{Subjects: []check.Checked{{Subject: &check.Subject{Name: "test"}, Findings: []check.Finding{f}}}}
}

func TestWorkflowCommandsAreEscapedAsGitHubReadsThem(t *testing.T) {
	at := taskdef.Place{Pos: config.Pos{File: "a,b:c%.json", Line: 7}, Path: "x"}
	for _, c := range []struct {
		f    check.Finding
		want string
	}{
		{check.Finding{At: at, Text: "100 %\nsecond: line, with all\r"}, "::error file=a%2Cb%3Ac%25.json,line=7,title=F999 test::x: 100 %25%0Asecond: line, with all?\n"},
		{check.Finding{Severity: check.Warning, Text: "t", Want: "w"}, "::warning title=F999 test::t%0Awant: w\n"},
		{check.Finding{Severity: check.Note, Text: "::set-output name=x::y"}, "::notice title=F999 test::::set-output name=x::y\n"},
	} {
		var got bytes.Buffer
		if err := finding(c.f).GitHub(&got); err != nil || got.String() != c.want {
			t.Errorf("got %q, %v, want %q", &got, err, c.want)
		}
	}
}

func TestStatusIsTheExitCode(t *testing.T) {
	for _, c := range []struct {
		severity       check.Severity
		normal, strict int
	}{{check.Error, 2, 2}, {check.Warning, 0, 1}, {check.Note, 0, 0}} {
		r := finding(check.Finding{Severity: c.severity})
		if r.Status(false) != c.normal || r.Status(true) != c.strict {
			t.Errorf("%s: got %d and %d, want %d and %d", c.severity, r.Status(false), r.Status(true), c.normal, c.strict)
		}
	}
}

func TestThePolicyHasOneStatementForTheSameActions(t *testing.T) {
	var got bytes.Buffer
	r := reportOf(t, "task-destinations")
	r.Subjects = append(r.Subjects, reportOf(t, "task-good").Subjects...)
	if err := r.IAM(&got); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/iam.json", got.Bytes())
	var doc struct{ Statement []struct{ Action []string } }
	if err := json.Unmarshal(got.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, s := range doc.Statement {
		if key := strings.Join(s.Action, " "); seen[key] {
			t.Errorf("two statements for %s, want one", key)
		} else {
			seen[key] = true
		}
	}
}

// What an attacker, or a mistake, may put into a file: a terminal must not obey it, and a log of CI must not have the secret.
func TestAReportHasNoControlCharactersAndNoSecrets(t *testing.T) {
	lines := []string{
		"\x1b[31mred\x1b]0;title\x07", `"HTTP_Passwd": "hunter2",`, "    HTTP_Passwd hunter2", "  password hunter2", "  pwd hunter2", `"db_pass": "hunter2"`, "connection_string AccountKey=hunter2;x", `{"name":"DD_API_KEY","value":1,"apikey":"hunter2"}`,
		"url https://user:hunter2@os.example/", "\u202eevil\u009b31m\u2028", `Header Authorization Bearer hunter2`, `"splunk_token" : 'hunter2'`, "license_key: hunter2",
		`"value": "hunter2"`, "  value = 'hunter2'", "  Value: hunter2", "Record password hunter2", `"webhook": "https://hooks.slack.com/services/hunter2"`,
		`{"name": "DB_PASSWORD", "value": "hunter2"}`, "- {name: DB_PASSWORD, value: hunter2}", "  - value: hunter2", "url https://hunter2@os.example/", "uri /in?a=b&token=hunter2",
		`"command": ["CMD-SHELL", "curl -u user:hunter2 http://localhost/"]`, `["curl", "--user", "user:hunter2"]`, "https://user:a#?hunter2@os.example",
	}
	for _, line := range lines {
		r := finding(check.Finding{At: taskdef.Place{Pos: config.Pos{File: "f\x1b[2J", Line: 1}, Path: "p\x1b"}, Text: "text\x1b[0m\u009b\u202e"})
		r.Read = func(string) (string, bool) { return line, true }
		r.Subjects[0].Findings = append(r.Subjects[0].Findings, check.Finding{
			Rule: r.Subjects[0].Findings[0].Rule, Fix: &check.Fix{Pos: config.Pos{File: "f", Line: 1}, Old: line, New: line + "x"},
		})
		for name, write := range map[string]func(*bytes.Buffer) error{
			"text": func(b *bytes.Buffer) error { return r.Text(b) }, "GitHub": func(b *bytes.Buffer) error { return r.GitHub(b) }, "JSON": func(b *bytes.Buffer) error { return r.JSON(b) },
		} {
			var got bytes.Buffer
			if err := write(&got); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(got.String(), "hunter2") {
				t.Errorf("%s of %q has the secret:\n%s", name, line, &got)
			}
			if strings.ContainsAny(got.String(), "\x1b\x07\u202e\u009b\u2028") {
				t.Errorf("%s of %q has control characters:\n%q", name, line, &got)
			}
		}
	}
}

// What a finding says of a value, it says without the secrets of a URL in it.
func TestTheTextOfAFindingHasNoSecretsOfURLs(t *testing.T) {
	r := report(t, &txtar.Archive{Files: []txtar.File{{Name: "fluent-bit.conf", Data: []byte(`[INPUT]
    Name forward
[OUTPUT]
    Name http
    Match *
    Host h
    URI /in?token=hunter2
[OUTPUT]
    Name opensearch
    Match *
    Host https://user:hunter2@h/p?api_key=hunter2
`)}}})
	var got bytes.Buffer
	for _, write := range []func(io.Writer) error{r.Text, r.GitHub, r.JSON} {
		if err := write(&got); err != nil {
			t.Fatal(err)
		}
	}
	if text := got.String(); strings.Contains(text, "hunter2") || !strings.Contains(text, "host h, port 443, tls On, and the options for user and password") {
		t.Errorf("got the secret, or not the rest:\n%s", text)
	}
}

// A program that applies the fixes of the report may not write stars into a file.
func TestAFixOfALineWithASecretIsNotInJSON(t *testing.T) {
	for _, name := range []string{"Format", "HTTP_Passwd"} {
		line := "    " + name + " hunter2"
		r := finding(check.Finding{Fix: &check.Fix{Pos: config.Pos{File: "f", Line: 1}, Old: line, New: line + "x"}})
		r.Read = func(string) (string, bool) { return line, true }
		var got bytes.Buffer
		if err := r.JSON(&got); err != nil || strings.Contains(got.String(), `"fix"`) != (name == "Format") {
			t.Errorf("%s: got %s, %v", name, &got, err)
		}
	}
}

// What a file has may not become a command of GitHub in the log of a CI.
func TestNoLineOfAReportBeginsWithTwoColons(t *testing.T) {
	var got bytes.Buffer
	if err := finding(check.Finding{Text: "::stop-commands::x " + strings.Repeat("x ", 60) + strings.Repeat("::error::y ", 20)}).Text(&got); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(got.String()) {
		if strings.HasPrefix(strings.TrimSpace(line), "::") {
			t.Errorf("got the line %q", line)
		}
	}
}

// Reports fit into a terminal, and into the log of a CI.
func TestNoLineOfAReportIsLongerThanAHundredColumns(t *testing.T) {
	files, err := filepath.Glob("testdata/report/*.txt")
	if err != nil || len(files) < 80 {
		t.Fatalf("got %d reports, %v, want at least 80", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSuffix(line, "\n")
			words := strings.Fields(strings.TrimLeft(line, " |+>-"))
			if utf8.RuneCountInString(line) > 100 && len(words) > 1 && !strings.HasPrefix(line, "  - ") && !strings.HasPrefix(line, "  + ") {
				t.Errorf("%s: %q has %d columns", file, line, utf8.RuneCountInString(line))
			}
			for _, r := range line {
				if r > 0x7e && !strings.Contains(file, "unicode") {
					t.Errorf("%s: %q has %q, want plain ASCII", file, line, r)
				}
			}
		}
	}
}

// Every rule about task definitions, and every difference that check tells, is in a report that people have read.
func TestEveryRuleHasAReport(t *testing.T) {
	files, err := filepath.Glob("testdata/report/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	for _, r := range append(check.TaskRules(canRun), check.DifferenceRules()...) {
		if !strings.Contains(all.String(), " "+r.Number+" "+r.Name+" ") {
			t.Errorf("no report of testdata/report has %s %s", r.Number, r.Name)
		}
	}
}

// The agent writes a value with a line break as several lines, of which a mistake would show the second one.
func TestALineOfASecretIsNotShown(t *testing.T) {
	r := report(t, &txtar.Archive{Files: []txtar.File{{Name: "f.json", Data: []byte(`{"family": "f", "containerDefinitions": [
{"name": "r", "image": "firelane", "firelensConfiguration": {"type": "fluentbit"}},
{"name": "a", "image": "x", "logConfiguration": {"logDriver": "awsfirelens", "options": {"Name": "http", "Host": "h", "private_key": "-----BEGIN\nhunter2\nhunter2 hunter2"}}}]}`)}}})
	var got bytes.Buffer
	for _, write := range []func(io.Writer) error{r.Text, r.GitHub, r.JSON} {
		if err := write(&got); err != nil {
			t.Fatal(err)
		}
	}
	if text := got.String(); strings.Contains(text, "hunter2") || !strings.Contains(text, "the value has a line break, so that ECS writes it as several lines") {
		t.Errorf("got the secret, or no mistake:\n%s", text)
	}
}
