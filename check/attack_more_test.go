package check_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/firelane/firelane/check"
)

// .NET, in which GitHub's runner is written, trims more than blanks in front of a command.
func TestNoBlankLetsALineBeACommand(t *testing.T) {
	for _, blank := range []string{"", "  ", "\t", "\v", "\u0085", "\u00a0", "\u1680", "\u2003", "\u2028", "\u202f", "\u205f", "\u3000", " \u00a0 \u3000"} {
		text := "a\n" + blank + "::stop-commands::x\n"
		if got, want := check.Uncommand(text), "a\n"+blank+`\::stop-commands::x`+"\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for _, blank := range []string{"\u00a0", "\u3000"} {
		task := `{"family": "f", "containerDefinitions": [
  {"name": "r", "image": "firelane", "firelensConfiguration": {"type": "fluentbit"}},
  {"name": "` + blank + `::stop-commands::x", "image": "i", "logConfiguration": {"logDriver": "awsfirelens", "options": {"Name": "http", "Host": "h"}}}]}`
		conf := blank + "::stop-commands::x\n[INPUT]\n    Name forward\n[OUTPUT]\n" + blank + "::stop-commands::y z\n    Name http\n    Hots x\n"
		for name, text := range map[string]string{"t.json": task, "f.conf": conf} {
			r := report(t, &txtar.Archive{Files: []txtar.File{{Name: name, Data: []byte(text)}}})
			var b bytes.Buffer
			if err := r.Text(&b); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(b.String(), "::stop-commands") {
				t.Errorf("%s: got %s, want the name in it", name, b.String())
			}
			for line := range strings.Lines(b.String()) {
				if strings.HasPrefix(strings.TrimSpace(line), "::") {
					t.Errorf("%s: the report has the command %q", name, line)
				}
			}
		}
	}
}

