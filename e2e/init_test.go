package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/e2e/servers"
	"github.com/firelane/firelane/ecs/ecstest"
)

// The files that the init image's variables name come out of a bucket of moto, with the metadata of a task.
func TestInitImagesFilesComeFromS3(t *testing.T) {
	moto, dir, metadata := servers.Moto(t), t.TempDir(), ecstest.New()
	defer metadata.Close()
	servers.Boto(t, `import boto3, sys
s3 = boto3.client('s3', endpoint_url=sys.argv[1])
s3.create_bucket(Bucket='conf', CreateBucketConfiguration={'LocationConstraint': 'eu-west-1'})
s3.put_object(Bucket='conf', Key='a/parser.conf', Body=b'[PARSER]\n    Name number\n    Format regex\n    Regex ^n=(?<n>\\d+)\n    Types n:integer\n')
s3.put_object(Bucket='conf', Key='a/output.conf', Body=('[FILTER]\n    Name parser\n    Match *\n    Key_Name log\n    Parser number\n'
    '[OUTPUT]\n    Name file\n    Match *\n    Path %s\n    File ${ECS_TASK_DEFINITION}\n    Format plain\n' % sys.argv[2]).encode())`, moto, dir)
	env := append(servers.MotoEnv(), "AWS_ENDPOINT_URL_S3="+moto, "ECS_CONTAINER_METADATA_URI_V4="+metadata.URI(),
		"aws_fluent_bit_init_s3_1=arn:aws:s3:::conf/a/output.conf", "aws_fluent_bit_init_s3_2=arn:aws:s3:::conf/a/parser.conf")
	generated := "[SERVICE]\n    storage.path " + dir + "/queue\n[INPUT]\n    Name forward\n    unix_path " + dir + "/in.sock\n"
	p := startProgram(t, dir, generated, "", env...)
	p.mustSend(t, 0, 1000)
	p.says(t, `"message":"firelane is running"`, time.Minute)
	p.stop(t)
	text, err := os.ReadFile(filepath.Join(dir, "web:7"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), `{"n":`); n != 1000 {
		t.Errorf("got %d parsed records in the file that the task's definition names, want 1000: %.300s", n, text)
	}

	for _, c := range [][2]string{
		{"aws_fluent_bit_init_s3_1=arn:aws:s3:::conf/none", "the bucket conf has no object none (404 NoSuchKey"},
		{"aws_fluent_bit_init_s3_1=arn:aws:s3:::gone/none", "the bucket gone doesn't exist (404 NoSuchBucket"},
	} {
		_, stderr := checkWith(t, filepath.Join(dir, "firelane.conf"), append(servers.MotoEnv(), "AWS_ENDPOINT_URL_S3="+moto, c[0])...)
		if !strings.Contains(stderr, c[1]) {
			t.Errorf("%s: got %q, want %q", c[0], stderr, c[1])
		}
	}
}

// The entry points and commands of the images that firelane replaces start it, in its image.
func TestEntryPointsOfTheImagesThatAreReplaced(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "x.conf")
	text := "[INPUT]\n    Name forward\n[OUTPUT]\n    Name null\n    Match *\n@INCLUDE /fluent-bit/configs/minimize-log-loss.conf\n"
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(dir, "own.conf")
	if err := os.WriteFile(own, []byte("[SERVICE]\n    Flush 7\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	fluentd := filepath.Join(dir, "fluent.conf")
	if err := os.WriteFile(fluentd, []byte("<source>\n  @type forward\n</source>\n<match **>\n  @type null\n</match>\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		entry   string
		command []string
		want    string
	}{
		{"/fluent-bit/bin/fluent-bit", []string{"-e", "/fluent-bit/firehose.so", "-c", "/x.conf", "-D"}, "configuration test is successful"},
		{"", []string{"/fluent-bit/bin/fluent-bit", "-c", "/x.conf", "-D"}, "configuration test is successful"},
		{"", []string{"/fluent-bit/bin/fluent-bit", "-c", "/x.conf", "-S"}, "grace 30s"},
		{"", []string{"/bin/sh", "-c", "cat /AWS_FOR_FLUENT_BIT_VERSION && echo && exec /fluent-bit/bin/fluent-bit -c /x.conf -D"}, "firelane "},
		{"/bin/sh", []string{"-c", `printf "$CONF" > /y.conf && fluent-bit -c /y.conf -S`}, "input dummy.0"},
		{"/bin/entrypoint.sh", []string{"fluentd", "--dry-run"}, "configuration test is successful"},
		{"tini", []string{"--", "/bin/entrypoint.sh", "fluentd", "-c", "/fluentd/etc/fluent.conf", "--dry-run"}, "configuration test is successful"},
		{"fluentd", []string{"-c", "/fluentd/etc/fluent.conf", "--dry-run"}, "configuration test is successful"},
	} {
		args := []string{"run", "--rm", "--network", "none", "-v", conf + ":/x.conf", "-v", fluentd + ":/fluentd/etc/fluent.conf",
			"-e", `CONF=[INPUT]\n  Name dummy\n[OUTPUT]\n  Name null\n  Match *\n`}
		if c.entry != "" {
			args = append(args, "--entrypoint", c.entry)
		}
		if out := docker(t, append(append(args, routerImage), c.command...)...); !strings.Contains(out, c.want) {
			t.Errorf("%s %q: got %q, want %q", c.entry, c.command, out, c.want)
		}
	}
	// A file of the user's at the path of one that is built in is read instead.
	out := docker(t, "run", "--rm", "--network", "none", "-v", conf+":/x.conf", "-v", own+":/fluent-bit/configs/minimize-log-loss.conf", routerImage, "check", "--plan", "/x.conf")
	if !strings.Contains(out, "flush 7s") {
		t.Errorf("got %q, want the flush of the file on disk", out)
	}
}

// checkWith runs firelane check with further variables.
func checkWith(t *testing.T, config string, env ...string) (stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(world.binary, "check", "--plan", config)
	cmd.Env = append(os.Environ(), env...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	return out.String(), errs.String()
}
