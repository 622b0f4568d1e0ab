package ecs

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/firelane/firelane/ecs/ecstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T) *ecstest.Server {
	t.Helper()
	s := ecstest.New()
	t.Cleanup(s.Close)
	for _, e := range s.Environ() {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	return s
}

func TestMetadataBecomesTheVariablesOfTheInitImage(t *testing.T) {
	s := serve(t)
	s.Fail(2) // it is asked again
	task, err := Metadata(t.Context(), s.URI())
	if err != nil {
		t.Fatal(err)
	}
	got, err := task.Variables()
	want := map[string]string{
		"AWS_REGION": "eu-west-1", "AWS_AVAILABILITY_ZONE": "eu-west-1a", "ECS_CLUSTER": "demo",
		"ECS_TASK_ARN": "arn:aws:ecs:eu-west-1:123456789012:task/demo/0123456789abcdef", "ECS_TASK_ID": "0123456789abcdef",
		"ECS_FAMILY": "web", "ECS_LAUNCH_TYPE": "FARGATE", "ECS_REVISION": "7", "ECS_TASK_DEFINITION": "web:7",
	}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v and the error %v, want %v", got, err, want)
	}
	names := slices.Sorted(maps.Keys(got))
	if all := Variables(); !slices.Equal(names, slices.Sorted(slices.Values(all))) {
		t.Errorf("got the names %v, want %v", names, all)
	}
}

func TestWhatTheMetadataLacksIsNotExported(t *testing.T) {
	task := Task{Cluster: "demo", ARN: "arn:aws-cn:ecs:cn-north-1:1:task/old", Family: "web"}
	got, err := task.Variables()
	want := map[string]string{"AWS_REGION": "cn-north-1", "ECS_CLUSTER": "demo", "ECS_TASK_ARN": task.ARN, "ECS_TASK_ID": "old", "ECS_FAMILY": "web"}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v and the error %v, want %v", got, err, want)
	}
	for _, bad := range []Task{{ARN: "x"}, {ARN: "arn:aws:ecs:r:1:task/a", Family: "a\nb"}, {ARN: "arn:aws:ecs:r:1:task/a", Family: strings.Repeat("a", maxValue+1)}} {
		if got, err := bad.Variables(); err == nil {
			t.Errorf("got %v from %.40q, want an error", got, bad)
		}
	}
}

func TestMetadataThatIsWrongIsAnErrorAtOnce(t *testing.T) {
	s := serve(t)
	for body, want := range map[string]string{"": "can't be read", "[]": "can't be read", `"` + strings.Repeat("x", maxMetadata) + `"`: "longer than"} {
		s.SetMetadata(body)
		if task, err := Metadata(t.Context(), s.URI()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.10q: got %v and the error %v, want %q", body, task, err, want)
		}
	}
	for _, uri := range []string{s.URL + "/v4/other", "://", ""} {
		if task, err := Metadata(t.Context(), uri); err == nil {
			t.Errorf("%q: got %v, want an error", uri, task)
		}
	}
	moved := httptest.NewServer(http.RedirectHandler(s.URI()+"/task", http.StatusFound))
	defer moved.Close()
	if task, err := Metadata(t.Context(), moved.URL); err == nil {
		t.Errorf("got %v through a redirect, want an error", task)
	}
}