func TestAFileIsPrivateByItsModeAndThatOfItsFolders(t *testing.T) {
	root := t.TempDir()
	if err := os.Chmod(filepath.Dir(root), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", root+"/home")
	for _, dir := range []string{"home/.aws", "home/.ssh", "home/project/parts", "closed/open", "open"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, mode := range map[string]os.FileMode{
		"home/.aws/credentials": 0o600, "home/.ssh/config": 0o644, "home/parsers.conf": 0o644, "home/own.conf": 0o600, "home/other.conf": 0o600,
		"home/project/f.conf": 0o644, "home/project/parts/p.conf": 0o600, "closed/open/x.conf": 0o644, "open/x.conf": 0o644, "open/y.conf": 0o600,
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte("x"), mode); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"home/project/link": "../.aws/credentials", "loop": "loop", "home/link.conf": "other.conf"} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, closed := range []string{"closed", "home/.ssh", "home"} {
		if err := os.Chmod(filepath.Join(root, closed), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		wd, named, file string
		want            bool
	}{
		{"open", "", "open/x.conf", false},
		{"home/project", "", "open/x.conf", false},
		{"home/project", "", "open/y.conf", true},
		{"open", "", "open/y.conf", false},
		{"open", "", "closed/open/x.conf", true},
		{"open", "", "home/parsers.conf", true},
		{"home/project", "", "home/project/parts/p.conf", false},
		{"home/project", "", "home/project/link", true},
		{"home/project", "", "home/.aws/credentials", true},
		{"open", "", "loop", true},
		{"open", "", "none", false},
		{"open", "", "open/x.conf/none", false},
		// The home folder, and those above it, have more than the project.
		{"home", "", "home/parsers.conf", false},
		{"home", "", "home/.aws/credentials", true},
		{"home", "", "home/.ssh/config", true},
		{"", "", "home/.aws/credentials", true},
		{"/", "", "home/.aws/credentials", true},
		{"/", "", "home/parsers.conf", true},
		{"open", "home/own.conf", "home/.aws/credentials", true},
		{"open", "home/own.conf", "home/own.conf", false},
		{"open", "home/own.conf", "home/other.conf", true},
		{"open", "home/link.conf", "home/link.conf", true},
		{"open", "home/project", "home/project/parts/p.conf", false},
	} {
		wd := tt.wd
		if wd != "/" {
			wd = filepath.Join(root, wd)
		}
		t.Chdir(wd)
		var named []string
		if tt.named != "" {
			named = []string{filepath.Join(root, tt.named)}
		}
		if got := check.Private(filepath.Join(root, tt.file), named); got != tt.want {
			t.Errorf("%s, in %q, with %q: private %v, want %v", tt.file, tt.wd, tt.named, got, tt.want)
		}
	}
}

// pictureOf is the picture of a configuration of Fluent Bit or Fluentd.
func pictureOf(t *testing.T, conf string) string {
	t.Helper()
	r := report(t, &txtar.Archive{Files: []txtar.File{{Name: "f.conf", Data: []byte(conf)}}})
	var b bytes.Buffer
	if err := r.Text(&b); err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func TestTheDefaultPortIsAddedToTheHost(t *testing.T) {
	for conf, want := range map[string]string{
		"@type http\n  endpoint http://http/x":       "http://http:80/x",
		"@type http\n  endpoint http://http":         "http://http:80",
		"@type http\n  endpoint http://host:8080/x":  "http://host:8080/x",
		"@type http\n  endpoint http://[::1]/x":      "http://[::1]:80/x",
		"@type http\n  endpoint http://host/a?b=c@d": "http://host:80/a ",
	} {
		if got := pictureOf(t, "<source>\n  @type forward\n</source>\n<match **>\n  "+conf+"\n</match>\n"); !strings.Contains(got, want) {
			t.Errorf("got %s\nwant %s in it", got, want)
		}
	}
}

// A curl of the router's own page runs in Fluent Bit's dialect without allow_exec, and nothing else does.
func TestOnlyCommandsThatDoNotRunAreTold(t *testing.T) {
	const page = "curl -s http://127.0.0.1:2020/api/v1/metrics/prometheus"
	bit := func(command string) string {
		return "[SERVICE]\n    HTTP_Server On\n[INPUT]\n    Name exec\n    Tag x\n    Command " + command + "\n[OUTPUT]\n    Name stdout\n    Match *\n"
	}
	fluentd := func(command string) string {
		return "<source>\n  @type exec\n  tag x\n  command " + command + "\n  run_interval 1s\n  <parse>\n    @type none\n  </parse>\n</source>\n<match **>\n  @type stdout\n</match>\n"
	}
	for conf, told := range map[string]bool{
		bit(page): false, bit("curl -s http://example.com/"): true, bit("uptime"): true, fluentd(page): true,
		strings.Replace(bit("uptime"), "[SERVICE]", "[SERVICE]\n    allow_exec On", 1): false,
	} {
		got := pictureOf(t, conf)
		if strings.Contains(got, "F631") != told || strings.Contains(got, "which is off, because allow_exec is not on") != told {
			t.Errorf("%s\ngot %s\nwant it told: %v", conf, got, told)
		}
	}
}

// taskReport is the report of a task whose router has the container's options and the configuration.
func taskReport(t *testing.T, router, volumes, conf string) string {
	t.Helper()
	task := `{"family": "f", "requiresCompatibilities": ["FARGATE"], "memory": "512", "volumes": [` + volumes + `], "containerDefinitions": [
  {"name": "r", "image": "firelane", ` + router + ` "firelensConfiguration": {"type": "fluentbit", "options": {"config-file-type": "file", "config-file-value": "/x.conf"}}},
  {"name": "a", "image": "i", "logConfiguration": {"logDriver": "awsfirelens", "options": {"Name": "null"}}}]}`
	list, wrong := opened(t, map[string]string{"task.json": task, "x.conf": conf}, check.Options{ConfigFiles: []string{"/x.conf=x.conf"}}, "task.json")
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	var r check.Report
	r.Read = func(string) (string, bool) { return "", false }
	for _, s := range list {
		r.Add(s, check.TaskRules(func([]string) error { return nil }))
	}
	var b bytes.Buffer
	if err := r.Text(&b); err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(strings.ReplaceAll(b.String(), "|", " ")), " ")
}

func TestThePlaceOfATailEndsWithTheVolumeOfTheTask(t *testing.T) {
	const conf = "[INPUT]\n    Name tail\n    Tag t\n    Path /logs/x\n    DB /offsets/x.db\n[OUTPUT]\n    Name stdout\n    Match t\n"
	const mounts = `"mountPoints": [{"sourceVolume": "o", "containerPath": "/offsets"}],`
	for volume, want := range map[string]string{
		`{"name": "o"}`: `is kept in /offsets/x.db, on the volume "o", which ends with the task: a later task reads files`,
		`{"name": "o", "efsVolumeConfiguration": {"fileSystemId": "fs-12345678"}}`: `is kept in /offsets/x.db, on the volume "o": a later task with the same volume continues there`,
	} {
		if got := taskReport(t, mounts, volume, conf); !strings.Contains(got, want) {
			t.Errorf("got %s\nwant %s in it", got, want)
		}
	}
}

// ECS waits at most 120 s on Fargate: a Grace of more can only be made shorter.
func TestAStopTimeoutThatDoesNotHelpIsNotOffered(t *testing.T) {
	for grace, want := range map[string]string{"60": `want: "stopTimeout": 65, or FIRELANE_GRACE "25s"`, "119": `want: "stopTimeout": 120, or`, "120": `want: FIRELANE_GRACE "25s"`, "200": `want: FIRELANE_GRACE "25s"`} {
		if got := taskReport(t, "", "", "[SERVICE]\n    Grace "+grace+"\n"); !strings.Contains(got, want) {
			t.Errorf("Grace %s: got %s\nwant %s in it", grace, got, want)
		}
	}
}