func TestMetadataThatNobodyAnswersEndsInTime(t *testing.T) {
	s := serve(t)
	s.Wait(time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if task, err := Metadata(ctx, s.URI()); err == nil {
		t.Errorf("got %v, want an error", task)
	}
}

func TestInitFilesAreInTheOrderOfTheirNumbers(t *testing.T) {
	files, err := InitFiles([]string{
		"aws_fluent_bit_init_s3_10=arn:c", "PATH=/bin", "aws_fluent_bit_init_File_2=/b", "aws_fluent_bit_init_s3_1=arn:a",
		"aws_fluent_bit_init_file=/z", "aws_fluent_bit_init_S3_3=arn:b", "my_aws_fluent_bit_init_file_03= /b2 ", "aws_fluent_bit_init_file_99999999999999999999=/y",
		"aws_fluent_bit_init_x=1", "x=aws_fluent_bit_init_s3_1",
	})
	var got []string
	for _, f := range files {
		got = append(got, f.Path+f.Object)
	}
	if want := []string{"arn:a", "/b", "arn:b", "/b2", "arn:c", "/y", "/z"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q and the error %v, want %q", got, err, want)
	}
	many := make([]string, maxInitFiles+1)
	for i := range many {
		many[i] = "aws_fluent_bit_init_file_1" + strings.Repeat("1", i) + "=/x"
	}
	if _, err := InitFiles(many); err == nil {
		t.Error("got no error for too many files")
	}
	if _, err := InitFiles([]string{"aws_fluent_bit_init_s3_1="}); err == nil {
		t.Error("got no error for an empty variable")
	}
}

func TestObjectsAreFetchedInOrderFromTheRegionOfTheirBucket(t *testing.T) {
	s := serve(t)
	s.Put("eu-west-1", "here", "a/one.conf", "\ufeff[FILTER]")
	s.Put("us-east-2", "there", "one.conf", "[PARSER]")
	s.Fail(2) // S3 asks for a pause
	files, err := InitFiles([]string{
		"aws_fluent_bit_init_s3_1=arn:aws:s3:::here/a/one.conf", "aws_fluent_bit_init_file_2=/x.conf", "aws_fluent_bit_init_s3_3=arn:aws:s3:::there/one.conf",
	})
	if err != nil {
		t.Fatal(err)
	}
	init, err := Fetch(t.Context(), files, "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"/init/fluent-bit-init-s3-files/one.conf", "/x.conf", "s3://there/one.conf"}
	for i, e := range init.After {
		if e.Name != want[i] || e.From != files[i].Variable || !strings.HasPrefix(init.Notes[i], e.From+": ") {
			t.Errorf("got %v and %q, want %s", e, init.Notes[i], want[i])
		}
	}
	if len(init.After) != 3 || init.Files[want[0]] != "[FILTER]" || init.Files[want[2]] != "[PARSER]" || len(init.Files) != 2 {
		t.Errorf("got %+v, want two objects and three files", init)
	}
	if local := Local(files); len(local.After) != 1 || local.After[0].Name != "/x.conf" {
		t.Errorf("got %+v, want the file in the image only", local)
	}
}

func TestARefusalOfS3SaysWhatToDo(t *testing.T) {
	s := serve(t)
	s.Put("eu-west-1", "b", "large", strings.Repeat("x", maxObject+1))
	s.Put("eu-west-1", "b", "binary", "\xff\xfe")
	s.Put("us-east-2", "hidden", "x", "")
	s.Put("eu-west-1", "b", "denied", "")
	s.Deny("b", "denied")
	s.HideRegion("hidden")
	for object, want := range map[string]string{
		"arn:aws:s3:::b/none":    "the bucket b has no object none (404 NoSuchKey",
		"arn:aws:s3:::gone/x":    "the bucket gone doesn't exist (404 NoSuchBucket",
		"arn:aws:s3:::b/denied":  "want s3:GetObject on it",
		"arn:aws:s3:::hidden/x":  "the bucket hidden is not in eu-west-1, and S3 doesn't say where",
		"arn:aws:s3:::b/large":   "larger than 512 KiB",
		"arn:aws:s3:::b/binary":  "not text",
		"arn:aws:s3:::b":         "does not name an object",
		"arn:aws:s3:::b/":        "does not name an object",
		"arn:aws:s3:::b/folder/": "does not name an object",
		"arn:aws:sqs:::b/x":      "is not the ARN of an object",
		"s3://b/x":               "is not the ARN of an object; want arn:aws:s3:::BUCKET/KEY",
		"arn:aws:s3:eu-west-1:123456789012:accesspoint/a/object/x": "does not name an object in a bucket",
	} {
		_, err := Fetch(t.Context(), []InitFile{{Variable: "v", Object: object}}, "eu-west-1")
		if err == nil || !strings.HasPrefix(err.Error(), "v: ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %q", object, err, want)
		}
	}
	for _, object := range []string{"b/denied", "b/none"} {
		if n := s.Asked(object); n > 2 { // once more with new credentials
			t.Errorf("%s was asked for %d times, want no more after it was refused", object, n)
		}
	}
	s.Fail(1000)
	_, err := Fetch(t.Context(), []InitFile{{Variable: "v", Object: "arn:aws:s3:::b/x"}}, "eu-west-1")
	if err == nil || !strings.Contains(err.Error(), "SlowDown") || !strings.Contains(err.Error(), "after 5 attempts") {
		t.Errorf("got %v, want the last of five attempts", err)
	}
}

func TestObjectsTogetherAreBounded(t *testing.T) {
	s := serve(t)
	s.Put("eu-west-1", "b", "x", strings.Repeat("x", maxObject))
	files := slices.Repeat([]InitFile{{Variable: "v", Object: "arn:aws:s3:::b/x"}}, maxInitBytes/maxObject+1)
	if _, err := Fetch(t.Context(), files, "eu-west-1"); err == nil || !strings.Contains(err.Error(), "larger than 4 MiB") {
		t.Errorf("got %v, want an error", err)
	}
	if _, err := Fetch(t.Context(), files[1:], "eu-west-1"); err != nil {
		t.Errorf("got %v for what is allowed", err)
	}
}

// What names a region becomes a part of a host's name.
func TestARegionOfS3ThatIsNoneIsNotFollowed(t *testing.T) {
	s := serve(t)
	s.Put("x.example/", "b", "x", "")
	_, err := Fetch(t.Context(), []InitFile{{Variable: "v", Object: "arn:aws:s3:::b/x"}}, "eu-west-1")
	if err == nil || !strings.Contains(err.Error(), "doesn't say where") {
		t.Errorf("got %v, want that the region is unknown", err)
	}
}

func TestFetchingEndsWithItsContext(t *testing.T) {
	s := serve(t)
	s.Put("eu-west-1", "b", "x", "")
	s.Wait(time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Fetch(ctx, []InitFile{{Variable: "v", Object: "arn:aws:s3:::b/x"}}, ""); err == nil || ctx.Err() == nil {
		t.Errorf("got the error %v, want the context's", err)
	}
}

func FuzzInit(f *testing.F) {
	f.Add("aws_fluent_bit_init_s3_1", "arn:aws:s3:::a/b", `{"TaskARN":"arn:aws:ecs:r:1:task/a"}`)
	f.Add("aws_fluent_bit_init_file_", "/x", `{}`)
	f.Fuzz(func(t *testing.T, name, value, metadata string) {
		_, _, _ = splitARN(value)
		_, _ = InitFiles([]string{name + "=" + value, name})
		_, _ = (&Task{ARN: value, Cluster: metadata, Family: name}).Variables()
	})
}
